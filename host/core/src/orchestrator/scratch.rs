//! Scratch directories: an empty directory in the host's temporary folder for each execution.
//!
//! Invariants: only the guests of its owner get access to a scratch directory; it is removed with all its contents when
//! its owner is dropped.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tempfile::TempDir;

/// The parent of scratch directories. Clones share it; it is removed with the last one.
#[derive(Clone, Default)]
pub(super) struct ScratchRoot(Arc<Mutex<Root>>);

#[derive(Default)]
struct Root {
    folder: Option<TempDir>,
    names: u64,
}

impl ScratchRoot {
    /// Creates an empty directory.
    pub(super) fn make(&self) -> io::Result<Scratch> {
        let path = self.fresh()?;
        fs::create_dir(&path)?;
        Ok(Scratch { path, root: self.clone() })
    }

    /// Returns an unused path directly below the root. Guests can access only their own directory.
    fn fresh(&self) -> io::Result<PathBuf> {
        let mut root = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        root.names += 1;
        let name = root.names.to_string();
        let folder = match root.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new().prefix("durawasm-scratch-").tempdir()?,
        };
        Ok(root.folder.insert(folder).path().join(name))
    }

    /// Removes a directory. A guest may have nested directories deeply: each level is moved up before it is removed, so
    /// that neither the stack nor the length of paths grows with the depth.
    fn remove(&self, directory: &Path) -> io::Result<()> {
        let mut left = vec![directory.to_owned()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    let up = self.fresh()?;
                    fs::rename(entry.path(), &up)?;
                    left.push(up);
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::remove_dir(&directory)?;
        }
        Ok(())
    }
}

/// A scratch directory.
pub(super) struct Scratch {
    path: PathBuf,
    root: ScratchRoot,
}

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If it cannot be removed now, it is removed with the root.
        let _ = self.root.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_empty_and_its_own_and_goes_with_its_owner() {
        let root = ScratchRoot::default();
        let one = root.make().unwrap();
        let two = root.make().unwrap();
        assert_ne!(one.path(), two.path());
        fs::write(one.path().join("f"), "x").unwrap();
        assert_eq!(fs::read_dir(two.path()).unwrap().count(), 0);
        let (path, parent) = (one.path().to_owned(), one.path().parent().unwrap().to_owned());
        drop(one);
        assert!(!path.exists());
        drop((two, root));
        assert!(!parent.exists());
    }

    #[test]
    fn depth_and_links_are_no_obstacle() {
        let root = ScratchRoot::default();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let scratch = root.make().unwrap();
        // Deeper than a path may be long: built from the inside out.
        let mut inner = root.fresh().unwrap();
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("leaf"), "x").unwrap();
        for _ in 0..30 {
            let outer = root.fresh().unwrap();
            fs::create_dir(&outer).unwrap();
            fs::rename(&inner, outer.join("d".repeat(200))).unwrap();
            inner = outer;
        }
        fs::rename(&inner, scratch.path().join("d")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), scratch.path().join("link")).unwrap();
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
