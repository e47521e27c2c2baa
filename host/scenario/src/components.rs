//! A cache of the components that scenarios test: each is fetched and compiled once.
//!
//! Invariants: the caller decides how a component is fetched, and may build it. An engine reserves much address space,
//! so only a few engines are kept.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use durawasm_sandbox::{CompileBounds, Handler, Sandbox, SandboxError, SandboxLimits};

/// The maximum number of engines, each for one set of limits.
const ENGINES: usize = 4;

/// Why a component cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// The component cannot be fetched.
    #[error(transparent)]
    Fetch(E),
    /// The sandbox cannot be created.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// The file is not a component that the sandbox can run.
    #[error("{}: {source}", path.display())]
    Component {
        /// The component's file.
        path: PathBuf,
        /// Why the sandbox rejected it.
        source: SandboxError,
    },
}

/// A component's file and its bytes.
type Fetched = (PathBuf, Arc<[u8]>);

/// Fetched and compiled components, by the paths in scenario files.
pub struct Components<F> {
    fetch: F,
    fetched: HashMap<PathBuf, Fetched>,
    engines: Vec<Engine>,
    bounds: Option<CompileBounds>,
}

struct Engine {
    limits: SandboxLimits,
    sandbox: Sandbox,
    compiled: HashMap<PathBuf, Handler>,
}

impl Engine {
    fn new(limits: &SandboxLimits, bounds: Option<&CompileBounds>) -> Result<Self, SandboxError> {
        let (sandbox, _) = match bounds {
            Some(bounds) => Sandbox::with_default_cache_and_bounds(limits, bounds)?,
            None => Sandbox::with_default_cache(limits)?,
        };
        Ok(Self { limits: limits.clone(), sandbox, compiled: HashMap::new() })
    }

    fn compile(&mut self, path: &Path, bytes: &[u8]) -> Result<Handler, SandboxError> {
        if let Some(handler) = self.compiled.get(path) {
            return Ok(handler.clone());
        }
        let handler = self.sandbox.load(bytes)?;
        self.compiled.insert(path.to_owned(), handler.clone());
        Ok(handler)
    }
}

impl<E, F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), E>> Components<F> {
    /// An empty cache. `fetch` returns the file and the bytes of the component at a path, which names a component or a
    /// crate.
    pub fn new(fetch: F) -> Self {
        Self { fetch, fetched: HashMap::new(), engines: Vec::new(), bounds: None }
    }

    /// Compiles within these bounds, instead of those of [`Sandbox::with_default_cache`].
    #[must_use]
    pub fn with_bounds(mut self, bounds: CompileBounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    fn get(&mut self, handler: &Path) -> Result<Fetched, E> {
        // Different spellings of a path share one entry.
        let key = handler.canonicalize().unwrap_or_else(|_| handler.to_owned());
        if let Some(fetched) = self.fetched.get(&key) {
            return Ok(fetched.clone());
        }
        let (path, bytes) = (self.fetch)(handler)?;
        let fetched = (path, bytes.into());
        self.fetched.insert(key, Fetched::clone(&fetched));
        Ok(fetched)
    }

    /// The component at this path, compiled for these limits.
    ///
    /// # Errors
    /// Returns an error if it cannot be fetched, or is not a component.
    pub fn load(&mut self, handler: &Path, limits: &SandboxLimits) -> Result<Handler, LoadError<E>> {
        let (path, bytes) = self.get(handler).map_err(LoadError::Fetch)?;
        let mut engine = match self.engines.iter().position(|engine| engine.limits == *limits) {
            Some(place) => self.engines.remove(place),
            None => Engine::new(limits, self.bounds.as_ref()).map_err(LoadError::Sandbox)?,
        };
        let compiled = engine.compile(&path, &bytes);
        // The list is in the order of last use, and the least recently used engine is dropped.
        self.engines.insert(0, engine);
        self.engines.truncate(ENGINES);
        compiled.map_err(|source| LoadError::Component { path, source })
    }
}
