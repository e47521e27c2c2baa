//! The signatures of the functions of a core module.

/// The numbers of parameters and of results of a function or a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arity {
    pub(super) parameters: u32,
    pub(super) results: u32,
}

impl Arity {
    pub(super) fn operands(self) -> u64 {
        u64::from(self.parameters) + u64::from(self.results)
    }
}

/// The signatures of a module, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) types: Vec<Arity>,
    /// The types of functions, by index.
    pub(super) functions: Vec<u32>,
}

impl Signatures {
    /// The arity of the type with this index.
    pub(super) fn arity(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    /// The arity of the function with this index.
    pub(super) fn arity_of_function(&self, index: u32) -> Arity {
        self.functions.get(index as usize).map_or_else(Arity::default, |ty| self.arity(*ty))
    }
}
