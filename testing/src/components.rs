//! Components, built and compiled once for all tests of a process.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use durawasm_build::{self as build, BuildError, BuildOptions};
use durawasm_sandbox::{Handler, Sandbox, SandboxLimits};

use crate::TestError;

/// What is compiled already. It only ever grows by what tests ask for, and holds nothing that a test could change.
static COMPILED: OnceLock<Mutex<HashMap<(PathBuf, String), Handler>>> = OnceLock::new();
static BUILT: OnceLock<Mutex<HashMap<PathBuf, Built>>> = OnceLock::new();

/// What building came to. A crate that does not build is not built again by each test.
type Built = Result<PathBuf, Arc<BuildError>>;

/// The component of a handler crate: built by the first test that asks.
pub(crate) fn build(path: &Path) -> Result<PathBuf, TestError> {
    let built = BUILT.get_or_init(Mutex::default);
    // Held while cargo runs: whoever asks next wants its outcome, and cargo would make them wait as well.
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

/// A component, compiled by the first test that asks for it with these limits.
pub(crate) fn load(path: &Path, limits: &SandboxLimits) -> Result<Handler, TestError> {
    let key = (path.to_owned(), format!("{limits:?}"));
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handler) = compiled.get(&key) {
        return Ok(handler.clone());
    }
    let wasm = std::fs::read(path).map_err(|source| TestError::Read { path: path.to_owned(), source })?;
    let (sandbox, _) = Sandbox::with_default_cache(limits)?;
    let handler = sandbox.load(&wasm).map_err(|source| TestError::Load { path: path.to_owned(), source })?;
    compiled.insert(key, handler.clone());
    Ok(handler)
}
