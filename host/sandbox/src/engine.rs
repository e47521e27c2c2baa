//! The wasmtime engine: every flag in one place, each with its reason.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::{
    Cache, CacheConfig, Config, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

use super::SandboxError;

/// How often a running guest is looked after.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Instances that may be alive at once; further invocations wait for a place.
pub(super) const INSTANCES: u32 = 64;

/// What an engine depends on.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where compiled components are kept from one run to the next; `None` keeps them in memory only.
    pub cache: Option<PathBuf>,
    /// Most linear memory of one instance, in bytes.
    pub max_memory: usize,
}

/// An engine with preallocated instances, or one without where the machine's address space does not allow it.
pub(super) fn engine(options: &EngineOptions) -> Result<Engine, SandboxError> {
    let mut config = config(options)?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    if let Ok(engine) = Engine::new(&config) {
        return Ok(engine);
    }
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|e| SandboxError::Engine(format!("{e:#}")))
}

fn config(options: &EngineOptions) -> Result<Config, SandboxError> {
    let mut config = Config::new();
    // Handlers are components.
    config.wasm_component_model(true);
    // Results must not depend on the machine: the bit pattern of a NaN and the freedom of relaxed SIMD would.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    // Shared memory brings races, which no replay repeats: wasmtime is built without its `threads` feature. A guest
    // that never yields is interrupted between two loop iterations. Unlike fuel this costs almost nothing.
    config.epoch_interruption(true);
    // Compiled once, replayed thousands of times.
    config.cranelift_opt_level(OptLevel::Speed);
    // A fresh instance shares the pages of the component's initial memory until it writes to them.
    config.memory_init_cow(true);
    // A hostile recursion ends in a trap long before the fiber's own stack does.
    config.max_wasm_stack(512 * 1024);
    config.async_stack_size(2 * 1024 * 1024);
    // What a trap says names the guest's functions.
    config.wasm_backtrace_max_frames(NonZeroUsize::new(30));
    if let Some(directory) = &options.cache {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        let cache = Cache::new(cache)
            .map_err(|e| SandboxError::Cache { directory: directory.clone(), reason: format!("{e:#}") })?;
        config.cache(Some(cache));
    }
    Ok(config)
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // A component made with an adapter is up to five core instances with two memories and a handful of tables.
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 8)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * 8)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(32)
        .max_memories_per_component(8)
        .max_tables_per_component(32)
        .max_memory_size(options.max_memory)
        .table_elements(100_000)
        // The next instance finds these bytes zeroed instead of unmapped: cheaper than a system call and page faults.
        .linear_memory_keep_resident(512 * 1024)
        .table_keep_resident(64 * 1024)
        .async_stack_keep_resident(64 * 1024);
    pool
}

/// Advances an engine's epoch until it is dropped.
pub(super) struct EpochTicker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl EpochTicker {
    pub(super) fn spawn(engine: EngineWeak) -> Result<Self, SandboxError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("durawasm-epoch".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::park_timeout(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })
            .map_err(|e| SandboxError::Engine(format!("cannot start the epoch thread: {e}")))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It holds nothing, and ends within a tick.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // (func (export "f") (param i32) (result i32) (i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (local.get 0))
    // (f32.const 1))))
    const ADD_ONE: &[u8] =
        b"\0asm\x01\0\0\0\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\x07\x05\x01\x01f\0\0\
        \x0a\x0e\x01\x0c\0\x20\0\xbe\x43\0\0\x80\x3f\x92\xbc\x0b";

    /// Both kinds of engine accept the flags, and a NaN has one bit pattern, whatever it is made from.
    #[test]
    fn the_configuration_holds() {
        let options = EngineOptions { cache: None, max_memory: 64 << 20 };
        let mut on_demand = config(&options).unwrap();
        on_demand.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        for engine in [Engine::new(&on_demand).unwrap(), engine(&options).unwrap()] {
            let module = wasmtime::Module::new(&engine, ADD_ONE).unwrap();
            let mut store = wasmtime::Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
            let add_one = instance.get_typed_func::<u32, u32>(&mut store, "f").unwrap();
            for nan in [0x7fc0_0000, 0x7fe1_2345, 0xffc0_0001] {
                assert_eq!(add_one.call(&mut store, nan).unwrap(), 0x7fc0_0000, "{nan:x}");
            }
        }
    }
}
