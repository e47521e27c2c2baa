//! Whole runs that are repeated: with the instance killed once, or with another checkpoint mode.

use std::time::Duration;

use durawasm_core::{
    protocol::{ExecutionStatus, InvocationResult, InvocationStatus, OperationType},
    replay::Semantics,
    server::ExecutionView,
};

use crate::{
    compare::{Difference, Judged, Names, judge_run, other_option},
    error::CheckError,
    perturbation::{CheckpointChange, Perturbation},
    record::Recording,
    replay::{Fed, replay},
    report::{Finding, FindingKind},
    run::{Faulty, run},
    schedule::{CrashPoint, Schedule},
    state::listed,
    subject::Subject,
    trace::{AttemptOutcome, Data, Trace, TraceOptions},
    values::{same_result, shown},
};

/// How long a delayed checkpoint takes.
const DELAY: Duration = Duration::from_secs(3);

/// What a schedule showed.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) difference: Option<Difference>,
    pub(crate) findings: Vec<Finding>,
    /// Whether no body ran again: the instance was replaced between bodies, which is a replay.
    pub(crate) only_replayed: bool,
    /// What happened, for a diagnosis.
    pub(crate) data: Data,
}

/// Repeats the run with the instance killed at this point.
pub(crate) async fn crash(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    point: CrashPoint,
    options: TraceOptions,
) -> Result<Shown, CheckError> {
    let faulty = Faulty { disturbances: vec![point.disturbance()], delay: None };
    repeat(subject, recording, seed, faulty, TraceOptions { age_bodies: true, ..options }, false).await
}

/// Repeats the run with another way to send checkpoints.
pub(crate) async fn repeated(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    perturbation: Perturbation,
    options: TraceOptions,
) -> Result<Shown, CheckError> {
    let delayed = perturbation == Perturbation::Checkpoints(CheckpointChange::Delayed);
    let faulty = Faulty { disturbances: Vec::new(), delay: delayed.then_some(DELAY) };
    let options = TraceOptions { perturbation: Some(perturbation), ..options };
    repeat(subject, recording, seed, faulty, options, true).await
}

async fn repeat(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    faulty: Faulty,
    options: TraceOptions,
    lenient: bool,
) -> Result<Shown, CheckError> {
    let options = TraceOptions { pins: Some(recording.pins.clone()), ..options };
    let trace = Trace::new(options);
    let ran = run(subject, seed, faulty, &trace, None).await?;
    let data = trace.take();
    let difference = match judge_run(recording, &ran.view, &data) {
        Judged::Same => None,
        Judged::Differs(difference) if !lenient || data.divergence.is_some() => Some(difference),
        // If lenient: times on record differ, and with them what the contract promises to be recorded.
        Judged::Differs(difference) | Judged::MayDiffer(difference) => {
            (!replays_itself(subject, recording, seed, &ran.view).await?).then_some(difference)
        }
    };
    let only_replayed = data.interrupted.is_empty() && data.bodies.values().all(|body| body.runs == 1);
    Ok(Shown { difference, findings: findings(recording, &data), only_replayed, data })
}

/// Whether the record of this run, fed to a fresh instance, leads to its own result.
async fn replays_itself(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    view: &ExecutionView,
) -> Result<bool, CheckError> {
    let fed = Fed {
        arn: &recording.arn,
        state: listed(view.operations.clone()),
        returned_at: None,
        now: view.end.unwrap_or(recording.end),
        seed,
        scratch: recording.scratch(),
    };
    let replayed = replay(subject, fed, TraceOptions::default()).await?;
    if replayed.data.divergence.is_some() {
        return Ok(false);
    }
    let none = crate::values::CallbackIds::default();
    Ok(match &replayed.result {
        InvocationResult::Output(output) => match view.status {
            ExecutionStatus::Succeeded => {
                output.status == InvocationStatus::Succeeded
                    && same_result((output.result.as_deref(), &none), (view.result.as_deref(), &none))
            }
            _ => output.status != InvocationStatus::Succeeded,
        },
        InvocationResult::Crashed(_) => replayed.asks() || view.status != ExecutionStatus::Succeeded,
    })
}

/// What a run showed beside divergences.
fn findings(recording: &Recording, data: &Data) -> Vec<Finding> {
    let names = Names::new(recording, &data.starts);
    let mut findings = Vec::new();
    let mut add = |kind, id, detail: String| {
        if let Some(operation) = recording.operation(id) {
            findings.push(Finding { kind, operation: names.recorded(operation), detail });
        }
    };
    for ((arn, id, attempt), body) in &data.bodies {
        if *arn != recording.arn || body.runs < 2 {
            continue;
        }
        match body.semantics {
            Semantics::AtMostOncePerRetry => add(
                FindingKind::AtMostOnceViolated,
                id,
                format!("the body of attempt {attempt} ran {} times", body.runs),
            ),
            Semantics::AtLeastOncePerRetry if body.writers.len() > 1 => add(
                FindingKind::DoubleEffect,
                id,
                format!(
                    "the body of attempt {attempt} writes to a granted directory, and ran {} times after a crash",
                    body.writers.len()
                ),
            ),
            Semantics::AtLeastOncePerRetry if body.senders.len() > 1 => add(
                FindingKind::DoubleEffect,
                id,
                format!(
                    "the body of attempt {attempt} sends an HTTP request that may change something, and ran {} times \
                     after a crash",
                    body.senders.len()
                ),
            ),
            Semantics::AtLeastOncePerRetry => {}
        }
    }
    for (_, id, attempt) in data.repeated.iter().filter(|(arn, ..)| *arn == recording.arn) {
        let detail =
            format!("the body of attempt {attempt} ran again although its outcome had been recorded");
        add(FindingKind::AtMostOnceViolated, id, detail);
    }
    for (id, recorded, other) in &data.other_values {
        if data.other_decisions.iter().any(|(decided, ..)| decided == id) {
            continue;
        }
        let detail = format!("{} on record, {} when the body ran again", outcome(recorded), outcome(other));
        add(FindingKind::ValueNotIdempotent, id, detail);
    }
    findings.extend(other_options(recording, data));
    findings
}

/// Options that a run computed differently.
pub(crate) fn other_options(recording: &Recording, data: &Data) -> Vec<Finding> {
    let names = Names::new(recording, &data.starts);
    let mut findings: Vec<Finding> = Vec::new();
    for started in &data.starts {
        let Some(recorded) = recording.start(&started.start.id) else { continue };
        if recorded.kind != started.start.kind || recorded.name != started.start.name {
            continue;
        }
        if let Some(detail) = other_option(recorded, &started.start)
            && let Some(operation) = recording.operation(&started.start.id)
            && operation.kind != OperationType::Execution
        {
            let operation = names.recorded(operation);
            findings.push(Finding { kind: FindingKind::OptionDiffers, operation, detail });
        }
    }
    findings
}

fn outcome(outcome: &AttemptOutcome) -> String {
    match (&outcome.payload, &outcome.error) {
        (_, Some(error)) => error.to_string(),
        (Some(payload), None) => shown(payload).to_string(),
        (None, None) => "null".to_owned(),
    }
}

/// The schedules of a recording's crash points.
pub(crate) fn points(recording: &Recording) -> Vec<Schedule> {
    let data = &recording.data;
    let checkpoints = 1..=data.checkpoints;
    let mut points: Vec<CrashPoint> = Vec::new();
    for at in checkpoints {
        points.extend([
            CrashPoint::BeforeCheckpoint(at),
            CrashPoint::WithinCheckpoint(at),
            CrashPoint::AfterCheckpoint(at),
        ]);
    }
    points.extend((1..=data.operations).map(CrashPoint::AtOperation));
    points.extend((1..=data.body_points).map(CrashPoint::InBody));
    points.into_iter().map(Schedule::Crash).collect()
}
