//! Contexts that group several operations.

use std::time::Duration;

use durawasm_guest::builders::{RetryPresets, RetryStrategyConfig};
use durawasm_guest::{BoxError, DurableContext};

/// One name and one result for a group of operations. After it has ended, replays do not run its code.
pub async fn child_context(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx
        .run_in_child_context(move |ctx| async move {
            let word = ctx.step(|_| async { Ok("Hello".to_owned()) }).name("word").await?;
            Ok(ctx.step(move |_| async move { Ok(format!("{word}, {name}!")) }).name("sentence").await?)
        })
        .name("greet")
        .await?;
    Ok(greeting)
}

/// A block that is retried as a whole: an attempt uses nothing of a failed one.
pub async fn with_retry(_event: (), ctx: DurableContext) -> Result<u32, BoxError> {
    let price = ctx
        .with_retry(|ctx| async move {
            let offer: u32 = ctx.step(|_| async { Ok(100) }).name("offer").await?;
            // The offer expires: after a failure a new one is needed.
            let accept = ctx.step(move |_| async move {
                // The clock in a body is live; it simulates a shop that is closed at first.
                let second =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() % 60;
                if second < 30 { Err("closed".into()) } else { Ok(offer) }
            });
            Ok(accept.name("accept").retry_strategy_config(RetryPresets::none()).await?)
        })
        .name("buy")
        .retry_strategy_config(RetryStrategyConfig::fixed(3, Duration::from_secs(20)))
        .await?;
    Ok(price)
}

/// Compensations: each step registers one when it succeeds; they run on demand, the last one first.
pub async fn compensations(_event: (), ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    for name in ["table", "chairs"] {
        ctx.step(move |_| async move { Ok(name.to_owned()) })
            .name(name)
            .compensate_with(|what| async move {
                println!("{what} given back");
                Ok(())
            })
            .await?;
    }
    // A compensation that uses durable operations takes a context.
    ctx.step(|_| async { Ok("lamp".to_owned()) })
        .name("lamp")
        .compensate_in_context(|ctx, _lamp| async move {
            ctx.wait(Duration::from_mins(1)).name("cool-down").await?;
            println!("lamp given back");
            Ok(())
        })
        .await?;
    let rollback = ctx.run_compensations().await?;
    Ok(rollback.items.into_iter().map(|item| format!("{} {}", item.name, item.status)).collect())
}
