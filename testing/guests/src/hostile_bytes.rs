//! Handlers that make the host keep as much as it will.

use std::io::Write as _;
use std::time::Duration;

use durawasm_guest::builders::wait_for_condition::WaitStrategy;
use durawasm_guest::{BoxError, DurableContext};
use serde::{Deserialize, Serialize};

/// What is done, how often, and how large each is.
#[derive(Serialize, Deserialize, Clone)]
pub struct Hoard {
    /// One of the words that [`hoards`] names.
    pub how: String,
    /// How often; many more than the host bears.
    pub times: u32,
    /// How large each is.
    #[serde(default)]
    pub bytes: usize,
}

/// Event: a [`Hoard`]. Does one thing that makes the host keep something, again and again:
///
/// | how | what |
/// |---|---|
/// | `results` | the result of a step |
/// | `payloads` | the payload of an invoke of a function that does not exist, whose failure is ignored |
/// | `states` | the state of a condition, which is never met |
/// | `lines` | a line on standard output, and nothing else |
/// | `blank` | a mebibyte of empty lines on standard output at once, and nothing else |
/// | `invocations` | a step that logs, then a wait of 1 second, which ends the invocation |
/// | `callbacks` | an open callback; then waits for all of them |
/// | `steps` | a step that is not waited for |
/// | `waits` | a wait of a year that is not waited for |
/// | `operations` | a log line of an operation whose id is as large as that; without the SDK |
/// | `fields` | a log line with as many empty fields; without the SDK |
/// | `unsent` | a step with a result, without waiting; without the SDK |
/// | `initial` | a condition with an initial state, without waiting; without the SDK |
/// | `frames` | a step that fails with as many empty stack frames, without waiting; without the SDK |
/// | `scopes` | a flat scope; without the SDK |
///
/// Result: how often.
pub async fn hoards(event: Hoard, ctx: DurableContext) -> Result<u32, BoxError> {
    let Hoard { how, times, bytes } = event;
    match how.as_str() {
        "results" => {
            for _ in 0..times {
                ctx.step(move |_| async move { Ok(text(bytes)) }).await?;
            }
        }
        "payloads" => {
            for _ in 0..times {
                drop(ctx.invoke::<(), _>("no-such-function", text(bytes)).await);
            }
        }
        "states" => polls(&ctx, bytes).await?,
        "lines" | "blank" => {
            let line = if how == "blank" { "\n".repeat(1 << 20) } else { text(bytes) + "\n" };
            let mut out = std::io::stdout().lock();
            for _ in 0..times {
                out.write_all(line.as_bytes())?;
            }
        }
        "invocations" => {
            for _ in 0..times {
                let log = move |_| async move {
                    println!("{}", text(bytes));
                    Ok(())
                };
                ctx.step(log).await?;
                ctx.wait(Duration::from_secs(1)).await?;
            }
        }
        "callbacks" => {
            let mut open = Vec::new();
            for _ in 0..times {
                open.push(ctx.create_callback::<String>().name("answer").await?);
            }
            for callback in open {
                callback.result().await?;
            }
        }
        "steps" => {
            for _ in 0..times {
                std::mem::forget(ctx.step(|_| async { Ok(()) }).spawn());
            }
        }
        "waits" => {
            for _ in 0..times {
                std::mem::forget(ctx.wait(Duration::from_hours(24 * 365)).spawn());
            }
        }
        _ => without_sdk(&how, times, bytes),
    }
    Ok(times)
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

async fn polls(ctx: &DurableContext, bytes: usize) -> Result<(), BoxError> {
    let never = WaitStrategy::builder(|_: &String| false).max_attempts(u32::MAX).build();
    let check = |_, state: String| async move { Ok(state) };
    ctx.wait_for_condition(check, text(bytes)).wait_strategy(never).await?;
    Ok(())
}

/// Event: how many deeper. Invokes itself ten times, all at once, and ignores how each ends. Result: how many succeeded.
pub async fn multiplies(deeper: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let mut succeeded = 0;
    if deeper > 0 {
        let all: Vec<_> = (0..10).map(|_| ctx.invoke::<u32, _>("multiplies", deeper - 1).spawn()).collect();
        for one in all {
            succeeded += one.await.map_or(0, |below| below + 1);
        }
    }
    Ok(succeeded)
}

#[cfg(target_family = "wasm")]
fn without_sdk(how: &str, times: u32, bytes: usize) {
    use durawasm_guest::bindings::durawasm::durable::log::{self, Entry, Level};
    use durawasm_guest::bindings::durawasm::durable::operations::{
        Context, Identity, StepOptions, StepSemantics,
    };
    use durawasm_guest::bindings::durawasm::durable::types::ErrorObject;

    let entry = |fields, operation| Entry { level: Level::Info, message: String::new(), fields, operation };
    let identity = || Identity { position: None, name: None, sub_type: None };
    let once = || StepOptions { semantics: StepSemantics::AtLeastOncePerRetry, timeout_ms: None };
    let (root, large) = (Context::root(), text(bytes));
    for _ in 0..times {
        match how {
            "operations" => log::write(&entry(Vec::new(), Some(large.clone()))),
            "fields" => log::write(&entry(vec![(String::new(), String::new()); bytes], None)),
            "unsent" => {
                if let Ok(step) = root.step(&identity(), once()) {
                    step.succeed(Some(&large));
                }
            }
            "initial" => drop(root.condition(&identity(), &large)),
            "frames" => {
                let stack_trace = vec![String::new(); bytes];
                let error = ErrorObject { error_type: None, message: None, data: None, stack_trace };
                if let Ok(step) = root.step(&identity(), once()) {
                    step.fail(&error);
                }
            }
            "scopes" => std::mem::forget(root.flat(None)),
            _ => {}
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn without_sdk(_: &str, _: u32, _: usize) {}
