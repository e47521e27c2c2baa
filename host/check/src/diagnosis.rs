//! The diagnosis of a difference: its schedule is repeated, with imports traced, and stopped where it shows.

use durawasm_core::{
    orchestrator::{FunctionGrants, OwnGrants},
    protocol::Operation,
};

use crate::{
    advice::advice,
    compare::Difference,
    crash::{crash, repeated},
    error::CheckError,
    kind::Kind,
    record::Recording,
    replay::{perturbed_replay, plain_replay},
    report::{Divergence, Import},
    schedule::{CrashPoint, Schedule},
    subject::Subject,
    threads::on_a_thread,
    trace::{Data, Imported, TraceOptions},
};

/// How many imports a report shows.
const MAX_IMPORTS: usize = 20;

/// How many frames of the backtrace a report shows.
const MAX_FRAMES: usize = 12;

/// How many operations before the difference the picture shows.
const BEFORE: usize = 3;

/// A schedule that made a difference.
pub(crate) struct Different {
    pub(crate) schedule: Schedule,
    pub(crate) kind: Kind,
    pub(crate) difference: Difference,
}

/// Diagnoses a difference.
pub(crate) fn diagnose(
    subject: &Subject,
    recording: &Recording,
    seed: u64,
    different: &Different,
) -> Result<Divergence, CheckError> {
    let Different { schedule, kind, difference } = different;
    let schedule = *schedule;
    let options =
        || TraceOptions { imports: true, stop_at: difference.stop_at.clone(), ..TraceOptions::default() };
    let data: Data = on_a_thread(|runtime| {
        runtime.block_on(async {
            Ok(match schedule {
                Schedule::Record => Data::default(),
                Schedule::Replay(prefix) => {
                    plain_replay(subject, recording, seed, prefix, options()).await?.data
                }
                Schedule::Perturbed(perturbation, prefix) => {
                    perturbed_replay(subject, recording, seed, prefix, perturbation, options()).await?.data
                }
                Schedule::Crash(point) => {
                    crash(subject, recording, seed, point, options_of_run()).await?.data
                }
                Schedule::Repeated(perturbation) => {
                    repeated(subject, recording, seed, perturbation, options_of_run()).await?.data
                }
            })
        })
    })?;
    let data = if schedule == Schedule::Record { &recording.data } else { &data };
    let mut imports = imports(data, difference);
    if !matches!(kind, Kind::Hash | Kind::Random) {
        // The standard library draws its keys in every instance.
        imports.retain(|import| !import.name.ends_with("insecure-seed"));
    }
    let backtrace = frames(&data.backtrace);
    let advice = advice(*kind, &imports, grants_directories(subject));
    let before = recording.operations.iter().take(difference.place.min(recording.operations.len()));
    let before: Vec<String> = before.map(|operation| label(operation)).collect();
    let skipped = before.len().saturating_sub(BEFORE);
    Ok(Divergence {
        operation: difference.operation.clone(),
        expected: difference.expected.clone(),
        actual: difference.actual.clone(),
        under: *kind,
        schedule: schedule.id().to_string(),
        imports,
        backtrace,
        advice,
        described: match (*kind, schedule) {
            (Kind::Replay, Schedule::Crash(CrashPoint::AfterCheckpoint(at))) => {
                format!("a fresh instance took over after checkpoint {at}")
            }
            (_, Schedule::Crash(CrashPoint::InBody(at))) => killed_in_body(recording, at),
            _ => schedule.describe(),
        },
        before: before.into_iter().skip(skipped).collect(),
    })
}

fn label(operation: &Operation) -> String {
    match &operation.name {
        Some(name) => format!("{} {name}", operation.kind),
        None => operation.kind.to_string(),
    }
}

/// The point in a body, with the operation of the body where it is one of the recorded execution.
fn killed_in_body(recording: &Recording, point: u64) -> String {
    let body = recording.data.body_at(point).filter(|(arn, ..)| *arn == recording.arn);
    let operation = body.and_then(|(_, id, attempt)| Some((recording.operation(id)?, attempt)));
    match operation {
        Some((operation, attempt)) => {
            format!("killed in the body of {}, attempt {attempt}, at point {point}", label(operation))
        }
        None => CrashPoint::InBody(point).describe(),
    }
}

/// In a whole run an operation is started by several instances, so it is not stopped at the first of them.
fn options_of_run() -> TraceOptions {
    TraceOptions { imports: true, ..TraceOptions::default() }
}

fn grants_directories(subject: &Subject) -> bool {
    let FunctionGrants { all, by_function, scratch, disk: _ } = &subject.grants;
    let own = |own: &OwnGrants| own.scratch == Some(true) || own.grants.has_directories();
    *scratch || all.has_directories() || by_function.values().any(own)
}

/// The imports that the handler called since the operation before the difference. If there are none, the last ones
/// before.
fn imports(data: &Data, difference: &Difference) -> Vec<Import> {
    let last = data.imports.last().map_or(0, |imported| imported.invocation);
    let place = |id: &str| data.starts.iter().rposition(|started| started.start.id.as_str() == id);
    let at = difference.operation.as_ref().and_then(|operation| place(&operation.id));
    let at = at.unwrap_or(data.starts.len());
    let invocation = data.starts.get(at).map_or(last, |started| started.invocation);
    let in_invocation = |imported: &&Imported| imported.invocation == invocation && imported.started <= at;
    let since = |imported: &&Imported| imported.started == at;
    let mut shown: Vec<&Imported> = data.imports.iter().filter(in_invocation).filter(since).collect();
    if shown.is_empty() {
        shown = data.imports.iter().filter(in_invocation).collect();
    }
    let skipped = shown.len().saturating_sub(MAX_IMPORTS);
    let import = |imported: &Imported| Import {
        name: imported.call.name.to_owned(),
        arguments: imported.call.arguments.clone(),
        result: imported.call.result.clone(),
    };
    shown.into_iter().skip(skipped).map(import).collect()
}

/// The frames of the handler's own code.
pub(crate) fn frames(backtrace: &[String]) -> Vec<String> {
    let library = |frame: &&String| {
        let frame = frame.trim_start_matches('<');
        ["durawasm_guest", "durawasm:", "core::", "std::", "alloc::", "wit_bindgen", "__", "cabi_"]
            .iter()
            .any(|prefix| frame.starts_with(prefix))
    };
    // A component without names has numbers only.
    let named = backtrace.iter().filter(|frame| !frame.starts_with("function "));
    named.filter(|frame| !library(frame)).take(MAX_FRAMES).cloned().collect()
}
