//! The configuration of the wasmtime engine: every flag in one place, with its reason.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::SandboxError;

/// The most concurrent instances; further invocations wait.
pub(super) const INSTANCES: u32 = 64;

/// The options of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The most linear memory of one instance, in bytes.
    pub max_memory: usize,
}

/// Creates an engine with preallocated instances, or without if the machine's address space does not allow it.
pub(super) fn engine(options: &EngineOptions) -> Result<Engine, SandboxError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    if let Ok(engine) = Engine::new(&config) {
        return Ok(engine);
    }
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|e| SandboxError::Engine(format!("{e:#}")))
}

/// Creates an engine that only compiles. It reserves no address space for instances, and has the settings that machine
/// code depends on.
pub(super) fn compiling_engine() -> Result<Engine, SandboxError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|e| SandboxError::Engine(format!("{e:#}")))
}

fn config() -> Config {
    let mut config = Config::new();
    // Handlers are components.
    config.wasm_component_model(true);
    // Results must not depend on the machine, but the bit pattern of a NaN and relaxed SIMD would.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    // Shared memory allows data races, which a replay does not repeat, so wasmtime is built without its `threads`
    // feature. A guest that does not yield is interrupted at loop back-edges. Unlike fuel this costs almost nothing.
    config.epoch_interruption(true);
    // A component is compiled once and run many times.
    config.cranelift_opt_level(OptLevel::Speed);
    // Instances share the pages of the component's initial memory until they write to them.
    config.memory_init_cow(true);
    // A runaway recursion must trap before it exhausts the fiber's own stack.
    config.max_wasm_stack(512 * 1024);
    config.async_stack_size(2 * 1024 * 1024);
    // Error messages of traps name the guest's functions.
    config.wasm_backtrace_max_frames(NonZeroUsize::new(30));
    config
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // A component made with an adapter has up to five core instances with two memories and a few tables.
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
        // These bytes are zeroed for the next instance instead of unmapped, which is cheaper than a system call and
        // page faults.
        .linear_memory_keep_resident(512 * 1024)
        .table_keep_resident(64 * 1024)
        .async_stack_keep_resident(64 * 1024);
    pool
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
        let options = EngineOptions { max_memory: 64 << 20 };
        for engine in [compiling_engine().unwrap(), engine(&options).unwrap()] {
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
