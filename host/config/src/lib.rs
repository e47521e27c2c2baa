//! What is stated for durable functions, by flags, scenarios and `durawasm.toml`: where their code is, what they are
//! granted, and which limits they have.
//!
//! [`Limit`] lists the limits that can be set. [`Settings`] is what is in force for a function, made from what several
//! places state ([`Stated`]). [`ConfigFile`] is a `durawasm.toml`, which [`find()`] looks for. [`parse_toml`] and
//! [`FileError`] are for other files that people write.
//!
//! Invariants: every error in a file has a message that says where it is and what to do; nothing in a file is ignored;
//! nothing here runs or builds anything, or prints.

mod alias;
mod error;
mod file;
mod find;
mod limit;
mod limits;
mod name;
mod settings;
mod toml;
pub mod values;
pub mod wording;

pub use self::{
    alias::{AliasName, AliasTarget, FlagAlias},
    error::{FileError, Place, Problem},
    file::{ConfigFile, ConfigFunction, FILE_NAME, Source},
    find::{FindError, find},
    limit::{Kind, Limit, Scope, Value},
    limits::{StatedLimits, of_scenario},
    settings::{Enforced, GrantError, Origin, RunSettings, Settings, Stated, StatedGrants},
    toml::{parse_toml, read_text},
};
