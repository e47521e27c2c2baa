//! How complex a WebAssembly component may be.
//!
//! Validators and compilers are linear in the size of a component, with exceptions in which some kilobytes take
//! minutes, gigabytes, or more stack than a thread has: types that are nested deep, instances of instances that double,
//! functions with many variables and many blocks. The functions of this crate count these before anything else
//! interprets the bytes.
//!
//! Invariants: one pass, linear in the number of bytes; no recursion deeper than [`MAX_DEPTH`]; memory proportional to
//! the number of bytes. Each number is exact or too high, never too low. Real components are far below the limits.

mod body;
mod error;
mod limits;
mod module;
mod scope;
mod signatures;
mod types;
mod walk;

pub use error::ComplexityError;
pub use limits::{
    MAX_CANONICALS, MAX_COMPONENT_DEPTH, MAX_COMPONENT_SIZE, MAX_CORE_LOOKUPS, MAX_DEFINITIONS, MAX_DEPTH,
    MAX_FUNCTION_WORK, MAX_INSTANCES, MAX_INSTANTIATIONS, MAX_MEMORY_IMAGE, MAX_PARTS, MAX_TABLE_ELEMENTS,
    MAX_TYPE_SECTION, MAX_TYPES, MAX_WORK,
};
pub use walk::{check, check_structure};
