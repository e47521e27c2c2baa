//! One execution, from start to end.
//!
//! Invariants: an execution has at most one invocation at a time; it holds no instance between invocations; its loop
//! ends when the execution has ended, or when no future event can come from within this process.

use std::{collections::HashMap, sync::Arc};

use super::{
    Attendant, Function, Functions, GrantProvider, Invocation, SharedScheduler, UnknownFunction, Version,
    VersionError, Versions,
    attendant::{Attended, reconsidered},
    scheduling::{self, ScheduledExecution},
    targets::{Spawner, TargetPool, Targets},
};
use crate::{
    ambient::{Actor, Clock, Entropy},
    invocation::{Faults, Grants, Isolation, LogSink, Surroundings},
    protocol::{EventDetails, ExecutionArn, InvocationResult, Limits, ServiceError, Timestamp, error_types},
    replay::Probed,
    server::{
        Attendance, Continued, ExecutionView, Next, NextAction, PendingExternal, ServerHandle,
        StartExecution, TimerMode,
    },
};

/// Why an execution could not be run. Errors of the execution itself are its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The server refused a request or cannot be reached.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The function does not exist.
    #[error(transparent)]
    Function(#[from] UnknownFunction),
    /// There is no code for the execution.
    #[error(transparent)]
    Code(VersionError),
}

impl From<VersionError> for RunError {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Function(unknown) => Self::Function(unknown),
            other => Self::Code(other),
        }
    }
}

/// Why an execution that has not ended will not continue by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The open operations that wait for an answer.
    pub what: Vec<PendingExternal>,
}

impl Stall {
    /// How many operations are listed in messages.
    const SHOWN: usize = 10;
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what: Vec<String> = self.what.iter().take(Self::SHOWN).map(ToString::to_string).collect();
        f.write_str(&what.join(" and "))?;
        match self.what.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The final state of the execution.
    pub view: ExecutionView,
    /// Set if the execution has not ended and will not continue by itself.
    pub stall: Option<Stall>,
    /// The number of checkpoints with updates that the handler sent.
    pub checkpoints: u64,
}

/// Runs executions. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    /// The server that records executions.
    pub server: ServerHandle,
    /// The functions that can be run and invoked.
    pub functions: Functions,
    /// Where the functions come from, if their code changes; `functions` are not used then.
    pub versions: Option<Arc<dyn Versions>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
    /// The receiver of handlers' output.
    pub log: Arc<dyn LogSink>,
    /// The service's limits.
    pub limits: Limits,
    /// The execution timeouts of functions that are invoked by others, in seconds.
    pub execution_timeouts: Arc<HashMap<String, u64>>,
    /// What functions may access.
    pub grants: Arc<GrantProvider>,
    /// The faults to inject.
    pub faults: Faults,
    /// Which code shares an instance.
    pub isolation: Isolation,
    /// Whether answers may come from outside at any time, so that no execution is given up because it waits for one.
    pub answers_from_outside: bool,
    /// The scheduler that decides when waits end; without one, the clock decides.
    pub scheduler: Option<SharedScheduler>,
}

/// Whether an execution that has not ended has progressed far enough to be left.
type StopCondition<'a> = &'a (dyn Fn(&ExecutionView) -> bool + Send + Sync);

/// How an execution is driven.
#[derive(Clone, Copy)]
pub(super) struct DriveOptions<'a> {
    /// Its code.
    pub(super) function: &'a Function,
    /// When its execution timeout expires.
    pub(super) deadline: Option<Timestamp>,
    pub(super) stop_when: Option<StopCondition<'a>>,
    pub(super) attendant: Attended<'a>,
    /// Whether to leave it while it waits.
    pub(super) may_leave: bool,
}

/// Why an execution is not driven any further.
pub(super) enum StopReason {
    /// It has ended.
    Ended,
    /// It will not continue by itself.
    Stalled(Stall),
    /// The caller's condition is met.
    ConditionMet,
    /// It waits, and whoever dispatches executions looks after it.
    Left,
}

/// How far an execution was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has ended.
    Ended,
    /// It waits, and is dispatched again when it can go on.
    Waits,
}

impl Orchestrator {
    /// Starts an execution and runs it to its end.
    ///
    /// # Errors
    /// When the execution could not be started, or the server was lost meanwhile.
    pub async fn run(&self, start: StartExecution) -> Result<Run, RunError> {
        self.start(start, None, None).await
    }

    /// Starts an execution with an attendant and runs it to its end.
    ///
    /// # Errors
    /// As for [`Orchestrator::run`].
    pub async fn run_attended(
        &self,
        start: StartExecution,
        attendant: &Arc<dyn Attendant>,
    ) -> Result<Run, RunError> {
        self.start(start, None, Some(attendant)).await
    }

    /// Starts an execution and runs it to its end, or until `stop_when` returns true. `stop_when` is called between
    /// invocations; afterwards the execution does not continue.
    ///
    /// # Errors
    /// As for [`Orchestrator::run`].
    pub async fn run_until(
        &self,
        start: StartExecution,
        stop_when: StopCondition<'_>,
    ) -> Result<Run, RunError> {
        self.start(start, Some(stop_when), None).await
    }

    async fn start(
        &self,
        mut start: StartExecution,
        stop_when: Option<StopCondition<'_>>,
        attendant: Attended<'_>,
    ) -> Result<Run, RunError> {
        // While this execution is active, virtual time does not advance.
        let _actor = self.clock.actor();
        let Version { function, .. } = self.find(&start.function_name).await?;
        let deadline = self.deadline(self.clock.now(), start.timeout_seconds);
        start.timers = self.timers();
        let arn = self.server.start_execution(start).await?;
        let options = DriveOptions { function: &function, deadline, stop_when, attendant, may_leave: false };
        self.follow(&arn, options).await
    }

    /// Continues an execution that a store keeps, and runs it to its end. Nobody else may run it.
    ///
    /// # Errors
    /// When there is no such execution, its function does not exist, or the server was lost meanwhile.
    pub async fn resume(
        &self,
        arn: &ExecutionArn,
        attendant: Option<&Arc<dyn Attendant>>,
    ) -> Result<Run, RunError> {
        let _actor = self.clock.actor();
        let function = self.started_with(function_of(arn), None).await?;
        let deadline = self.deadline_of(arn).await?;
        let options =
            DriveOptions { function: &function, deadline, stop_when: None, attendant, may_leave: false };
        self.follow(arn, options).await
    }

    /// Runs an execution until it has ended, or waits. After an error it can be run again. `actor` is the caller's on
    /// the clock, which it has had since the execution was taken.
    ///
    /// # Errors
    /// When its function does not exist, or the server was lost meanwhile.
    pub async fn run_attendance(&self, attendance: &Attendance, _actor: Actor) -> Result<Progress, RunError> {
        let arn = attendance.arn();
        // An execution whose function is not there is left as it is.
        self.resolve(function_of(arn))?;
        let Continued { times_out, origin } = attendance.take_over().await?;
        let function = self.started_with(function_of(arn), origin.as_deref()).await?;
        let (background, spawner) = TargetPool::new(&self.limits);
        let mut checkpoints = 0;
        let options = DriveOptions {
            function: &function,
            deadline: after(times_out),
            stop_when: None,
            attendant: None,
            may_leave: true,
        };
        let driven = self.drive(arn, options, &mut checkpoints, spawner);
        match background.run(driven).await? {
            StopReason::Ended => {
                attendance.set_left();
                Ok(Progress::Ended)
            }
            StopReason::Left => {
                attendance.set_left();
                Ok(Progress::Waits)
            }
            StopReason::Stalled(_) | StopReason::ConditionMet => {
                debug_assert!(false, "{arn}: what waits is left, and there is no condition");
                Ok(Progress::Waits)
            }
        }
    }

    /// When an execution that has started times out, at the latest.
    async fn deadline_of(&self, arn: &ExecutionArn) -> Result<Option<Timestamp>, ServiceError> {
        let view = self.server.view(arn).await?;
        let timeout = view.events.first().and_then(|event| match &event.details {
            EventDetails::ExecutionStarted(details) => {
                Some(details.execution_timeout).filter(|seconds| *seconds > 0)
            }
            _ => None,
        });
        Ok(self.deadline(view.start, timeout))
    }

    async fn follow(&self, arn: &ExecutionArn, options: DriveOptions<'_>) -> Result<Run, RunError> {
        if let Some(attendant) = options.attendant {
            attendant.started(arn, &self.server);
            self.server.observe(arn, attendant.clone()).await?;
        }
        let mut checkpoints = 0;
        let (background, spawner) = TargetPool::new(&self.limits);
        let driven = self.drive(arn, options, &mut checkpoints, spawner);
        let reason = background.run(driven).await?;
        let view = self.server.view(arn).await?;
        let stall = match reason {
            StopReason::Stalled(stall) => Some(stall),
            StopReason::Ended | StopReason::ConditionMet | StopReason::Left => None,
        };
        Ok(Run { view, stall, checkpoints })
    }

    /// Invokes and waits until the execution has ended, stalls, or has progressed far enough.
    pub(super) async fn drive(
        &self,
        arn: &ExecutionArn,
        options: DriveOptions<'_>,
        checkpoints: &mut u64,
        spawner: Spawner,
    ) -> Result<StopReason, ServiceError> {
        let DriveOptions { function, deadline, stop_when, attendant, may_leave } = options;
        let mut scheduled =
            self.scheduler.clone().map(|scheduler| ScheduledExecution::new(scheduler, spawner.is_root()));
        let mut targets = Targets::new(spawner);
        loop {
            // Created before the state is read, so that no later change is missed.
            let reconsidered = reconsidered(attendant);
            let may_leave = may_leave && targets.is_empty();
            let NextAction { next, invokes, news, left } = self.server.next(arn, may_leave).await?;
            for invoke in invokes {
                targets.start(|spawner| self.target(arn.clone(), invoke, spawner));
            }
            if let Some(stop_when) = stop_when
                && stop_when(&self.server.view(arn).await?)
            {
                return Ok(StopReason::ConditionMet);
            }
            let (mut sleep_until, pending) = match next {
                Next::Closed => {
                    self.grants.over(arn);
                    return Ok(StopReason::Ended);
                }
                Next::Invoke => {
                    if let Some(attendant) = attendant {
                        attendant.invoked();
                    }
                    // On the heap, so that a suspended execution has no room for it.
                    let mut invocation = Box::pin(self.invoke(arn, function, deadline));
                    // Targets continue meanwhile: virtual time does not advance for anyone while one of them is active.
                    *checkpoints += u64::from(loop {
                        tokio::select! {
                            biased;
                            Some((_actor, done)) = targets.next() => done?,
                            sent = &mut invocation => break sent?,
                        }
                    });
                    continue;
                }
                _ if left => return Ok(StopReason::Left),
                Next::WaitUntil(next) => (Some(next), None),
                // Another caller's invocation is running. The server reports its end.
                Next::Running { deadline } => (deadline, None),
                Next::WaitForExternal { what } => (None, Some(what)),
            };
            if let Some(attendant) = attendant {
                attendant.waits();
            }
            if let Some(what) = pending {
                let may_answer = self.answers_from_outside
                    || attendant.is_some_and(|attendant| attendant.may_answer(&what));
                if targets.is_empty() && !may_answer {
                    // An answer may have arrived after the state was read, and be the reason why no other answer can
                    // come.
                    let waits = Next::WaitForExternal { what: what.clone() };
                    if self.server.poll(arn).await? == waits {
                        return Ok(StopReason::Stalled(Stall { what }));
                    }
                    continue;
                }
            }
            if let Some(scheduled) = &mut scheduled {
                scheduled.wait(&self.server, &self.clock, arn).await?;
                sleep_until = None;
            }
            let _news = tokio::select! {
                biased;
                Some((_actor, done)) = targets.next() => {
                    done?;
                    None
                }
                news = news.news() => news,
                () = reconsidered => None,
                next = scheduling::next(&mut scheduled) => {
                    next?;
                    None
                }
                () = self.clock.sleep(sleep_until) => None,
            };
        }
    }

    /// When an execution times out, at the latest. An invocation ends then, whatever it waits for.
    pub(super) fn deadline(&self, start: Timestamp, timeout_seconds: Option<u64>) -> Option<Timestamp> {
        match timeout_seconds {
            Some(seconds) => Some(start.plus_seconds(seconds)),
            // Without a timeout, the server ends what lasts longer than the limit.
            None => self.limits.longest_execution.map(|seconds| start.plus_seconds(seconds).plus_millis(1)),
        }
    }

    pub(super) fn timers(&self) -> TimerMode {
        if self.scheduler.is_some() { TimerMode::Scheduler } else { TimerMode::Clock }
    }

    /// The environment of an invocation; `label` selects its stream of randomness.
    pub(super) fn around(&self, grants: Arc<Grants>, label: &str) -> Surroundings {
        Surroundings {
            client: Arc::new(self.server.clone()),
            clock: self.clock.clone(),
            entropy: self.entropy.fork(label),
            log: self.log.clone(),
            grants,
            faults: self.faults.clone(),
            isolation: self.isolation,
            probe: Probed::default(),
        }
    }

    /// Runs one invocation. Returns the number of checkpoints that it sent.
    async fn invoke(
        &self,
        arn: &ExecutionArn,
        function: &Function,
        deadline: Option<Timestamp>,
    ) -> Result<u32, ServiceError> {
        let started = match self.server.start_invocation(arn).await {
            Ok(started) => started,
            // It was paused or stopped meanwhile.
            Err(ServiceError::InvalidParameterValue(_)) if self.answers_from_outside => return Ok(0),
            Err(error) => return Err(error),
        };
        let request_id = started.request_id.clone();
        let grants = match self.grants.execution(&function.name, arn) {
            Ok(grants) => grants,
            Err(error) => {
                self.server.complete_invocation(arn, &request_id, InvocationResult::Crashed(error)).await?;
                return Ok(0);
            }
        };
        let label = format!("{arn} {request_id}");
        let invocation = function.handler.invoke(Invocation {
            function: &function.name,
            id: started.request_id,
            input: started.input,
            limits: &self.limits,
            around: self.around(grants, &label),
        });
        let report = tokio::select! {
            biased;
            // Polled first, so that its sleep is registered before the invocation sleeps. The instance is dropped.
            () = self.timed_out(arn, deadline), if deadline.is_some() => return Ok(0),
            report = invocation => report,
        };
        if let InvocationResult::Crashed(error) = &report.result
            && error.error_type.as_deref() == Some(error_types::STORE_FAILED)
        {
            // The handler is not at fault. The next process finds the invocation interrupted.
            return Err(ServiceError::Store(error.error_message.clone().unwrap_or_default()));
        }
        self.server.complete_invocation(arn, &request_id, report.result).await?;
        Ok(report.checkpoints)
    }

    /// Completes when the execution times out while an invocation of it is running.
    async fn timed_out(&self, arn: &ExecutionArn, deadline: Option<Timestamp>) {
        let _actor = self.clock.actor();
        let mut next = deadline;
        loop {
            self.clock.sleep(next).await;
            match self.server.poll(arn).await {
                // A pause has moved the timeout, or the outcome is recorded already and the handler only has to return.
                Ok(Next::Running { deadline }) => next = deadline,
                _ => return,
            }
        }
    }
}

/// The name of an execution's function.
pub(super) fn function_of(arn: &ExecutionArn) -> &str {
    arn.parts().map_or("", |(function, _, _)| function)
}

/// When an invocation ends, whatever it waits for: after the server has ended the execution.
pub(super) fn after(times_out: Option<Timestamp>) -> Option<Timestamp> {
    times_out.map(|time| time.plus_millis(1))
}
