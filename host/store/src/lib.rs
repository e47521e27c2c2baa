//! Where durable executions persist: one `SQLite` file.
//!
//! A [`StoreFile`] is opened by one process at a time, and gives the server its store ([`StoreFile::store`]). A
//! [`StoreReader`] reads a file, also while a process uses it.
//!
//! Invariants:
//! - what is committed survives the end of the process and of the machine: write-ahead log, and every commit is flushed
//!   to the disk;
//! - a file that is no store, or one of a later version, is not changed;
//! - every error says which file it is about, and what to do.

mod component;
mod connection;
mod error;
mod exchange;
mod file;
mod listing;
mod log;
mod parts;
mod reader;
mod schema;
mod sqlite;
mod tables;
mod under_way;
mod verify;
mod versions;

pub use self::{
    component::ComponentDigest,
    error::StoreFileError,
    exchange::{ExchangeError, Exported},
    file::StoreFile,
    reader::{Found, Listed, StoreReader},
    sqlite::SqliteStore,
    verify::Flaw,
    versions::{Code, StoredVersion},
};
