//! The entry of handlers: the functions of a component, their options, their export, and the run of one.

mod configure;
#[cfg(target_family = "wasm")]
mod export;
mod function;
mod names;
mod options;
mod payload;
mod registry;
mod run;

#[cfg(target_family = "wasm")]
pub use self::export::{Exported, Functions};
pub use self::function::{Function, Kind};
pub use self::names::check_names;
pub use self::options::{IntoOptions, Options, OptionsBuilder, OptionsValidationError};
pub use self::run::run;
