//! `durawasm.toml`: functions, with their components, grants and limits.
//!
//! ```toml
//! [limits]                      # for every function of this file
//! cpu-limit = "2s"
//!
//! [functions.order]
//! component = "order.wasm"
//! export = "order_handler"
//! env = ["STAGE=test"]
//!
//! [functions.order.limits]
//! memory = 64
//! ```
//!
//! Invariants: a file that is read has no error but those of paths and of the environment; nothing in it is ignored.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use durawasm_core::{
    invocation::HttpGrant,
    orchestrator::{DirectoryRequest, UnknownFunction, VariableRequest},
};
use serde::Deserialize;

use super::{
    alias::{AliasName, AliasTarget},
    error::FileError,
    limits::{StatedLimits, defaults, of_function},
    name::FunctionName,
    settings::{Origin, Settings, Stated, StatedGrants},
    toml::{parse_toml, read_text},
    values,
};

/// The name of the file.
pub const FILE_NAME: &str = "durawasm.toml";

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The most functions of a file.
const MAX_FUNCTIONS: usize = 1_000;

/// What a function's code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A component's file.
    Component(PathBuf),
    /// The folder of a crate, or its `Cargo.toml`. Building it runs native code.
    Crate(PathBuf),
}

impl Source {
    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Component(path) | Self::Crate(path) => path,
        }
    }
}

/// A function of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFunction {
    /// Where its code is.
    pub source: Source,
    /// The name of the function in its component.
    pub export: String,
    /// Other names of its versions, for `serve`.
    pub aliases: BTreeMap<AliasName, AliasTarget>,
    stated: Stated,
}

/// A `durawasm.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The functions by name.
    pub functions: BTreeMap<String, ConfigFunction>,
    defaults: Stated,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    functions: BTreeMap<FunctionName, GoodFunction>,
    #[serde(default)]
    grants: StatedGrants,
    #[serde(default, deserialize_with = "defaults")]
    limits: StatedLimits,
}

/// Grants stand beside the other keys. `flatten` would accept unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenFunction {
    component: Option<PathBuf>,
    #[serde(rename = "crate")]
    package: Option<PathBuf>,
    export: Option<FunctionName>,
    #[serde(default)]
    aliases: BTreeMap<AliasName, AliasTarget>,
    #[serde(default, deserialize_with = "values::variables")]
    env: Vec<VariableRequest>,
    #[serde(default, deserialize_with = "values::directories")]
    dir: Vec<DirectoryRequest>,
    scratch: Option<bool>,
    #[serde(default, deserialize_with = "values::requests")]
    allow_http: Vec<HttpGrant>,
    #[serde(default, deserialize_with = "of_function")]
    limits: StatedLimits,
}

/// A function that has one source. It is checked while the file is read, so that the message has the line.
#[derive(Deserialize)]
#[serde(try_from = "WrittenFunction")]
struct GoodFunction {
    source: Source,
    export: Option<FunctionName>,
    aliases: BTreeMap<AliasName, AliasTarget>,
    stated: Stated,
}

impl TryFrom<WrittenFunction> for GoodFunction {
    type Error = String;

    fn try_from(written: WrittenFunction) -> Result<Self, String> {
        let WrittenFunction { component, package, export, aliases, env, dir, scratch, allow_http, limits } =
            written;
        let source = match (component, package) {
            (Some(path), None) => Source::Component(path),
            (None, Some(path)) => Source::Crate(path),
            (None, None) => {
                return Err("it has no code: `component` is a component's file, `crate` a crate's folder; \
                            give one of them"
                    .to_owned());
            }
            (Some(_), Some(_)) => return Err("`component` and `crate` exclude each other".to_owned()),
        };
        if source.path().as_os_str().is_empty() {
            return Err("the path is empty".to_owned());
        }
        let grants = StatedGrants { env, dir, scratch, allow_http };
        Ok(Self { source, export, aliases, stated: Stated { grants, limits } })
    }
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The error in the file, with its position.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = read_text(path, MAX_FILE)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let WrittenFile { functions, grants, limits } =
            parse_toml(text).map_err(|problem| FileError::new(path, problem))?;
        if functions.len() > MAX_FUNCTIONS {
            let message = format!("it has {} functions; the limit is {MAX_FUNCTIONS}", functions.len());
            return Err(FileError::new(path, message.into()));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_here = folder.as_os_str().is_empty();
        let resolved = |path: PathBuf| match path {
            path if is_here => path,
            path if path == Path::new(".") => folder.to_owned(),
            path => folder.join(path),
        };
        let functions = functions.into_iter().map(|(name, function)| {
            let GoodFunction { source, export, aliases, stated } = function;
            let source = match source {
                Source::Component(path) => Source::Component(resolved(path)),
                Source::Crate(path) => Source::Crate(resolved(path)),
            };
            let name = String::from(name);
            let export = export.map_or_else(|| name.clone(), String::from);
            (name, ConfigFunction { source, export, aliases, stated })
        });
        Ok(Self {
            path: path.to_owned(),
            functions: functions.collect(),
            defaults: Stated { grants, limits },
        })
    }

    /// The folder that the file's paths are relative to.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The function of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn function(&self, name: &str) -> Result<&ConfigFunction, UnknownFunction> {
        self.functions
            .get(name)
            .ok_or_else(|| UnknownFunction::among(name, self.functions.keys().map(String::as_str)))
    }

    /// What the file states for functions that it does not list.
    pub fn defaults(&self) -> Settings {
        Settings::default().with(Origin::Config, &self.defaults, self.folder())
    }

    /// What the file states for one of its functions.
    pub fn settings(&self, function: &ConfigFunction) -> Settings {
        self.defaults().with(Origin::Function, &function.stated, self.folder())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
