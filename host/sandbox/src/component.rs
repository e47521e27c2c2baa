//! Compiled components, and the sandbox that runs them.
//!
//! Invariants: every invocation gets instances that no other invocation uses; instances are made from a template whose
//! imports are resolved once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use super::{
    LoadError, SandboxError,
    bindings::HandlerPre,
    cache::default_cache_directory,
    capacity::{Available, Capacity, Needs},
    engine::{
        EngineOptions, EpochTicker, FEWER, INSTANCE_MEMORY, INSTANCES, TOTAL_MEMORIES, TOTAL_TABLES, engine,
    },
    limits::SandboxLimits,
    linker::linker,
    requirements::{OWN_HANDLES_MEMORY, needs, unusable},
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
    capacity: Capacity,
    _ticker: EpochTicker,
}

impl Sandbox {
    /// Creates a sandbox.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions { cache, limits } = options;
        let engine = engine(&EngineOptions { cache, max_memory: limits.memory })?;
        let linker = linker(&engine).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let ticker = EpochTicker::spawn(engine.weak())?;
        let fewer = if engine.pooling_allocator_metrics().is_some() { 1 } else { FEWER };
        let available = Available {
            places: INSTANCES / fewer,
            memories: TOTAL_MEMORIES / fewer,
            tables: TOTAL_TABLES / fewer,
            bytes: limits.total_memory,
        };
        let claim = limits.memory.saturating_add(INSTANCE_MEMORY + OWN_HANDLES_MEMORY);
        let capacity = Capacity::new(available, claim);
        Ok(Self(Arc::new(Inner { engine, linker, limits, capacity, _ticker: ticker })))
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
        let component = Component::new(&self.0.engine, wasm).map_err(|e| unusable(&e))?;
        let (needs, handles) = needs(&component, wasm, &self.0.limits)?;
        let pre = self.0.linker.instantiate_pre(&component);
        let pre = pre.map_err(|e| SandboxError::Imports(format!("{e:#}").replace('\n', " ")))?;
        let pre =
            HandlerPre::new(pre).map_err(|e| SandboxError::Exports(format!("{e:#}").replace('\n', " ")))?;
        Ok(Handler { sandbox: self.clone(), pre, needs, handles })
    }

    /// Reads a component's file, and compiles it as [`load`](Self::load) does.
    pub fn load_file(&self, path: &Path) -> Result<Handler, LoadError> {
        let wasm = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        self.load(&wasm).map_err(|source| LoadError::Unusable { path: path.to_owned(), source })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.0.capacity
    }
}

/// A component that is ready to run.
#[derive(Clone)]
pub struct Handler {
    pub(super) sandbox: Sandbox,
    pub(super) pre: HandlerPre<State>,
    /// What each instance needs.
    pub(super) needs: Needs,
    /// The limit of wasmtime on the handles of each instance.
    pub(super) handles: usize,
}
