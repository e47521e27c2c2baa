//! Looks for `durawasm.toml`.
//!
//! Invariants: a file that is found is the current user's or root's, as are its folder and the link to it, if it is one.
//! Whoever writes the file decides what native code is built and what is granted, so a file that another user could have
//! put into a parent folder is refused.

use std::{
    io,
    path::{Path, PathBuf},
};

use durawasm_core::files::read_text_file;

use super::file::FILE_NAME;

/// The largest `Cargo.toml` that is looked at, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// Why the file cannot be looked for, or is not used.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The folder to start from cannot be determined.
    #[error("{}: cannot look for {FILE_NAME} from here: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file cannot be examined.
    #[error("{}: {error}; --no-config goes on without it", path.display())]
    Examine {
        /// The path of the file, or of its folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is another user's.
    #[error(
        "{}: {} belongs to another user ({owner}), who could grant and build what you do not want; name the file with \
         --config if you trust it, or use --no-config", path.display(), what
    )]
    Owner {
        /// The path of the file.
        path: PathBuf,
        /// What belongs to the other user.
        what: &'static str,
        /// The id of that user.
        owner: u32,
    },
}

/// Looks for the file in a folder and in those above it. The search ends with the first folder that has the file, with
/// the root of a cargo workspace, or with the root of the file system.
///
/// # Errors
/// [`FindError`]
pub fn find(folder: &Path) -> Result<Option<PathBuf>, FindError> {
    let start = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let start =
        start.canonicalize().map_err(|error| FindError::Folder { folder: folder.to_owned(), error })?;
    for folder in start.ancestors() {
        let path = folder.join(FILE_NAME);
        match path.symlink_metadata() {
            Ok(_) => {
                #[cfg(unix)]
                owned(&path, rustix::process::geteuid().as_raw())?;
                return Ok(Some(path));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FindError::Examine { path, error }),
        }
        if is_workspace(&folder.join("Cargo.toml")) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether this is the manifest of a cargo workspace.
fn is_workspace(manifest: &Path) -> bool {
    let begins = |line: &str| {
        let line = line.trim_start().strip_prefix('[').map(str::trim_start);
        line.is_some_and(|line| {
            line.strip_prefix("workspace").is_some_and(|rest| rest.trim_start().starts_with([']', '.']))
        })
    };
    read_text_file(manifest, MAX_MANIFEST).is_ok_and(|text| text.lines().any(begins))
}

/// Refuses a file that is another user's than `user` and root's, or that such a user could replace.
#[cfg(unix)]
fn owned(path: &Path, user: u32) -> Result<(), FindError> {
    use std::os::unix::fs::MetadataExt as _;

    let folder = path.parent().unwrap_or(path);
    let examined = |at: &Path, metadata: io::Result<std::fs::Metadata>| {
        metadata.map_err(|error| FindError::Examine { path: at.to_owned(), error })
    };
    for (what, metadata) in [
        ("its folder", examined(folder, folder.metadata())?),
        ("it", examined(path, path.symlink_metadata())?),
        ("what it links to", examined(path, path.metadata())?),
    ] {
        let owner = metadata.uid();
        if owner != user && owner != 0 {
            return Err(FindError::Owner { path: path.to_owned(), what, owner });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_counts_and_the_search_ends_at_a_workspace() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let deep = root.join("workspace/member/src");
        fs::create_dir_all(&deep).unwrap();
        let outer = root.join(FILE_NAME);
        fs::write(&outer, "").unwrap();
        let found = |folder: &Path| find(folder).unwrap();
        assert_eq!(found(&deep), Some(outer.clone()));
        for (manifest, seen) in [
            ("[package]\nname = \"workspace\"\n", true),
            ("x = '''\n [ workspace ]\n'''", false),
            ("[workspace]\n", false),
            ("[workspace.package]\n", false),
            ("[workspaces]\n", true),
        ] {
            fs::write(root.join("workspace/Cargo.toml"), manifest).unwrap();
            assert_eq!(found(&deep), seen.then(|| outer.clone()), "{manifest}");
        }
        fs::write(root.join("workspace/Cargo.toml"), "[workspace]\n").unwrap();
        // The file beside the workspace's manifest is still found, and the nearest one counts.
        for folder in ["workspace", "workspace/member"] {
            let file = root.join(folder).join(FILE_NAME);
            fs::write(&file, "").unwrap();
            assert_eq!(found(&deep), Some(file));
        }
        let missing = root.join("no-such-folder");
        assert!(matches!(find(&missing), Err(FindError::Folder { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_is_refused() {
        use std::os::unix::fs::MetadataExt as _;

        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE_NAME);
        fs::write(&path, "").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        assert!(owned(&path, owner).is_ok());
        if owner == 0 {
            // Root's files are everybody's to trust.
            assert!(owned(&path, 7).is_ok());
        } else {
            let said = owned(&path, owner + 1).unwrap_err().to_string();
            assert!(said.contains("belongs to another user") && said.contains("--config"), "{said}");
        }
    }
}
