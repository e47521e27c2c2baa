//! Private copies of writable directories, and their fingerprints.
//!
//! Invariants: a check never writes to a directory that the user grants; a fingerprint differs after each change of a
//! file's name, size or content.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use durawasm_core::{
    invocation::{Access, Grants},
    orchestrator::{FunctionGrants, OwnGrants},
};
use tempfile::TempDir;

/// The most files that are copied or looked at in one directory.
const MAX_FILES: usize = 10_000;

/// The most bytes that are copied for one directory.
const MAX_BYTES: u64 = 256 << 20;

/// The most bytes of a file that are read for its fingerprint.
const MAX_HASHED: u64 = 1 << 20;

/// Grants whose writable directories are copies. The copies are removed when this is dropped.
pub(crate) struct PrivateGrants {
    pub(crate) grants: FunctionGrants,
    _copies: Vec<TempDir>,
}

impl PrivateGrants {
    /// Copies every directory that may be written.
    pub(crate) fn new(grants: &FunctionGrants) -> io::Result<Self> {
        let mut copies = Vec::new();
        let mut private =
            FunctionGrants { scratch: grants.scratch, disk: grants.disk, ..FunctionGrants::default() };
        private.all = copied(&grants.all, &mut copies)?;
        for (function, own) in &grants.by_function {
            let own = OwnGrants { grants: copied(&own.grants, &mut copies)?, ..own.clone() };
            private.by_function.insert(function.clone(), own);
        }
        Ok(Self { grants: private, _copies: copies })
    }
}

fn copied(grants: &Grants, copies: &mut Vec<TempDir>) -> io::Result<Grants> {
    let mut private = Grants::default();
    for (name, value) in grants.variables() {
        private.variable(name, value).map_err(io::Error::other)?;
    }
    for (guest, host, access) in grants.directories() {
        let host = match access {
            Access::ReadOnly => host.to_owned(),
            Access::ReadWrite => {
                let copy = copy_of(host)?;
                let path = copy.path().to_owned();
                copies.push(copy);
                path
            }
        };
        private.directory(host, guest, access).map_err(io::Error::other)?;
    }
    for grant in grants.http() {
        private.http_request(grant.clone());
    }
    Ok(private)
}

/// A copy of a directory, without its links.
pub(crate) fn copy_of(directory: &Path) -> io::Result<TempDir> {
    let copy = tempfile::Builder::new().prefix("durawasm-check-").tempdir()?;
    let mut bytes = 0;
    for entry in files(directory)? {
        let Entry { path, relative, metadata } = entry;
        let to = copy.path().join(relative);
        if metadata.is_dir() {
            fs::create_dir_all(&to)?;
        } else if metadata.is_file() {
            bytes += metadata.len();
            if bytes > MAX_BYTES {
                return Err(io::Error::other(format!(
                    "{} has more than {} MiB; a check works on copies, so grant a smaller directory, or grant it :ro",
                    directory.display(),
                    MAX_BYTES >> 20
                )));
            }
            fs::copy(path, to)?;
        }
    }
    Ok(copy)
}

struct Entry {
    path: PathBuf,
    relative: PathBuf,
    metadata: fs::Metadata,
}

/// The entries below a directory, each after the directory that it is in.
fn files(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut open = vec![PathBuf::new()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(directory.join(&folder))? {
            let entry = entry?;
            let relative = folder.join(entry.file_name());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(relative.clone());
            }
            found.push(Entry { path: entry.path(), relative, metadata });
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!(
                    "{} has more than {MAX_FILES} files; a check works on copies, so grant a smaller directory, or \
                     grant it :ro",
                    directory.display()
                )));
            }
        }
    }
    found.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(found)
}

/// The time that every file is given before a body runs, so that each write shows, also one of the same bytes within the
/// resolution of the file system's clock.
const LONG_AGO: Duration = Duration::from_hours(24);

/// Prepares private directories for [`fingerprint`]: makes all files equally old.
pub(crate) fn make_old(directories: &[PathBuf]) {
    let long_ago = SystemTime::UNIX_EPOCH + LONG_AGO;
    for directory in directories {
        for Entry { path, metadata, .. } in files(directory).unwrap_or_default() {
            if metadata.is_file() && metadata.modified().is_ok_and(|modified| modified != long_ago) {
                // A file that cannot be changed is not written by the body either.
                let _ =
                    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(long_ago));
            }
        }
    }
}

/// A number that stands for the present content of directories. 0 if they cannot be read.
pub(crate) fn fingerprint(directories: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for directory in directories {
        let Ok(entries) = files(directory) else { return 0 };
        for Entry { path, relative, metadata } in entries {
            relative.hash(&mut hasher);
            metadata.len().hash(&mut hasher);
            if let Ok(modified) = metadata.modified() {
                modified.hash(&mut hasher);
            }
            if metadata.is_file() && metadata.len() <= MAX_HASHED {
                fs::read(path).unwrap_or_default().hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_writes_to_copies() {
        let real = tempfile::tempdir().unwrap();
        fs::create_dir(real.path().join("sub")).unwrap();
        fs::write(real.path().join("sub/f"), "x").unwrap();
        let mut grants = FunctionGrants::default();
        grants.all.directory(real.path(), "/data", Access::ReadWrite).unwrap();
        grants.all.directory(real.path(), "/fixed", Access::ReadOnly).unwrap();
        grants.all.variable("A", "b").unwrap();
        let private = PrivateGrants::new(&grants).unwrap();
        let hosts: Vec<PathBuf> =
            private.grants.all.directories().map(|(_, host, _)| host.to_owned()).collect();
        let [data, fixed] = &hosts[..] else { panic!("two directories: {hosts:?}") };
        assert_eq!(fixed, real.path());
        assert_ne!(data, real.path());
        let before = fingerprint(std::slice::from_ref(data));
        fs::write(data.join("sub/f"), "y").unwrap();
        assert_ne!(fingerprint(std::slice::from_ref(data)), before);
        make_old(std::slice::from_ref(data));
        let before = fingerprint(std::slice::from_ref(data));
        assert_eq!(fingerprint(std::slice::from_ref(data)), before);
        fs::write(data.join("sub/f"), "y").unwrap();
        assert_ne!(fingerprint(std::slice::from_ref(data)), before, "the same bytes again");
        assert_eq!(fs::read_to_string(real.path().join("sub/f")).unwrap(), "x");
        assert_eq!(private.grants.all.variables().count(), 1);
        let path = data.clone();
        drop(private);
        assert!(!path.exists());
    }
}
