//! Compiled components, and the sandbox that runs them.
//!
//! Invariants: every invocation gets instances that no other invocation uses; instances are made from a template whose
//! imports are resolved once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use super::{
    LoadError, SandboxError,
    bindings::HandlerPre,
    cache::default_cache_directory,
    engine::{EngineOptions, EpochTicker, INSTANCES, engine},
    http_client::HttpClient,
    limits::SandboxLimits,
    linker::linker,
    state::State,
};

/// The options of a sandbox.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// The folder of the compile cache; `None` disables it.
    pub cache: Option<PathBuf>,
    /// The limits of each invocation.
    pub limits: SandboxLimits,
}

/// Runs any number of components and executions. Clones share it.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    limits: SandboxLimits,
    places: Semaphore,
    http: Arc<HttpClient>,
    _ticker: EpochTicker,
}

impl Sandbox {
    /// Creates a sandbox.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions { cache, limits } = options;
        let engine = engine(&EngineOptions { cache, max_memory: limits.memory })?;
        let linker = linker(&engine).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let ticker = EpochTicker::spawn(engine.weak())?;
        let places = Semaphore::new(INSTANCES as usize);
        let http = Arc::default();
        Ok(Self(Arc::new(Inner { engine, linker, limits, places, http, _ticker: ticker })))
    }

    /// Creates a sandbox with the default compile cache, or without a cache if that cannot be used. Then it also
    /// returns why; a missing cache only costs time.
    pub fn with_default_cache(limits: &SandboxLimits) -> Result<(Self, Option<SandboxError>), SandboxError> {
        let with = |cache| Self::new(SandboxOptions { cache, limits: limits.clone() });
        match with(default_cache_directory()) {
            Err(error @ SandboxError::Cache { .. }) => Ok((with(None)?, Some(error))),
            made => Ok((made?, None)),
        }
    }

    /// The limits of each invocation.
    pub fn limits(&self) -> &SandboxLimits {
        &self.0.limits
    }

    /// Compiles a component, or loads its compiled form from the cache.
    pub fn load(&self, wasm: &[u8]) -> Result<Handler, SandboxError> {
        let component = Component::new(&self.0.engine, wasm).map_err(|e| {
            SandboxError::Invalid(
                format!("{e:#}").lines().next().unwrap_or("it cannot be compiled").to_owned(),
            )
        })?;
        let pre = self.0.linker.instantiate_pre(&component);
        let pre = pre.map_err(|e| SandboxError::Imports(format!("{e:#}").replace('\n', " ")))?;
        let pre =
            HandlerPre::new(pre).map_err(|e| SandboxError::Exports(format!("{e:#}").replace('\n', " ")))?;
        let uses_http = component
            .component_type()
            .imports(&self.0.engine)
            .any(|(name, _)| name.starts_with("wasi:http/"));
        Ok(Handler { sandbox: self.clone(), pre, uses_http })
    }

    /// Reads a component's file, and compiles it as [`load`](Self::load) does.
    pub fn load_file(&self, path: &Path) -> Result<Handler, LoadError> {
        let wasm = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        self.load(&wasm).map_err(|source| LoadError::Unusable { path: path.to_owned(), source })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn http(&self) -> &Arc<HttpClient> {
        &self.0.http
    }

    pub(super) fn places(&self) -> &Semaphore {
        &self.0.places
    }
}

/// A component that is ready to run.
#[derive(Clone)]
pub struct Handler {
    pub(super) sandbox: Sandbox,
    pub(super) pre: HandlerPre<State>,
    /// Whether it imports `wasi:http`.
    pub(super) uses_http: bool,
}
