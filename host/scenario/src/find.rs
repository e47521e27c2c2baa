//! Finds scenario files.
//!
//! Invariants: symbolic links to folders are not followed, so the search ends; the same folder gives the same files in
//! the same order.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The name endings of scenario files in searched folders.
const ENDINGS: [&str; 3] = [".test.toml", ".test.yaml", ".test.yml"];

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The files, each once.
    pub files: Vec<PathBuf>,
    /// The searched paths, as text for messages.
    pub searched: String,
}

/// Why a path cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is no such file or folder.
    #[error("there is no {}; name scenario files, or folders that have some", .0.display())]
    Missing(PathBuf),
    /// A folder cannot be read.
    #[error("cannot search {}: {reason}", path.display())]
    Unreadable {
        /// The path that the caller named.
        path: PathBuf,
        /// The I/O error.
        reason: String,
    },
}

/// Finds scenario files: the named files, and in folders, recursively, the files with the name ending of a scenario
/// file. Hidden folders and folders named `target` are skipped.
///
/// # Errors
/// Returns an error if a path does not exist, or a folder cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Found, FindError> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut add = |path: PathBuf| {
        if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            found.push(path);
        }
    };
    for path in paths {
        if path.is_dir() {
            let walk = WalkDir::new(path).sort_by_file_name().into_iter();
            for entry in walk.filter_entry(|entry| entry.depth() == 0 || !left_out(entry)) {
                let entry = entry.map_err(|error| FindError::Unreadable {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                if entry.path().is_file() && is_scenario_file(entry.path()) {
                    add(tidy(entry.path()));
                }
            }
        } else if path.exists() {
            add(path.clone());
        } else {
            return Err(FindError::Missing(path.clone()));
        }
    }
    let searched: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let searched = format!("{} for files named *{}", searched.join(", "), ENDINGS.join(", *"));
    Ok(Found { files: found, searched })
}

fn left_out(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    entry.file_type().is_dir() && (name == "target" || name.as_encoded_bytes().starts_with(b"."))
}

fn is_scenario_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    ENDINGS.iter().any(|ending| name.ends_with(ending.as_bytes()) && name.len() > ending.len())
}

/// Removes the leading `./` that a search of `.` adds.
fn tidy(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_files_are_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in [
            "b.test.toml",
            "a/x.test.yaml",
            "a/y.test.yml",
            "a/deeper/z.test.toml",
            "a/other.toml",
            ".test.toml",
            "target/t.test.toml",
            ".hidden/h.test.toml",
            "named.yaml",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        let names = |paths: &[PathBuf]| {
            let found = find(paths).unwrap().files;
            found.iter().map(|f| f.strip_prefix(root).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        let all = ["a/deeper/z.test.toml", "a/x.test.yaml", "a/y.test.yml", "b.test.toml"];
        assert_eq!(names(&[root.to_owned()]), all);
        assert_eq!(names(&[root.join("b.test.toml"), root.to_owned(), root.join("named.yaml")]).len(), 5);
        assert_eq!(names(&[root.join("target")]), ["target/t.test.toml"], "what is named is searched");
        let missing = find(&[root.join("nothing")]).unwrap_err();
        assert!(missing.to_string().contains("there is no") && missing.to_string().contains("nothing"));
        assert!(find(&[root.join("a")]).unwrap().searched.contains("*.test.yaml"));
    }
}
