//! Plain sequences of operations as data, for properties that hold for any of them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, DurableContext, TypedError};
use serde::Deserialize;
use serde_json::{Value, json};

/// One operation, or a context of some.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A step with this result.
    Step(String, Value),
    /// A step that fails for good.
    Fails(String),
    /// A wait of so many seconds.
    Wait(String, u64),
    /// A callback that times out after so many seconds; 0 is never.
    Callback(String, u64),
    /// A wait for a callback.
    WaitForCallback(String),
    /// A call of this function with this event.
    Invoke(String, String, Value),
    /// A child context.
    Child(String, Vec<Self>),
}

/// Event: acts. Runs them one after another, whatever each comes to. Result: what each came to, errors as their types.
pub async fn sequence(acts: Vec<Act>, ctx: DurableContext) -> Result<Vec<Value>, BoxError> {
    all(acts, ctx).await
}

type Run = Pin<Box<dyn Future<Output = Result<Vec<Value>, BoxError>> + Send>>;

fn all(acts: Vec<Act>, ctx: DurableContext) -> Run {
    Box::pin(async move {
        let mut results = Vec::new();
        for act in acts {
            let result = run(act, &ctx).await;
            results.push(result.unwrap_or_else(|error| json!({ "failed": error.to_string() })));
        }
        Ok(results)
    })
}

async fn run(act: Act, ctx: &DurableContext) -> Result<Value, BoxError> {
    Ok(match act {
        Act::Step(name, value) => ctx.step(move |_| async move { Ok(value) }).name(name).await?,
        Act::Fails(name) => {
            let step = ctx
                .step(|_| async { Err::<Value, _>(TypedError::with_type("OnPurpose", "it fails").into()) });
            step.retry_strategy_config(RetryStrategyConfig::none()).name(name).await?
        }
        Act::Wait(name, seconds) => {
            ctx.wait(Duration::from_secs(seconds)).name(name).await?;
            json!(seconds)
        }
        Act::Callback(name, seconds) => {
            let mut callback = ctx.create_callback::<Value>().name(name);
            if seconds > 0 {
                callback = callback.timeout(Duration::from_secs(seconds));
            }
            callback.await?.result().await?
        }
        Act::WaitForCallback(name) => {
            ctx.wait_for_callback::<Value, _, _>(|_, _| async { Ok(()) }).name(name).await?
        }
        Act::Invoke(name, function, event) => ctx.invoke::<Value, _>(function, event).name(name).await?,
        Act::Child(name, acts) => {
            ctx.run_in_child_context(move |child| all(acts, child)).name(name).await?.into()
        }
    })
}

/// Event: what to return: `{"Ok": value}` or `{"Err": message}`. Starts no operation.
pub async fn returns(what: Result<Value, String>, _ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(what?)
}

/// Starts a wait of ten seconds, then one of a second, and takes the first that ends. Result: its seconds.
pub async fn races((): (), ctx: DurableContext) -> Result<u64, BoxError> {
    let wait = |seconds: u64| {
        ctx.run_in_child_context(move |child| async move {
            child.wait(Duration::from_secs(seconds)).name(format!("{seconds}s")).await?;
            Ok(seconds)
        })
        .future()
    };
    Ok(ctx.race([wait(10), wait(1)]).await?)
}
