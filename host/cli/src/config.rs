//! `--config`, `--no-config`: which `durawasm.toml` counts, and what a HANDLER means with it.
//!
//! Invariants: a HANDLER is never taken for a path where a function could be meant, or the other way round: where both
//! are there, it is refused.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use anyhow::anyhow;
use durawasm_config::{ConfigFile, FILE_NAME, Origin, find};
use durawasm_core::protocol::is_component_function_name;

use super::exit::{Exit, Failure, OrExit};

/// The options that choose a `durawasm.toml`.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// Take the functions from this file, instead of the durawasm.toml of this folder or of one above
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ignore durawasm.toml
    #[arg(long, conflicts_with = "config")]
    no_config: bool,
}

/// What a command is to run or to show.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// A component's file, or a crate.
    Path(PathBuf),
    /// A function of a `durawasm.toml`.
    Function { file: Rc<ConfigFile>, name: String },
}

impl ConfigArgs {
    /// What a HANDLER means.
    pub(super) fn subject(&self, handler: &Path) -> Result<Subject, Failure> {
        let path = || Subject::Path(handler.to_owned());
        let name = handler.to_str().filter(|text| is_component_function_name(text));
        if let Some(config) = &self.config {
            let name = name.unwrap_or_else(|| handler.to_str().unwrap_or("\u{fffd}"));
            return function(read(config)?, name);
        }
        // What looks like a path is one, and does not depend on any file.
        let Some(name) = name else { return Ok(path()) };
        let is_there = handler.symlink_metadata().is_ok();
        let Some(file) = self.file(Path::new(""))? else {
            if is_there {
                return Ok(path());
            }
            return Err(usage(anyhow!("there is no {name}{}", self.nothing_found())));
        };
        match (is_there, file.functions.contains_key(name)) {
            (true, false) => Ok(path()),
            (true, true) => Err(usage(anyhow!(
                "{name} is a function of {}, and a path here: use ./{name} for the path, or --config {} for the function",
                file.path.display(),
                file.path.display()
            ))),
            (false, true) => function(file, name),
            (false, false) => {
                let unknown = file.function(name).err().map(|error| error.to_string()).unwrap_or_default();
                Err(usage(anyhow!("there is no path {name} here, and {}: {unknown}", file.path.display())))
            }
        }
    }

    /// The function of this name, which a scenario in this folder tests.
    pub(super) fn function(&self, folder: &Path, name: &str) -> Result<Option<Subject>, Failure> {
        self.file(folder)?.map(|file| function(file, name)).transpose()
    }

    /// The file that counts for this folder.
    pub(super) fn here(&self) -> Result<Option<Rc<ConfigFile>>, Failure> {
        self.file(Path::new(""))
    }

    /// Why no function can be meant.
    fn nothing_found(&self) -> String {
        if self.no_config {
            return "; name a component's file or a crate's folder".to_owned();
        }
        format!(
            "; name a component's file, a crate's folder, or a function of a {FILE_NAME}, which is neither here nor in a \
             folder above"
        )
    }

    /// The file that counts for this folder.
    fn file(&self, folder: &Path) -> Result<Option<Rc<ConfigFile>>, Failure> {
        let path = match &self.config {
            _ if self.no_config => None,
            Some(path) => Some(path.clone()),
            None => find(folder).or_exit(Exit::Usage)?,
        };
        path.map(|path| read(&path)).transpose()
    }
}

fn usage(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::Usage, error }
}

fn read(path: &Path) -> Result<Rc<ConfigFile>, Failure> {
    ConfigFile::read(path).map(Rc::new).or_exit(Exit::Usage)
}

fn function(file: Rc<ConfigFile>, name: &str) -> Result<Subject, Failure> {
    file.function(name).map_err(|error| usage(anyhow!("{}: {error}", file.path.display())))?;
    Ok(Subject::Function { name: name.to_owned(), file })
}

impl Subject {
    /// The file that the function is of.
    pub(super) fn file(&self) -> Option<&ConfigFile> {
        match self {
            Self::Path(_) => None,
            Self::Function { file, .. } => Some(file),
        }
    }

    /// The name of the function, if the subject is one.
    pub(super) fn function(&self) -> Option<&str> {
        match self {
            Self::Path(_) => None,
            Self::Function { name, .. } => Some(name),
        }
    }

    /// What names the same HANDLER in every folder.
    pub(super) fn identity(&self) -> String {
        let whole =
            |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
        match self {
            Self::Path(path) => whole(path),
            Self::Function { file, name } => format!("{}#{name}", whole(&file.path)),
        }
    }

    /// The path of the component or the crate.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            // A subject is made only of functions that are there.
            Self::Function { file, name } => {
                file.functions.get(name).map_or(Path::new(""), |function| function.source.path())
            }
        }
    }
}

/// In a message: who stated something.
pub(super) fn described(origin: Origin, flag: &str, file: Option<&ConfigFile>, function: &str) -> String {
    let path = file.map_or_else(|| FILE_NAME.to_owned(), |file| file.path.display().to_string());
    match origin {
        Origin::Flag => format!("--{flag}"),
        Origin::Scenario => "scenario".to_owned(),
        Origin::Config => path,
        Origin::Function => format!("{path}, functions.{function}"),
    }
}
