//! Compiled components, and the sandbox that runs them.
//!
//! Invariants: every invocation gets instances that no other invocation uses; instances are made from a template whose
//! imports are resolved once.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use durawasm_compiler::{Bounds, Cache, CompilerProcess, MAX_COMPONENT_SIZE, Request, compile, serve};
use durawasm_core::files::read_file;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use super::{
    LoadError, SandboxError,
    bindings::HandlerPre,
    cache::{default_cache_directory, open},
    capacity::{Available, Capacity, Needs, Share},
    engine::{
        EngineOptions, FEWER, INSTANCE_MEMORY, INSTANCES, TOTAL_MEMORIES, TOTAL_TABLES, compiling_engine,
        engine,
    },
    http_client::HttpClient,
    limits::SandboxLimits,
    linker::linker,
    requirements::{OWN_HANDLES_MEMORY, most_handles, needs, unusable},
    state::State,
    usage::SandboxUsage,
    watchdog::{Overdue, Watch, Watchdog},
};

/// The command of durawasm's executable that compiles.
pub const COMPILER_COMMAND: &str = "compile-component";

/// The options of a sandbox.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// The folder of the compile cache; `None` disables it.
    pub cache: Option<PathBuf>,
    /// The limits of each invocation.
    pub limits: SandboxLimits,
    /// The bounds of compiling a component.
    pub compiling: Bounds,
}

/// Runs any number of components and executions. Clones share it.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    limits: SandboxLimits,
    compiling: Bounds,
    cache: Option<Cache>,
    capacity: Capacity,
    watchdog: Watchdog,
    http: Arc<HttpClient>,
}

impl Sandbox {
    /// Creates a sandbox.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions { cache, limits, compiling } = options;
        let cache = cache.map(|directory| open(&directory)).transpose()?;
        let engine = engine(&EngineOptions { max_memory: limits.memory })?;
        let linker = linker(&engine).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let watchdog = Watchdog::spawn(engine.weak())?;
        let pooled = engine.pooling_allocator_metrics().is_some();
        let fewer = if pooled { 1 } else { FEWER };
        let available = Available {
            places: INSTANCES / fewer,
            memories: TOTAL_MEMORIES / fewer,
            tables: TOTAL_TABLES / fewer,
            bytes: limits.total_memory,
        };
        let claim = limits.memory.saturating_add(INSTANCE_MEMORY + OWN_HANDLES_MEMORY);
        let capacity = Capacity::new(available, claim);
        // Machine code of the compiler's process is for an engine that reserves address space.
        let compiling = if pooled { compiling } else { Bounds { process: None, ..compiling } };
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            limits,
            compiling,
            cache,
            capacity,
            http: Arc::default(),
            watchdog,
        })))
    }

    /// Creates a sandbox with the default compile cache, or without a cache if that cannot be used. Then it also
    /// returns why; a missing cache only costs time.
    pub fn with_default_cache(limits: &SandboxLimits) -> Result<(Self, Option<SandboxError>), SandboxError> {
        Self::with_default_cache_and_bounds(limits, &default_bounds())
    }

    /// The same, with these bounds of compiling.
    pub fn with_default_cache_and_bounds(
        limits: &SandboxLimits,
        compiling: &Bounds,
    ) -> Result<(Self, Option<SandboxError>), SandboxError> {
        let with =
            |cache| Self::new(SandboxOptions { cache, limits: limits.clone(), compiling: compiling.clone() });
        match with(default_cache_directory()) {
            Err(error @ SandboxError::Cache { .. }) => Ok((with(None)?, Some(error))),
            made => Ok((made?, None)),
        }
    }

    /// The limits of each invocation, unless its handler has others.
    pub fn limits(&self) -> &SandboxLimits {
        &self.0.limits
    }

    /// Compiles a component, or loads its compiled form from the cache.
    pub fn load(&self, wasm: &[u8]) -> Result<Handler, SandboxError> {
        let component = self.compiled(wasm)?;
        let (needs, own_resources) = needs(&component, wasm)?;
        let pre = self.0.linker.instantiate_pre(&component);
        let pre = pre.map_err(|e| SandboxError::Imports(format!("{e:#}").replace('\n', " ")))?;
        let pre =
            HandlerPre::new(pre).map_err(|e| SandboxError::Exports(format!("{e:#}").replace('\n', " ")))?;
        Ok(Handler {
            sandbox: self.clone(),
            pre,
            needs,
            own_resources,
            limits: Arc::new(self.0.limits.clone()),
        })
    }

    fn compiled(&self, wasm: &[u8]) -> Result<Component, SandboxError> {
        let Inner { engine, cache, compiling, .. } = &*self.0;
        if let Some(component) = cache.as_ref().and_then(|cache| cache.load(engine, wasm)) {
            return Ok(component);
        }
        let machine = compile(engine, wasm, compiling)?;
        if let Some(cache) = cache {
            cache.store(engine, wasm, &machine);
        }
        machine.component(engine).map_err(|error| unusable(&error))
    }

    /// Reads a component's file, and compiles it as [`load`](Self::load) does.
    pub fn load_file(&self, path: &Path) -> Result<Handler, LoadError> {
        let wasm = read_file(path, MAX_COMPONENT_SIZE)
            .map_err(|error| LoadError::Read { path: path.to_owned(), source: error.into() })?;
        self.load(&wasm).map_err(|source| LoadError::Unusable { path: path.to_owned(), source })
    }

    /// What the sandbox holds now.
    ///
    /// # Examples
    ///
    /// ```
    /// use durawasm_sandbox::{Sandbox, SandboxOptions, SandboxUsage};
    ///
    /// let sandbox = Sandbox::new(SandboxOptions::default())?;
    /// assert_eq!(sandbox.usage(), SandboxUsage::default(), "nothing is running");
    /// # Ok::<(), durawasm_sandbox::SandboxError>(())
    /// ```
    pub fn usage(&self) -> SandboxUsage {
        let mut usage = self.0.capacity.usage();
        if let Some(pool) = self.0.engine.pooling_allocator_metrics() {
            usage.instances = pool.component_instances();
            usage.pooled = pool.memories() + pool.tables() + pool.stacks();
        }
        usage.watched = self.0.watchdog.watched();
        usage.connections = self.0.http.connections();
        usage
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn http(&self) -> &Arc<HttpClient> {
        &self.0.http
    }

    /// Watches an invocation that begins now.
    pub(super) fn watch(&self, share: &Arc<Share>, limits: &SandboxLimits) -> Arc<Watch> {
        self.0.watchdog.watch(limits.wall, limits.cpu, Some(share.clone()))
    }

    /// Completes when this much real time has passed.
    pub(super) async fn passed(&self, time: Duration) -> Overdue {
        let watch = self.0.watchdog.watch(time, Duration::MAX, None);
        match watch.limit(std::future::pending::<Infallible>()).await {
            Ok(never) => match never {},
            Err(passed) => passed,
        }
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.0.capacity
    }
}

/// The bounds of compiling in a process that cannot execute itself as a compiler, such as a test: `DURAWASM_COMPILER` can
/// name the executable of durawasm.
fn default_bounds() -> Bounds {
    let program = std::env::var_os("DURAWASM_COMPILER").filter(|program| !program.is_empty());
    Bounds { process: program.map(|program| compiler_process(program.into())), ..Bounds::default() }
}

/// How the executable of durawasm is started as a compiler.
pub fn compiler_process(program: PathBuf) -> CompilerProcess {
    CompilerProcess { program, arguments: vec![COMPILER_COMMAND.into()] }
}

/// Serves as a compiler: see [`compiler_process`]. `memory` and `seconds` are its two arguments.
pub fn serve_as_compiler(memory: u64, seconds: u64) -> ExitCode {
    serve(Request { memory, seconds }, || compiling_engine().map_err(|error| error.to_string()))
}

/// A component that is ready to run.
#[derive(Clone)]
pub struct Handler {
    pub(super) sandbox: Sandbox,
    pub(super) pre: HandlerPre<State>,
    /// What each instance needs.
    pub(super) needs: Needs,
    /// Whether it defines resources of its own.
    pub(super) own_resources: bool,
    /// The limits of each invocation.
    pub(super) limits: Arc<SandboxLimits>,
}

impl Handler {
    /// The same component with other limits for its invocations, in the same sandbox.
    ///
    /// What belongs to the whole sandbox stays as it is: `total_memory`, and the most memory that an instance may have,
    /// which is less than `limits.memory` if the sandbox's is.
    #[must_use]
    pub fn with_limits(&self, limits: &SandboxLimits) -> Self {
        let whole = &self.sandbox.0.limits;
        let limits = SandboxLimits {
            memory: limits.memory.min(whole.memory),
            total_memory: whole.total_memory,
            ..limits.clone()
        };
        Self { limits: Arc::new(limits), ..self.clone() }
    }

    /// The limits of each invocation.
    pub fn limits(&self) -> &SandboxLimits {
        &self.limits
    }

    /// The limit of wasmtime on the handles of each instance.
    pub(super) fn handles(&self) -> usize {
        most_handles(&self.limits, self.own_resources)
    }
}
