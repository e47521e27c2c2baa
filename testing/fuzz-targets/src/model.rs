//! A small model of one execution of the checkpoint server: which requests it accepts, and the state after them. It is
//! written from the documentation of the service, and shares no code with the server.

use durawasm_core::protocol::{
    OperationAction as Action, OperationId, OperationStatus as Status, OperationType as Type, OperationUpdate,
};

/// The limits of the server under test.
pub(crate) const PAYLOAD: usize = 64;
pub(crate) const BATCH: usize = 4;
pub(crate) const OPERATIONS: usize = 12;
pub(crate) const EVENTS: usize = 80;
pub(crate) const RETRIES: u32 = 2;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Op {
    pub(crate) id: String,
    pub(crate) kind: Type,
    pub(crate) status: Status,
    pub(crate) parent: Option<String>,
    /// The number of invocations when it was started.
    invocation: usize,
    heartbeat: Option<u64>,
    /// The outcome of an invoke that waits for the end of the invocation.
    held: bool,
    /// Whether an invoke was not handed out yet.
    fresh: bool,
    /// Whether a callback or an invoke takes an answer.
    pub(crate) open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    WaitEnds(usize),
    StepReady(usize),
    CallbackTimeout(usize),
    Heartbeat(usize),
    ExecutionTimeout,
    Reinvoke,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    Suspended { wake: bool },
    Running { decided: Option<Status> },
    BackingOff,
    Closed(Status),
}

/// What the server answers to a request, in the model's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request is against the rules.
    Invalid,
    /// What it is about is over.
    Over,
}

/// One execution.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) ops: Vec<Op>,
    pub(crate) phase: Phase,
    pub(crate) invocations: usize,
    timers: Vec<(i64, usize, What)>,
    scheduled: usize,
    crashes: u32,
    /// Whether the handler has not got a change yet.
    changed: bool,
    became_ready: bool,
    held: Vec<(usize, Status)>,
}

impl Model {
    pub(crate) fn new(now: i64, timeout: Option<u64>) -> Self {
        let mut model = Self {
            ops: Vec::new(),
            phase: Phase::Suspended { wake: true },
            invocations: 0,
            timers: Vec::new(),
            scheduled: 0,
            crashes: 0,
            changed: true,
            became_ready: false,
            held: Vec::new(),
        };
        if let Some(seconds) = timeout {
            model.schedule(now, seconds, What::ExecutionTimeout);
        }
        model
    }

    fn schedule(&mut self, now: i64, seconds: u64, what: What) {
        let at = now.saturating_add(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX));
        self.timers.push((at, self.scheduled, what));
        self.scheduled += 1;
    }

    fn op(&mut self, index: usize) -> &mut Op {
        self.ops.get_mut(index).expect("an operation of the model")
    }

    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.ops.iter().position(|op| op.id == id)
    }

    /// The deadline of the next timer.
    pub(crate) fn next_timer(&self) -> Option<i64> {
        self.timers.iter().map(|(at, ..)| *at).min()
    }

    pub(crate) fn advance(&mut self, now: i64) {
        while let Some(next) =
            self.timers.iter().copied().filter(|(at, ..)| *at <= now).min_by_key(|t| (t.0, t.1))
        {
            self.timers.retain(|timer| timer.1 != next.1);
            match next.2 {
                What::WaitEnds(index) => self.end_from_outside(index, Status::Succeeded),
                What::StepReady(index) => {
                    self.became_ready = true;
                    self.end_from_outside(index, Status::Ready);
                }
                What::CallbackTimeout(index) | What::Heartbeat(index) => {
                    self.close_callback(index);
                    self.end_from_outside(index, Status::TimedOut);
                }
                What::ExecutionTimeout if matches!(self.phase, Phase::Running { decided: Some(_) }) => {}
                What::ExecutionTimeout => self.close(Status::TimedOut),
                What::Reinvoke => self.phase = Phase::Suspended { wake: true },
            }
        }
    }

    fn end_from_outside(&mut self, index: usize, status: Status) {
        self.op(index).status = status;
        self.changed = true;
        if let Phase::Suspended { wake } = &mut self.phase {
            *wake = true;
        }
    }

    fn close_callback(&mut self, index: usize) {
        self.op(index).open = false;
        self.timers
            .retain(|(_, _, what)| *what != What::CallbackTimeout(index) && *what != What::Heartbeat(index));
    }

    fn close(&mut self, status: Status) {
        self.timers.clear();
        self.held.clear();
        for op in &mut self.ops {
            (op.open, op.fresh) = (false, false);
        }
        self.phase = Phase::Closed(status);
    }

    fn outstanding(&self) -> bool {
        self.ops.iter().any(|op| match op.kind {
            Type::Wait | Type::Callback | Type::ChainedInvoke => op.status == Status::Started,
            Type::Step => op.status == Status::Pending,
            _ => false,
        })
    }

    fn has_news(&self) -> bool {
        self.changed || (self.became_ready && self.ops.iter().any(|op| op.status == Status::Ready))
    }

    pub(crate) fn start_invocation(&mut self) -> Result<(), Refused> {
        if self.phase != (Phase::Suspended { wake: true }) {
            return Err(Refused::Invalid);
        }
        self.phase = Phase::Running { decided: None };
        self.invocations += 1;
        (self.changed, self.became_ready) = (false, false);
        Ok(())
    }

    /// Ends the running invocation; `Err` if it crashed.
    pub(crate) fn complete(&mut self, now: i64, returned: Result<Option<Status>, ()>) {
        let Phase::Running { decided } = self.phase else { return };
        self.phase = Phase::Suspended { wake: self.has_news() };
        if let Some(status) = decided {
            return self.close(status);
        }
        // PENDING where nothing is pending is a crash.
        let returned = returned.and_then(|status| match status {
            None if !self.outstanding() && !self.has_news() => Err(()),
            status => Ok(status),
        });
        match returned {
            Ok(Some(status)) => return self.close(status),
            Ok(None) => self.crashes = 0,
            Err(()) => {
                self.crashes += 1;
                if self.crashes > RETRIES {
                    return self.close(Status::Failed);
                }
                self.phase = Phase::BackingOff;
                self.schedule(now, 1 << (self.crashes - 1), What::Reinvoke);
            }
        }
        for (index, status) in std::mem::take(&mut self.held) {
            self.op(index).open = false;
            self.end_from_outside(index, status);
        }
    }

    pub(crate) fn stop(&mut self) -> Result<(), Refused> {
        match self.phase {
            Phase::Closed(_) | Phase::Running { decided: Some(_) } => Err(Refused::Invalid),
            _ => {
                self.close(Status::Stopped);
                Ok(())
            }
        }
    }

    /// An answer to a callback; `None` is a heartbeat.
    pub(crate) fn answer(&mut self, now: i64, index: usize, status: Option<Status>) -> Result<(), Refused> {
        if !self.op(index).open {
            return Err(Refused::Over);
        }
        match (status, self.op(index).heartbeat) {
            (Some(status), _) => {
                self.close_callback(index);
                self.end_from_outside(index, status);
            }
            (None, Some(seconds)) => {
                self.timers.retain(|(_, _, what)| *what != What::Heartbeat(index));
                self.schedule(now, seconds, What::Heartbeat(index));
            }
            (None, None) => {}
        }
        Ok(())
    }

    pub(crate) fn complete_invoke(&mut self, index: usize, status: Status) -> Result<(), Refused> {
        let running = matches!(self.phase, Phase::Running { .. });
        let invocations = self.invocations;
        let op = self.op(index);
        if op.kind != Type::ChainedInvoke || !op.open || op.held {
            return Err(Refused::Invalid);
        }
        op.fresh &= running && op.invocation == invocations;
        if running && op.invocation == invocations {
            op.held = true;
            self.held.push((index, status));
        } else {
            op.open = false;
            self.end_from_outside(index, status);
        }
        Ok(())
    }

    /// The ids of the invokes that were not handed out.
    pub(crate) fn take_invokes(&mut self) -> Vec<String> {
        let fresh = self.ops.iter_mut().filter_map(|op| std::mem::take(&mut op.fresh).then(|| op.id.clone()));
        fresh.collect()
    }

    /// A checkpoint with a valid token. `events` is the number of events so far.
    pub(crate) fn checkpoint(
        &mut self,
        now: i64,
        updates: &[OperationUpdate],
        events: usize,
    ) -> Result<(), Refused> {
        if !updates.is_empty() {
            if matches!(self.phase, Phase::Running { decided: Some(_) }) {
                return Err(Refused::Invalid);
            }
            if events >= EVENTS {
                self.close(Status::Failed);
                return Err(Refused::Invalid);
            }
            // All or nothing.
            let mut after = self.clone();
            after.apply_all(now, updates)?;
            *self = after;
        }
        self.changed = false;
        Ok(())
    }

    fn apply_all(&mut self, now: i64, updates: &[OperationUpdate]) -> Result<(), Refused> {
        let executions = updates.iter().filter(|update| update.kind == Type::Execution).count();
        let last = updates.last().is_some_and(|update| update.kind == Type::Execution);
        if updates.len() > BATCH || executions > 1 || (executions == 1 && !last) {
            return Err(Refused::Invalid);
        }
        for (place, update) in updates.iter().enumerate() {
            let before: Vec<&OperationUpdate> =
                updates.iter().take(place).filter(|other| other.id == update.id).collect();
            let may_follow = match before.as_slice() {
                [] => true,
                [one] => {
                    matches!(one.kind, Type::Step | Type::Context)
                        && one.action == Action::Start
                        && update.action != Action::Start
                }
                _ => false,
            };
            if !may_follow || !is_well_formed(update) {
                return Err(Refused::Invalid);
            }
            self.apply(now, update)?;
        }
        Ok(())
    }

    fn apply(&mut self, now: i64, update: &OperationUpdate) -> Result<(), Refused> {
        let id = update.id.as_str();
        let known = self.find(id);
        if let Some(parent) = update.parent_id.as_ref().map(OperationId::as_str) {
            let is_context = self.find(parent).is_some_and(|at| self.op(at).kind == Type::Context);
            let is_other = known.is_some_and(|at| self.op(at).parent.as_deref() != Some(parent));
            if !is_context || parent == id || is_other {
                return Err(Refused::Invalid);
            }
        }
        if update.kind == Type::Execution {
            let status = match update.action {
                Action::Succeed => Status::Succeeded,
                Action::Fail => Status::Failed,
                _ => return Err(Refused::Invalid),
            };
            self.phase = Phase::Running { decided: Some(status) };
            return Ok(());
        }
        let Some(index) = known else {
            return if update.action == Action::Start {
                self.begin(now, update)
            } else {
                Err(Refused::Invalid)
            };
        };
        let (kind, status) = (self.op(index).kind, self.op(index).status);
        let is_open = matches!(status, Status::Started | Status::Ready);
        let after = match (kind, update.action) {
            _ if kind != update.kind => None,
            (Type::Step, Action::Start) if status == Status::Ready => Some(Status::Started),
            (Type::Step, Action::Succeed) if is_open => Some(Status::Succeeded),
            (Type::Step, Action::Fail) if is_open => Some(Status::Failed),
            (Type::Step, Action::Retry) if is_open => {
                let delay = update.step_options.and_then(|options| options.next_attempt_delay_seconds);
                let delay = delay.filter(|delay| is_delay(*delay)).ok_or(Refused::Invalid)?;
                self.schedule(now, delay, What::StepReady(index));
                Some(Status::Pending)
            }
            (Type::Context, Action::Succeed) if status == Status::Started => Some(Status::Succeeded),
            (Type::Context, Action::Fail) if status == Status::Started => Some(Status::Failed),
            (Type::Wait | Type::Callback | Type::ChainedInvoke, Action::Cancel)
                if status == Status::Started =>
            {
                self.timers.retain(|(_, _, what)| *what != What::WaitEnds(index));
                self.close_callback(index);
                self.op(index).fresh = false;
                self.held.retain(|(held, _)| *held != index);
                Some(Status::Cancelled)
            }
            _ => None,
        };
        self.op(index).status = after.ok_or(Refused::Invalid)?;
        Ok(())
    }

    fn begin(&mut self, now: i64, update: &OperationUpdate) -> Result<(), Refused> {
        let index = self.ops.len();
        if index >= OPERATIONS {
            return Err(Refused::Invalid);
        }
        let limit = |seconds: Option<u64>| seconds.filter(|seconds| *seconds > 0);
        let mut heartbeat = None;
        match update.kind {
            Type::Wait => {
                let seconds = update.wait_options.and_then(|options| options.wait_seconds);
                let seconds = seconds.filter(|seconds| is_delay(*seconds)).ok_or(Refused::Invalid)?;
                self.schedule(now, seconds, What::WaitEnds(index));
            }
            Type::Callback => {
                let options = update.callback_options.unwrap_or_default();
                heartbeat = limit(options.heartbeat_timeout_seconds);
                let timeout = limit(options.timeout_seconds);
                if [heartbeat, timeout].into_iter().flatten().any(|seconds| seconds > 99_999_999) {
                    return Err(Refused::Invalid);
                }
                if let Some(seconds) = timeout {
                    self.schedule(now, seconds, What::CallbackTimeout(index));
                }
                if let Some(seconds) = heartbeat {
                    self.schedule(now, seconds, What::Heartbeat(index));
                }
            }
            Type::ChainedInvoke => {
                let name =
                    update.chained_invoke_options.as_ref().map_or("", |options| &*options.function_name);
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:$".contains(&byte);
                if !(1..=256).contains(&name.len()) || !name.bytes().all(allowed) {
                    return Err(Refused::Invalid);
                }
            }
            Type::Step | Type::Context => {}
            Type::Execution => return Err(Refused::Invalid),
        }
        self.ops.push(Op {
            id: update.id.as_str().to_owned(),
            kind: update.kind,
            status: Status::Started,
            parent: update.parent_id.as_ref().map(|parent| parent.as_str().to_owned()),
            invocation: self.invocations,
            heartbeat,
            held: false,
            fresh: update.kind == Type::ChainedInvoke,
            open: matches!(update.kind, Type::Callback | Type::ChainedInvoke),
        });
        Ok(())
    }
}

fn is_delay(seconds: u64) -> bool {
    (1..=31_622_400).contains(&seconds)
}

/// The texts and sizes of an update, and whether it has a result and an error only where it may.
fn is_well_formed(update: &OperationUpdate) -> bool {
    let id = update.id.as_str();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = update.name.as_deref().is_none_or(|name| {
        (1..=256).contains(&name.len()) && name.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
    });
    let outcome = match (update.action, update.payload.is_some(), update.error.is_some()) {
        (Action::Succeed | Action::Start | Action::Cancel, _, true) | (Action::Fail, true, _) => false,
        (Action::Retry, payload, error) => !(payload && error),
        _ => true,
    };
    (1..=64).contains(&id.len())
        && id.bytes().all(word)
        && name
        && update.payload.as_ref().is_none_or(|payload| payload.len() <= PAYLOAD)
        && outcome
}
