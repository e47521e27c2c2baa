//! Core modules: the types of their functions, what their tables and memories hold at the start, and the work to
//! compile their functions.

use wasmparser::{CompositeInnerType, Imports, MemoryType, Payload, TypeRef};

use super::{
    ComplexityError, MAX_FUNCTION_WORK, MAX_MEMORY_IMAGE, MAX_TABLE_ELEMENTS, MAX_WORK,
    body::work_of,
    error::at_most,
    signatures::{Arity, Signatures},
};

/// The largest memory that compilers write out although most of it is zero.
const SPARSE_IMAGE: u64 = 16 << 20;

/// The largest table that compilers write out.
const WRITTEN_TABLE: u64 = 1 << 20;

/// What compilers write out for the tables and memories of all modules.
#[derive(Debug, Default)]
pub(super) struct Images {
    elements: u64,
    bytes: u64,
}

/// The work to compile the functions of all modules.
#[derive(Debug)]
pub(super) struct Work(Option<u64>);

impl Work {
    /// Functions are not read: nothing will compile them.
    pub(super) fn ignored() -> Self {
        Self(None)
    }

    pub(super) fn counted() -> Self {
        Self(Some(0))
    }
}

/// What is known of a module while it is read.
#[derive(Debug, Default)]
pub(super) struct Module {
    signatures: Signatures,
    imported_functions: usize,
    bodies: usize,
    memory: u64,
}

impl Module {
    fn import(&mut self, ty: TypeRef) {
        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = ty {
            self.signatures.functions.push(ty);
        }
    }

    fn memory(&mut self, memory: MemoryType) {
        let page = memory.page_size_log2.map_or(1 << 16, |log2| 1_u64.checked_shl(log2).unwrap_or(u64::MAX));
        let size = memory.initial.saturating_mul(page).min(SPARSE_IMAGE);
        self.memory = self.memory.saturating_add(size);
    }

    /// Takes note of a section. Fails if a limit is exceeded.
    pub(super) fn payload(
        &mut self,
        payload: &Payload<'_>,
        images: &mut Images,
        work: &mut Work,
    ) -> Result<(), ComplexityError> {
        match payload {
            Payload::TypeSection(section) if work.0.is_some() => {
                for group in section.clone() {
                    let arities = group?.into_types().map(|ty| match &ty.composite_type.inner {
                        CompositeInnerType::Func(ty) => Arity {
                            parameters: u32::try_from(ty.params().len()).unwrap_or(u32::MAX),
                            results: u32::try_from(ty.results().len()).unwrap_or(u32::MAX),
                        },
                        _ => Arity::default(),
                    });
                    self.signatures.types.extend(arities.collect::<Vec<_>>());
                }
            }
            Payload::ImportSection(section) if work.0.is_some() => {
                for imports in section.clone() {
                    match imports? {
                        Imports::Single(_, import) => self.import(import.ty),
                        Imports::Compact1 { items, .. } => {
                            for item in items {
                                self.import(item?.ty);
                            }
                        }
                        Imports::Compact2 { ty, names, .. } => {
                            for name in names {
                                name?;
                                self.import(ty);
                            }
                        }
                    }
                }
                self.imported_functions = self.signatures.functions.len();
            }
            Payload::FunctionSection(section) if work.0.is_some() => {
                for ty in section.clone() {
                    self.signatures.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let initial = table?.ty.initial;
                    images.elements = images.elements.saturating_add(initial.min(WRITTEN_TABLE));
                    at_most("the number of elements in its tables is", images.elements, MAX_TABLE_ELEMENTS)?;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    self.memory(memory?);
                }
            }
            Payload::DataSection(section) if section.count() > 0 => {
                images.bytes = images.bytes.saturating_add(self.memory);
                at_most("the number of bytes in its memories is", images.bytes, MAX_MEMORY_IMAGE)?;
            }
            Payload::CodeSectionEntry(body) => {
                let Some(total) = &mut work.0 else { return Ok(()) };
                let index = self.imported_functions.saturating_add(self.bodies);
                self.bodies += 1;
                let arity = self.signatures.arity_of_function(u32::try_from(index).unwrap_or(u32::MAX));
                let function = work_of(&self.signatures, body, arity)?;
                at_most("the work to compile one of its functions is", function, MAX_FUNCTION_WORK)?;
                *total = total.saturating_add(function);
                at_most("the work to compile its functions is", *total, MAX_WORK)?;
            }
            _ => {}
        }
        Ok(())
    }
}
