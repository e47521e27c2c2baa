//! Why files cannot be watched.

use std::{io, path::PathBuf};

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// The system starts no watcher.
    #[error(
        "the system does not let files be watched: {0}; if it has no room for another watcher, raise the limit \
         (fs.inotify.max_user_instances on Linux), or serve without --watch"
    )]
    Start(notify::Error),
    /// The system watches no more folders.
    #[error(
        "{}: the system watches no more folders; raise the limit (fs.inotify.max_user_watches on Linux), or serve without \
         --watch", folder.display()
    )]
    Limit {
        /// The folder that is one too many.
        folder: PathBuf,
    },
    /// A folder cannot be watched.
    #[error("{} cannot be watched: {why}; make it readable, or serve without --watch", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        why: notify::Error,
    },
    /// A crate has too many files.
    #[error(
        "{} has more than {most} files, which are too many to watch; move those that are no sources, or serve without \
         --watch", folder.display()
    )]
    Files {
        /// The folder of the package.
        folder: PathBuf,
        /// The most files.
        most: usize,
    },
    /// The thread that watches cannot be started.
    #[error("the thread that watches files cannot be started: {0}")]
    Thread(io::Error),
}
