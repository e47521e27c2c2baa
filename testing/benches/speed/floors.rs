//! Floors: what a figure cannot be below.

use std::time::{Duration, Instant};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, ComponentExportIndex, Linker, Resource, ResourceTable, ResourceType, Val},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::rows::{Outcome, median};

/// How many calls of the host are measured together, so that the instance that makes them does not count.
const CALLS: u32 = 100_000;

/// The floors, measured.
pub(crate) struct Floors {
    /// wasmtime alone, instantiating the same component and calling it.
    pub(crate) instance: Duration,
    /// wasmtime alone, calling the host from the same component for a short string.
    pub(crate) call: Duration,
    /// A message to another thread and back.
    pub(crate) hop: Duration,
}

impl Floors {
    pub(crate) async fn measure(wasm: &[u8]) -> Outcome<Self> {
        let (instance, call) = bare_wasmtime(wasm).await?;
        Ok(Self { instance, call, hop: channel_round_trip()? })
    }

    /// The floor of so many operations with an invocation after each: an instance and a call for each invocation, and a call
    /// of the host for each replayed operation.
    pub(crate) fn replays(&self, operations: u32) -> Duration {
        self.instance * (operations + 1) + self.call * replayed(operations)
    }
}

/// How many operations are replayed in all, if the handler is invoked anew after each of so many.
pub(crate) fn replayed(operations: u32) -> u32 {
    operations * (operations + 1) / 2
}

struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Default for Bare {
    fn default() -> Self {
        Self { wasi: WasiCtx::builder().build(), table: ResourceTable::new() }
    }
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A fresh instance from a template, and one call, with wasmtime and nothing else; and a call of the host.
async fn bare_wasmtime(wasm: &[u8]) -> Outcome<(Duration, Duration)> {
    let mut config = Config::new();
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(64)
        .total_core_instances(512)
        .total_memories(128)
        .total_tables(512)
        .total_stacks(64)
        .max_memory_size(512 << 20)
        .table_elements(100_000)
        .linear_memory_keep_resident(512 * 1024)
        .table_keep_resident(64 * 1024)
        .async_stack_keep_resident(64 * 1024);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config)?;
    let component = Component::new(&engine, wasm)?;
    let mut linker: Linker<Bare> = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // What the function that calls the host needs; the others trap.
    let mut execution = linker.instance("durawasm:durable/execution@0.1.0")?;
    execution.func_wrap("invocation-id", |_, ()| Ok(("invocation".to_owned(),)))?;
    execution.func_wrap("hash-keys", |_, ()| Ok((None::<(u64, u64)>,)))?;
    let mut operations = linker.instance("durawasm:durable/operations@0.1.0")?;
    operations.resource("wait-set", ResourceType::host::<()>(), |_, _| Ok(()))?;
    operations.func_wrap("[constructor]wait-set", |_, ()| Ok((Resource::<()>::new_own(0),)))?;
    let imports = component.component_type();
    let mut names = imports.imports(&engine).map(|(name, _)| name.to_owned());
    let seed =
        names.find(|name| name.starts_with("wasi:random/insecure-seed@")).ok_or("no hash keys are drawn")?;
    linker.instance(&seed)?.func_wrap("insecure-seed", |_, ()| Ok(((1_u64, 2_u64),)))?;
    linker.define_unknown_imports_as_traps(&component)?;
    let pre = linker.instantiate_pre(&component)?;
    let functions =
        component.get_export_index(None, "durawasm:durable/functions@0.1.0").ok_or("no functions")?;
    let registered = component.get_export_index(Some(&functions), "registered").ok_or("no registered")?;
    let handle = component.get_export_index(Some(&functions), "handle").ok_or("no handle")?;
    let once = async |function: ComponentExportIndex, arguments: &[Val]| -> Outcome<f64> {
        let started = Instant::now();
        let mut store = Store::new(&engine, Bare::default());
        let instance = pre.instantiate_async(&mut store).await?;
        let function = instance.get_func(&mut store, function).ok_or("no function")?;
        function.call_async(&mut store, arguments, &mut [Val::Bool(false)]).await?;
        drop(store);
        Ok(started.elapsed().as_secs_f64())
    };
    let (mut instances, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..2_000 {
        instances.push(once(registered, &[]).await?);
    }
    for _ in 0..11 {
        let arguments = [Val::String("host_calls".to_owned()), Val::String(CALLS.to_string())];
        calls.push(once(handle, &arguments).await? / f64::from(CALLS));
    }
    Ok((median(instances).unwrap_or_default(), median(calls).unwrap_or_default()))
}

/// A message to another thread and back, both waiting as the checkpoint server and its callers do.
fn channel_round_trip() -> Outcome<Duration> {
    let (ask, asked) = crossbeam_channel::unbounded::<u32>();
    let (answer, answered) = crossbeam_channel::unbounded::<u32>();
    let echo = std::thread::spawn(move || {
        while let Ok(n) = asked.recv() {
            if answer.send(n).is_err() {
                break;
            }
        }
    });
    let mut times = Vec::new();
    for _ in 0..20_000 {
        let started = Instant::now();
        ask.send(1)?;
        answered.recv()?;
        times.push(started.elapsed().as_secs_f64());
    }
    drop(ask);
    echo.join().map_err(|_| "the echo panicked")?;
    Ok(median(times).unwrap_or_default())
}
