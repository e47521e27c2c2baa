//! What is watched for functions that have their code from one path: the file of a component, or a crate.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use durawasm_build::Sources;

use super::{
    error::WatchError,
    events::Events,
    look::{Files, Places, Stamp, in_full},
};
use crate::{exit::Failure, served::ServedFunction, target::Fetch};

/// How long files have to look the same, so that no half of what is being written is taken.
const RESTED: Duration = Duration::from_millis(100);

/// How often files are looked at for that, at most: some may change all the time.
const LOOKS: usize = 20;

/// Functions that have their code from one path.
pub(super) struct Watched {
    /// The path, as it was stated.
    pub(super) path: PathBuf,
    pub(super) functions: Vec<ServedFunction>,
    kind: Kind,
    places: Places,
    /// The files as they looked before their code was last fetched.
    seen: Files,
}

/// What a path is.
enum Kind {
    /// The file of a component.
    Component,
    /// A crate, with the lock file of its workspace.
    Crate { lock: PathBuf },
}

/// What has changed.
pub(super) enum Changed {
    Nothing,
    Sources,
    /// With manifests: the sources may be elsewhere.
    Manifests,
}

impl Watched {
    /// Groups functions by the paths of their code. Nothing is watched yet.
    ///
    /// # Errors
    /// When a crate may not be built, or cargo cannot read its manifest.
    pub(super) fn all(
        functions: &[ServedFunction],
        fetch: &Fetch,
        ignored: &BTreeSet<PathBuf>,
    ) -> Result<Vec<Self>, Failure> {
        let mut all: Vec<(PathBuf, Self)> = Vec::new();
        for function in functions {
            // Different spellings of a path are one.
            let key = in_full(function.path());
            if let Some((_, watched)) = all.iter_mut().find(|(known, _)| *known == key) {
                watched.functions.push(function.clone());
            } else {
                let watched = Self::of(function, &key, fetch, ignored)?;
                all.push((key, watched));
            }
        }
        Ok(all.into_iter().map(|(_, watched)| watched).collect())
    }

    fn of(
        function: &ServedFunction,
        in_full: &Path,
        fetch: &Fetch,
        ignored: &BTreeSet<PathBuf>,
    ) -> Result<Self, Failure> {
        let path = function.path().to_owned();
        let about = |failure| function.about(failure);
        let (kind, places) = if fetch.is_crate(&path).map_err(about)? {
            let sources = fetch.sources(&path).map_err(about)?;
            (Kind::Crate { lock: sources.lock.clone() }, places_of(sources, ignored))
        } else {
            let files = BTreeSet::from([in_full.to_owned()]);
            (Kind::Component, Places { files, ..Places::default() })
        };
        Ok(Self { path, functions: vec![function.clone()], kind, places, seen: Files::new() })
    }

    /// Whether the code is built from a crate.
    pub(super) fn is_crate(&self) -> bool {
        matches!(self.kind, Kind::Crate { .. })
    }

    /// Takes the files as they are now for seen.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub(super) fn see(&mut self, events: &mut Events) -> Result<(), WatchError> {
        self.seen = self.places.look(|folder| events.watch(folder))?;
        Ok(())
    }

    /// What looks other than it was last seen. Waits until the files rest, and takes them for seen then.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub(super) fn changed(&mut self, events: &mut Events) -> Result<Changed, WatchError> {
        let mut look = || self.places.look(|folder| events.watch(folder));
        let mut last = look()?;
        if last == self.seen {
            return Ok(Changed::Nothing);
        }
        for _ in 1..LOOKS {
            thread::sleep(RESTED);
            let now = look()?;
            if now == last {
                break;
            }
            last = now;
        }
        let before = std::mem::replace(&mut self.seen, last);
        Ok(if before == self.seen {
            Changed::Nothing
        } else if manifests(&before).eq(manifests(&self.seen)) {
            Changed::Sources
        } else {
            Changed::Manifests
        })
    }

    /// Looks up where the sources of a crate are by now, and takes them for seen as they are. If its manifest is wrong, they
    /// are where they were: the build will say what is wrong.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub(super) fn find_sources(&mut self, fetch: &Fetch, events: &mut Events) -> Result<(), WatchError> {
        if let Kind::Crate { lock } = &mut self.kind
            && let Ok(sources) = fetch.sources(&self.path)
        {
            lock.clone_from(&sources.lock);
            let places = places_of(sources, &self.places.ignored);
            if places != self.places {
                self.places = places;
                self.see(events)?;
            }
        }
        Ok(())
    }

    /// Takes the lock file for seen as it is: cargo may have written it during a build, which makes no other build necessary.
    pub(super) fn see_lock(&mut self) {
        if let Kind::Crate { lock } = &self.kind {
            if let Some(stamp) = Stamp::at(lock) {
                self.seen.insert(lock.clone(), stamp);
            } else {
                self.seen.remove(lock);
            }
        }
    }
}

/// The files that state which packages there are.
fn manifests(files: &Files) -> impl Iterator<Item = (&PathBuf, &Stamp)> {
    files.iter().filter(|(path, _)| path.ends_with("Cargo.toml"))
}

/// Where changes of sources are looked for.
fn places_of(sources: Sources, ignored: &BTreeSet<PathBuf>) -> Places {
    let Sources { folders, manifest, lock, target_directory } = sources;
    let ignored = ignored.iter().cloned().chain([target_directory]).collect();
    Places { folders, files: [manifest, lock].into(), ignored }
}
