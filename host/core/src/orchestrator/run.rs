//! One execution, from start to end.
//!
//! Always true: an execution has one invocation at a time; between invocations it holds no instance; its loop ends when
//! the execution is over, or when nothing will ever happen to it by itself.

use std::{
    collections::HashMap,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use super::{
    Attendant, Functions, Granter, Invocation, SharedScheduler, UnknownFunction,
    attendant::{Attended, reconsidered},
    plain::run_plain,
    scheduling::{self, Rounds},
    targets::{Beside, Done, Spawner, Targets},
};
use crate::{
    ambient::{Clock, Entropy},
    invocation::{Faults, Grants, Isolation, LogSink, Surroundings},
    protocol::{
        ErrorObject, ExecutionArn, ExecutionStatus, InvocationResult, Limits, ServiceError, Timestamp,
        error_types,
    },
    server::{
        ExecutionView, InvokeOutcome, InvokeTarget, Next, Outside, ServerHandle, StartExecution,
        StartedInvoke, TimerMode, Turn,
    },
};

/// Why an execution could not be run. What goes wrong *in* an execution is its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The server refused, or is gone.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// There is no such function.
    #[error(transparent)]
    Function(#[from] UnknownFunction),
}

/// Why an execution is not over although nothing will happen by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// What would have to be answered.
    pub what: Vec<Outside>,
}

impl Stall {
    /// How many are named for people.
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

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The execution as it stands now.
    pub view: ExecutionView,
    /// Set when the execution is not over and nothing will happen to it by itself.
    pub stall: Option<Stall>,
    /// Checkpoints with updates that the handler sent.
    pub checkpoints: u64,
}

/// Runs executions. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    /// Where executions are recorded.
    pub server: ServerHandle,
    /// What executions run and invoke.
    pub functions: Functions,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
    /// Where handlers' lines go.
    pub log: Arc<dyn LogSink>,
    /// The service's limits.
    pub limits: Limits,
    /// How long executions of functions that others invoke may take, in seconds.
    pub execution_timeouts: Arc<HashMap<String, u64>>,
    /// What functions may reach.
    pub grants: Arc<Granter>,
    /// What is done to invocations on purpose.
    pub faults: Faults,
    /// What an instance is shared by.
    pub isolation: Isolation,
    /// Who decides when waits end; without one, the clock.
    pub scheduler: Option<SharedScheduler>,
}

/// Says of an execution that is not over whether it has gone far enough.
type Enough<'a> = &'a (dyn Fn(&ExecutionView) -> bool + Send + Sync);

/// Where the driving of an execution came to a halt.
enum Halt {
    Over,
    Stalled(Stall),
    Enough,
}

impl Orchestrator {
    /// Starts an execution and runs it to its end.
    ///
    /// # Errors
    /// When the execution could not be started, or the server was lost on the way.
    pub async fn run(&self, start: StartExecution) -> Result<Run, RunError> {
        self.start(start, None, None).await
    }

    /// Starts an execution and runs it to its end, attended by someone.
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

    /// Starts an execution and runs it until `enough` finds that it has gone far enough, or to its end. It is asked
    /// between invocations; an execution that is left so goes no further.
    ///
    /// # Errors
    /// As for [`Orchestrator::run`].
    pub async fn run_until(&self, start: StartExecution, enough: Enough<'_>) -> Result<Run, RunError> {
        self.start(start, Some(enough), None).await
    }

    async fn start(
        &self,
        mut start: StartExecution,
        enough: Option<Enough<'_>>,
        attendant: Attended<'_>,
    ) -> Result<Run, RunError> {
        // While this execution acts, time does not skip.
        let _actor = self.clock.actor();
        self.functions.find(&start.function_name)?;
        let timeout = start.timeout_seconds;
        start.timers = self.timers();
        let arn = self.server.start_execution(start).await?;
        if let Some(attendant) = attendant {
            attendant.started(&arn, &self.server);
            self.server.observe(&arn, attendant.clone()).await?;
        }
        let deadline = timeout.map(|seconds| self.clock.now().plus_seconds(seconds));
        let mut checkpoints = 0;
        let (beside, spawner) = Beside::new();
        let driven = self.drive(&arn, deadline, enough, attendant, &mut checkpoints, spawner);
        let halt = beside.run(driven).await?;
        let view = self.server.view(&arn).await?;
        let stall = match halt {
            Halt::Stalled(stall) => Some(stall),
            Halt::Over | Halt::Enough => None,
        };
        Ok(Run { view, stall, checkpoints })
    }

    /// Invokes and waits until the execution is over, stalls, or has gone far enough. `deadline` is when its timeout
    /// passes.
    async fn drive(
        &self,
        arn: &ExecutionArn,
        deadline: Option<Timestamp>,
        enough: Option<Enough<'_>>,
        attendant: Attended<'_>,
        checkpoints: &mut u64,
        spawner: Spawner,
    ) -> Result<Halt, RunError> {
        let mut rounds = self.scheduler.clone().map(|scheduler| Rounds::new(scheduler, spawner.is_root()));
        let mut targets = Targets::new(spawner);
        loop {
            // Asked for first: what changes from here on is not missed.
            let reconsidered = reconsidered(attendant);
            let Turn { next, invokes, news } = self.server.next(arn).await?;
            for invoke in invokes {
                targets.start(|spawner| self.target(arn.clone(), invoke, spawner));
            }
            if let Some(enough) = enough
                && enough(&self.server.view(arn).await?)
            {
                return Ok(Halt::Enough);
            }
            let (mut sleep_until, outside) = match next {
                Next::Closed => {
                    self.grants.over(arn);
                    return Ok(Halt::Over);
                }
                Next::Invoke => {
                    if let Some(attendant) = attendant {
                        attendant.invoked();
                    }
                    let mut invocation = pin!(self.invoke(arn, deadline));
                    // Targets go on meanwhile: time stands still for everyone while one of them is in the middle of
                    // something.
                    *checkpoints += u64::from(loop {
                        tokio::select! {
                            biased;
                            Some((_actor, done)) = targets.next() => done?,
                            sent = &mut invocation => break sent?,
                        }
                    });
                    continue;
                }
                Next::WaitUntil(next) => (Some(next), None),
                // Somebody else's invocation runs: its end is news.
                Next::Running { deadline } => (deadline, None),
                Next::WaitForOutside { what } => (None, Some(what)),
            };
            if let Some(attendant) = attendant {
                attendant.waits();
            }
            if let Some(what) = outside {
                let may_answer = attendant.is_some_and(|attendant| attendant.may_answer(&what));
                if targets.is_empty() && !may_answer {
                    // An answer may have come after the server was asked, and be the reason why no other may come.
                    let waits = Next::WaitForOutside { what: what.clone() };
                    if self.server.poll(arn).await? == waits {
                        return Ok(Halt::Stalled(Stall { what }));
                    }
                    continue;
                }
            }
            if let Some(rounds) = &mut rounds {
                rounds.wait(&self.server, &self.clock, arn).await?;
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
                next = scheduling::next(&mut rounds) => {
                    next?;
                    None
                }
                () = self.clock.sleep(sleep_until) => None,
            };
        }
    }

    fn timers(&self) -> TimerMode {
        if self.scheduler.is_some() { TimerMode::Scheduler } else { TimerMode::Clock }
    }

    /// What surrounds an invocation; `label` sets its randomness apart from that of others.
    pub(super) fn around(&self, grants: Arc<Grants>, label: &str) -> Surroundings {
        Surroundings {
            client: Arc::new(self.server.clone()),
            clock: self.clock.clone(),
            entropy: self.entropy.fork(label),
            log: self.log.clone(),
            grants,
            faults: self.faults.clone(),
            isolation: self.isolation,
        }
    }

    /// One invocation. Returns how many checkpoints it sent.
    async fn invoke(&self, arn: &ExecutionArn, deadline: Option<Timestamp>) -> Result<u32, RunError> {
        let started = self.server.start_invocation(arn).await?;
        let name = arn.parts().map_or("", |(function, _, _)| function);
        let function = self.functions.find(name)?;
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
            // First, so that it is asleep when the invocation is. The instance is dropped.
            () = self.timed_out(arn, deadline), if deadline.is_some() => return Ok(0),
            report = invocation => report,
        };
        self.server.complete_invocation(arn, &request_id, report.result).await?;
        Ok(report.checkpoints)
    }

    /// Ends when the execution is over although an invocation of it runs: its time is up.
    async fn timed_out(&self, arn: &ExecutionArn, deadline: Option<Timestamp>) {
        let _watch = self.clock.actor();
        self.clock.sleep(deadline).await;
        if let Ok(Next::Running { .. }) = self.server.poll(arn).await {
            // Its outcome is on record: the handler only has to return.
            self.clock.sleep(None).await;
        }
    }

    /// Runs the target of a chained invoke, and reports how it ended.
    fn target(
        &self,
        caller: ExecutionArn,
        invoke: StartedInvoke,
        spawner: Spawner,
    ) -> Pin<Box<dyn Future<Output = Done> + Send>> {
        let this = self.clone();
        let actor = self.clock.actor();
        Box::pin(async move {
            // Whoever is active at this instant comes first, and what starts with this target runs before or after it,
            // not beside it: the order in which they end does not depend on the machine.
            this.clock.sleep(Some(this.clock.now())).await;
            let outcome = match spawner.deeper() {
                Ok(spawner) => this.run_target(&caller, &invoke, spawner).await,
                Err(error) => Ok(InvokeOutcome::Failed(error)),
            };
            let outcome = outcome.or_else(refused);
            let done = match outcome {
                Ok(outcome) => this.server.complete_invoke(&caller, &invoke.operation_id, outcome).await,
                Err(error) => Err(error),
            };
            (actor, done)
        })
    }

    async fn run_target(
        &self,
        caller: &ExecutionArn,
        invoke: &StartedInvoke,
        spawner: Spawner,
    ) -> Result<InvokeOutcome, ServiceError> {
        let function = match self.functions.find(&invoke.function_name) {
            Ok(function) => function,
            Err(unknown) => {
                let error = ErrorObject::new(error_types::NOT_FOUND, unknown.to_string());
                return Ok(InvokeOutcome::Failed(error));
            }
        };
        let mut target =
            InvokeTarget { executed_version: Some("$LATEST".into()), durable_execution_arn: None };
        if !function.durable {
            self.server.annotate_invoke(caller, &invoke.operation_id, target).await?;
            let (grants, _scratch) = match self.grants.plain(&function.name) {
                Ok(granted) => granted,
                Err(error) => return Ok(InvokeOutcome::Failed(error)),
            };
            let id = invoke.operation_id.as_str();
            return Ok(run_plain(
                function,
                invoke.payload.clone(),
                id,
                self.around(grants, &format!("{caller} {id}")),
            )
            .await);
        }
        let mut start =
            StartExecution::new(&*function.name, invoke.payload.as_ref().map(ToString::to_string));
        start.invoked_by = Some((caller.clone(), invoke.operation_id.clone()));
        start.timeout_seconds = self.execution_timeouts.get(&*function.name).copied();
        start.timers = self.timers();
        let deadline = start.timeout_seconds.map(|seconds| self.clock.now().plus_seconds(seconds));
        let arn = self.server.start_execution(start).await?;
        target.durable_execution_arn = Some(arn.clone());
        self.server.annotate_invoke(caller, &invoke.operation_id, target).await?;
        let mut checkpoints = 0;
        match self.drive(&arn, deadline, None, None, &mut checkpoints, spawner).await {
            Ok(Halt::Over | Halt::Enough) => {}
            Ok(Halt::Stalled(_)) => {
                // Nobody will ever answer what the target waits for, and with it the caller.
                let error = ErrorObject::new(
                    error_types::INVOKE_STALLED,
                    "the target waits for an answer that nobody will give",
                );
                return Ok(InvokeOutcome::Stopped(error));
            }
            Err(RunError::Service(error)) => return Err(error),
            Err(RunError::Function(unknown)) => {
                return Ok(InvokeOutcome::Failed(ErrorObject::new(
                    error_types::NOT_FOUND,
                    unknown.to_string(),
                )));
            }
        }
        let view = self.server.view(&arn).await?;
        let error = view.error.unwrap_or_default();
        Ok(match view.status {
            ExecutionStatus::Succeeded => InvokeOutcome::Succeeded(view.result.map(|r| r.to_string())),
            ExecutionStatus::TimedOut => InvokeOutcome::TimedOut(error),
            ExecutionStatus::Stopped => InvokeOutcome::Stopped(error),
            ExecutionStatus::Failed | ExecutionStatus::Running => InvokeOutcome::Failed(error),
        })
    }
}

/// What the service refuses of a target is that invocation's failure, not the run's.
fn refused(error: ServiceError) -> Result<InvokeOutcome, ServiceError> {
    match error {
        ServiceError::Unavailable(_) => Err(error),
        refused => {
            Ok(InvokeOutcome::Failed(ErrorObject::new(error_types::INVOKE_REFUSED, refused.to_string())))
        }
    }
}
