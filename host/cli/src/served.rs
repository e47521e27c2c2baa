//! The functions that `serve` serves: where the code of each is, and which function of a component it is.
//!
//! Invariants: each function is found in its code in one way, however often the code changes: by the name that is stated, or
//! as the only one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use durawasm_config::{AliasName, AliasTarget, ConfigFile, ConfigFunction, FlagAlias, RunSettings};
use durawasm_core::{
    orchestrator::{Function, Functions},
    protocol::is_component_function_name,
};
use durawasm_sandbox::Handler;
use durawasm_scenario::Components;
use tokio::runtime::Runtime;

use super::{
    exit::{Exit, Failure},
    functions::{about, check_kind, exported, functions_of, handler_at, whole},
    offers::Offer,
    output::note,
};

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

/// A function to serve.
#[derive(Clone)]
pub(super) struct ServedFunction {
    name: String,
    stated: Stated,
    aliases: BTreeMap<AliasName, AliasTarget>,
}

/// Who states a function.
#[derive(Clone)]
enum Stated {
    /// A file of functions.
    File { file: PathBuf, function: Box<ConfigFunction> },
    /// A flag.
    Flag(FlagFunction),
}

/// The functions of a file, and those of flags, which replace those of the file; with these aliases beside those of the file.
///
/// # Errors
/// When there is none, the file states a crate as a component or the other way round, or an alias is of no function.
pub(super) fn functions(
    file: Option<&ConfigFile>,
    flags: &[FlagFunction],
    aliases: &[FlagAlias],
) -> Result<Vec<ServedFunction>, Failure> {
    let mut functions = Vec::new();
    if let Some(ConfigFile { path, functions: of_file, .. }) = file {
        for (name, function) in of_file {
            if !flags.iter().any(|flag| flag.name == *name) {
                check_kind(&function.source).map_err(|failure| about(path, name, failure))?;
                let aliases = function.aliases.clone();
                let stated = Stated::File { file: path.clone(), function: Box::new(function.clone()) };
                functions.push(ServedFunction { name: name.clone(), stated, aliases });
            }
        }
    }
    functions.extend(flags.iter().map(|flag| {
        let stated = Stated::Flag(flag.clone());
        ServedFunction { name: flag.name.clone(), stated, aliases: BTreeMap::new() }
    }));
    if functions.is_empty() {
        let error = anyhow!(
            "there is no function to serve: use --function NAME=COMPONENT, or a {} with functions",
            durawasm_config::FILE_NAME
        );
        return Err(Failure { exit: Exit::Usage, error });
    }
    for FlagAlias { function, alias, target } in aliases {
        let named = functions.iter_mut().find(|served| served.name == *function);
        let named = named.ok_or_else(|| {
            let error = anyhow!("--alias {function}:{}: {function} is not served", alias.as_str());
            Failure { exit: Exit::Usage, error }
        })?;
        named.aliases.insert(alias.clone(), *target);
    }
    Ok(functions)
}

/// Loads all functions.
pub(super) fn load<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>>(
    functions: &[ServedFunction],
    settings: &RunSettings,
    components: &mut Components<F>,
    runtime: &Runtime,
) -> Result<Vec<Offer>, Failure> {
    let whole = whole(settings);
    let mut offer = |function: &ServedFunction| {
        let handler = handler_at(function.path(), settings, &whole, components)?;
        let (_, component) = components.get(function.path())?;
        function.offer(&handler, component, settings, runtime)
    };
    let offers = functions.iter().map(|function| offer(function).map_err(|failure| function.about(failure)));
    let offers = offers.collect::<Result<Vec<Offer>, Failure>>()?;
    if let Some(why) = components.without_cache() {
        note(format_args!("warning: {why}"));
    }
    Ok(offers)
}

impl ServedFunction {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The file of its component, or its crate.
    pub(super) fn path(&self) -> &Path {
        match &self.stated {
            Stated::File { function, .. } => function.source.path(),
            Stated::Flag(flag) => &flag.path,
        }
    }

    /// This function, as a component has it.
    ///
    /// # Errors
    /// When the component does not have it.
    pub(super) fn offer(
        &self,
        handler: &Handler,
        component: Arc<[u8]>,
        settings: &RunSettings,
        runtime: &Runtime,
    ) -> Result<Offer, Failure> {
        let limits = settings.of(&self.name).enforced().sandbox;
        let found = functions_of(handler, &limits, runtime)?;
        let export = match &self.stated {
            Stated::File { function, .. } => exported(&found, function)?,
            Stated::Flag(flag) => flagged(&found, flag)?,
        };
        Ok(Offer {
            function: export.renamed(&*self.name),
            export: export.name.to_string(),
            component,
            aliases: self.aliases.clone(),
        })
    }

    /// Says which function a failure is about.
    pub(super) fn about(&self, failure: Failure) -> Failure {
        match &self.stated {
            Stated::File { file, .. } => about(file, &self.name, failure),
            Stated::Flag(_) => failure,
        }
    }
}

/// The function of a component that a flag stands for: the named one, or the only one.
fn flagged<'a>(found: &'a Functions, flag: &FlagFunction) -> Result<&'a Function, Failure> {
    let function = match (&flag.export, found.find(&flag.name), found.only()) {
        (Some(export), ..) => found.find(export).map_err(|error| error.to_string()),
        (None, Ok(function), _) | (None, Err(_), Some(function)) => Ok(function),
        (None, Err(error), None) => Err(format!("{error}; name one of them after a #")),
    };
    function.map_err(|why| {
        let error = anyhow!("--function {}={}: {why}", flag.name, flag.path.display());
        Failure { exit: Exit::Usage, error }
    })
}
