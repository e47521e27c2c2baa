//! What is known of the items of a component while it is read: how deep they are nested, and what instances of them
//! cost.

use std::{collections::HashMap, rc::Rc};

use super::{ComplexityError, MAX_CANONICALS, MAX_DEFINITIONS, MAX_DEPTH, MAX_INSTANCES, error::at_most};

/// The exports of an instance or a component, by name.
pub(super) type Exports<'a> = HashMap<&'a str, Item<'a>>;

/// A type, an instance or a component.
#[derive(Debug, Clone, Default)]
pub(super) struct Item<'a> {
    /// The levels of types and instances in it, itself included.
    pub(super) depth: u32,
    /// The exports, if it is an instance, a component, or the type of one.
    pub(super) exports: Rc<Exports<'a>>,
    /// What an instance of it costs, if it is a component whose content is known.
    pub(super) cost: Option<Cost>,
}

impl Item<'_> {
    /// An item without exports.
    pub(super) fn of_depth(depth: u32) -> Self {
        Self { depth, ..Self::default() }
    }
}

/// The content of a component, with each instance of a component replaced by the content of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) instances: u64,
    pub(super) definitions: u64,
    pub(super) canonicals: u64,
}

impl Cost {
    /// Adds an instance of a component. Fails if a total exceeds its limit.
    pub(super) fn add(&mut self, other: Self) -> Result<(), ComplexityError> {
        self.instances = self.instances.saturating_add(other.instances);
        self.definitions = self.definitions.saturating_add(other.definitions);
        self.canonicals = self.canonicals.saturating_add(other.canonicals);
        at_most("the number of its instances is", self.instances, MAX_INSTANCES)?;
        at_most("the number of definitions in its instances is", self.definitions, MAX_DEFINITIONS)?;
        at_most("the number of functions that it lifts and lowers is", self.canonicals, MAX_CANONICALS)
    }
}

/// The index spaces of a component, or of the type of a component or an instance. Items that a component refers to
/// before they are known are invalid; they count as deep as anything in the scope.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) types: Vec<Item<'a>>,
    pub(super) functions: Vec<u32>,
    pub(super) instances: Vec<Item<'a>>,
    pub(super) components: Vec<Item<'a>>,
    pub(super) exports: Exports<'a>,
    pub(super) cost: Cost,
    /// The depth of the deepest import or export.
    pub(super) depth: u32,
}

impl<'a> Scope<'a> {
    /// The depth of the type with this index.
    pub(super) fn depth_of_type(&self, index: u32) -> u32 {
        get(&self.types, index).map_or(1, |item| item.depth)
    }

    /// Takes note of an import or an export of this depth.
    pub(super) fn surface(&mut self, depth: u32) {
        self.depth = self.depth.max(depth);
    }

    /// The finished component, or type.
    pub(super) fn into_item(self, cost: Option<Cost>) -> Result<Item<'a>, ComplexityError> {
        Ok(Item { depth: deeper(self.depth)?, exports: Rc::new(self.exports), cost })
    }
}

/// One level more. Fails if that is too deep.
pub(super) fn deeper(depth: u32) -> Result<u32, ComplexityError> {
    let depth = depth.saturating_add(1);
    at_most("the depth of its types is", depth.into(), MAX_DEPTH.into())?;
    Ok(depth)
}

/// The element with this index.
pub(super) fn get<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(index as usize)
}
