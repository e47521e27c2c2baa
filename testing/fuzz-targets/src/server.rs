//! The checkpoint server against a model: many executions at once, and requests in any order, also wrong ones.
//!
//! After each request, the server's answer and the state of the execution are those of the model, every other
//! execution is as it was, and the invariants of histories hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use durawasm_core::{
    ambient::SeededEntropy,
    protocol::{
        CallbackId, CallbackOptions, ChainedInvokeOptions, CheckpointToken, ContextOptions, ErrorObject,
        Event, EventType, ExecutionArn, ExecutionStatus, InvocationOutput, InvocationResult, Limits,
        OperationAction as Action, OperationStatus as Status, OperationType as Type, OperationUpdate,
        ServiceError, StepOptions, Timestamp, WaitOptions,
    },
    server::{Answer, ExecutionManager, ExecutionView, InvokeOutcome, Next, StartExecution},
};

use crate::{
    bytes::Bytes,
    model::{BATCH, EVENTS, Model, OPERATIONS, PAYLOAD, Phase, Refused},
};

const START: i64 = 1_700_000_000_000;

/// How many executions there are at most.
const EXECUTIONS: usize = 5;

/// How many requests are made at most.
const REQUESTS: usize = 300;

/// An execution, and what its handler and the outside world hold of it.
struct Execution {
    arn: ExecutionArn,
    model: Model,
    token: CheckpointToken,
    request_id: Arc<str>,
}

struct World {
    manager: ExecutionManager,
    now: i64,
    executions: Vec<Execution>,
    /// All tokens that there were, of all executions.
    tokens: Vec<CheckpointToken>,
    invoked: BTreeSet<(usize, String)>,
}

/// Requests as the bytes say.
pub fn server(data: &[u8]) {
    let limits = Limits {
        payload_bytes: PAYLOAD,
        error_bytes: 256,
        callback_bytes: PAYLOAD,
        batch_updates: BATCH,
        operations: Some(OPERATIONS),
        events: EVENTS,
        page_operations: 3,
        longest_execution: None,
        ..Limits::default()
    };
    let manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), limits);
    let mut world =
        World { manager, now: START, executions: Vec::new(), tokens: Vec::new(), invoked: BTreeSet::new() };
    let mut bytes = Bytes(data);
    world.start(&mut bytes, None);
    for _ in 0..REQUESTS {
        if bytes.is_empty() {
            break;
        }
        world.request(&mut bytes);
    }
}

impl World {
    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn view(&mut self, which: usize) -> ExecutionView {
        let now = self.time();
        let execution = self.executions.get_mut(which).expect("an execution");
        execution.model.advance(self.now);
        self.manager.view(now, &execution.arn).expect("it exists")
    }

    fn start(&mut self, bytes: &mut Bytes<'_>, invoked_by: Option<(ExecutionArn, String)>) {
        let timeout = bytes.one_in(3).then(|| bytes.number());
        let mut start = StartExecution::new("f", Some("{}".to_owned()));
        start.timeout_seconds = timeout;
        let again = invoked_by.is_some();
        start.invoked_by = invoked_by.map(|(arn, id)| (arn, id.as_str().into()));
        let allowed = timeout.is_none_or(|seconds| (1..=31_622_400).contains(&seconds));
        match self.manager.start_execution(self.time(), start) {
            Ok(arn) => {
                assert!(allowed, "a timeout of {timeout:?} s");
                assert!(self.executions.iter().all(|other| other.arn != arn), "{arn} exists already");
                self.executions.push(Execution {
                    arn,
                    model: Model::new(self.now, timeout),
                    token: "none".into(),
                    request_id: "none".into(),
                });
            }
            Err(error) => {
                assert!(matches!(error, ServiceError::InvalidParameterValue(_)), "{error}");
                assert!(!allowed || again, "{error}");
            }
        }
        if self.executions.is_empty() {
            self.start(&mut Bytes(&[]), None);
        }
    }

    fn request(&mut self, bytes: &mut Bytes<'_>) {
        let which = bytes.below(self.executions.len());
        let others: Vec<ExecutionView> = (0..self.executions.len()).map(|other| self.view(other)).collect();
        let kind = bytes.below(32);
        match kind {
            0 if self.executions.len() < EXECUTIONS => return self.start(bytes, None),
            1 => {
                // Time passes for all.
                self.now = self
                    .now
                    .saturating_add(i64::try_from(bytes.number().min(40_000_000) * 500).expect("small"));
            }
            2 if bytes.one_in(4) => self.stop(which),
            3 => self.stale(which, bytes),
            4 | 5 => self.answer(which, bytes),
            6 | 12 => self.complete_invoke(which, bytes),
            7 | 13 | 14 => self.take_invokes(which, bytes),
            8..=10 => self.complete(which, bytes),
            11 => self.start_invocation(which),
            _ => self.checkpoint(which, bytes),
        }
        for (other, before) in others.into_iter().enumerate() {
            let after = self.check(other);
            assert!(
                kind == 1 || other == which || after == before,
                "an execution was changed by a request on another"
            );
        }
        // An execution that can go on mostly does.
        if bytes.one_in(2) {
            self.start_invocation(which);
        }
    }

    fn execution(&mut self, which: usize) -> &mut Execution {
        let now = self.now;
        let execution = self.executions.get_mut(which).expect("an execution");
        execution.model.advance(now);
        execution
    }

    fn start_invocation(&mut self, which: usize) {
        let now = self.time();
        self.execution(which);
        let Some(execution) = self.executions.get_mut(which) else { return };
        let started = self.manager.start_invocation(now, &execution.arn);
        let expected = execution.model.start_invocation();
        assert_eq!(outcome(&started), expected);
        if let Ok(started) = started {
            assert!(!self.tokens.contains(&started.input.checkpoint_token), "a token is used once");
            execution.token = started.input.checkpoint_token;
            execution.request_id = started.request_id;
            self.tokens.push(execution.token.clone());
        }
    }

    fn checkpoint(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let updates: Vec<OperationUpdate> = (0..bytes.below(BATCH + 2)).map(|_| any_update(bytes)).collect();
        let (now, events) = (self.time(), self.view(which).events.len());
        let Some(execution) = self.executions.get_mut(which) else { return };
        let running = matches!(execution.model.phase, Phase::Running { .. });
        let token = execution.token.clone();
        let done = self.manager.checkpoint(now, &execution.arn, &token, updates.clone());
        if !running {
            assert_eq!(done.err(), Some(ServiceError::InvalidToken));
            return;
        }
        let expected = execution.model.checkpoint(self.now, &updates, events);
        assert_eq!(outcome(&done), expected, "{updates:#?}: {done:?}");
        if let Ok(response) = done {
            assert!(!self.tokens.contains(&response.checkpoint_token), "a token is used once");
            execution.token = response.checkpoint_token;
            self.tokens.push(execution.token.clone());
        }
    }

    /// A token that was used, belongs to another execution, or is forged.
    fn stale(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let token = match bytes.below(4) {
            0 => bytes.text().into(),
            1 => {
                let mut text = self.tokens.last().map(ToString::to_string).unwrap_or_default();
                text.pop();
                text.into()
            }
            _ if self.tokens.is_empty() => return,
            _ => bytes.of(&self.tokens),
        };
        let now = self.time();
        let execution = self.execution(which);
        let is_current = matches!(execution.model.phase, Phase::Running { .. }) && execution.token == token;
        let arn = execution.arn.clone();
        if is_current {
            let forged = self.manager.get_state(now, &arn, &token, &bytes.text());
            assert!(matches!(forged, Ok(_) | Err(ServiceError::InvalidParameterValue(_))), "{forged:?}");
        } else {
            let update = OperationUpdate::new("a".into(), Type::Step, Action::Start);
            assert_eq!(
                self.manager.checkpoint(now, &arn, &token, vec![update]).err(),
                Some(ServiceError::InvalidToken)
            );
            assert!(self.manager.get_state(now, &arn, &token, "").is_err());
        }
        let _ = self.manager.get_checkpoints_by_token(&token);
    }

    fn complete(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let now = self.time();
        let long = "x".repeat(PAYLOAD + 1);
        let (result, returned) = match bytes.below(9) {
            0..=3 => (InvocationResult::Output(InvocationOutput::pending()), Ok(None)),
            4 if bytes.one_in(2) => (succeeded(Some("1".to_owned())), Ok(Some(Status::Succeeded))),
            5 if bytes.one_in(2) => {
                let failed = InvocationOutput::failed(ErrorObject::new("E", "why"));
                (InvocationResult::Output(failed), Ok(Some(Status::Failed)))
            }
            6 => (succeeded(Some(long)), Err(())),
            7 => {
                let both = InvocationOutput {
                    error: Some(ErrorObject::new("E", "why")),
                    ..InvocationOutput::succeeded(Some("1".to_owned()))
                };
                (InvocationResult::Output(both), Err(()))
            }
            _ => (InvocationResult::Crashed(ErrorObject::new("Runtime.ExitError", "why")), Err(())),
        };
        let forged = bytes.one_in(8);
        let at = self.now;
        let execution = self.execution(which);
        let running = matches!(execution.model.phase, Phase::Running { .. });
        let request_id = if forged { "forged".into() } else { execution.request_id.clone() };
        let is_known = !forged && execution.model.invocations > 0;
        let closed = matches!(execution.model.phase, Phase::Closed(_));
        if running && !forged {
            execution.model.complete(at, returned);
        }
        let arn = execution.arn.clone();
        match self.manager.complete_invocation(now, &arn, &request_id, result) {
            Ok(next) => {
                assert!((running || closed) && is_known);
                assert_eq!(closed, closed && next == Next::Closed);
            }
            Err(error) => {
                assert!(matches!(error, ServiceError::InvocationNotRunning(_)), "{error}");
                assert!(!is_known || !(running || closed), "{error}");
            }
        }
    }

    fn stop(&mut self, which: usize) {
        let now = self.time();
        let execution = self.execution(which);
        let expected = execution.model.stop();
        let arn = execution.arn.clone();
        assert_eq!(outcome(&self.manager.stop_execution(now, &arn, None)), expected);
    }

    fn answer(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let view = self.view(which);
        let callbacks: Vec<(String, CallbackId)> = view
            .operations
            .iter()
            .filter_map(|operation| {
                let id = operation.callback_details.as_ref()?.callback_id.clone()?;
                Some((operation.id.to_string(), id))
            })
            .collect();
        let (answer, status) = match bytes.below(5) {
            0 | 1 => (Answer::Success(Some("1".to_owned())), Some(Status::Succeeded)),
            2 => (Answer::Failure(ErrorObject::new("E", "why")), Some(Status::Failed)),
            3 => (Answer::Heartbeat, None),
            _ => (Answer::Success(Some("x".repeat(PAYLOAD + 1))), Some(Status::Started)),
        };
        let (now, at) = (self.time(), self.now);
        if callbacks.is_empty() || bytes.one_in(8) {
            let mut forged = callbacks.first().map(|(_, id)| id.to_string()).unwrap_or_default();
            forged.insert(0, char::from(b'A' + bytes.byte() % 26));
            let done = self.manager.complete_callback(now, &forged.as_str().into(), answer);
            assert!(matches!(done, Err(ServiceError::CallbackNotFound(_))), "{forged}: {done:?}");
            return;
        }
        let (operation, id) = bytes.of(&callbacks);
        let model = &mut self.execution(which).model;
        let expected = match status {
            Some(Status::Started) => Err(Refused::Invalid), // it is too large
            status => model.answer(at, model.find(&operation).expect("the model has it"), status),
        };
        assert_eq!(outcome(&self.manager.complete_callback(now, &id, answer)), expected);
    }

    fn complete_invoke(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let error = ErrorObject::new("E", "why");
        let (outcome_, status) = match bytes.below(4) {
            0 => (InvokeOutcome::Succeeded(Some("1".to_owned())), Status::Succeeded),
            1 => (InvokeOutcome::Failed(error), Status::Failed),
            2 => (InvokeOutcome::TimedOut(error), Status::TimedOut),
            _ => (InvokeOutcome::Stopped(error), Status::Stopped),
        };
        let now = self.time();
        let execution = self.execution(which);
        if execution.model.ops.is_empty() {
            return;
        }
        let index = bytes.below(execution.model.ops.len());
        let id = execution.model.ops.get(index).expect("it is there").id.as_str().into();
        let expected = execution.model.complete_invoke(index, status);
        let arn = execution.arn.clone();
        assert_eq!(outcome(&self.manager.complete_invoke(now, &arn, &id, outcome_)), expected);
    }

    fn take_invokes(&mut self, which: usize, bytes: &mut Bytes<'_>) {
        let arn = self.execution(which).arn.clone();
        let taken = self.manager.take_invokes(&arn).expect("it exists");
        let taken: Vec<String> = taken.into_iter().map(|invoke| invoke.operation_id.to_string()).collect();
        assert_eq!(taken, self.execution(which).model.take_invokes());
        for id in taken {
            assert!(self.invoked.insert((which, id.clone())), "an invoke is handed out once");
            if self.executions.len() < EXECUTIONS {
                let caller = Some((arn.clone(), id));
                self.start(bytes, caller.clone());
                if bytes.one_in(2) {
                    self.start(bytes, caller); // twice: it must not replace the first
                }
            }
        }
    }

    /// Compares an execution with its model, and checks its history.
    fn check(&mut self, which: usize) -> ExecutionView {
        let now = self.time();
        let view = self.view(which);
        let model = &self.execution(which).model;
        let expected = match model.phase {
            Phase::Closed(Status::Succeeded) => ExecutionStatus::Succeeded,
            Phase::Closed(Status::TimedOut) => ExecutionStatus::TimedOut,
            Phase::Closed(Status::Stopped) => ExecutionStatus::Stopped,
            Phase::Closed(_) => ExecutionStatus::Failed,
            _ => ExecutionStatus::Running,
        };
        assert_eq!(view.status, expected);
        assert_eq!(view.invocations.len(), model.invocations);
        let text = |operation: &durawasm_core::protocol::Operation| {
            let parent = operation.parent_id.as_ref().map(ToString::to_string);
            (operation.id.to_string(), operation.kind, operation.status, parent)
        };
        let found: Vec<_> = view.operations.iter().skip(1).map(|operation| text(operation)).collect();
        let modelled: Vec<_> =
            model.ops.iter().map(|op| (op.id.clone(), op.kind, op.status, op.parent.clone())).collect();
        assert_eq!(found, modelled);
        let (phase, timer) = (model.phase, model.next_timer().map(Timestamp::from_millis));
        let arn = self.execution(which).arn.clone();
        let next = self.manager.poll(now, &arn).expect("it exists");
        match (phase, next) {
            (Phase::Closed(_), Next::Closed) | (Phase::Suspended { wake: true }, Next::Invoke) => {}
            (Phase::Running { .. }, Next::Running { deadline }) => assert_eq!(deadline, timer),
            (Phase::Suspended { .. } | Phase::BackingOff, Next::WaitUntil(at)) => assert_eq!(Some(at), timer),
            (Phase::Suspended { .. }, Next::WaitForExternal { what }) => {
                assert_eq!(timer, None);
                let open = self.execution(which).model.ops.iter().filter(|op| op.open).count();
                assert_eq!(what.len(), open);
                assert!(open > 0, "an execution waits for nothing");
            }
            (phase, next) => panic!("{phase:?}: {next:?}"),
        }
        check_history(&view);
        view
    }
}

/// One number for each event, in the order of time; one start and at most one end for each operation.
fn check_history(view: &ExecutionView) {
    for (event, id) in view.events.iter().zip(1..) {
        assert_eq!(event.event_id, id);
        assert_eq!(event.event_type, event.details.event_type());
    }
    assert!(view.events.is_sorted_by_key(|event| event.event_timestamp));
    assert!(view.events.len() <= EVENTS + BATCH * 2 + OPERATIONS + 2, "{} events", view.events.len());
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for event in &view.events {
        let Some(part) = part(event) else { continue };
        *counts.entry((event.id.as_ref().expect("an operation's event").to_string(), part)).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    let ended = view.invocations.iter().filter(|invocation| invocation.end.is_some()).count();
    let told = view.events.iter().filter(|event| event.event_type == EventType::InvocationCompleted).count();
    assert_eq!(ended, told);
}

/// Whether an event is the only start or the only end of its operation.
fn part(event: &Event) -> Option<&'static str> {
    use EventType as E;
    match event.event_type {
        E::ContextStarted | E::WaitStarted | E::CallbackStarted | E::ChainedInvokeStarted => Some("start"),
        E::CallbackSucceeded
        | E::CallbackFailed
        | E::CallbackTimedOut
        | E::WaitSucceeded
        | E::WaitCancelled
        | E::ContextSucceeded
        | E::ContextFailed
        | E::ChainedInvokeSucceeded
        | E::ChainedInvokeFailed
        | E::ChainedInvokeTimedOut
        | E::ChainedInvokeStopped => Some("end"),
        _ => None,
    }
}

fn succeeded(result: Option<String>) -> InvocationResult {
    InvocationResult::Output(InvocationOutput::succeeded(result))
}

/// The server's answer in the model's words.
fn outcome<T>(answer: &Result<T, ServiceError>) -> Result<(), Refused> {
    match answer {
        Ok(_) => Ok(()),
        Err(ServiceError::InvalidParameterValue(_)) => Err(Refused::Invalid),
        Err(ServiceError::CallbackOver(_)) => Err(Refused::Over),
        Err(other) => panic!("{other}"),
    }
}

fn any_update(bytes: &mut Bytes<'_>) -> OperationUpdate {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let which = bytes.below(ids.len());
    let id = ids.get(which).copied().unwrap_or("a");
    // An id mostly has one kind; otherwise nearly every update would be refused.
    let usual = match which {
        0..=2 => Type::Context,
        3..=5 => Type::Step,
        6 => Type::Wait,
        7 | 8 => Type::Callback,
        _ => Type::ChainedInvoke,
    };
    let any = [Type::Execution, Type::Context, Type::Step, Type::Wait, Type::Callback, Type::ChainedInvoke];
    let kind = if bytes.one_in(12) { bytes.of(&any) } else { usual };
    let action = match bytes.below(10) {
        0..=4 => Action::Start,
        5 | 6 => Action::Succeed,
        7 => Action::Fail,
        8 => Action::Retry,
        _ => Action::Cancel,
    };
    let mut update = OperationUpdate::new(id.into(), kind, action);
    if bytes.one_in(3) && action == Action::Start {
        update.parent_id = Some(bytes.of(&ids).into());
    }
    match (action, kind) {
        (Action::Start, Type::Wait) => {
            update.wait_options = Some(WaitOptions { wait_seconds: Some(bytes.number()) });
        }
        (Action::Start, Type::Callback) => {
            let (timeout, heartbeat) = (bytes.number(), bytes.number());
            update.callback_options = Some(CallbackOptions {
                timeout_seconds: Some(timeout),
                heartbeat_timeout_seconds: Some(heartbeat),
            });
        }
        (Action::Start, Type::ChainedInvoke) => {
            let name = if bytes.one_in(12) { bytes.text() } else { "target".to_owned() };
            update.chained_invoke_options =
                Some(ChainedInvokeOptions { function_name: name.into(), tenant_id: None });
        }
        (Action::Succeed, Type::Context) => {
            update.context_options = Some(ContextOptions { replay_children: bytes.one_in(2) });
        }
        (Action::Retry, _) => {
            let delay = bytes.number();
            update.step_options = Some(StepOptions { next_attempt_delay_seconds: Some(delay) });
        }
        _ => {}
    }
    match (action, bytes.below(16)) {
        (_, 15) => update.id = bytes.text().into(),
        (_, 14) => update.name = Some(bytes.text().into()),
        (_, 13) => update.payload = Some("x".repeat(PAYLOAD + bytes.below(3)).into()),
        (_, 12) | (Action::Fail, _) => update.error = Some(ErrorObject::new("E", "why")),
        (Action::Succeed | Action::Retry, _) => update.payload = Some("1".into()),
        _ => {}
    }
    update
}
