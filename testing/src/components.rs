//! A process-wide cache of built and compiled components.
//!
//! Invariants: a crate is built, and a component compiled for given limits, at most once per process; the cache holds
//! no state that a test can change.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use durawasm_build::{self as build, BuildError, BuildOptions};
use durawasm_sandbox::{Handler, Sandbox, SandboxLimits};

use crate::TestError;

/// Compiled components by path and limits. Entries are added and never changed.
static COMPILED: OnceLock<Mutex<HashMap<(PathBuf, String), Handler>>> = OnceLock::new();
static BUILT: OnceLock<Mutex<HashMap<PathBuf, Built>>> = OnceLock::new();

/// The result of a build. A failure is kept too, so that a crate that does not build is not built again by each test.
type Built = Result<PathBuf, Arc<BuildError>>;

/// The path of a handler crate's component. The first call builds the crate.
pub(crate) fn build(path: &Path) -> Result<PathBuf, TestError> {
    let built = BUILT.get_or_init(Mutex::default);
    // The lock is held while cargo runs: other callers need the same result, and cargo would block them anyway.
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = built
        .entry(path.to_owned())
        .or_insert_with(|| {
            let outcome = build::build(&BuildOptions::new(path), &mut |_| {});
            outcome.map(|built| built.path).map_err(Arc::new)
        })
        .clone();
    outcome.map_err(|source| TestError::Build { path: path.to_owned(), source })
}

/// A component compiled with these limits. The first call with the same path and limits compiles it.
pub(crate) fn load(path: &Path, limits: &SandboxLimits) -> Result<Handler, TestError> {
    let key = (path.to_owned(), format!("{limits:?}"));
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handler) = compiled.get(&key) {
        return Ok(handler.clone());
    }
    let (sandbox, _) = Sandbox::with_default_cache(limits)?;
    let handler = sandbox.load_file(path)?;
    compiled.insert(key, handler.clone());
    Ok(handler)
}
