//! The folder in which a package is built.
//!
//! Cargo names the file of a `cdylib` after the library alone. So two packages that share a target folder and have
//! libraries of the same name also share the file: cargo takes the other package's file for up to date.
//!
//! Invariants: in one folder, all libraries of one name belong to one package. The first package gets the shared
//! folder; each other one gets its own folder inside it. The owner is recorded in the shared folder (`.crates/NAME`).

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use super::{BuildError, Profile, Target, package::Package};

/// The folder for the build output of the package, in or below a folder that packages share.
pub(super) fn folder(shared: &Path, package: &Package) -> Result<PathBuf, BuildError> {
    let library = package.library.replace('-', "_");
    let claims = shared.join(".crates");
    let claim = claims.join(&library);
    let failed = |source| BuildError::File { path: claim.clone(), action: "written", source };
    let manifest = package.manifest.as_os_str().as_encoded_bytes();
    fs::create_dir_all(&claims).map_err(failed)?;
    loop {
        match fs::read(&claim) {
            Ok(owner) if owner == manifest => return Ok(shared.to_owned()),
            Ok(owner) if exists(&owner) => return Ok(shared.join(own_name(&library, manifest))),
            // The package that owned it does not exist any more.
            Ok(_) => fs::remove_file(&claim).or_else(not_found).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // It is unknown which package produced the existing files.
        forget(shared, &library).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(&claims).map_err(failed)?;
        file.write_all(manifest).map_err(failed)?;
        match file.persist_noclobber(&claim) {
            Ok(_) => return Ok(shared.to_owned()),
            // Another process was faster.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
    }
}

/// Whether a manifest still exists.
fn exists(manifest: &[u8]) -> bool {
    std::str::from_utf8(manifest).is_ok_and(|path| Path::new(path).is_file())
}

fn own_name(library: &str, manifest: &[u8]) -> String {
    let hash = blake2b_simd::Params::new().hash_length(4).hash(manifest);
    format!("{library}-{}", hash.to_hex())
}

/// Removes cargo's records of libraries of this name, so that they are built again.
fn forget(shared: &Path, library: &str) -> io::Result<()> {
    for target in Target::ALL {
        for profile in [Profile::Release, Profile::Debug] {
            let folder = shared.join(target.triple()).join(profile.to_string());
            for folder in [folder.join("deps"), folder] {
                fs::remove_file(folder.join(format!("{library}.wasm"))).or_else(not_found)?;
            }
        }
    }
    Ok(())
}

fn not_found(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(dir: &Path, name: &str, library: &str) -> Package {
        let manifest = dir.join(name).join("Cargo.toml");
        fs::create_dir_all(manifest.parent().unwrap()).unwrap();
        fs::write(&manifest, "").unwrap();
        let (id, library) = (name.to_owned(), library.to_owned());
        Package { id, name: name.to_owned(), library, manifest, target_directory: dir.join("target") }
    }

    #[test]
    fn libraries_of_one_name_do_not_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("guest");
        let [one, two, third] = ["one", "two", "third"].map(|name| package(dir.path(), name, "same-name"));
        let other = package(dir.path(), "other", "other");
        let folder = |package| folder(&shared, package).unwrap();
        for _ in 0..2 {
            assert_eq!(folder(&one), shared);
            assert_eq!(folder(&other), shared);
            assert!(folder(&two).starts_with(&shared) && folder(&two) != shared);
            assert!(folder(&third).starts_with(&shared) && folder(&third) != folder(&two));
            assert_eq!(folder(&two), folder(&two));
        }
        // What is gone makes room.
        fs::remove_file(&one.manifest).unwrap();
        assert_eq!(folder(&two), shared);
    }

    #[test]
    fn what_was_built_before_anybody_had_the_folder_is_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let deps = dir.path().join("wasm32-wasip1/debug/deps");
        fs::create_dir_all(&deps).unwrap();
        let [mine, others] = ["same_name.wasm", "other.wasm"].map(|name| deps.join(name));
        fs::write(&mine, "").unwrap();
        fs::write(&others, "").unwrap();
        folder(dir.path(), &package(dir.path(), "one", "same-name")).unwrap();
        assert!(!mine.exists() && others.exists());
        fs::write(&mine, "").unwrap();
        folder(dir.path(), &package(dir.path(), "one", "same-name")).unwrap();
        assert!(mine.exists());
    }
}
