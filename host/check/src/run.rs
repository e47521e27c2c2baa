//! One whole run of a subject in an environment of its own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    directories::{PrivateGrants, copy_of},
    error::CheckError,
    recorder::Recorder,
    subject::Subject,
    trace::Trace,
};
use durawasm_core::{
    invocation::{Access, Disturbance, Grants, LogLine, LogSink},
    orchestrator::{Environment, EnvironmentOptions, Function, Invocable, Invocation, Invoked, TimeMode},
    protocol::{
        Budgeting, CheckpointResponse, CheckpointToken, DurableServiceClient, ErrorObject, ExecutionArn,
        InvocationResult, OperationAction, OperationUpdate, ServiceCall, StatePage, Subscribing, error_types,
    },
    replay::Probed,
    server::{ExecutionView, InvocationRetry, StartExecution},
};

/// Retries of invocations beside those of the subject, because a killed instance counts as a crash of its invocation.
/// A schedule kills one.
const RETRIES_OF_FAULTS: u32 = 1;

/// The result of a run.
pub(crate) struct Ran {
    pub(crate) view: ExecutionView,
    /// What the execution waits for, if it will not continue by itself.
    pub(crate) stalled: Option<String>,
    /// The stand-ins that were not invoked.
    pub(crate) uncalled: Vec<String>,
}

/// How a run is disturbed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty {
    pub(crate) disturbances: Vec<Disturbance>,
    /// The duration of each checkpoint.
    pub(crate) delay: Option<Duration>,
}

/// Runs the subject to its end.
pub(crate) async fn run(
    subject: &Subject,
    seed: u64,
    faulty: Faulty,
    trace: &Arc<Trace>,
    recorder: Option<&Arc<Recorder>>,
) -> Result<Ran, CheckError> {
    let private = PrivateGrants::new(&subject.grants).map_err(CheckError::Directories)?;
    let kills = !faulty.disturbances.is_empty();
    let options = EnvironmentOptions {
        time: TimeMode::Skip { start: subject.start },
        seed: Some(seed),
        limits: subject.limits.clone(),
        host: subject.host.clone(),
        grants: private.grants.clone(),
        disturbances: faulty.disturbances,
        checkpoint_delay: faulty.delay,
        ..EnvironmentOptions::default()
    };
    let mut environment = Environment::empty(options, Arc::new(Silent)).map_err(CheckError::Environment)?;
    for function in subject.functions.iter() {
        environment.register(Function {
            name: function.name.clone(),
            durable: function.durable,
            handler: Arc::new(Observed {
                handler: function.handler.clone(),
                trace: trace.clone(),
                recorder: recorder.cloned(),
            }),
        });
    }
    let stand_ins: Vec<_> = subject
        .stand_ins
        .iter()
        .map(|(name, scripted)| (name, environment.stand_in(&**name, scripted.clone())))
        .collect();
    let mut start = StartExecution::new(subject.function.clone(), subject.event.clone());
    start.answers.clone_from(&subject.answers);
    start.answer_order = subject.answer_order;
    start.timeout_seconds = subject.execution_timeout;
    // A killed instance is replaced at once, so that times do not differ from those on record.
    let max_retries = subject.invocation_retries + if kills { RETRIES_OF_FAULTS } else { 0 };
    start.invocation_retry = InvocationRetry { max_retries, first_delay_seconds: 0 };
    let run = environment.run(start).await.map_err(|error| CheckError::Run(error.to_string()))?;
    let uncalled =
        stand_ins.iter().filter(|(_, called)| !called.get()).map(|(name, _)| (*name).clone()).collect();
    Ok(Ran { view: run.view, stalled: run.stall.map(|stall| stall.to_string()), uncalled })
}

/// Discards log lines.
pub(crate) struct Silent;

impl LogSink for Silent {
    fn write(&self, _: LogLine) {}

    fn keeps(&self, _: &LogLine) -> bool {
        false
    }
}

/// A function whose invocations are traced.
struct Observed {
    handler: Arc<dyn Invocable>,
    trace: Arc<Trace>,
    recorder: Option<Arc<Recorder>>,
}

impl Invocable for Observed {
    fn invoke<'a>(&'a self, mut invocation: Invocation<'a>) -> Invoked<'a> {
        Box::pin(async move {
            let arn = invocation.input.durable_execution_arn.clone();
            let directories = writable(&invocation.around.grants);
            let root = self.trace.is_root(&arn);
            let recorder = self.recorder.as_ref().filter(|_| root);
            if let Some(recorder) = recorder {
                recorder.invoked(&invocation.input);
            }
            invocation.around.client = Arc::new(ObservedClient {
                client: invocation.around.client,
                trace: self.trace.clone(),
                recorder: recorder.cloned(),
            });
            invocation.around.probe = Probed::by(Arc::new(self.trace.probe(&arn, directories.clone())));
            let grants = invocation.around.grants.clone();
            let report = self.handler.invoke(invocation).await;
            if let Some(recorder) = recorder {
                recorder.returned(&report.result);
                if let Some(scratch) = scratch_of(&grants).and_then(|scratch| copy_of(&scratch).ok()) {
                    recorder.keep_scratch(scratch);
                }
            }
            if root && let Some(error) = error_of(&report.result).filter(|error| is_divergence(error)) {
                self.trace.data().backtrace.clone_from(&error.stack_trace);
            }
            report
        })
    }
}

/// The error with which an invocation ended.
pub(crate) fn error_of(result: &InvocationResult) -> Option<&ErrorObject> {
    match result {
        InvocationResult::Output(output) => output.error.as_ref(),
        InvocationResult::Crashed(error) => Some(error),
    }
}

/// Whether an error says that the handler is not deterministic.
pub(crate) fn is_divergence(error: &ErrorObject) -> bool {
    error.error_type.as_deref() == Some(error_types::NON_DETERMINISTIC)
}

/// The granted directories that may be written.
pub(crate) fn writable(grants: &Grants) -> Vec<PathBuf> {
    let writable = grants.directories().filter(|(_, _, access)| *access == Access::ReadWrite);
    writable.map(|(_, host, _)| host.to_owned()).collect()
}

fn scratch_of(grants: &Grants) -> Option<PathBuf> {
    let mut directories = grants.directories();
    directories
        .find(|(guest, _, _)| *guest == durawasm_core::orchestrator::SCRATCH)
        .map(|(_, host, _)| host.to_owned())
}

/// The service of a traced invocation.
struct ObservedClient {
    client: Arc<dyn DurableServiceClient>,
    trace: Arc<Trace>,
    recorder: Option<Arc<Recorder>>,
}

impl DurableServiceClient for ObservedClient {
    fn checkpoint<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        updates: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async move {
            if !updates.is_empty() {
                let mut data = self.trace.data();
                data.checkpoints += 1;
                data.bytes += updates.iter().map(|update| written(update) as u64).sum::<u64>();
            }
            let is_end = |update: &&OperationUpdate| update.action != OperationAction::Start;
            let closed = updates.iter().filter(is_end).map(|update| update.id.clone()).collect();
            let answer = self.client.checkpoint(arn, token, updates).await?;
            self.trace.acknowledged(arn, closed);
            if let Some(recorder) = &self.recorder {
                recorder.answered(&answer.operations);
            }
            Ok(answer)
        })
    }

    fn get_state<'a>(
        &'a self,
        arn: &'a ExecutionArn,
        token: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async move {
            let page = self.client.get_state(arn, token, marker).await?;
            if let Some(recorder) = &self.recorder {
                recorder.answered(&page.operations);
            }
            Ok(page)
        })
    }

    fn watch<'a>(&'a self, arn: &'a ExecutionArn) -> Subscribing<'a> {
        self.client.watch(arn)
    }

    fn budget<'a>(&'a self, arn: &'a ExecutionArn) -> Budgeting<'a> {
        self.client.budget(arn)
    }
}

/// The bytes that an update writes.
fn written(update: &OperationUpdate) -> usize {
    update.payload.as_ref().map_or(0, |payload| payload.len())
        + update.error.as_ref().map_or(0, ErrorObject::size)
}
