//! How fast durawasm is, each figure beside its floor in the same run. `cargo bench`
//!
//! Floors: wasmtime alone, instantiating and calling the same component; a round trip between two threads. Medians. How fast
//! the machine is at the moment is in both sides of a ratio.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use durawasm_build::{self as build, BuildOptions};
use durawasm_core::{
    ambient::{OsEntropy, SystemClock},
    invocation::{Faults, Isolation, LogBuffer, Surroundings},
    orchestrator::{Environment, EnvironmentOptions},
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, ExecutionStatus,
        InvocationInput, InvocationResult, InvocationStatus, Limits, OperationUpdate, ServiceCall,
        ServiceError, StatePage,
    },
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxOptions};
use durawasm_testing::LocalDurableTestRunner;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench-guests");
    let built = build::build(&BuildOptions::new(guests), &mut |event| eprintln!("{event}"))?;
    let wasm = std::fs::read(&built.path)?;
    let cache = tempfile_dir()?;
    println!("component: {} kB", wasm.len() / 1000);

    let options = SandboxOptions { cache: Some(cache.clone()), ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options)?;
    let compiled = time(|| sandbox.load(&wasm).map(drop))?;
    let loaded = median(9, || time(|| sandbox.load(&wasm).map(drop)))?;
    println!("compile {:.1} ms, load from the cache {:.2} ms\n", ms(compiled), ms(loaded));
    let handler = sandbox.load(&wasm)?;

    let floor = runtime.block_on(bare_wasmtime(&wasm))?;
    let hop = channel_round_trip()?;
    println!("floor: wasmtime alone, instantiate and call  {:8.1} us", us(floor));
    println!("floor: a round trip between two threads      {:8.1} us\n", us(hop));

    let invocation = median(2000, || runtime.block_on(invoke_empty(&handler)))?;
    let environment = runtime.block_on(environment(&handler))?;
    let empty = median(2000, || {
        let started = Instant::now();
        runtime.block_on(run(&environment, "empty", "null".to_owned()))?;
        Ok(started.elapsed())
    })?;
    println!(
        "empty handler on a fresh instance  {:8.1} us   {:.2}x the floor (bound 1.5x)",
        us(invocation),
        ratio(invocation, floor)
    );
    println!(
        "the same as a whole execution      {:8.1} us   {:.2}x the floor\n",
        us(empty),
        ratio(empty, floor)
    );

    println!("{:<26} {:>10} {:>12} {:>16}", "sequential steps", "ms", "us a step", "x a round trip");
    for (steps, times) in [(100, 21), (1_000, 11), (10_000, 3)] {
        let took = median(times, || runtime.block_on(fresh(&handler, "many_steps", steps)))?;
        let each = took / steps;
        println!("{steps:<26} {:>10.2} {:>12.2} {:>16.1}", ms(took), us(each), ratio(each, hop));
    }
    println!("(bound: 1,000 under 20 ms, and the cost of a step flat)\n");

    println!("{:<26} {:>10} {:>12} {:>22}", "steps side by side", "ms", "us a step", "");
    for (steps, times) in [(1_000, 11), (10_000, 3)] {
        let took = median(times, || runtime.block_on(fresh(&handler, "many_concurrent_steps", steps)))?;
        println!("{steps:<26} {:>10.2} {:>12.2}", ms(took), us(took / steps));
    }
    println!();

    println!("{:<26} {:>10} {:>12}", "map, one step an item", "ms", "us an item");
    for (items, times) in [(100, 21), (1_000, 11), (10_000, 3)] {
        let took = median(times, || runtime.block_on(fresh(&handler, "map_of_steps", items)))?;
        println!("{items:<26} {:>10.2} {:>12.2}", ms(took), us(took / items));
    }
    println!("(bound: 1,000 under 50 ms, and 10,000 linear)\n");

    println!("{:<26} {:>10} {:>14} {:>24}", "sequential waits", "ms", "us a wait", "ns a replayed operation");
    for (waits, times) in [(100_u32, 11), (1_000, 3)] {
        let took = median(times, || runtime.block_on(fresh(&handler, "many_waits", waits)))?;
        // Each invocation costs an instance; what is left is spread over all operations that were replayed.
        let instances = empty * (waits + 1);
        let replayed = f64::from(waits) * f64::from(waits + 1) / 2.0;
        let each = took.saturating_sub(instances).as_secs_f64() * 1e9 / replayed;
        println!("{waits:<26} {:>10.2} {:>14.2} {:>24.0}", ms(took), us(took / waits), each);
    }
    println!("(bound: 1,000 under 2,000 ms, a replayed operation under 1,000 ns and a host call)\n");

    println!(
        "{:<26} {:>10} {:>12} {:>22}",
        "steps isolated by step", "ms", "us a step", "x without isolation"
    );
    for (steps, times) in [(100_u32, 11), (1_000, 3)] {
        let shared = median(times, || runtime.block_on(fresh(&handler, "many_steps", steps)))?;
        let isolated = median(times, || runtime.block_on(isolated(&handler, "many_steps", steps)))?;
        println!(
            "{steps:<26} {:>10.2} {:>12.2} {:>22.1}",
            ms(isolated),
            us(isolated / steps),
            ratio(isolated, shared)
        );
    }
    println!("(an instance and a replay for each step)\n");

    println!("{:<40} {:>10}", "the same through a test's runner", "ms");
    for (what, function, times) in
        [("1,000 sequential steps", "many_steps", 11), ("1,000 sequential waits", "many_waits", 3)]
    {
        let runner = LocalDurableTestRunner::from_component(&built.path)?.function(function);
        let took = median(times, || runtime.block_on(tested(&runner)))?;
        println!("{what:<40} {:>10.2}", ms(took));
    }
    println!(
        "(bounds: 20 ms and 2,000 ms. Server, clock and history of the run are made and looked at in it)"
    );
    std::fs::remove_dir_all(cache)?;
    Ok(())
}

/// One invocation without a server: a fresh instance, the handler, its result.
async fn invoke_empty(handler: &Handler) -> Outcome<Duration> {
    let execution =
        serde_json::json!({"Id": "e", "Type": "EXECUTION", "StartTimestamp": 0, "Status": "STARTED"});
    let state = StatePage { operations: vec![serde_json::from_value(execution)?], next_marker: None };
    let input = InvocationInput {
        durable_execution_arn: "arn".into(),
        checkpoint_token: "token".into(),
        initial_execution_state: state,
        updated_operation_ids: Vec::new(),
    };
    let around = Surroundings {
        client: Arc::new(NoService),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        log: Arc::new(LogBuffer::default()),
        grants: Arc::default(),
        faults: Faults::default(),
        isolation: Isolation::default(),
        probe: Default::default(),
    };
    let started = Instant::now();
    let report = handler.invoke("empty", "request".into(), input, &Limits::default(), around).await;
    let took = started.elapsed();
    match report.result {
        InvocationResult::Output(output) if output.status == InvocationStatus::Succeeded => Ok(took),
        end => Err(format!("{end:?}").into()),
    }
}

/// The service of a handler that needs none.
struct NoService;

impl DurableServiceClient for NoService {
    fn checkpoint<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async { Err(ServiceError::Unavailable("there is none".to_owned())) })
    }

    fn get_state<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async { Err(ServiceError::Unavailable("there is none".to_owned())) })
    }
}

async fn environment(handler: &Handler) -> Outcome<Environment> {
    environment_with(handler, EnvironmentOptions::default()).await
}

async fn environment_with(handler: &Handler, options: EnvironmentOptions) -> Outcome<Environment> {
    let log = Arc::new(LogBuffer::default());
    Ok(Environment::new(options, std::slice::from_ref(handler), log).await?)
}

async fn run(environment: &Environment, function: &str, event: String) -> Outcome<()> {
    let run = environment.run(StartExecution::new(function, Some(event))).await?;
    if run.view.status == ExecutionStatus::Succeeded {
        Ok(())
    } else {
        Err(format!("{:?}", run.view.error).into())
    }
}

/// How long one execution takes in an environment of its own, which is set up beforehand.
async fn fresh(handler: &Handler, function: &str, event: u32) -> Outcome<Duration> {
    run_in(&environment(handler).await?, function, event).await
}

/// The same with a fresh instance after each body.
async fn isolated(handler: &Handler, function: &str, event: u32) -> Outcome<Duration> {
    let options = EnvironmentOptions { isolation: Isolation::Step, ..EnvironmentOptions::default() };
    run_in(&environment_with(handler, options).await?, function, event).await
}

async fn run_in(environment: &Environment, function: &str, event: u32) -> Outcome<Duration> {
    let started = Instant::now();
    run(environment, function, event.to_string()).await?;
    Ok(started.elapsed())
}

/// How long a run of a test's runner takes, with all that belongs to it.
async fn tested(runner: &LocalDurableTestRunner) -> Outcome<Duration> {
    let started = Instant::now();
    let result = runner.run(1_000).await?;
    if result.get_status() != ExecutionStatus::Succeeded || result.get_operations().len() != 1_000 {
        return Err(format!("{:?}", result.get_error()).into());
    }
    Ok(started.elapsed())
}

struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A fresh instance from a template, and one call: with wasmtime and nothing else.
async fn bare_wasmtime(wasm: &[u8]) -> Outcome<Duration> {
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
    linker.define_unknown_imports_as_traps(&component)?;
    let pre = linker.instantiate_pre(&component)?;
    let functions =
        component.get_export_index(None, "durawasm:durable/functions@0.1.0").ok_or("no functions")?;
    let registered = component.get_export_index(Some(&functions), "registered").ok_or("no registered")?;
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        let bare = Bare { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, bare);
        let instance = pre.instantiate_async(&mut store).await?;
        let function = instance.get_func(&mut store, registered).ok_or("no function")?;
        let mut results = [wasmtime::component::Val::Bool(false)];
        function.call_async(&mut store, &[], &mut results).await?;
        drop(store);
        times.push(started.elapsed());
    }
    Ok(middle(times))
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
    let took = median(20_000, || {
        let started = Instant::now();
        ask.send(1)?;
        answered.recv()?;
        Ok(started.elapsed())
    })?;
    drop(ask);
    echo.join().map_err(|_| "the echo panicked")?;
    Ok(took)
}

fn tempfile_dir() -> Outcome<std::path::PathBuf> {
    let dir = std::env::temp_dir().join(format!("durawasm-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn time<E: std::error::Error + 'static>(work: impl FnOnce() -> Result<(), E>) -> Outcome<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(times: usize, mut measure: impl FnMut() -> Outcome<Duration>) -> Outcome<Duration> {
    (0..times).map(|_| measure()).collect::<Outcome<Vec<_>>>().map(middle)
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}
