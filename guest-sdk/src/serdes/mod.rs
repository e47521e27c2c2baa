//! How values become the text that is on record, and values again.
//!
//! Always true here: what an operation returns went through its serdes both ways, on the first run as on each replay.

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
