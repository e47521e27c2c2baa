//! The thread that watches files.
//!
//! Invariants: code is fetched on one thread, for one path after the other; the thread ends with the process, which waits
//! neither for it nor for a build.

use std::{collections::BTreeSet, path::PathBuf, thread};

use durawasm_build::Cancel;
use durawasm_core::{
    invocation::{Access, Grants},
    orchestrator::FunctionGrants,
};
use durawasm_store::StoreFile;

use super::{
    error::WatchError,
    events::{Events, Hint},
    look::in_full,
    rebuild::Rebuild,
    watched::{Changed, Watched},
};
use crate::{
    exit::{Exit, Failure, OrExit},
    output::note,
    served::ServedFunction,
    target::Fetch,
};

/// The option to serve functions as their files are.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(in super::super) struct WatchArgs {
    /// Build a crate again when its sources change, and read a component's file again when it changes; executions under way
    /// continue with the code that they began with
    #[arg(long)]
    pub(in super::super) watch: bool,
}

/// Files that are watched, from before their code is first fetched.
pub(in super::super) struct Watch {
    events: Events,
    watched: Vec<Watched>,
}

/// Watches files until it is dropped. A build that runs then is ended.
#[must_use]
pub(in super::super) struct Watching {
    cancel: Cancel,
    hint: Hint,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.hint.give();
    }
}

/// What the server and the functions write, which may be in the folder of a crate.
fn written(store: Option<&StoreFile>, grants: &FunctionGrants) -> BTreeSet<PathBuf> {
    let grants = std::iter::once(&grants.all).chain(grants.by_function.values().map(|own| &own.grants));
    let folders = grants.flat_map(Grants::directories);
    let folders = folders.filter(|(_, _, access)| *access == Access::ReadWrite);
    let folders = folders.map(|(_, folder, _)| folder.to_owned());
    let files = store.into_iter().flat_map(StoreFile::files);
    folders.chain(files).map(|path| in_full(&path)).collect()
}

impl Watch {
    /// Watches the files of these functions, and takes them for seen as they are.
    ///
    /// # Errors
    /// When files cannot be watched, a crate may not be built, or cargo cannot read its manifest.
    pub(in super::super) fn new(
        functions: &[ServedFunction],
        fetch: &Fetch,
        store: Option<&StoreFile>,
        grants: &FunctionGrants,
    ) -> Result<Self, Failure> {
        let ignored = written(store, grants);
        let mut watched = Watched::all(functions, fetch, &ignored)?;
        let mut events = Events::new(ignored).or_exit(Exit::Host)?;
        for watched in &mut watched {
            watched.see(&mut events).or_exit(Exit::Host)?;
        }
        Ok(Self { events, watched })
    }

    /// Serves new code from now on, once the first is served.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(in super::super) fn start(self, rebuild: Rebuild) -> Result<Watching, Failure> {
        let watching = Watching { cancel: rebuild.fetch.cancel.clone(), hint: self.events.hint() };
        let thread = thread::Builder::new().name("durawasm-watch".to_owned());
        let started = thread.spawn(move || self.run(&rebuild));
        started.map_err(WatchError::Thread).or_exit(Exit::Host)?;
        Ok(watching)
    }

    fn run(mut self, rebuild: &Rebuild) {
        // The first builds may have written them.
        self.watched.iter_mut().for_each(Watched::see_lock);
        let mut told = None;
        loop {
            for watched in &mut self.watched {
                if rebuild.fetch.cancel.is_cancelled() {
                    return;
                }
                if let Err(error) = refresh(watched, &mut self.events, rebuild) {
                    let error = error.to_string();
                    if told.as_ref() != Some(&error) {
                        note(format_args!("warning: {error}; changes may go unnoticed"));
                    }
                    told = Some(error);
                }
            }
            // What has changed meanwhile has left a hint.
            self.events.wait();
        }
    }
}

/// Serves the code of functions as it is by now.
fn refresh(watched: &mut Watched, events: &mut Events, rebuild: &Rebuild) -> Result<(), WatchError> {
    let found = match watched.changed(events)? {
        Changed::Nothing => return Ok(()),
        Changed::Sources => Ok(()),
        Changed::Manifests => watched.find_sources(&rebuild.fetch, events),
    };
    rebuild.serve(watched);
    watched.see_lock();
    found
}
