//! A serdes that stores values in files, and records the names of the files.
//!
//! Invariants:
//! - A file whose name may be recorded is never written again: each value has its own file, which is complete before it
//!   gets its final name.
//! - The file system decides which names are unused. Names do not use a source of random numbers, so they do not change
//!   the numbers of replayed code.
//! - Only payloads that this serdes created lead to files, and only to files below the base path: a name has no parent
//!   components, and no component of its path is a symbolic link.

mod config;
mod envelope;
mod error;
mod files;
mod names;
mod serdes;

pub use self::config::{
    FileSystemPathEncoding, FileSystemSerdesConfig, FileSystemSerdesConfigBuilder, FileSystemSerdesMode,
};
pub use self::error::FileSystemSerdesError;
pub use self::serdes::FileSystemSerdes;
