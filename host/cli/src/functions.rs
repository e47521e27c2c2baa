//! The functions that a command runs: those of a component, or those of a `durawasm.toml`.
//!
//! Invariants: all functions of a file are loaded before anything runs, because each can be invoked; each has its own
//! limits, and all share one sandbox, so that the total of memory is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use durawasm_config::{AliasName, AliasTarget, ConfigFile, ConfigFunction, RunSettings, Source};
use durawasm_core::{
    orchestrator::{Environment, EnvironmentError, EnvironmentOptions, Function, Functions, bare_name},
    protocol::is_component_function_name,
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
    versions::Offer,
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
                check_kind(&function.source).map_err(|failure| about(file, name, failure))?;
            }
            // Functions that the component has beside are there as well, under their own names.
            let rest = loader.settings.all.enforced().sandbox;
            let mut functions =
                loader.list(subject.path(), &rest).map_err(|failure| about(file, name, failure))?;
            // The function that is run comes first, so that its errors do.
            let others = file.functions.keys().filter(|other| *other != name);
            for name in std::iter::once(name).chain(others) {
                if replaced.contains(&**name) {
                    continue;
                }
                let Some(function) = file.functions.get(name) else { continue };
                loader.add(name, function, &mut functions).map_err(|failure| about(file, name, failure))?;
            }
            functions
        }
    };
    if let Some(why) = components.without_cache() {
        note(format_args!("warning: {why}"));
    }
    Ok(functions)
}

/// A function that a flag states: `NAME=PATH[#EXPORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlagFunction {
    pub(super) name: String,
    path: PathBuf,
    export: Option<String>,
}

impl FlagFunction {
    /// Reads a flag.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("it is not NAME=COMPONENT or NAME=CRATE")?;
        let (path, export) = match rest.rsplit_once('#') {
            Some((path, export)) => (path, Some(export)),
            None => (rest, None),
        };
        if let Some(bad) = [Some(name), export].into_iter().flatten().find(|n| !is_component_function_name(n))
        {
            return Err(format!("{bad:?} is no name of a function: 1 to 64 of A-Z a-z 0-9 - _ are expected"));
        }
        if path.is_empty() {
            return Err("the path is empty".to_owned());
        }
        Ok(Self { name: name.to_owned(), path: path.into(), export: export.map(ToOwned::to_owned) })
    }
}

/// Loads all functions of a file, and those of flags, which replace those of the file.
pub(super) fn load_served<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>>(
    file: Option<&ConfigFile>,
    flags: &[FlagFunction],
    settings: &RunSettings,
    components: &mut Components<F>,
    runtime: &Runtime,
) -> Result<Vec<Offer>, Failure> {
    let mut loader = Loader { settings, components, runtime, whole: whole(settings) };
    let mut offers = Vec::new();
    for (file, (name, function)) in
        file.into_iter().flat_map(|file| file.functions.iter().map(move |f| (file, f)))
    {
        if !flags.iter().any(|flag| flag.name == *name) {
            let export = loader.stated(name, function).map_err(|failure| about(file, name, failure))?;
            offers.push(loader.offer(&export, name, function.source.path(), function.aliases.clone())?);
        }
    }
    for flag in flags {
        let export = loader.flagged(flag)?;
        offers.push(loader.offer(&export, &flag.name, &flag.path, BTreeMap::new())?);
    }
    if offers.is_empty() {
        let error = anyhow!(
            "there is no function to serve: use --function NAME=COMPONENT, or a {} with functions",
            durawasm_config::FILE_NAME
        );
        return Err(Failure { exit: Exit::Usage, error });
    }
    if let Some(why) = components.without_cache() {
        note(format_args!("warning: {why}"));
    }
    Ok(offers)
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

    /// A function to serve. `export` is the function in its component.
    fn offer(
        &mut self,
        export: &Function,
        name: &str,
        path: &Path,
        aliases: BTreeMap<AliasName, AliasTarget>,
    ) -> Result<Offer, Failure> {
        let (_, component) = self.components.get(path)?;
        Ok(Offer { function: export.renamed(name), export: export.name.to_string(), component, aliases })
    }

    /// A function of a file, by the name that it has in its component.
    fn stated(&mut self, name: &str, function: &ConfigFunction) -> Result<Function, Failure> {
        check_kind(&function.source)?;
        let limits = self.settings.of(name).enforced().sandbox;
        let found = self.list(function.source.path(), &limits)?;
        let export = found.find(&function.export).map_err(|error| {
            let path = function.source.path().display();
            let error =
                anyhow!("{path}: {error}; `export` states its name in the component, where it differs");
            Failure { exit: Exit::Usage, error }
        })?;
        Ok(export.clone())
    }

    /// The function of a flag, by the name that it has in its component: the named one, or the only one.
    fn flagged(&mut self, flag: &FlagFunction) -> Result<Function, Failure> {
        let limits = self.settings.of(&flag.name).enforced().sandbox;
        let found = self.list(&flag.path, &limits)?;
        let function = match (&flag.export, found.find(&flag.name), found.only()) {
            (Some(export), ..) => found.find(export).map_err(|error| error.to_string()),
            (None, Ok(function), _) | (None, Err(_), Some(function)) => Ok(function),
            (None, Err(error), None) => Err(format!("{error}; name one of them after a #")),
        };
        let function = function.map_err(|why| {
            let error = anyhow!("--function {}={}: {why}", flag.name, flag.path.display());
            Failure { exit: Exit::Usage, error }
        })?;
        Ok(function.clone())
    }

    /// The functions of a component, with these limits.
    fn list(&mut self, path: &Path, limits: &SandboxLimits) -> Result<Functions, Failure> {
        let bounds = in_own_process(&self.settings.all.enforced().compiling)?;
        let handler = self.components.load(path, &self.whole, &bounds).map_err(|error| match error {
            LoadError::Fetch(failure) => failure,
            LoadError::Sandbox(error) => Failure { exit: Exit::Host, error: error.into() },
            LoadError::Component { path, source } => {
                let exit = exit_of(&source);
                Failure { exit, error: anyhow!("{}: {}", path.display(), with_advice(&source)) }
            }
        })?;
        let handler = handler.with_limits(limits);
        self.runtime.block_on(listed(&handler)).map_err(environment_failure)
    }
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
fn check_kind(source: &Source) -> Result<(), Failure> {
    let path = source.path();
    let is_crate = path.is_dir() || path.file_name().is_some_and(|name| name == "Cargo.toml");
    let wrong = match source {
        Source::Component(_) if is_crate => "`component` is a component's file; a crate's folder is `crate`",
        Source::Crate(_) if !is_crate => "`crate` is a crate's folder, or its Cargo.toml",
        _ => return Ok(()),
    };
    Err(Failure { exit: Exit::Usage, error: anyhow!("{wrong}, and {} is not one", path.display()) })
}

fn about(file: &ConfigFile, name: &str, Failure { exit, error }: Failure) -> Failure {
    Failure { exit, error: error.context(format!("{}: functions.{name}", file.path.display())) }
}

/// The functions that do not run, because their ends are scripted.
pub(super) fn replaced<T>(stand_ins: &[(String, T)]) -> BTreeSet<&str> {
    stand_ins.iter().map(|(name, _)| bare_name(name)).collect()
}
