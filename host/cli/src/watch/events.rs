//! What the system tells of folders.
//!
//! Invariants: a hint says that something may have changed, and not what; at most one waits, and stands for all that the
//! system has told since the last one was taken.

use std::{
    collections::{BTreeSet, HashSet},
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use notify::{
    ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

use super::error::WatchError;

/// Whether folders are added again at each look. On Linux, what is watched is the folder that had the path when it was added;
/// by now the path may lead to another one. To add the same one again changes nothing there. Elsewhere it may be costly, and
/// the path is watched.
const ADDED_AGAIN: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Watches folders.
pub(super) struct Events {
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    hints: Receiver<()>,
    hint: SyncSender<()>,
}

/// Gives hints beside those of the system.
pub(super) struct Hint(SyncSender<()>);

impl Hint {
    /// Lets who waits for a hint go on.
    pub(super) fn give(&self) {
        // If another one waits already, that is enough.
        let _ = self.0.try_send(());
    }
}

impl Events {
    /// Watches nothing yet. Files in `ignored` will give no hint.
    ///
    /// # Errors
    /// When the system starts no watcher.
    pub(super) fn new(ignored: BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        let (hint, hints) = sync_channel(1);
        let told = Hint(hint.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // After an error, events may be missing.
            if !event.is_ok_and(|event| is_no_change(&event, &ignored)) {
                told.give();
            }
        });
        let watcher = watcher.map_err(WatchError::Start)?;
        Ok(Self { watcher, watched: HashSet::new(), hints, hint })
    }

    /// Watches the files of a folder, and not those of the folders in it.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), WatchError> {
        if !self.watched.insert(folder.to_owned()) && !ADDED_AGAIN {
            return Ok(());
        }
        let Err(why) = self.watcher.watch(folder, RecursiveMode::NonRecursive) else { return Ok(()) };
        self.watched.remove(folder);
        let folder = folder.to_owned();
        match &why.kind {
            ErrorKind::MaxFilesWatch => Err(WatchError::Limit { folder }),
            // It has gone since it was found. The folder that it was in is watched, and gives a hint.
            ErrorKind::PathNotFound => Ok(()),
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(WatchError::Folder { folder, why }),
        }
    }

    /// Waits for a hint.
    pub(super) fn wait(&self) {
        // It fails only if nobody can give one any more, and this can.
        let _ = self.hints.recv();
    }

    /// Gives hints beside those of the system.
    pub(super) fn hint(&self) -> Hint {
        Hint(self.hint.clone())
    }
}

/// Whether files are as they were before an event: one was only read, or it is about files that are ignored.
fn is_no_change(event: &Event, ignored: &BTreeSet<PathBuf>) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    let read = matches!(event.kind, EventKind::Access(kind) if kind != written);
    // An event without a path says that others were lost.
    read || (!event.paths.is_empty() && event.paths.iter().all(|path| ignored.contains(path)))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, ModifyKind};

    use super::*;

    #[test]
    fn events_that_change_nothing_give_no_hint() {
        let ignored = BTreeSet::from([PathBuf::from("/c/s.db-wal")]);
        let event = |kind: EventKind, path: &str| Event::new(kind).add_path(path.into());
        let modified = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for (event, expected) in [
            (event(modified, "/c/src/lib.rs"), false),
            (event(written, "/c/src/lib.rs"), false),
            (event(EventKind::Create(CreateKind::Folder), "/c/src/new"), false),
            (event(opened, "/c/src/lib.rs"), true),
            (event(modified, "/c/s.db-wal"), true),
            (event(modified, "/c/s.db-wal").add_path("/c/src/lib.rs".into()), false),
            (Event::new(EventKind::Other).set_flag(Flag::Rescan), false),
        ] {
            assert_eq!(is_no_change(&event, &ignored), expected, "{event:?}");
        }
    }

    #[test]
    fn a_change_in_a_folder_gives_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::new(BTreeSet::new()).unwrap();
        // One that is not there is no error.
        events.watch(&folder.path().join("gone")).unwrap();
        events.watch(folder.path()).unwrap();
        std::fs::write(folder.path().join("lib.rs"), "").unwrap();
        events.wait();
    }

    #[test]
    fn one_hint_stands_for_all() {
        let events = Events::new(BTreeSet::new()).unwrap();
        let hint = events.hint();
        (0..100).for_each(|_| hint.give());
        events.wait();
        assert!(events.hints.try_recv().is_err());
    }
}
