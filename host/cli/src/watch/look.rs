//! How files look from outside: which there are, and when each has changed.
//!
//! Invariants:
//! - nothing is read but what folders and file systems tell of files;
//! - a folder is watched before its files are looked at, so that no change goes unnoticed between the two;
//! - what cargo writes, hidden files, and packages within a package are no sources of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::error::WatchError;

/// The most files that are looked at for one function.
const MOST_FILES: usize = 100_000;

/// How a file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Tells a file from another one that has come in its place, with the same length and an older time.
    #[cfg(unix)]
    identity: (u64, i64, i64),
}

/// Files, as they look.
pub(super) type Files = BTreeMap<PathBuf, Stamp>;

/// Where the code of functions comes from. All paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The folders of packages.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Single files, which need not exist.
    pub(super) files: BTreeSet<PathBuf>,
    /// Files and folders that are no sources, wherever they are.
    pub(super) ignored: BTreeSet<PathBuf>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            identity: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// How the file at this path looks, if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Self::of(&metadata))
    }
}

impl Places {
    /// How the files look now. `watch` is told each folder in which a change would make a difference.
    ///
    /// # Errors
    /// Those of `watch`, and when there are too many files.
    pub(super) fn look(
        &self,
        mut watch: impl FnMut(&Path) -> Result<(), WatchError>,
    ) -> Result<Files, WatchError> {
        let mut files = Files::new();
        for file in &self.files {
            // A file may be a link, and what it leads to may be written.
            for path in [Some(file.clone()), file.canonicalize().ok()].iter().flatten() {
                if let Some(folder) = path.parent().and_then(nearest_folder) {
                    watch(folder)?;
                }
            }
            files.extend(Stamp::at(file).map(|stamp| (file.clone(), stamp)));
        }
        for folder in &self.folders {
            self.look_into(folder, &mut watch, &mut files)?;
        }
        Ok(files)
    }

    /// Looks at the files of a package.
    fn look_into(
        &self,
        package: &Path,
        watch: &mut impl FnMut(&Path) -> Result<(), WatchError>,
        files: &mut Files,
    ) -> Result<(), WatchError> {
        if !package.is_dir() {
            return nearest_folder(package).map_or(Ok(()), watch);
        }
        let mut open = vec![package.to_owned()];
        while let Some(folder) = open.pop() {
            watch(&folder)?;
            // One that has gone meanwhile, or that may not be listed, has no sources.
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                if is_hidden(&path) || self.ignored.contains(&path) {
                    continue;
                }
                // Links to folders are not followed: they may lead anywhere.
                if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    let is_target = folder == package && path.ends_with("target");
                    if !is_target && !path.join("Cargo.toml").is_file() {
                        open.push(path);
                    }
                } else if let Some(stamp) = Stamp::at(&path) {
                    files.insert(path, stamp);
                }
            }
            if files.len() > MOST_FILES {
                return Err(WatchError::Files { folder: package.to_owned(), most: MOST_FILES });
            }
        }
        Ok(())
    }
}

/// The folder at a path, or the nearest one above it. What is missing at the path appears there first.
fn nearest_folder(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.is_dir())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The path of a file as the system tells it: absolute, in a folder that is reached without links.
pub(super) fn in_full(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().map(Path::canonicalize), absolute.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Package {
        root: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Package {
        fn new(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let package = Self { root: folder.path().canonicalize().unwrap(), _folder: folder };
            for file in files {
                package.write(file, "before");
            }
            package
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn places(&self) -> Places {
            Places { folders: [self.root.clone()].into(), ..Places::default() }
        }

        /// The names of the files, and of the folders that are watched.
        fn seen(&self, places: &Places) -> (Vec<String>, BTreeSet<String>) {
            let name = |path: &Path| path.strip_prefix(&self.root).unwrap().display().to_string();
            let mut watched = BTreeSet::new();
            let files = places.look(|folder| {
                watched.insert(name(folder));
                Ok(())
            });
            (files.unwrap().keys().map(|path| name(path)).collect(), watched)
        }
    }

    fn look(places: &Places) -> Files {
        places.look(|_| Ok(())).unwrap()
    }

    #[test]
    fn sources_are_looked_at_and_nothing_else() {
        let package = Package::new(&[
            "Cargo.toml",
            "data/table.csv",
            "data/written/log",
            "inner/Cargo.toml",
            "inner/src/lib.rs",
            "s.db",
            "src/.lib.rs.swp",
            "src/lib.rs",
            "src/target/mod.rs",
            "target/debug/x.d",
            ".git/index",
        ]);
        let ignored = ["s.db", "data/written"].map(|name| package.path(name)).into();
        let (files, watched) = package.seen(&Places { ignored, ..package.places() });
        assert_eq!(files, ["Cargo.toml", "data/table.csv", "src/lib.rs", "src/target/mod.rs"]);
        assert_eq!(watched, ["", "data", "src", "src/target"].map(str::to_owned).into());
    }

    #[test]
    fn a_change_is_seen_in_any_way_that_it_is_made() {
        let package = Package::new(&["src/lib.rs", "src/other.rs"]);
        let places = package.places();
        let mut last = look(&places);
        assert_eq!(look(&places), last);
        let mut differs = |how: &str| {
            let now = look(&places);
            assert_ne!(now, last, "{how}");
            last = now;
        };
        package.write("src/lib.rs", "longer than before");
        differs("written");
        package.write("src/new/mod.rs", "");
        differs("created in a new folder");
        fs::rename(package.path("src/other.rs"), package.path("src/lib.rs")).unwrap();
        differs("replaced");
        fs::remove_file(package.path("src/lib.rs")).unwrap();
        differs("removed");
    }

    #[test]
    fn what_is_not_there_is_watched_for() {
        let package = Package::new(&["src/lib.rs"]);
        let file = package.path("built/order.wasm");
        let places = Places { files: [file.clone()].into(), ..Places::default() };
        assert_eq!(package.seen(&places), (vec![], [String::new()].into()));
        package.write("built/order.wasm", "");
        assert_eq!(package.seen(&places), (vec!["built/order.wasm".to_owned()], ["built".to_owned()].into()));
        let places = Places { folders: [package.path("gone/away")].into(), ..Places::default() };
        assert_eq!(package.seen(&places), (vec![], [String::new()].into()));
    }

    #[test]
    fn an_error_of_the_watcher_ends_the_look() {
        let package = Package::new(&["src/lib.rs"]);
        let limit = |folder: &Path| Err(WatchError::Limit { folder: folder.to_owned() });
        let said = package.places().look(limit).unwrap_err().to_string();
        assert!(said.contains("max_user_watches") && said.contains(package.root.to_str().unwrap()), "{said}");
    }

    #[test]
    fn paths_are_spelled_as_the_system_spells_them() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(in_full(Path::new("s.db")), here.join("s.db"));
        assert_eq!(in_full(Path::new("./nowhere/s.db")), here.join("nowhere/s.db"));
    }
}
