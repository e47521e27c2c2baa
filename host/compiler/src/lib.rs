//! From a WebAssembly component to machine code.
//!
//! [`compile`] refuses what is too complex and compiles the rest within bounds: in this process under a deadline, or in a
//! process of its own under a deadline and a limit of memory. [`Cache`] keeps the result on disk.
//!
//! **Why this crate has unsafe code, and why it is sound.** wasmtime runs the machine code that
//! [`Component::deserialize`] gets, so its bytes have to come from wasmtime's compiler, unchanged. A [`Machine`] holds such
//! bytes, and nothing outside of this crate can make one. It is made in three ways:
//!
//! - by wasmtime's compiler, in this process;
//! - by a [`CompilerProcess`]: the program that whoever set up this process named, which compiles with the same compiler
//!   and hands the bytes over in a pipe that no third process has;
//! - from an entry of the cache whose keyed hash is right. The key is in a file that only this user can read and write.
//!   So the entry was written by this user's durawasm, for this component and this compiler, and has not changed since.
//!   It is read into memory once, and what is in memory is checked and then used.
//!
//! wasmtime itself checks that the code was made by its own version, with the same settings, for this machine.

mod bounded;
mod bounds;
mod cache;
mod error;
mod key;
mod machine;
mod private;
mod process;
mod serve;

pub use durawasm_complexity::{ComplexityError, MAX_COMPONENT_SIZE};

pub use bounded::compile;
pub use bounds::{Bounds, CompilerProcess};
pub use cache::{Cache, MAX_CACHE_SIZE};
pub use error::{CacheError, CompileError};
pub use machine::Machine;
pub use serve::{Request, serve};

#[cfg(doc)]
use wasmtime::component::Component;
