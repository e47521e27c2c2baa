//! One invocation, from a fresh instance to its end.
//!
//! Invariants: every invocation ends with an output or a named error, and the updates that the guest has queued by then
//! have been sent.

use std::{collections::VecDeque, sync::Arc};

use durawasm_core::{
    invocation::{
        Driver, Ended, Facts, FunctionInfo, InvocationReport, LogLevel, LogSource, Returned, Surroundings,
        load,
    },
    orchestrator::{Component, Invocable, Invocation, Invoked, Listed},
    protocol::{ErrorObject, InvocationInput, InvocationResult, Limits, Timestamp, error_types},
    replay::{Engine as Replay, Key, Probe},
};
use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use super::{
    Handler, advice,
    bindings::exports::durawasm::durable::functions,
    convert,
    grants::{self, MAX_WASI_HANDLES},
    limits::Limiter,
    output::Output,
    requests::Http,
    state::{Durable, State},
};

/// The most bytes of log lines that a component may write while it lists its functions.
const LIST_LOG: usize = 1 << 20;

impl Invocable for Handler {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        let Invocation { function, id, input, limits, around } = invocation;
        Box::pin(self.invoke(function, id, input, limits, around))
    }
}

impl Component for Handler {
    fn functions(&self, around: Surroundings) -> Listed<'_> {
        Box::pin(self.functions(around))
    }

    fn invocable(&self) -> Arc<dyn Invocable> {
        Arc::new(self.clone())
    }
}

impl Handler {
    /// Runs `function` on an execution's record until it returns, fails or is suspended.
    pub async fn invoke(
        &self,
        function: &str,
        invocation_id: Arc<str>,
        input: InvocationInput,
        limits: &Limits,
        around: Surroundings,
    ) -> InvocationReport {
        let bounds = self.sandbox.limits();
        let loaded = load(invocation_id, input, limits, bounds.invocation(), &around).await;
        let (driver, event) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return InvocationReport::crashed(error.to_error()),
        };
        let Ok(_place) = self.sandbox.places().acquire().await else {
            return InvocationReport::crashed(ErrorObject::new(
                error_types::CLOSED,
                "the sandbox is shutting down",
            ));
        };
        let mut store = match self.store(driver, around) {
            Ok(store) => store,
            Err(error) => return InvocationReport::crashed(error),
        };
        let (function, event) = (function.to_owned(), event.to_string());
        let until = tokio::time::Instant::now() + bounds.wall;
        let returned = loop {
            let running = self.call(&mut store, &function, &event);
            let returned = tokio::time::timeout_at(until, running).await.unwrap_or_else(|_| {
                let reason = format!("the invocation took longer than {} s", bounds.wall.as_secs());
                Err(store.data_mut().durable.end(Ended::Limit(error_types::TIME_LIMIT, reason)))
            });
            let driver = &store.data().durable.driver;
            let stopped = match driver.ended() {
                Some(Ended::StepTimedOut(stopped)) => Some(*stopped),
                Some(Ended::Replayed) => None,
                ended => match &returned {
                    Err(error)
                        if tokio::time::Instant::now() < until && driver.observation().is_to_blame(ended) =>
                    {
                        store.data_mut().plugin_failed(error, bounds.log);
                        None
                    }
                    _ => break returned,
                },
            };
            let checkpoints = driver_of(&store).checkpoints();
            store = match self.restart(store, stopped).await {
                Ok(fresh) => fresh,
                Err(error) => {
                    return InvocationReport { result: InvocationResult::Crashed(error), checkpoints };
                }
            };
        };
        let result = finish(store.data_mut(), returned).await;
        InvocationReport { result, checkpoints: driver_of(&store).checkpoints() }
    }

    /// Lists the functions of the component.
    pub async fn functions(&self, around: Surroundings) -> Result<Vec<FunctionInfo>, ErrorObject> {
        let replay = Replay::new(Vec::new(), Limits::default(), 0);
        let facts = Facts {
            arn: "arn:none".into(),
            invocation_id: "registered".into(),
            started: Timestamp::from_millis(0),
            deadline: self.sandbox.limits().wall,
        };
        let (faults, log) = ((around.faults.clone(), around.isolation), (around.log.clone(), LIST_LOG));
        let driver = Driver::new(replay, facts, "none".into(), Vec::new(), faults, log);
        let mut store = self.store(driver, around)?;
        let listed = async {
            let handler = self.pre.instantiate_async(&mut store).await?;
            handler.durawasm_durable_functions().call_registered(&mut store).await
        };
        let listed = match tokio::time::timeout(self.sandbox.limits().wall, listed).await {
            Ok(listed) => listed,
            Err(_) => Err(wasmtime::Error::msg("the component took too long to list its functions")),
        };
        match listed {
            Ok(list) => Ok(list
                .into_iter()
                .map(|f| FunctionInfo { name: f.name, durable: f.kind == functions::Kind::Durable })
                .collect()),
            Err(error) => Err(crash(store.data_mut(), &error)),
        }
    }

    fn store(&self, driver: Driver, around: Surroundings) -> Result<Store<State>, ErrorObject> {
        // Standard error works always: it carries the message of a panic.
        let fails = around.probe.get().is_some_and(Probe::output_fails);
        let (stdout, stderr) = (Output::new(fails), Output::default());
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(stdout.clone()).stderr(stderr.clone());
        let grants = around.grants.clone();
        grants::apply(&grants, &mut wasi)?;
        let durable = Durable::new(driver, around, stdout, stderr);
        let limits = self.sandbox.limits();
        let http = Http::new(self.sandbox.http().clone(), limits.http.clone());
        let mut state = State::new(wasi.build(), Limiter::new(limits), durable, http);
        if grants.has_directories() || self.uses_http {
            state.table.set_max_capacity(MAX_WASI_HANDLES);
        }
        let mut store = Store::new(self.sandbox.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            match state.limiter.ticks_left.checked_sub(1) {
                Some(left) => {
                    state.limiter.ticks_left = left;
                    state.durable.tick()?;
                    Ok(UpdateDeadline::Yield(1))
                }
                // A body that exceeded its own timeout is stopped, and its step continues as timed out.
                None if state.durable.body_deadline().is_some() => Err(state.durable.stop_body()),
                None => Err(state.durable.end(Ended::Limit(
                    error_types::CPU_LIMIT,
                    "the handler computed for longer than one invocation may, without coming to an end"
                        .to_owned(),
                ))),
            }
        });
        Ok(store)
    }

    /// Creates the store of a fresh instance in the same invocation, after queued updates are sent. If the body of a
    /// step exceeded its timeout, the new instance sees that attempt as timed out.
    async fn restart(
        &self,
        mut store: Store<State>,
        stopped: Option<Key>,
    ) -> Result<Store<State>, ErrorObject> {
        let state = store.data_mut();
        state.durable.driver.take_ended();
        state.durable.end_lines();
        let sent = match state.durable.drain_output() {
            Ok(()) => state.durable.flush().await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| crash(state, &error))?;
        let State { durable: Durable { driver, around, sent, .. }, limiter, .. } = store.into_data();
        // Computing time of plugins does not count against the handler's limit.
        let ticks_left = (!driver.observation().in_hook()).then_some(limiter.ticks_left);
        let driver = driver
            .restarted(stopped)
            .map_err(|error| ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()))?;
        let mut fresh = self.store(driver, around)?;
        fresh.data_mut().durable.sent = sent;
        if let Some(ticks_left) = ticks_left {
            fresh.data_mut().limiter.ticks_left = ticks_left;
        }
        Ok(fresh)
    }

    #[expect(clippy::ptr_arg, reason = "the generated call takes them so")]
    async fn call(
        &self,
        store: &mut Store<State>,
        function: &String,
        event: &String,
    ) -> wasmtime::Result<Result<Option<String>, ErrorObject>> {
        let handler = self.pre.instantiate_async(&mut *store).await?;
        let returned = handler.durawasm_durable_functions().call_handle(&mut *store, function, event).await?;
        Ok(returned.map_err(convert::error_in))
    }
}

fn driver_of(store: &Store<State>) -> &Driver {
    &store.data().durable.driver
}

impl State {
    /// Logs that a plugin ended the instance. The plugin may have used up the budgets, so the handler's are restored.
    fn plugin_failed(&mut self, error: &wasmtime::Error, log_budget: usize) {
        self.durable.end_lines();
        // Output beyond the limit is lost.
        let _ = self.durable.drain_output();
        let why = crash(self, error);
        let Durable { driver, around, .. } = &mut self.durable;
        driver.renew_log_budget(log_budget);
        driver.engine_mut().take_back_starts();
        let why = why.error_message.unwrap_or_default();
        let message =
            format!("a plugin's hook ended the instance; the invocation goes on without plugins: {why}");
        // The budget has just been renewed, so this does not fail.
        let _ = driver.log(&*around.clock, (LogLevel::Warn, LogSource::Log), message, Vec::new(), None);
    }
}

/// Sends the remaining updates, and determines the result of the invocation.
async fn finish(
    state: &mut State,
    returned: wasmtime::Result<Result<Option<String>, ErrorObject>>,
) -> InvocationResult {
    state.durable.end_lines();
    let drained = state.durable.drain_output();
    let returned = returned.and_then(|value| drained.map(|()| value));
    let suspended = matches!(state.durable.driver.ended(), Some(Ended::Suspended));
    let returned = match returned {
        Ok(value) => Returned::Value(value),
        Err(_) if suspended => Returned::Suspended,
        Err(error) => Returned::Crashed(crash(state, &error)),
    };
    state.durable.driver.take_ended();
    if let Err(error) = state.durable.flush().await {
        return InvocationResult::Crashed(crash(state, &error));
    }
    state.durable.driver.conclude(returned)
}

/// The error of a guest that did not return.
fn crash(state: &mut State, error: &wasmtime::Error) -> ErrorObject {
    let frames = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let ended = state.durable.driver.take_ended().map(Ended::into_error);
    let mut object = ended.unwrap_or_else(|| unplanned(state, error, &frames));
    if object.error_type.as_deref() == Some(error_types::CPU_LIMIT)
        && let Some(advice) = advice::of_computing(&frames)
        && let Some(message) = &mut object.error_message
    {
        message.push_str("; ");
        message.push_str(&advice);
    }
    object.stack_trace = frames;
    object
}

fn unplanned(state: &State, error: &wasmtime::Error, frames: &[String]) -> ErrorObject {
    if state.limiter.memory_refused {
        let reason = "the handler asked for more memory than an invocation may have";
        return ErrorObject::new(error_types::MEMORY_LIMIT, reason);
    }
    let message = if let Some(I32Exit(code)) = error.downcast_ref() {
        // WASI 0.2 distinguishes only success and failure.
        let how = if *code == 0 { "success" } else { "failure" };
        format!("the handler exited, with {how}, instead of returning")
    } else if let Some(panic) = panic_message(&state.durable.last_lines) {
        match advice::of_panic(&panic) {
            Some(advice) => format!("{panic}; {advice}"),
            None => panic,
        }
    } else {
        match error.downcast_ref::<Trap>() {
            Some(trap) => {
                advice::of_trap(*trap, frames).unwrap_or_else(|| format!("the handler trapped: {trap}"))
            }
            None => format!("the handler ended abnormally: {}", error.root_cause()),
        }
    };
    ErrorObject::new(error_types::EXIT, message)
}

/// The message of a Rust panic at the end of standard error: `thread 'x' (1) panicked at src/lib.rs:10:5:` and the
/// lines after it.
fn panic_message(last_lines: &VecDeque<String>) -> Option<String> {
    let at = last_lines.iter().rposition(|line| line.contains("panicked at "))?;
    let (_, place) = last_lines.get(at)?.split_once("panicked at ")?;
    let words = last_lines.iter().skip(at + 1).filter(|line| !line.starts_with("note: run with"));
    let words = words.take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    Some(format!("the handler panicked at {}: {}", place.trim_end_matches(':'), words.trim_end()))
}

/// The guest's functions, innermost first, without those of the panic machinery.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    const MACHINERY: [&str; 6] =
        ["abort", "std::process::", "std::panicking::", "core::panicking::", "std::sys::", "__rustc"];
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    let names = backtrace.frames().iter().map(name);
    names.skip_while(|name| MACHINERY.iter().any(|m| name.starts_with(m))).collect()
}
