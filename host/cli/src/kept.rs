//! `run --store`: the execution is kept in a file, and the same command continues it.
//!
//! Invariants:
//! - an execution continues with the components that it began with, whatever the crate or the file is by now;
//! - a command that states another event, other grants or limits, or another kind of time is refused: it means another
//!   execution.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{ScriptedAnswer, Store, saved_origin},
};
use durawasm_report::{LONGEST_MESSAGE, shortened};
use durawasm_store::{ComponentDigest, Listed, StoreFile, StoreFileError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    exit::{Exit, Failure, OrExit},
    offers::code_of,
    output::note,
};

/// What a store keeps with an execution, for the command that continues it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Began {
    /// The HANDLER.
    pub(super) handler: String,
    /// The components, by the paths that name them.
    components: BTreeMap<String, Component>,
    /// Whether time is skipped.
    pub(super) skip_time: bool,
    /// The grants and limits.
    pub(super) in_force: Value,
    /// The answers of all commands so far.
    pub(super) answers: Vec<ScriptedAnswer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Component {
    component: ComponentDigest,
}

/// The store of a run.
pub(super) struct Kept {
    file: StoreFile,
    /// The execution of that name, if the store has it.
    pub(super) earlier: Option<Earlier>,
    /// The components that were fetched.
    fetched: RefCell<BTreeMap<String, Vec<u8>>>,
}

/// An execution that the store has.
pub(super) struct Earlier {
    pub(super) arn: ExecutionArn,
    pub(super) function: String,
    /// The time of its latest request.
    pub(super) saved_at: Timestamp,
    pub(super) began: Began,
    is_over: bool,
}

/// The exit code of a store that cannot be used.
pub(super) fn exit_of(error: &StoreFileError) -> Exit {
    match error {
        StoreFileError::Missing(_) | StoreFileError::NotAStore(_) | StoreFileError::Newer { .. } => {
            Exit::Usage
        }
        _ => Exit::Host,
    }
}

/// Attaches the exit code of an error of a store.
pub(super) fn of_store<T>(result: Result<T, StoreFileError>) -> Result<T, Failure> {
    result.map_err(store_failure)
}

/// The failure of a command whose store cannot be used.
pub(super) fn store_failure(error: StoreFileError) -> Failure {
    Failure { exit: exit_of(&error), error: error.into() }
}

fn usage(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::Usage, error }
}

impl Kept {
    /// Opens the store, and looks for the execution of this name that a command for the same handler began.
    pub(super) fn open(
        path: &Path,
        name: &str,
        handler: &str,
        function: Option<&str>,
    ) -> Result<Self, Failure> {
        let file = of_store(StoreFile::open(path))?;
        let reader = of_store(file.reader())?;
        let named = of_store(reader.named(name))?.into_iter();
        let mut earlier = Vec::new();
        for listed in named.filter(|listed| function.is_none_or(|function| listed.function == function)) {
            let Some(saved) = of_store(reader.load(&listed.arn))? else { continue };
            let Listed { function, saved_at, end, .. } = listed;
            let damaged = || anyhow!("{}: the execution {name} cannot be continued", path.display());
            let (arn, origin) = saved_origin(&saved).with_context(damaged).or_exit(Exit::Host)?;
            // Without one of `run`, it is the target of another execution, or was begun by `serve`.
            let Some(origin) = origin.filter(|origin| code_of(origin).is_none()) else { continue };
            let began: Began = serde_json::from_str(&origin).with_context(damaged).or_exit(Exit::Host)?;
            if began.handler == handler {
                earlier.push(Earlier { arn, function, saved_at, began, is_over: end.is_some() });
            }
        }
        if earlier.len() > 1 {
            let functions: Vec<_> = earlier.iter().map(|earlier| &*earlier.function).collect();
            let error = anyhow!(
                "{}: several functions have an execution with the name {name}; choose one with --function: {}",
                path.display(),
                functions.join(", ")
            );
            return Err(usage(error));
        }
        Ok(Self { file, earlier: earlier.pop(), fetched: RefCell::default() })
    }

    /// The store for the server.
    pub(super) fn store(&self) -> Result<Box<dyn Store>, Failure> {
        Ok(Box::new(of_store(self.file.store())?))
    }

    /// Where the execution is kept.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The component that the execution began with, if it did with one of this path. Else `fetch` fetches it.
    pub(super) fn component(
        &self,
        path: &Path,
        fetch: impl FnOnce() -> Result<(PathBuf, Vec<u8>), Failure>,
    ) -> Result<(PathBuf, Vec<u8>), Failure> {
        let key = path.to_string_lossy().into_owned();
        let stored = self.earlier.as_ref().and_then(|earlier| earlier.began.components.get(&key));
        if let Some(Component { component }) = stored {
            let Some(bytes) = of_store(of_store(self.file.reader())?.component(component))? else {
                let error = anyhow!("{}: the component {component} is not there", self.path().display());
                return Err(Failure { exit: Exit::Host, error });
            };
            return Ok((path.to_owned(), bytes));
        }
        let (path, bytes) = fetch()?;
        self.fetched.borrow_mut().insert(key, bytes.clone());
        Ok((path, bytes))
    }

    /// What is kept with the execution. The components that were fetched are written to the store.
    pub(super) fn begin(&self, mut began: Began) -> Result<Arc<str>, Failure> {
        if let Some(earlier) = &self.earlier {
            began.components.clone_from(&earlier.began.components);
        }
        for (path, bytes) in &*self.fetched.borrow() {
            let component = of_store(self.file.put_component(bytes))?;
            began.components.insert(path.clone(), Component { component });
        }
        Ok(serde_json::to_string(&began).or_exit(Exit::Host)?.into())
    }
}

impl Began {
    /// What a command states.
    pub(super) fn new(
        handler: String,
        skip_time: bool,
        in_force: Value,
        answers: Vec<ScriptedAnswer>,
    ) -> Self {
        Self { handler, components: BTreeMap::new(), skip_time, in_force, answers }
    }
}

impl Began {
    /// What is kept with an execution that began so, and got these answers later.
    pub(super) fn after(mut self, earlier: &Self, added: &[ScriptedAnswer]) -> Self {
        self.answers = earlier.answers.iter().chain(added).cloned().collect();
        self
    }
}

impl Earlier {
    /// Refuses a command that does not state what the execution began with. Returns the answers that no command before
    /// has given.
    pub(super) fn added(
        &self,
        now: &Began,
        name: &str,
        event: &str,
        input: Option<&str>,
    ) -> Result<Vec<ScriptedAnswer>, Failure> {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let input = input.unwrap_or("null");
        let advice = "state the same to continue it, or run under another --name";
        if self.began.skip_time != now.skip_time {
            let (began, with) = if now.skip_time { ("real", "without") } else { ("skipped", "with") };
            return Err(usage(anyhow!("{name} began in {began} time: continue it {with} --skip-time")));
        }
        if json(event) != json(input) {
            let input = shortened(input, LONGEST_MESSAGE);
            return Err(usage(anyhow!("{name} began with another event, {input}; {advice}")));
        }
        if self.began.in_force != now.in_force {
            return Err(usage(anyhow!("{name} began with other grants or limits; {advice}")));
        }
        let mut left = self.began.answers.clone();
        let added =
            now.answers.iter().filter(|answer| match left.iter().position(|known| known == *answer) {
                Some(place) => {
                    left.remove(place);
                    false
                }
                None => true,
            });
        Ok(added.cloned().collect())
    }

    /// Says that an execution is continued.
    pub(super) fn announce(&self, name: &str) {
        if self.is_over {
            note(format_args!("{name} has ended before; nothing of it runs again"));
        } else {
            note(format_args!("continuing {name}, with the components that it began with"));
        }
    }
}
