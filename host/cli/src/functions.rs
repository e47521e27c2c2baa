//! The functions that a command runs: those of a component, or those of a `durawasm.toml`.
//!
//! Invariants: all functions of a file are loaded before anything runs, because each can be invoked; each has its own
//! limits, and all share one sandbox, so that the total of memory is one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use durawasm_config::{ConfigFunction, RunSettings, Source};
use durawasm_core::orchestrator::{
    Environment, EnvironmentError, EnvironmentOptions, Function, Functions, bare_name,
};
use durawasm_sandbox::{Handler, SandboxLimits};
use durawasm_scenario::{Components, LoadError};
use tokio::runtime::Runtime;

use super::{
    compile::in_own_process,
    config::Subject,
    exit::{Exit, Failure},
    log::Quiet,
    output::note,
    target::{exit_of, with_advice},
};

/// Loads the functions of a subject. `fetch` of the components gives the bytes of a component or a crate. Functions of
/// a file that are in `replaced` are not needed.
pub(super) fn load<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>>(
    subject: &Subject,
    settings: &RunSettings,
    replaced: &BTreeSet<&str>,
    components: &mut Components<F>,
    runtime: &Runtime,
) -> Result<Functions, Failure> {
    let mut loader = Loader { settings, components, runtime, whole: whole(settings) };
    let functions = match subject {
        Subject::Path(path) => loader.list(path, &loader.whole.clone())?,
        Subject::Function { file, name } => {
            if let Some(function) = file.functions.get(name) {
                check_kind(&function.source).map_err(|failure| about(&file.path, name, failure))?;
            }
            // Functions that the component has beside are there as well, under their own names.
            let rest = loader.settings.all.enforced().sandbox;
            let mut functions =
                loader.list(subject.path(), &rest).map_err(|failure| about(&file.path, name, failure))?;
            // The function that is run comes first, so that its errors do.
            let others = file.functions.keys().filter(|other| *other != name);
            for name in std::iter::once(name).chain(others) {
                if replaced.contains(&**name) {
                    continue;
                }
                let Some(function) = file.functions.get(name) else { continue };
                loader
                    .add(name, function, &mut functions)
                    .map_err(|failure| about(&file.path, name, failure))?;
            }
            functions
        }
    };
    if let Some(why) = components.without_cache() {
        note(format_args!("warning: {why}"));
    }
    Ok(functions)
}

/// The limits of the sandbox: no function of it may have more memory.
pub(super) fn whole(settings: &RunSettings) -> SandboxLimits {
    let mut whole = settings.all.enforced().sandbox;
    for settings in settings.functions.values() {
        whole.memory = whole.memory.max(settings.enforced().sandbox.memory);
    }
    whole
}

struct Loader<'a, F> {
    settings: &'a RunSettings,
    components: &'a mut Components<F>,
    runtime: &'a Runtime,
    whole: SandboxLimits,
}

impl<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>> Loader<'_, F> {
    /// Adds a function of a file.
    fn add(&mut self, name: &str, function: &ConfigFunction, all: &mut Functions) -> Result<(), Failure> {
        all.insert(self.stated(name, function)?.renamed(name));
        Ok(())
    }

    /// A function of a file, by the name that it has in its component.
    fn stated(&mut self, name: &str, function: &ConfigFunction) -> Result<Function, Failure> {
        check_kind(&function.source)?;
        let limits = self.settings.of(name).enforced().sandbox;
        let found = self.list(function.source.path(), &limits)?;
        exported(&found, function).cloned()
    }

    /// The functions of a component, with these limits.
    fn list(&mut self, path: &Path, limits: &SandboxLimits) -> Result<Functions, Failure> {
        let handler = handler_at(path, self.settings, &self.whole, self.components)?;
        functions_of(&handler, limits, self.runtime)
    }
}

/// The function of a component that a function of a file stands for.
pub(super) fn exported<'a>(found: &'a Functions, function: &ConfigFunction) -> Result<&'a Function, Failure> {
    found.find(&function.export).map_err(|error| {
        let path = function.source.path().display();
        let error = anyhow!("{path}: {error}; `export` states its name in the component, where it differs");
        Failure { exit: Exit::Usage, error }
    })
}

/// Loads the component at this path.
pub(super) fn handler_at<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>>(
    path: &Path,
    settings: &RunSettings,
    whole: &SandboxLimits,
    components: &mut Components<F>,
) -> Result<Handler, Failure> {
    let bounds = in_own_process(&settings.all.enforced().compiling)?;
    components.load(path, whole, &bounds).map_err(|error| match error {
        LoadError::Fetch(failure) => failure,
        LoadError::Sandbox(error) => Failure { exit: Exit::Host, error: error.into() },
        LoadError::Component { path, source } => {
            let exit = exit_of(&source);
            Failure { exit, error: anyhow!("{}: {}", path.display(), with_advice(&source)) }
        }
    })
}

/// The functions of a component, with these limits.
pub(super) fn functions_of(
    handler: &Handler,
    limits: &SandboxLimits,
    runtime: &Runtime,
) -> Result<Functions, Failure> {
    runtime.block_on(listed(&handler.with_limits(limits))).map_err(environment_failure)
}

async fn listed(handler: &Handler) -> Result<Functions, EnvironmentError> {
    let handlers = std::slice::from_ref(handler);
    let environment = Environment::new(EnvironmentOptions::default(), handlers, Arc::new(Quiet)).await?;
    Ok(environment.functions().clone())
}

/// The failure of a command whose environment could not be set up.
pub(super) fn environment_failure(error: EnvironmentError) -> Failure {
    let exit = if matches!(error, EnvironmentError::Functions(_)) { Exit::Component } else { Exit::Host };
    Failure { exit, error: error.into() }
}

/// Refuses a crate that is stated as a component, or the other way round: only one of them is built.
pub(super) fn check_kind(source: &Source) -> Result<(), Failure> {
    let path = source.path();
    let is_crate = path.is_dir() || path.file_name().is_some_and(|name| name == "Cargo.toml");
    let wrong = match source {
        Source::Component(_) if is_crate => "`component` is a component's file; a crate's folder is `crate`",
        Source::Crate(_) if !is_crate => "`crate` is a crate's folder, or its Cargo.toml",
        _ => return Ok(()),
    };
    Err(Failure { exit: Exit::Usage, error: anyhow!("{wrong}, and {} is not one", path.display()) })
}

/// Says which function of a file a failure is about.
pub(super) fn about(file: &Path, name: &str, Failure { exit, error }: Failure) -> Failure {
    Failure { exit, error: error.context(format!("{}: functions.{name}", file.display())) }
}

/// The functions that do not run, because their ends are scripted.
pub(super) fn replaced<T>(stand_ins: &[(String, T)]) -> BTreeSet<&str> {
    stand_ins.iter().map(|(name, _)| bare_name(name)).collect()
}
