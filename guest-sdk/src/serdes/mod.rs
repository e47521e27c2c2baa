//! Conversion of values to their recorded payloads and back.
//!
//! Invariants: the result of an operation has been serialized and deserialized by its serdes, on the first run as on
//! each replay.

mod api;
mod context;
mod default;
mod file_system;
pub(crate) mod json;

pub use self::api::Serdes;
pub use self::context::{PayloadOrigin, SerdesContext};
pub use self::default::JsonSerdes;
pub use self::file_system::{
    FileSystemPathEncoding, FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesConfigBuilder,
    FileSystemSerdesError, FileSystemSerdesMode,
};
