//! Handlers that use each operation as intended, and its failures.

use std::time::Duration;

use durawasm_guest::builders::{JitterStrategy, RetryStrategyConfig};
use durawasm_guest::{BoxError, DurableContext, OperationErrorKind, RetryDecision, TypedError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Event: a name. One step `greet`. Result: `Hello, NAME`.
pub async fn greet(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(format!("Hello, {name}")) }).name("greet").await?)
}

/// Event: anything. Starts nothing. Result: null.
pub async fn empty(_event: Value, _ctx: DurableContext) -> Result<(), BoxError> {
    Ok(())
}

/// Event: seconds. Step `first`, wait `pause`, step `second`. Result: `[1, 2]`.
pub async fn two_steps_and_wait(seconds: u64, ctx: DurableContext) -> Result<(u32, u32), BoxError> {
    let first = ctx.step(|_| async { Ok(1) }).name("first").await?;
    ctx.wait(Duration::from_secs(seconds)).name("pause").await?;
    let second = ctx.step(move |_| async move { Ok(first + 1) }).name("second").await?;
    Ok((first, second))
}

/// How often the step of `flaky` fails, and how often it is tried.
#[derive(Deserialize)]
pub struct Flaky {
    failures: u32,
    max_attempts: u32,
}

/// Step `flaky` fails so many times, with error type `Flaky`, a fixed delay of 1 second and at most so many attempts.
/// Result: the number of the attempt that succeeded.
pub async fn flaky(event: Flaky, ctx: DurableContext) -> Result<u32, BoxError> {
    let Flaky { failures, max_attempts } = event;
    let retries = RetryStrategyConfig::builder()
        .max_attempts(max_attempts)
        .initial_delay(Duration::from_secs(1))
        .backoff_rate(1.0)
        .jitter(JitterStrategy::None)
        .build();
    let attempt = ctx
        .step(move |step| async move {
            if step.attempt() <= failures {
                let error = format!("attempt {} failed", step.attempt());
                return Err(TypedError::with_type("Flaky", error).into());
            }
            Ok(step.attempt())
        })
        .name("flaky")
        .retry_strategy_config(retries)
        .await?;
    Ok(attempt)
}

/// Event: anything. Step `fails` fails once and is tried again after 1 second, while step `sleeps` sleeps for 5 seconds
/// in its body; both at the same time. Result: the attempt of `fails` that succeeded.
pub async fn retries_beside_a_sleep(_event: Value, ctx: DurableContext) -> Result<u32, BoxError> {
    let fails = ctx
        .step(|step| async move {
            if step.attempt() == 1 {
                return Err("not yet".into());
            }
            Ok(step.attempt())
        })
        .name("fails")
        .retry_strategy(|_, _| RetryDecision::Retry { delay: Duration::from_secs(1) })
        .spawn();
    let sleeps = ctx
        .step(|_| async {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        })
        .name("sleeps")
        .spawn();
    let (attempt, slept) = tokio::join!(fails, sleeps);
    slept?;
    Ok(attempt?)
}

/// Event: two numbers of seconds. Waits `a` and `b` at the same time. Result: the names in the order in which they
/// ended.
pub async fn two_waits(event: (u64, u64), ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let order = std::sync::Mutex::new(Vec::new());
    let wait = async |name: &str, seconds| -> Result<(), BoxError> {
        ctx.wait(Duration::from_secs(seconds)).name(name).await?;
        order.lock().map_err(|_| "poisoned")?.push(name.to_owned());
        Ok(())
    };
    let (a, b) = tokio::join!(wait("a", event.0), wait("b", event.1));
    a?;
    b?;
    Ok(order.into_inner()?)
}

/// Event: a number. Child `add` with steps `one` and `two` around a wait of 1 second. Result: the number plus 3.
pub async fn child(number: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let sum = ctx
        .run_in_child_context(move |ctx| async move {
            let one = ctx.step(|_| async { Ok(1) }).name("one").await?;
            ctx.wait(Duration::from_secs(1)).await?;
            let two = ctx.step(|_| async { Ok(2) }).name("two").await?;
            Ok(number + one + two)
        })
        .name("add")
        .await?;
    Ok(sum)
}

/// Event: a depth. Children `level-1`, `level-2` and so on in each other, a step `leaf` in the innermost and a wait of
/// 1 second in each after its child. Result: the depth.
pub async fn nested_children(depth: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    descend(1, depth, ctx).await
}

fn descend(
    level: u32,
    depth: u32,
    ctx: DurableContext,
) -> std::pin::Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>> {
    Box::pin(async move {
        if level > depth {
            return Ok(ctx.step(move |_| async move { Ok(depth) }).name("leaf").await?);
        }
        let depth = ctx
            .run_in_child_context(move |ctx| descend(level + 1, depth, ctx))
            .name(format!("level-{level}"))
            .await?;
        ctx.wait(Duration::from_secs(1)).await?;
        Ok(depth)
    })
}

/// Event: a number. So many spawned children `child-0` and so on, each with two steps around a wait of 1 second.
/// Result: the sum of their numbers.
pub async fn concurrent_children(count: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let children: Vec<_> = (0..count)
        .map(|n| {
            ctx.run_in_child_context(move |ctx| async move {
                let n = ctx.step(move |_| async move { Ok(n) }).name("before").await?;
                ctx.wait(Duration::from_secs(1)).await?;
                Ok(ctx.step(move |_| async move { Ok(n) }).name("after").await?)
            })
            .name(format!("child-{n}"))
            .spawn()
        })
        .collect();
    let mut sum = 0;
    for child in children {
        sum += child.await?;
    }
    Ok(sum)
}

/// Event: anything. Steps `first` and `second` are called in this order, and awaited in the other. Result: both names
/// in the order in which their bodies' outcomes were seen.
pub async fn awaits_in_reverse(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let first = ctx.step(|_| async { Ok("first".to_owned()) }).name("first");
    let second = ctx.step(|_| async { Ok("second".to_owned()) }).name("second").future();
    let second = second.await?;
    let first = first.await?;
    Ok(vec![second, first])
}

/// Event: anything. A step is called and never awaited, then step `used` runs: it has the second place. Result: `used`.
pub async fn abandons_a_builder(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    drop(ctx.step(|_| async { Ok(()) }).name("abandoned"));
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(ctx.step(|_| async { Ok("used".to_owned()) }).name("used").await?)
}

/// Event: anything. A wait of no time, which is not allowed, then step `after`. Result: which argument was refused.
pub async fn invalid_argument(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    let refused = match ctx.wait(Duration::ZERO).name("no-time").await {
        Ok(()) => "nothing".to_owned(),
        Err(error) => match error.kind() {
            OperationErrorKind::InvalidArgument(invalid) => invalid.argument().to_owned(),
            _ => return Err(error.into()),
        },
    };
    Ok(ctx.step(move |_| async move { Ok(refused) }).name("after").await?)
}

/// What a step of `typed_failure` fails with.
#[derive(Debug)]
struct PaymentDeclined {
    code: u32,
}

impl std::fmt::Display for PaymentDeclined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "declined with code {}", self.code)
    }
}

impl std::error::Error for PaymentDeclined {}

/// Event: a code. Step `pay` fails at once with error type `PaymentDeclined`, which ends the execution.
pub async fn typed_failure(code: u32, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(move |_| async move { Err::<(), _>(TypedError::new(PaymentDeclined { code }).into()) })
        .name("pay")
        .retry_strategy(|_, _| RetryDecision::Stop)
        .await?;
    Ok(())
}

/// The event of `bad_event`.
#[derive(Deserialize, Serialize)]
pub struct Order {
    customer: Customer,
    items: Vec<Item>,
}

/// Who ordered.
#[derive(Deserialize, Serialize)]
pub struct Customer {
    name: String,
}

/// What was ordered.
#[derive(Deserialize, Serialize)]
pub struct Item {
    sku: String,
    count: u32,
}

/// Event: an order. Result: the same. For events that do not fit.
pub async fn bad_event(event: Order, _ctx: DurableContext) -> Result<Order, BoxError> {
    Ok(event)
}

/// Event: a number of seconds. A line on standard output, then a wait of so long. Result: the number.
pub async fn waits_for(seconds: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    println!("waits");
    ctx.wait(Duration::from_secs(seconds)).await?;
    Ok(seconds)
}
