//! One invocation, from a fresh instance to its end.
//!
//! Always true: whatever the guest does, the invocation ends as an output or as a named error, and what the guest had
//! reported by then has been sent.

use std::{collections::VecDeque, sync::Arc};

use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use super::{
    Handler, advice,
    bindings::exports::durawasm::durable::functions,
    convert,
    grants::MAX_WASI_HANDLES,
    limits::Limiter,
    log::{LogLevel, LogSource},
    output::Output,
    resources::MAX_NUMBER,
    state::{Durable, Ended, State, Surroundings},
};
use crate::{
    protocol::{ErrorObject, InvocationInput, InvocationOutput, Limits},
    replay::{Divergence, Engine as Replay, Key, load_state},
};

/// The error of a guest that computed for longer than it may.
const CPU_LIMIT: &str = "Sandbox.CpuLimitExceeded";

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvocationEnd {
    /// The handler returned, or was suspended.
    Output(InvocationOutput),
    /// It trapped, exited, broke the contract or a limit, or lost the service.
    Crashed(ErrorObject),
}

/// An invocation's end, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationReport {
    /// How it ended.
    pub end: InvocationEnd,
    /// Checkpoints with updates that it sent.
    pub checkpoints: u32,
}

/// What a component says of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// Whether it uses durable operations.
    pub durable: bool,
}

impl Handler {
    /// Runs `function` on an execution's record, until it returns, fails or is suspended.
    pub async fn invoke(
        &self,
        function: &str,
        invocation_id: Arc<str>,
        input: InvocationInput,
        limits: &Limits,
        around: Surroundings,
    ) -> InvocationReport {
        let arn = input.durable_execution_arn.clone();
        let (operations, event) = match load_state(&input, &*around.client).await {
            Ok(loaded) => loaded,
            Err(error) => {
                return InvocationReport { end: InvocationEnd::Crashed(error.to_error()), checkpoints: 0 };
            }
        };
        let bounds = self.sandbox.limits();
        let most = bounds.operations.min(MAX_NUMBER as usize);
        let replay = Replay::new(operations, limits.clone(), most).with_news(&input.updated_operation_ids);
        let (stdout, stderr) = (Output::default(), Output::default());
        let mut durable = Durable::new(
            replay,
            around,
            arn,
            input.checkpoint_token,
            invocation_id,
            stdout.clone(),
            stderr.clone(),
            bounds.log,
        );
        durable.observation.updated(input.updated_operation_ids);
        durable.deadline = durable.around.clock.precise_now().saturating_add(bounds.wall);
        let Ok(_place) = self.sandbox.places().acquire().await else {
            let error = ErrorObject::new("Sandbox.Closed", "the sandbox is shutting down");
            return InvocationReport { end: InvocationEnd::Crashed(error), checkpoints: 0 };
        };
        let mut store = match self.store(durable, stdout, stderr) {
            Ok(store) => store,
            Err(error) => return InvocationReport { end: InvocationEnd::Crashed(error), checkpoints: 0 },
        };
        let (function, event) = (function.to_owned(), event.to_string());
        let until = tokio::time::Instant::now() + bounds.wall;
        let returned = loop {
            let running = self.call(&mut store, &function, &event);
            let returned = tokio::time::timeout_at(until, running).await.unwrap_or_else(|_| {
                let reason = format!("the invocation took longer than {} s", bounds.wall.as_secs());
                Err(store.data_mut().durable.end(Ended::Limit("Sandbox.TimeLimitExceeded", reason)))
            });
            let stopped = match store.data().durable.ended {
                Some(Ended::StepTimedOut(stopped)) => Some(stopped),
                Some(Ended::Replayed) => None,
                _ => match &returned {
                    Err(error) if tokio::time::Instant::now() < until && watching_is_to_blame(&store) => {
                        store.data_mut().watching_failed(error, bounds.log);
                        None
                    }
                    _ => break returned,
                },
            };
            let checkpoints = store.data().durable.checkpoints;
            store = match self.restart(store, stopped).await {
                Ok(fresh) => fresh,
                Err(error) => return InvocationReport { end: InvocationEnd::Crashed(error), checkpoints },
            };
        };
        let end = finish(store.data_mut(), returned).await;
        InvocationReport { end, checkpoints: store.data().durable.checkpoints }
    }

    /// The functions that the component says it has.
    pub async fn functions(&self, around: Surroundings) -> Result<Vec<FunctionInfo>, ErrorObject> {
        let replay = Replay::new(Vec::new(), Limits::default(), 0);
        let (stdout, stderr) = (Output::default(), Output::default());
        let durable = Durable::new(
            replay,
            around,
            "arn:none".into(),
            "none".into(),
            "registered".into(),
            stdout.clone(),
            stderr.clone(),
            1 << 20,
        );
        let mut store = self.store(durable, stdout, stderr)?;
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

    fn store(&self, durable: Durable, stdout: Output, stderr: Output) -> Result<Store<State>, ErrorObject> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(stdout).stderr(stderr);
        let grants = durable.around.grants.clone();
        grants.apply(&mut wasi)?;
        let mut state = State::new(wasi.build(), Limiter::new(self.sandbox.limits()), durable);
        if grants.has_directories() {
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
                // A body with a timeout of its own is stopped, and its step goes on as after the timeout.
                None if state.durable.body_deadline().is_some() => Err(state.durable.stop_body()),
                None => Err(state.durable.end(Ended::Limit(
                    CPU_LIMIT,
                    "the handler computed for longer than one invocation may, without coming to an end"
                        .to_owned(),
                ))),
            }
        });
        Ok(store)
    }

    /// A fresh instance's store in the same invocation. Where the body of a step took too long, what was reported is sent,
    /// and the
    /// new instance finds the attempt as one that timed out.
    async fn restart(
        &self,
        mut store: Store<State>,
        stopped: Option<Key>,
    ) -> Result<Store<State>, ErrorObject> {
        let state = store.data_mut();
        state.durable.ended = None;
        state.durable.end_lines();
        let sent = match state.durable.drain_output() {
            Ok(()) => state.durable.flush().await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| crash(state, &error))?;
        let State { durable, limiter, .. } = store.into_data();
        // The handler is not to pay for code that watches.
        let ticks_left = (!durable.observation.in_aside()).then_some(limiter.ticks_left);
        let (stdout, stderr) = (Output::default(), Output::default());
        let durable = durable
            .restarted(stopped, stdout.clone(), stderr.clone())
            .map_err(|error| ErrorObject::new("Durable.ContractViolation", error.to_string()))?;
        let mut fresh = self.store(durable, stdout, stderr)?;
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

/// Whether it was code that watches that ended the instance, so that another may do without it.
fn watching_is_to_blame(store: &Store<State>) -> bool {
    let durable = &store.data().durable;
    durable.observation.is_to_blame(durable.ended.as_ref())
}

impl State {
    /// Says that code that watches ended the instance. It has used up what it could; the handler has its own.
    fn watching_failed(&mut self, error: &wasmtime::Error, log_budget: usize) {
        self.durable.end_lines();
        // What was written beyond the bound is lost.
        let _ = self.durable.drain_output();
        let why = crash(self, error);
        self.durable.log_budget = log_budget;
        self.durable.engine.take_back_starts();
        let why = why.error_message.unwrap_or_default();
        let message =
            format!("a plugin's hook ended the instance; the invocation goes on without plugins: {why}");
        let _ = self.durable.log(LogLevel::Warn, LogSource::Log, message, Vec::new(), None);
    }
}

/// Sends what is left to send, and decides what the invocation comes to.
async fn finish(
    state: &mut State,
    returned: wasmtime::Result<Result<Option<String>, ErrorObject>>,
) -> InvocationEnd {
    state.durable.end_lines();
    let drained = state.durable.drain_output();
    let returned = returned.and_then(|value| drained.map(|()| value));
    let suspended = matches!(state.durable.ended, Some(Ended::Suspended));
    let unreachable = state.durable.ended.as_ref().is_some_and(Ended::is_unreachable);
    let crash = match &returned {
        Err(error) if !suspended => Some(crash(state, error)),
        _ => None,
    };
    if !unreachable {
        state.durable.ended = None;
        if let Err(error) = state.durable.flush().await {
            return InvocationEnd::Crashed(self::crash(state, &error));
        }
    }
    match (crash, returned) {
        (Some(error), _) if error.error_type.as_deref() == Some(Divergence::TYPE) => {
            InvocationEnd::Output(InvocationOutput::failed(error))
        }
        (Some(error), _) => InvocationEnd::Crashed(error),
        (None, Err(_)) => InvocationEnd::Output(InvocationOutput::pending()),
        (None, Ok(returned)) => InvocationEnd::Output(state.durable.engine.conclude(returned)),
    }
}

/// What a guest that did not return came to.
fn crash(state: &mut State, error: &wasmtime::Error) -> ErrorObject {
    let frames = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let ended = state.durable.ended.take().and_then(Ended::into_error);
    let mut object = ended.unwrap_or_else(|| unplanned(state, error, &frames));
    if object.error_type.as_deref() == Some(CPU_LIMIT)
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
        return ErrorObject::new("Sandbox.MemoryLimitExceeded", reason);
    }
    let message = if let Some(I32Exit(code)) = error.downcast_ref() {
        // WASI 0.2 tells success from failure, and no more.
        let how = if *code == 0 { "success" } else { "failure" };
        format!("the handler exited, with {how}, instead of returning")
    } else if let Some(panic) = panic_message(&state.durable.last_words) {
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
    ErrorObject::new("Runtime.ExitError", message)
}

/// What a Rust guest's panic wrote last: `thread 'x' (1) panicked at src/lib.rs:10:5:` and the lines after it.
fn panic_message(last_words: &VecDeque<String>) -> Option<String> {
    let at = last_words.iter().rposition(|line| line.contains("panicked at "))?;
    let (_, place) = last_words.get(at)?.split_once("panicked at ")?;
    let words = last_words.iter().skip(at + 1).filter(|line| !line.starts_with("note: run with"));
    let words = words.take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    Some(format!("the handler panicked at {}: {}", place.trim_end_matches(':'), words.trim_end()))
}

/// The guest's functions, innermost first, without what every panic goes through.
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
