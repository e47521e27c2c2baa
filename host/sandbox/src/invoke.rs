//! One invocation, from a fresh instance to its end.
//!
//! Invariants: every invocation ends with an output or a named error, and the updates that the guest has queued by then
//! have been sent.

use std::{collections::VecDeque, sync::Arc, time::Duration};

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
    capacity::Share,
    convert, grants,
    limits::{CALL_DATA, Limiter},
    listing,
    output::Output,
    requests::Http,
    state::{Durable, State},
    watchdog::{Overdue, Watch},
};

/// The most bytes of log lines that a component may write while it lists its functions.
const LIST_LOG: usize = 1 << 20;

/// How long the last requests of an invocation may take whose real time is over, or nearly so.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

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
        let bounds = self.limits();
        let loaded = load(invocation_id, input, limits, bounds.invocation(), &around).await;
        let (driver, event) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return InvocationReport::crashed(error.to_error()),
        };
        let clock = Some(around.clock.clone());
        let share = Arc::new(self.sandbox.capacity().enter(self.needs, clock).await);
        let watch = self.sandbox.watch(&share, self.limits());
        let mut store = match self.store(driver, around, (&watch, &share)) {
            Ok(store) => store,
            Err(error) => return InvocationReport::crashed(error),
        };
        let (function, event) = (function.to_owned(), event.to_string());
        let returned = loop {
            let returned = watch.limit(self.call(&mut store, &function, &event)).await;
            let returned = returned.unwrap_or_else(|why| Err(store.data_mut().durable.overdue(why)));
            let driver = &store.data().durable.driver;
            let stopped = match driver.ended() {
                Some(Ended::StepTimedOut(stopped)) => Some(*stopped),
                Some(Ended::Replayed) => None,
                ended => match &returned {
                    Err(error) if !watch.is_over() && driver.observation().is_to_blame(ended) => {
                        store.data_mut().plugin_failed(error, bounds.log);
                        // Happens once in an invocation: plugins are off from here on.
                        watch.renew_cpu();
                        None
                    }
                    _ => break returned,
                },
            };
            let checkpoints = driver_of(&store).checkpoints();
            // Instances that replace each other use the time of one.
            let restarted = watch.limit(self.restart(store, stopped)).await;
            let restarted = restarted.unwrap_or_else(|why| Err(overdue(&watch, why)));
            store = match restarted {
                Ok(fresh) => fresh,
                Err(error) => {
                    return InvocationReport { result: InvocationResult::Crashed(error), checkpoints };
                }
            };
        };
        // What was reported is sent although the time may be over, unless the service does not answer.
        let last = watch.left().max(LAST_REQUESTS);
        let result = tokio::select! {
            biased;
            result = finish(store.data_mut(), returned) => result,
            why = self.sandbox.passed(last) => InvocationResult::Crashed(overdue(&watch, why)),
        };
        InvocationReport { result, checkpoints: driver_of(&store).checkpoints() }
    }

    /// Lists the functions of the component.
    pub async fn functions(&self, around: Surroundings) -> Result<Vec<FunctionInfo>, ErrorObject> {
        let replay = Replay::new(Vec::new(), Limits::default(), 0);
        let facts = Facts {
            arn: "arn:none".into(),
            invocation_id: "registered".into(),
            started: Timestamp::from_millis(0),
            deadline: self.limits().wall,
        };
        let (faults, log) = ((around.faults.clone(), around.isolation), (around.log.clone(), LIST_LOG));
        let driver = Driver::new(replay, facts, "none".into(), Vec::new(), faults, log);
        // Nothing waits for virtual time here.
        let share = Arc::new(self.sandbox.capacity().enter(self.needs, None).await);
        let watch = self.sandbox.watch(&share, self.limits());
        let mut store = self.store(driver, around, (&watch, &share))?;
        let listed = watch.limit(async {
            let handler = self.pre.instantiate_async(&mut store).await?;
            handler.durawasm_durable_functions().call_registered(&mut store).await
        });
        let listed = listed.await.unwrap_or_else(|why| Err(store.data_mut().durable.overdue(why)));
        match listed {
            Ok(list) => {
                let info = |f: functions::FunctionInfo| FunctionInfo {
                    name: f.name,
                    durable: f.kind == functions::Kind::Durable,
                };
                listing::checked(list.into_iter().map(info).collect())
            }
            Err(error) => Err(crash(store.data_mut(), &error)),
        }
    }

    /// The store must be dropped before the share.
    fn store(
        &self,
        driver: Driver,
        around: Surroundings,
        (watch, share): (&Arc<Watch>, &Arc<Share>),
    ) -> Result<Store<State>, ErrorObject> {
        // Standard error works always: it carries the message of a panic.
        let fails = around.probe.get().is_some_and(Probe::output_fails);
        let (most, budget) = (driver.log_limit(), driver.engine().budget());
        let (stdout, stderr) = (Output::new(fails, most, budget), Output::new(false, most, budget));
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(stdout.clone()).stderr(stderr.clone());
        let grants = around.grants.clone();
        grants::apply(&grants, &mut wasi)?;
        let limits = self.limits();
        let durable = Durable::new(driver, around, watch.clone(), (stdout, stderr), limits);
        let limiter = Limiter::new(limits, self.handles(), share.clone());
        let http = Http::new(self.sandbox.http().clone(), limits.http.clone());
        let state = State::new(wasi.build(), limiter, durable, http);
        let mut store = Store::new(self.sandbox.engine(), state);
        store.limiter_async(|state| &mut state.limiter);
        store.set_max_component_handles(self.handles());
        store.set_hostcall_fuel(CALL_DATA);
        store.set_epoch_deadline(1);
        // Others that share the thread run before the guest goes on.
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            state.durable.check_time()?;
            match state.limiter.charge_handles(state.durable.most_handles()) {
                Ok(None) => Ok(UpdateDeadline::Yield(1)),
                Ok(Some(taken)) => Ok(UpdateDeadline::YieldCustom(1, Box::pin(taken))),
                Err(why) => Err(state.durable.end(Ended::Limit(error_types::MEMORY_LIMIT, why))),
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
        let State { durable: Durable { driver, around, watch, sent, .. }, limiter, .. } = store.into_data();
        let share = limiter.share().clone();
        drop(limiter);
        let driver = driver
            .restarted(stopped)
            .map_err(|error| ErrorObject::new(error_types::CONTRACT_VIOLATION, error.to_string()))?;
        let mut fresh = self.store(driver, around, (&watch, &share))?;
        fresh.data_mut().durable.sent = sent;
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

/// The error of an invocation whose time is over while no instance runs.
fn overdue(watch: &Watch, why: Overdue) -> ErrorObject {
    let (name, reason) = watch.explain(why);
    ErrorObject::new(name, reason)
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
    let ended = state.durable.driver.take_ended().or_else(|| state.durable.take_refused());
    let ended = ended.map(Ended::into_error);
    let mut object = ended.unwrap_or_else(|| unplanned(state, error, &frames));
    if object.error_type.as_deref() == Some(error_types::CPU_LIMIT)
        && let Some(advice) = advice::of_computing(&frames)
        && let Some(message) = &mut object.error_message
    {
        message.push_str("; ");
        message.push_str(&advice);
    }
    object.stack_trace = frames;
    state.durable.driver.engine().fit_error(object)
}

fn unplanned(state: &State, error: &wasmtime::Error, frames: &[String]) -> ErrorObject {
    if let Some(reason) = state.limiter.refused() {
        return ErrorObject::new(error_types::MEMORY_LIMIT, reason);
    }
    if let Some(reason) = Limiter::data_refused(error) {
        return ErrorObject::new(error_types::MEMORY_LIMIT, reason);
    }
    if let Some(reason) = state.limiter.handle_refused(error) {
        return ErrorObject::new(error_types::HANDLE_LIMIT, reason);
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
            Some(trap) => match advice::of_trap(*trap, frames) {
                Some(overflow) => return ErrorObject::new(error_types::STACK_LIMIT, overflow),
                None => format!("the handler trapped: {trap}"),
            },
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

/// The longest name of a function in a stack, in bytes; a longer one is cut off.
const LONGEST_NAME: usize = 2_048;

/// The guest's functions, innermost first, without those of the panic machinery.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    const MACHINERY: [&str; 6] =
        ["abort", "std::process::", "std::panicking::", "core::panicking::", "std::sys::", "__rustc"];
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        // A component may give its functions names of any length.
        Some(name) if name.len() > LONGEST_NAME => name.chars().take(LONGEST_NAME).collect(),
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    let names = backtrace.frames().iter().map(name);
    names.skip_while(|name| MACHINERY.iter().any(|m| name.starts_with(m))).collect()
}
