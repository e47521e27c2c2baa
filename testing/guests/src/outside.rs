//! Handlers that wait for an external system.

use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext, OperationErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

/// A name, and limits in seconds.
#[derive(Deserialize)]
pub struct Limits {
    name: String,
    timeout: Option<u64>,
    heartbeat: Option<u64>,
}

/// Callback under the event's name, with its limits, and step `submit`, which prints the id. Result: `{"id", "answer"}`
/// or `{"id", "failed", "error"}`, with the error's kind and its whole text.
pub async fn callback(event: Limits, ctx: DurableContext) -> Result<Value, BoxError> {
    let mut callback = ctx.create_callback::<Value>().name(event.name);
    if let Some(timeout) = event.timeout {
        callback = callback.timeout(Duration::from_secs(timeout));
    }
    if let Some(heartbeat) = event.heartbeat {
        callback = callback.heartbeat(Duration::from_secs(heartbeat));
    }
    let callback = callback.await?;
    let id = callback.id().to_owned();
    let submitted = id.clone();
    ctx.step(move |_| async move {
        println!("callback {submitted}");
        Ok(())
    })
    .name("submit")
    .await?;
    Ok(match callback.result().await {
        Ok(answer) => json!({ "id": id, "answer": answer }),
        Err(error) => {
            let kind = match error.kind() {
                OperationErrorKind::Callback(callback) => format!("{:?}", callback.kind()),
                other => format!("{other:?}"),
            };
            json!({ "id": id, "failed": kind, "error": format!("{error:#}") })
        }
    })
}

/// What is to be approved, how often the submitter fails first, and a limit in seconds.
#[derive(Deserialize)]
pub struct Approval {
    name: String,
    #[serde(default)]
    submitter_failures: u32,
    timeout: Option<u64>,
}

/// Waits for a callback under the event's name, with a submitter that prints the id and is tried again after 1 second
/// when it fails. Result: the answer.
pub async fn await_approval(event: Approval, ctx: DurableContext) -> Result<Value, BoxError> {
    let failures = event.submitter_failures;
    let mut approval = ctx
        .wait_for_callback::<Value, _, _>(move |step, id| async move {
            if step.attempt() <= failures {
                return Err(format!("submitter failed at attempt {}", step.attempt()).into());
            }
            println!("approve {id}");
            Ok(())
        })
        .name(event.name)
        .submitter_retry(|_, attempt| match attempt {
            1..4 => durawasm_guest::RetryDecision::Retry { delay: Duration::from_secs(1) },
            _ => durawasm_guest::RetryDecision::Stop,
        });
    if let Some(timeout) = event.timeout {
        approval = approval.timeout(Duration::from_secs(timeout));
    }
    Ok(approval.await?)
}

/// Event: a number. So many callbacks under the names `c0`, `c1` and so on, all of which are waited for. Result: the
/// answers.
pub async fn asks_many(count: u32, ctx: DurableContext) -> Result<Vec<Value>, BoxError> {
    let mut callbacks = Vec::new();
    for number in 0..count {
        callbacks.push(ctx.create_callback::<Value>().name(format!("c{number}")).await?);
    }
    let mut answers = Vec::new();
    for callback in callbacks {
        answers.push(callback.result().await?);
    }
    Ok(answers)
}

/// Event: a number of days. Prints that it waits, and then waits so long, as `pause`. Result: null.
pub async fn waits_days(days: u64, ctx: DurableContext) -> Result<(), BoxError> {
    println!("about to wait");
    ctx.wait(Duration::from_secs(days * 24 * 60 * 60)).name("pause").await?;
    Ok(())
}

/// Event: anything. Step `save`, which fails at each attempt and is tried again a minute later, for ever.
pub async fn never_saves(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let retry = |_: &durawasm_guest::StepError, _| durawasm_guest::RetryDecision::Retry {
        delay: Duration::from_mins(1),
    };
    ctx.step(|_| async { Err::<(), BoxError>("the disk is full".into()) })
        .name("save")
        .retry_strategy(retry)
        .await?;
    Ok(())
}
