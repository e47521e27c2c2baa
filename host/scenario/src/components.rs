//! Components that scenarios test: gotten and compiled once, however many scenarios ask.
//!
//! Invariants: what a component is gotten with is up to the caller, who may have to build it. Engines take much address
//! space, so only a few of them are kept.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use durawasm_sandbox::{Handler, Sandbox, SandboxError, SandboxLimits};

/// How many sets of limits have an engine at a time.
const ENGINES: usize = 4;

/// Why a component cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// It could not be gotten.
    #[error(transparent)]
    Fetch(E),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// It is no component that the sandbox takes.
    #[error("{}: {source}", path.display())]
    Component {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SandboxError,
    },
}

/// A component's file and its bytes.
type Fetched = (PathBuf, Arc<[u8]>);

/// Components, by the paths that scenario files name.
pub struct Components<F> {
    fetch: F,
    fetched: HashMap<PathBuf, Fetched>,
    engines: Vec<Engine>,
}

struct Engine {
    limits: SandboxLimits,
    sandbox: Sandbox,
    compiled: HashMap<PathBuf, Handler>,
}

impl Engine {
    fn new(limits: &SandboxLimits) -> Result<Self, SandboxError> {
        let (sandbox, _) = Sandbox::with_default_cache(limits)?;
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
    /// None yet. `fetch` makes a component's file and bytes of a path: a component's, or a crate's.
    pub fn new(fetch: F) -> Self {
        Self { fetch, fetched: HashMap::new(), engines: Vec::new() }
    }

    fn get(&mut self, handler: &Path) -> Result<Fetched, E> {
        // Two ways to write a path are one component.
        let key = handler.canonicalize().unwrap_or_else(|_| handler.to_owned());
        if let Some(fetched) = self.fetched.get(&key) {
            return Ok(fetched.clone());
        }
        let (path, bytes) = (self.fetch)(handler)?;
        let fetched = (path, bytes.into());
        self.fetched.insert(key, Fetched::clone(&fetched));
        Ok(fetched)
    }

    /// The component, compiled for these limits.
    ///
    /// # Errors
    /// When it cannot be gotten, or is none.
    pub fn load(&mut self, handler: &Path, limits: &SandboxLimits) -> Result<Handler, LoadError<E>> {
        let (path, bytes) = self.get(handler).map_err(LoadError::Fetch)?;
        let mut engine = match self.engines.iter().position(|engine| engine.limits == *limits) {
            Some(place) => self.engines.remove(place),
            None => Engine::new(limits).map_err(LoadError::Sandbox)?,
        };
        let compiled = engine.compile(&path, &bytes);
        // The latest comes first, and the one that was not asked for the longest goes.
        self.engines.insert(0, engine);
        self.engines.truncate(ENGINES);
        compiled.map_err(|source| LoadError::Component { path, source })
    }
}
