//! The cache of compiled components.

use std::{
    env,
    path::{Path, PathBuf},
};

use durawasm_compiler::{Cache, CacheError};
use durawasm_core::ambient::{Entropy as _, OsEntropy};

use super::SandboxError;

/// The folder for compiled components: `$DURAWASM_CACHE`, or else `durawasm/components` in the user's cache folder.
/// Without such a folder `None`, so every process compiles again. An empty `$DURAWASM_CACHE` turns the cache off.
pub fn default_cache_directory() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("DURAWASM_CACHE") {
        let chosen = Some(PathBuf::from(chosen)).filter(|p| !p.as_os_str().is_empty())?;
        return std::path::absolute(chosen).ok();
    }
    user_folder("XDG_CACHE_HOME", ".cache").map(|cache| cache.join("durawasm").join("components"))
}

/// The file of the key that authenticates the cache: `$DURAWASM_CACHE_KEY`, or else `durawasm/cache.key` in the folder for
/// the user's state.
fn key_file() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("DURAWASM_CACHE_KEY").filter(|path| !path.is_empty()) {
        return std::path::absolute(chosen).ok();
    }
    user_folder("XDG_STATE_HOME", ".local/state").map(|state| state.join("durawasm").join("cache.key"))
}

/// A folder of the user: that of the variable, or this one in the home folder.
fn user_folder(variable: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let chosen = env::var_os(variable).map(PathBuf::from).and_then(absolute);
    chosen.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(in_home)).and_then(absolute))
}

/// Opens the cache in this folder, with the key of this user.
pub(super) fn open(directory: &Path) -> Result<Cache, SandboxError> {
    let failed = |reason| SandboxError::Cache { directory: directory.to_owned(), reason };
    let key = key_file().ok_or_else(|| {
        failed(
            "there is no place for its key: neither DURAWASM_CACHE_KEY nor XDG_STATE_HOME nor HOME is set"
                .to_owned(),
        )
    })?;
    let opened = Cache::open(directory, &key, &mut |bytes| OsEntropy.fill(bytes));
    opened.map_err(|error: CacheError| failed(error.to_string()))
}
