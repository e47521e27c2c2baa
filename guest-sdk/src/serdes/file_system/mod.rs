//! A serdes that keeps values in files, and records where they are.
//!
//! Always true here:
//! - A file that a record may name is never written again: each value gets a file of its own, whole before it is named.
//! - The file system decides which names are free. Naming takes nothing from a random source, so it shifts nothing that
//!   a replay reads.
//! - Only what this serdes recorded itself leads to a file, and only to one below the base path: no name that climbs,
//!   no symbolic link on the way.

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
