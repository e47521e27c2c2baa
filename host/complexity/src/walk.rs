//! The pass over a component.

use wasmparser::{
    CanonicalFunction, ComponentExternalKind, ComponentInstance, Encoding, Parser, Payload, WasmFeatures,
};

use super::{
    ComplexityError, MAX_COMPONENT_DEPTH, MAX_COMPONENT_SIZE, MAX_CORE_LOOKUPS, MAX_INSTANTIATIONS,
    MAX_PARTS, MAX_TYPE_SECTION,
    error::at_most,
    module::{Images, Module, Work},
    scope::{Cost, Exports, Item, Scope},
    types::{Scopes, bundle, check_text},
};

/// Checks that validating these bytes, a component or a core module, takes time and memory in proportion to their
/// number, and little stack. Metadata in a core module that describes a component is checked as well.
///
/// # Errors
/// When it may take more, or the bytes cannot be parsed.
pub fn check_structure(bytes: &[u8]) -> Result<(), ComplexityError> {
    Walk::new(Work::ignored()).run(bytes)
}

/// Checks that validating and compiling these bytes takes time and memory in proportion to their number, and little
/// stack: [`check_structure`], and the bodies of all functions.
///
/// # Errors
/// When it may take more, or the bytes cannot be parsed.
pub fn check(bytes: &[u8]) -> Result<(), ComplexityError> {
    Walk::new(Work::counted()).run(bytes)
}

/// What encloses the current position.
enum Part {
    Module(Module),
    Component,
}

struct Walk<'a> {
    parts: Vec<Part>,
    scopes: Scopes<'a>,
    count: u64,
    instantiations: u64,
    core_instances: u64,
    core_names: u64,
    images: Images,
    work: Work,
}

impl<'a> Walk<'a> {
    fn new(work: Work) -> Self {
        Self {
            parts: Vec::new(),
            scopes: Scopes::default(),
            count: 0,
            instantiations: 0,
            core_instances: 0,
            core_names: 0,
            images: Images::default(),
            work,
        }
    }

    fn run(mut self, bytes: &'a [u8]) -> Result<(), ComplexityError> {
        let size = bytes.len() as u64;
        if size > MAX_COMPONENT_SIZE {
            return Err(ComplexityError::TooLarge { size });
        }
        let mut parser = Parser::new(0);
        parser.set_features(WasmFeatures::default());
        for payload in parser.parse_all(bytes) {
            self.payload(&payload?, bytes)?;
        }
        Ok(())
    }

    fn payload(&mut self, payload: &Payload<'a>, bytes: &'a [u8]) -> Result<(), ComplexityError> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(*encoding),
            Payload::End(_) => self.leave(),
            Payload::CustomSection(section) => self.custom(section.name(), section.data()),
            _ => match self.parts.last_mut() {
                Some(Part::Module(module)) => {
                    module.payload(payload, &mut self.images, &mut self.work)?;
                    self.core_names = self.core_names.saturating_add(match payload {
                        Payload::ImportSection(section) => section.count().into(),
                        Payload::ExportSection(section) => section.count().into(),
                        _ => 0,
                    });
                    self.check_lookups()
                }
                Some(Part::Component) => self.definition(payload, bytes),
                None => Ok(()),
            },
        }
    }

    fn check_lookups(&self) -> Result<(), ComplexityError> {
        let lookups = self.core_instances.saturating_mul(self.core_names);
        at_most(
            "the number of its core instances, times the imports and exports of its modules, is",
            lookups,
            MAX_CORE_LOOKUPS,
        )
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), ComplexityError> {
        self.count += 1;
        at_most("the number of its modules and components is", self.count, MAX_PARTS)?;
        match encoding {
            Encoding::Module => self.parts.push(Part::Module(Module::default())),
            Encoding::Component => {
                self.parts.push(Part::Component);
                self.scopes.stack.push(Scope::default());
            }
        }
        let depth = self.parts.len() as u64;
        at_most("the depth of its components is", depth, MAX_COMPONENT_DEPTH.into())
    }

    fn leave(&mut self) -> Result<(), ComplexityError> {
        if let Some(Part::Component) = self.parts.pop() {
            let scope = self.scopes.stack.pop().unwrap_or_default();
            let cost = scope.cost;
            let item = scope.into_item(Some(cost))?;
            self.scopes.push(ComponentExternalKind::Component, item)?;
        }
        Ok(())
    }

    /// Tools that make a component of a core module read its types from a custom section.
    fn custom(&mut self, name: &str, data: &[u8]) -> Result<(), ComplexityError> {
        let of_module = self.parts.len() == 1 && matches!(self.parts.last(), Some(Part::Module(_)));
        if of_module && name.starts_with("component-type") {
            // Only another component can be here: one more level, in which modules have no such sections.
            return Walk::new(Work::ignored()).run(data);
        }
        Ok(())
    }

    fn definition(&mut self, payload: &Payload<'a>, bytes: &'a [u8]) -> Result<(), ComplexityError> {
        match payload {
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                Self::check_section(range.len())?;
                check_text(bytes.get(range).unwrap_or_default())?;
                for ty in section.clone() {
                    self.scopes.define(&ty?)?;
                }
            }
            Payload::CoreTypeSection(section) => {
                Self::check_section(section.range().len())?;
                self.scopes.count(section.count().into())?;
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    self.defined(1)?;
                    self.scopes.import(import?.ty)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    self.defined(1)?;
                    self.scopes.export_item(export.name.name, export.kind, export.index, export.ty)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.defined(1)?;
                    self.scopes.alias(&alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    self.add(Cost { definitions: 1, canonicals: 1, instances: 0 })?;
                    if let CanonicalFunction::Lift { type_index, .. } = function? {
                        let item = self.scopes.indexed(ComponentExternalKind::Type, type_index);
                        self.scopes.push(ComponentExternalKind::Func, item)?;
                    }
                }
            }
            Payload::InstanceSection(section) => {
                self.core_instances = self.core_instances.saturating_add(section.count().into());
                self.check_lookups()?;
                for instance in section.clone() {
                    let definitions = match instance? {
                        wasmparser::Instance::Instantiate { args, .. } => args.len(),
                        wasmparser::Instance::FromExports(exports) => exports.len(),
                    };
                    self.add(Cost { instances: 1, definitions: definitions as u64, canonicals: 0 })?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    let item = self.instance(&instance?)?;
                    self.scopes.push(ComponentExternalKind::Instance, item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_section(size: usize) -> Result<(), ComplexityError> {
        let size = size as u64;
        if size <= MAX_TYPE_SECTION { Ok(()) } else { Err(ComplexityError::TypeSection { size }) }
    }

    fn instance(&mut self, instance: &ComponentInstance<'a>) -> Result<Item<'a>, ComplexityError> {
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                self.instantiations += 1;
                at_most(
                    "the number of its instantiations of components is",
                    self.instantiations,
                    MAX_INSTANTIATIONS,
                )?;
                let component = self.scopes.indexed(ComponentExternalKind::Component, *component_index);
                let content = component.cost.ok_or(ComplexityError::ImportedComponent)?;
                self.add(Cost { instances: 1, definitions: args.len() as u64, canonicals: 0 })?;
                self.add(content)?;
                Ok(Item { cost: None, ..component })
            }
            ComponentInstance::FromExports(exports) => {
                self.defined(exports.len() as u64)?;
                let mut items = Exports::default();
                for export in exports {
                    items.insert(export.name.name, self.scopes.indexed(export.kind, export.index));
                }
                bundle(items)
            }
        }
    }

    fn defined(&mut self, definitions: u64) -> Result<(), ComplexityError> {
        self.add(Cost { definitions, ..Cost::default() })
    }

    fn add(&mut self, cost: Cost) -> Result<(), ComplexityError> {
        self.scopes.innermost().map_or(Ok(()), |scope| scope.cost.add(cost))
    }
}
