//! How fast durawasm is: `cargo bench` measures each row with criterion, and then prints each figure beside its floor or
//! its bound. Floors are measured in the same run, so that both sides of a ratio have the same machine at the same time.

mod floors;
mod rows;
mod runs;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use durawasm_build::{self as build, BuildOptions};
use durawasm_core::invocation::Isolation;
use durawasm_sandbox::{Handler, Sandbox, SandboxOptions};
use durawasm_testing::LocalDurableTestRunner;
use tokio::runtime::Runtime;

use crate::{
    floors::{Floors, replayed},
    rows::{Effort, Outcome, Rows, sum, timed},
    runs::{environment, fresh, invoke_empty, run, tested},
};

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench-guests");
    let built = build::build(&BuildOptions::new(guests), &mut |event| eprintln!("{event}"))?;
    let wasm = std::fs::read(&built.path)?;
    let cache = tempfile::tempdir()?;

    let options = SandboxOptions { cache: Some(cache.path().to_owned()), ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options)?;
    let compiled = timed(|| sandbox.load(&wasm))?;
    let handler = sandbox.load(&wasm)?;
    let floors = runtime.block_on(Floors::measure(&wasm))?;
    let mut rows = Rows::new();
    let loaded =
        rows.measure("load from the cache", 1, Effort::Usual, |n| sum(n, || timed(|| sandbox.load(&wasm))))?;
    rows.say("compile", Some(compiled), &format!("a component of {} kB", wasm.len() / 1000));
    rows.say("load from the cache", loaded, "");

    let mut bench = Bench { runtime, handler, floors, rows };
    let empty = bench.empty()?;
    for (name, function, counts, bound) in [
        ("steps in a row", "many_steps", [100, 1_000, 10_000].as_slice(), "1,000 in 20 ms"),
        ("steps side by side", "many_concurrent_steps", [1_000, 10_000].as_slice(), ""),
        ("items of a map", "map_of_steps", [100, 1_000, 10_000].as_slice(), "1,000 in 50 ms"),
    ] {
        for count in counts {
            bench.series((name, function), *count, bound)?;
        }
    }
    for waits in [100, 1_000] {
        bench.waits(waits, empty)?;
    }
    for steps in [100, 1_000] {
        bench.isolated(steps)?;
    }
    for (name, function, bound) in
        [("steps through a runner", "many_steps", "20 ms"), ("waits through a runner", "many_waits", "2 s")]
    {
        let runner = LocalDurableTestRunner::from_component(&built.path)?.function(function);
        bench.through(&runner, name, bound)?;
    }
    let runner = LocalDurableTestRunner::from_component(&built.path)?.function("many_steps");
    for steps in [25, 50, 100] {
        bench.check(&runner, steps)?;
    }
    bench.rows.print(&bench.floors);
    Ok(())
}

struct Bench {
    runtime: Runtime,
    handler: Handler,
    floors: Floors,
    rows: Rows,
}

impl Bench {
    /// A handler that does nothing. Returns how long an execution of it takes.
    fn empty(&mut self) -> Outcome<Duration> {
        let Self { runtime, handler, floors, rows } = self;
        let name = "invocation of an empty handler";
        let invocation =
            rows.measure(name, 1, Effort::Usual, |n| sum(n, || runtime.block_on(invoke_empty(handler))))?;
        rows.compare(name, invocation, floors.instance, "instantiate and call", "1.2x");
        let name = "execution of an empty handler";
        let empty = rows.measure(name, 1, Effort::Usual, |n| {
            // An environment keeps its executions.
            let environment = runtime.block_on(environment(handler, Isolation::default()))?;
            sum(n, || runtime.block_on(run(&environment, "empty", "null".to_owned())))
        })?;
        rows.compare(name, empty, invocation.unwrap_or_default(), "its invocation", "2x");
        Ok(empty.unwrap_or_default())
    }

    /// So many operations in one invocation.
    fn series(&mut self, (name, function): (&str, &str), count: u32, bound: &str) -> Outcome<()> {
        let Self { runtime, handler, floors, rows } = self;
        let effort = if count > 1_000 { Effort::Long } else { Effort::Usual };
        let took = rows.measure(name, count, effort, |n| {
            sum(n, || runtime.block_on(fresh(handler, function, count, Isolation::default())))
        })?;
        rows.compare(&format!("{count} {name}"), took, Duration::ZERO, "", bound);
        let each = took.map(|took| took / count);
        rows.compare("    each", each, floors.hop, "a round trip between threads", "");
        Ok(())
    }

    /// So many waits, each of which ends an invocation. `empty` is how long an execution with one takes.
    fn waits(&mut self, waits: u32, empty: Duration) -> Outcome<()> {
        let Self { runtime, handler, floors, rows } = self;
        let effort = if waits > 100 { Effort::Long } else { Effort::Usual };
        let took = rows.measure("waits in a row", waits, effort, |n| {
            sum(n, || runtime.block_on(fresh(handler, "many_waits", waits, Isolation::default())))
        })?;
        let name = format!("{waits} waits in a row");
        rows.compare(&name, took, floors.replays(waits), "instances and host calls", "2.5x");
        let each = took.map(|took| took.saturating_sub(empty * (waits + 1)) / replayed(waits));
        rows.compare("    a replayed operation", each, floors.call, "a host call", "1 us");
        Ok(())
    }

    /// So many steps, after each of which a fresh instance replays.
    fn isolated(&mut self, steps: u32) -> Outcome<()> {
        let Self { runtime, handler, floors, rows } = self;
        let effort = if steps > 100 { Effort::Long } else { Effort::Usual };
        let took = rows.measure("steps isolated by step", steps, effort, |n| {
            sum(n, || runtime.block_on(fresh(handler, "many_steps", steps, Isolation::Step)))
        })?;
        let name = format!("{steps} steps isolated by step");
        rows.compare(&name, took, floors.replays(steps), "instances and host calls", "");
        Ok(())
    }

    /// A check of a handler with so many steps: every prefix, crash point and perturbation. Its floor is the number of
    /// schedules times one execution, on one core.
    fn check(&mut self, runner: &LocalDurableTestRunner, steps: u32) -> Outcome<()> {
        let Self { runtime, handler, rows, .. } = self;
        let mut schedules = 0;
        let took = rows.measure("check of steps", steps, Effort::Long, |n| {
            sum(n, || {
                let began = Instant::now();
                let report = runtime.block_on(runner.check(steps))?;
                let took = began.elapsed();
                let explored = report.explored;
                let all = [explored.prefixes, explored.crash_points, explored.perturbations];
                if all.iter().any(|[done, of]| done != of) || report.divergence.is_some() {
                    return Err(report.to_string().into());
                }
                schedules = all.iter().map(|[done, _]| u32::try_from(*done).unwrap_or(u32::MAX)).sum();
                Ok(took)
            })
        })?;
        let one = runtime.block_on(fresh(handler, "many_steps", steps, Isolation::default()))?;
        let name = format!("check of {steps} steps, {schedules} schedules");
        rows.compare(&name, took, one * schedules, "an execution for each", "50 in 5 s");
        Ok(())
    }

    /// 1,000 operations through the runner of a test.
    fn through(&mut self, runner: &LocalDurableTestRunner, name: &str, bound: &str) -> Outcome<()> {
        let Self { runtime, rows, .. } = self;
        let took =
            rows.measure(name, 1_000, Effort::Long, |n| sum(n, || runtime.block_on(tested(runner))))?;
        rows.compare(&format!("1000 {name}"), took, Duration::ZERO, "", bound);
        Ok(())
    }
}
