//! The cache of compiled components.

use std::{env, path::PathBuf};

/// The folder for compiled components: `$DURAWASM_CACHE`, or else `durawasm/components` in the user's cache folder.
/// Without such a folder `None`, so every process compiles again. An empty `$DURAWASM_CACHE` turns the cache off.
pub fn default_cache_directory() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    if let Some(chosen) = env::var_os("DURAWASM_CACHE") {
        let chosen = Some(PathBuf::from(chosen)).filter(|p| !p.as_os_str().is_empty())?;
        return std::path::absolute(chosen).ok();
    }
    let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let user = user
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")).and_then(absolute));
    user.map(|cache| cache.join("durawasm").join("components"))
}
