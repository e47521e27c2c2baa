//! The depth of types of the component model.
//!
//! A type can be nested in two ways: its text contains other types, and it refers to earlier types. Parsers recurse over
//! the first, validators and compilers over both.

use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentDefinedType, ComponentExternalKind, ComponentOuterAliasKind, ComponentType,
    ComponentTypeDeclaration, ComponentTypeRef, ComponentValType, InstanceTypeDeclaration, TypeBounds,
};

use super::{
    ComplexityError, MAX_DEPTH, MAX_TYPES,
    error::at_most,
    scope::{Exports, Item, Scope, deeper, get},
};

/// The most levels of text that are given to the parser, which needs some hundred bytes of stack for each.
const MAX_PARSED_DEPTH: u64 = 4_000;

/// Fails if the parser could need too much stack for a section of types with these bytes.
///
/// A type in a type begins with the byte 1, for a declaration of a type, and then 0x41 or 0x42, for a component or an
/// instance. So there are at most as many levels as such pairs.
pub(super) fn check_text(section: &[u8]) -> Result<(), ComplexityError> {
    let pairs = section.windows(2).filter(|pair| matches!(pair, [1, 0x41 | 0x42])).count() as u64;
    at_most("the number of types in a section of types is", pairs, MAX_PARSED_DEPTH)
}

/// Scopes from the outermost to the innermost, and the number of types in all of them.
#[derive(Debug, Default)]
pub(super) struct Scopes<'a> {
    pub(super) stack: Vec<Scope<'a>>,
    types: u64,
}

impl<'a> Scopes<'a> {
    /// The innermost scope.
    pub(super) fn innermost(&mut self) -> Option<&mut Scope<'a>> {
        self.stack.last_mut()
    }

    fn outer(&self, count: u32) -> Option<&Scope<'a>> {
        let place = self.stack.len().checked_sub(1)?.checked_sub(count as usize)?;
        self.stack.get(place)
    }

    fn value(&self, ty: ComponentValType) -> u32 {
        match ty {
            ComponentValType::Primitive(_) => 1,
            ComponentValType::Type(index) => self.stack.last().map_or(1, |scope| scope.depth_of_type(index)),
        }
    }

    fn deepest(&self, types: impl IntoIterator<Item = ComponentValType>) -> u32 {
        types.into_iter().map(|ty| self.value(ty)).max().unwrap_or(0)
    }

    /// Counts a type without adding it.
    pub(super) fn count(&mut self, types: u64) -> Result<(), ComplexityError> {
        self.types = self.types.saturating_add(types);
        at_most("the number of its types is", self.types, MAX_TYPES)
    }

    /// Adds a type to the innermost scope.
    pub(super) fn define(&mut self, ty: &ComponentType<'a>) -> Result<(), ComplexityError> {
        let item = self.item(ty)?;
        self.push_type(item)
    }

    fn push_type(&mut self, item: Item<'a>) -> Result<(), ComplexityError> {
        self.count(1)?;
        if let Some(scope) = self.innermost() {
            scope.types.push(item);
        }
        Ok(())
    }

    fn item(&mut self, ty: &ComponentType<'a>) -> Result<Item<'a>, ComplexityError> {
        let inner = match ty {
            ComponentType::Defined(defined) => self.deepest(parts(defined)),
            ComponentType::Func(function) => {
                self.deepest(function.params.iter().map(|(_, ty)| *ty).chain(function.result))
            }
            ComponentType::Resource { .. } => 0,
            ComponentType::Component(declarations) => {
                return self.nested(declarations, |scopes, declaration| match declaration {
                    ComponentTypeDeclaration::Type(ty) => scopes.define(ty),
                    ComponentTypeDeclaration::Alias(alias) => scopes.alias(alias),
                    ComponentTypeDeclaration::Export { name, ty } => scopes.export(name.name, *ty),
                    ComponentTypeDeclaration::Import(import) => scopes.import(import.ty),
                    ComponentTypeDeclaration::CoreType(_) => scopes.count(1),
                });
            }
            ComponentType::Instance(declarations) => {
                return self.nested(declarations, |scopes, declaration| match declaration {
                    InstanceTypeDeclaration::Type(ty) => scopes.define(ty),
                    InstanceTypeDeclaration::Alias(alias) => scopes.alias(alias),
                    InstanceTypeDeclaration::Export { name, ty } => scopes.export(name.name, *ty),
                    InstanceTypeDeclaration::CoreType(_) => scopes.count(1),
                });
            }
        };
        Ok(Item::of_depth(deeper(inner)?))
    }

    /// The type of a component or an instance. This recurses over the text, which has a level for each scope.
    fn nested<D>(
        &mut self,
        declarations: &[D],
        mut declare: impl FnMut(&mut Self, &D) -> Result<(), ComplexityError>,
    ) -> Result<Item<'a>, ComplexityError> {
        at_most("the depth of its types is", self.stack.len() as u64, MAX_DEPTH.into())?;
        self.stack.push(Scope::default());
        declarations.iter().try_for_each(|declaration| declare(self, declaration))?;
        self.stack.pop().unwrap_or_default().into_item(None)
    }

    /// The item that a reference to its type describes.
    fn described(&self, ty: ComponentTypeRef) -> Item<'a> {
        let ty = match ty {
            ComponentTypeRef::Module(_) | ComponentTypeRef::Type(TypeBounds::SubResource) => None,
            ComponentTypeRef::Value(ty) => return Item::of_depth(self.value(ty)),
            ComponentTypeRef::Type(TypeBounds::Eq(index))
            | ComponentTypeRef::Func(index)
            | ComponentTypeRef::Instance(index)
            | ComponentTypeRef::Component(index) => {
                self.stack.last().and_then(|scope| get(&scope.types, index)).cloned()
            }
        };
        ty.unwrap_or_else(|| Item::of_depth(1))
    }

    /// Adds an item of this kind to its index space.
    pub(super) fn push(
        &mut self,
        kind: ComponentExternalKind,
        item: Item<'a>,
    ) -> Result<(), ComplexityError> {
        let Some(scope) = self.innermost() else { return Ok(()) };
        match kind {
            ComponentExternalKind::Module | ComponentExternalKind::Value => {}
            ComponentExternalKind::Func => scope.functions.push(item.depth),
            ComponentExternalKind::Type => return self.push_type(item),
            ComponentExternalKind::Instance => scope.instances.push(item),
            ComponentExternalKind::Component => scope.components.push(item),
        }
        Ok(())
    }

    /// Adds an import.
    pub(super) fn import(&mut self, ty: ComponentTypeRef) -> Result<(), ComplexityError> {
        let item = self.described(ty);
        if let Some(scope) = self.innermost() {
            scope.surface(item.depth);
        }
        self.push(ty.kind(), item)
    }

    /// Adds an export that is described by its type.
    fn export(&mut self, name: &'a str, ty: ComponentTypeRef) -> Result<(), ComplexityError> {
        let item = self.described(ty);
        self.add_export(name, ty.kind(), item)
    }

    /// Adds an export of a component.
    pub(super) fn export_item(
        &mut self,
        name: &'a str,
        kind: ComponentExternalKind,
        index: u32,
        ty: Option<ComponentTypeRef>,
    ) -> Result<(), ComplexityError> {
        let mut item = self.indexed(kind, index);
        if let Some(ty) = ty {
            // The type restricts what others see of the item, but not what an instance of it costs.
            let described = self.described(ty);
            item = Item { depth: item.depth.max(described.depth), ..item };
        }
        self.add_export(name, kind, item)
    }

    fn add_export(
        &mut self,
        name: &'a str,
        kind: ComponentExternalKind,
        item: Item<'a>,
    ) -> Result<(), ComplexityError> {
        if let Some(scope) = self.innermost() {
            scope.surface(item.depth);
            scope.exports.insert(name, item.clone());
        }
        self.push(kind, item)
    }

    /// The item of this kind with this index.
    pub(super) fn indexed(&self, kind: ComponentExternalKind, index: u32) -> Item<'a> {
        let scope = self.stack.last();
        let found = scope.and_then(|scope| match kind {
            ComponentExternalKind::Module | ComponentExternalKind::Value => None,
            ComponentExternalKind::Func => get(&scope.functions, index).map(|depth| Item::of_depth(*depth)),
            ComponentExternalKind::Type => get(&scope.types, index).cloned(),
            ComponentExternalKind::Instance => get(&scope.instances, index).cloned(),
            ComponentExternalKind::Component => get(&scope.components, index).cloned(),
        });
        found.unwrap_or_else(|| Item::of_depth(1))
    }

    /// Adds an alias.
    pub(super) fn alias(&mut self, alias: &ComponentAlias<'a>) -> Result<(), ComplexityError> {
        match *alias {
            ComponentAlias::CoreInstanceExport { .. } => Ok(()),
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let instance = self.indexed(ComponentExternalKind::Instance, instance_index);
                let item = instance.exports.get(name).cloned();
                self.push(kind, item.unwrap_or_else(|| Item::of_depth(instance.depth.max(1))))
            }
            ComponentAlias::Outer { kind, count, index } => {
                let Some(scope) = self.outer(count) else { return Ok(()) };
                let (kind, item) = match kind {
                    ComponentOuterAliasKind::Type => {
                        (ComponentExternalKind::Type, get(&scope.types, index).cloned())
                    }
                    ComponentOuterAliasKind::Component => {
                        (ComponentExternalKind::Component, get(&scope.components, index).cloned())
                    }
                    ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType => {
                        return self.count(1);
                    }
                };
                self.push(kind, item.unwrap_or_else(|| Item::of_depth(1)))
            }
        }
    }
}

/// An instance with these exports.
pub(super) fn bundle(exports: Exports<'_>) -> Result<Item<'_>, ComplexityError> {
    let depth = exports.values().map(|item| item.depth).max().unwrap_or(0);
    Ok(Item { depth: deeper(depth)?, exports: Rc::new(exports), cost: None })
}

/// The types that a defined type refers to.
fn parts(ty: &ComponentDefinedType<'_>) -> Vec<ComponentValType> {
    match ty {
        ComponentDefinedType::Primitive(_)
        | ComponentDefinedType::Flags(_)
        | ComponentDefinedType::Enum(_) => Vec::new(),
        ComponentDefinedType::Record(fields) => fields.iter().map(|(_, ty)| *ty).collect(),
        ComponentDefinedType::Variant(cases) => cases.iter().filter_map(|case| case.ty).collect(),
        ComponentDefinedType::Tuple(types) => types.to_vec(),
        ComponentDefinedType::Map(key, value) => vec![*key, *value],
        ComponentDefinedType::List(ty)
        | ComponentDefinedType::FixedLengthList(ty, _)
        | ComponentDefinedType::Option(ty) => vec![*ty],
        ComponentDefinedType::Own(index) | ComponentDefinedType::Borrow(index) => {
            vec![ComponentValType::Type(*index)]
        }
        ComponentDefinedType::Result { ok, err } => ok.iter().chain(err).copied().collect(),
        ComponentDefinedType::Future(ty) | ComponentDefinedType::Stream(ty) => ty.iter().copied().collect(),
    }
}
