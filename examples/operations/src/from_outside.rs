//! Waiting for time, an answer, a condition or another function. The function is suspended meanwhile.

use std::time::Duration;

use durawasm_guest::builders::wait_for_condition::WaitDecision;
use durawasm_guest::{BoxError, DurableContext};

/// Durations from one second to one year.
pub async fn wait(days: u64, ctx: DurableContext) -> Result<&'static str, BoxError> {
    ctx.wait(Duration::from_hours(24 * days)).name("some-days").await?;
    Ok("good morning")
}

/// The id is available at once and the answer later, so other work can be done in between.
pub async fn create_callback(_event: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let callback = ctx.create_callback::<u32>().name("reply").timeout(Duration::from_hours(24)).await?;
    let id = callback.id().to_owned();
    ctx.step(move |_| async move { send_letter(&id) }).name("send-letter").await?;
    Ok(callback.result().await?)
}

/// A simulated external system.
fn send_letter(callback_id: &str) -> Result<(), BoxError> {
    if callback_id.is_empty() {
        return Err("no address to reply to".into());
    }
    println!("please reply to {callback_id}");
    Ok(())
}

/// The same in one operation: the body passes on the id.
pub async fn wait_for_callback(_event: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let reply = ctx
        .wait_for_callback::<u32, _, _>(|_step, id| async move { send_letter(&id) })
        .name("reply")
        .timeout(Duration::from_hours(24))
        .await?;
    Ok(reply)
}

/// A repeated check whose state is passed from one check to the next. The strategy decides whether to continue.
pub async fn wait_for_condition(enough: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let count = ctx
        .wait_for_condition(|_step, count: u32| async move { Ok(count + 1) }, 0)
        .name("enough")
        .wait_strategy_fn(move |count, checks| match checks {
            _ if count >= enough => WaitDecision::complete(),
            10.. => WaitDecision::exhausted("there will never be enough"),
            _ => WaitDecision::continue_with(Duration::from_secs(30)),
        })
        .await?;
    Ok(count)
}

/// The result of another function, invoked by name. A durable function has its own history.
pub async fn invoke(number: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    Ok(ctx.invoke::<u32, _>("double", number).name("double").await?)
}

/// The invoked function: here a plain one, without operations and history.
pub fn double(number: u32) -> Result<u32, BoxError> {
    number.checked_mul(2).ok_or_else(|| "too large".into())
}
