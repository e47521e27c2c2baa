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
pub type Fetched = (PathBuf, Arc<[u8]>);

/// Fetched and compiled components, by the paths in scenario files.
pub struct Components<F> {
    fetch: F,
    fetched: HashMap<PathBuf, Fetched>,
    engines: Vec<Engine>,
    without_cache: Option<SandboxError>,
}

struct Engine {
    memory: usize,
    total_memory: usize,
    bounds: CompileBounds,
    sandbox: Sandbox,
    compiled: HashMap<PathBuf, Handler>,
}

impl Engine {
    fn new(
        limits: &SandboxLimits,
        bounds: &CompileBounds,
    ) -> Result<(Self, Option<SandboxError>), SandboxError> {
        let (sandbox, without_cache) = Sandbox::with_default_cache_and_bounds(limits, bounds)?;
        let &SandboxLimits { memory, total_memory, .. } = limits;
        let engine = Self { memory, total_memory, bounds: bounds.clone(), sandbox, compiled: HashMap::new() };
        Ok((engine, without_cache))
    }

    fn is_for(&self, limits: &SandboxLimits, bounds: &CompileBounds) -> bool {
        (self.memory, self.total_memory) == (limits.memory, limits.total_memory) && self.bounds == *bounds
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
        Self { fetch, fetched: HashMap::new(), engines: Vec::new(), without_cache: None }
    }

    /// Why the compile cache could not be used, once. That only costs time.
    pub fn without_cache(&mut self) -> Option<SandboxError> {
        self.without_cache.take()
    }

    /// The file and the bytes of the component at a path.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn get(&mut self, handler: &Path) -> Result<Fetched, E> {
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

    /// The component at this path, compiled within these bounds for a sandbox with these limits. All that is loaded for
    /// the same memory of an instance, the same total and the same bounds shares a sandbox, as long as that is kept.
    ///
    /// # Errors
    /// Returns an error if it cannot be fetched, or is not a component.
    pub fn load(
        &mut self,
        handler: &Path,
        limits: &SandboxLimits,
        bounds: &CompileBounds,
    ) -> Result<Handler, LoadError<E>> {
        let (path, bytes) = self.get(handler).map_err(LoadError::Fetch)?;
        let compiled = self
            .with_engine(limits, bounds, |engine| engine.compile(&path, &bytes))
            .map_err(LoadError::Sandbox)?;
        let handler = compiled.map_err(|source| LoadError::Component { path, source })?;
        Ok(handler.with_limits(limits))
    }

    /// A component that is at no path, compiled as [`load`](Self::load) does. It is compiled each time.
    ///
    /// # Errors
    /// When these bytes are not a component.
    pub fn load_bytes(
        &mut self,
        component: &[u8],
        limits: &SandboxLimits,
        bounds: &CompileBounds,
    ) -> Result<Handler, SandboxError> {
        let compiled = self.with_engine(limits, bounds, |engine| engine.sandbox.load(component))?;
        Ok(compiled?.with_limits(limits))
    }

    /// Calls a function with the engine for these limits.
    fn with_engine<T>(
        &mut self,
        limits: &SandboxLimits,
        bounds: &CompileBounds,
        work: impl FnOnce(&mut Engine) -> T,
    ) -> Result<T, SandboxError> {
        let place = self.engines.iter().position(|engine| engine.is_for(limits, bounds));
        let mut engine = if let Some(place) = place {
            self.engines.remove(place)
        } else {
            let (engine, without_cache) = Engine::new(limits, bounds)?;
            self.without_cache = self.without_cache.take().or(without_cache);
            engine
        };
        let done = work(&mut engine);
        // The list is in the order of last use, and the least recently used engine is dropped.
        self.engines.insert(0, engine);
        self.engines.truncate(ENGINES);
        Ok(done)
    }
}
