//! One sentence that says what to do about a divergence.

use crate::{kind::Kind, report::Import};

/// The advice for a difference that showed under this kind of schedule, after these imports.
pub(crate) fn advice(kind: Kind, imports: &[Import], directories: bool) -> String {
    match kind {
        Kind::Clock => "read the clock inside a step, or use ctx.now(), which is recorded".to_owned(),
        Kind::Random => {
            "draw random numbers inside a step, or use ctx.random() and ctx.uuid(), which repeat on every replay. What is \
             drawn between operations, and what these two return, can be computed from the ARN of the execution: draw \
             keys, tokens and passwords inside a step, from the system's generator"
                .to_owned()
        }
        Kind::Hash => {
            "do not let the order of a HashMap or HashSet decide: sort its entries, or use a BTreeMap".to_owned()
        }
        Kind::Env => {
            "read environment variables and arguments inside a step, or take such settings from the event".to_owned()
        }
        Kind::Ties => {
            "do not let the order of completions decide that come at the same time: use ctx.race(), a map or a \
             parallel, whose outcome is recorded"
                .to_owned()
        }
        Kind::Log => {
            "do not decide by log levels or by whether output can be written: both differ between replays".to_owned()
        }
        Kind::Memory => {
            "do not decide by addresses or by the size of the memory: both differ between replays".to_owned()
        }
        Kind::Checkpoints => {
            "do not decide by when checkpoints are sent: their mode and duration may change".to_owned()
        }
        Kind::Replay | Kind::Crash => plain(imports, directories),
    }
}

fn plain(imports: &[Import], directories: bool) -> String {
    let called = |name: &str| imports.iter().any(|import| import.name.ends_with(name));
    if called("is-replaying") {
        return "do not decide by is_replaying(): it is for logs only".to_owned();
    }
    if called("invocation-id") || called("deadline-ms") {
        return "do not decide by the invocation's id or deadline: they differ in every invocation"
            .to_owned();
    }
    if directories {
        return "read and write granted directories inside steps only, and take what the handler needs from the steps' \
                results; other state must not be carried from a body to the code after it either"
            .to_owned();
    }
    "keep no state outside of steps that a body changes (statics, captured variables, counters): a replay does not run \
     the body again, so take what it computed from the step's result"
        .to_owned()
}
