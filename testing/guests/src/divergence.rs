//! Handlers that behave differently on a replay.

use std::time::Duration;

use durawasm_guest::builders::map_parallel::CompletionConfig;
use durawasm_guest::{BoxError, DurableContext, DurableFuture};

fn step(ctx: &DurableContext, name: &str) -> DurableFuture<u32> {
    ctx.step(|_| async { Ok(1) }).name(name).future()
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// Event: which behaviour differs between the first run and a replay.
#[allow(clippy::too_many_lines)] // one case after another
pub async fn diverges(how: String, ctx: DurableContext) -> Result<String, BoxError> {
    let replayed = ctx.is_replaying();
    match how.as_str() {
        "starts one more between" => {
            // Its position is claimed on each run, so no other operation moves.
            let more = step(&ctx, "more");
            step(&ctx, "a").await?;
            if replayed {
                more.await?;
            }
            step(&ctx, "b").await?;
            ctx.wait(second()).await?;
        }
        "waits once more between" => {
            let more = ctx.wait(second()).name("more").future();
            step(&ctx, "a").await?;
            if replayed {
                more.await?;
            }
            step(&ctx, "b").await?;
            ctx.wait(second()).await?;
        }
        "starts one more at the end" => {
            let late = step(&ctx, "late");
            step(&ctx, "a").await?;
            ctx.wait(second()).await?;
            late.await?;
        }
        "ends a child early" => {
            let child = ctx.run_in_child_context(move |child| async move {
                step(&child, "a").await?;
                if !replayed {
                    step(&child, "b").await?;
                    child.wait(second()).await?;
                }
                Ok(())
            });
            child.name("short").await?;
        }
        "fails a child early" => {
            let child = ctx.run_in_child_context(move |child| async move {
                step(&child, "a").await?;
                if replayed {
                    return Err::<(), BoxError>("early".into());
                }
                child.wait(second()).await?;
                Ok(())
            });
            child.name("short").await.unwrap_or_default();
        }
        "ends a batch early" => {
            let items = ctx.map(vec![0_u64, 1], move |ctx, index, _| async move {
                step(&ctx, "a").await?;
                if !replayed || index > 0 {
                    ctx.wait(Duration::from_secs(index + 1)).await?;
                    step(&ctx, "b").await?;
                    ctx.wait(second()).await?;
                }
                Ok(())
            });
            items.name("items").completion(CompletionConfig::with_min_successful(1)).await_batch().await?;
        }
        "decides a race early" => {
            let input = |waits: bool| {
                ctx.run_in_child_context(move |ctx| async move {
                    step(&ctx, "a").await?;
                    if waits {
                        ctx.wait(second()).await?;
                        step(&ctx, "b").await?;
                        ctx.wait(second()).await?;
                    }
                    Ok(0)
                })
                .future()
            };
            ctx.race([input(!replayed), input(true)]).name("race").await?;
        }
        "fails a rebuild" | "comes to less in a rebuild" => {
            let fails = how.starts_with("fails");
            let child = ctx.run_in_child_context(move |child| async move {
                step(&child, "a").await?;
                match (replayed, fails) {
                    (true, true) => Err("not this time".into()),
                    (true, false) => Ok("small".to_owned()),
                    (false, _) => Ok("x".repeat(300_000)),
                }
            });
            let caught = child.name("large").await.unwrap_or_else(|error| error.to_string());
            ctx.wait(second()).await?;
            return Ok(format!("{} bytes", caught.len()));
        }
        "computes arguments that are not allowed" => {
            let wait = ctx.wait(if replayed { Duration::ZERO } else { second() });
            let map = ctx.map(vec![1, 2], |ctx, _, _| async move { Ok(step(&ctx, "a").await?) });
            let payload = if replayed { Payload::Unwritable } else { Payload::Text("Ada".to_owned()) };
            let invoke = ctx.invoke::<String, _>("greet", payload);
            let (wait, map, greeting) = tokio::join!(
                wait.future(),
                map.max_concurrency(usize::from(!replayed)).future(),
                invoke.future()
            );
            wait?;
            map?;
            return Ok(greeting?);
        }
        _ => return Err("there is no such divergence".into()),
    }
    Ok("no divergence".to_owned())
}

/// A payload that has a text, or none.
#[derive(serde::Deserialize)]
enum Payload {
    Text(String),
    Unwritable,
}

impl serde::Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Unwritable => Err(serde::ser::Error::custom("it cannot be written")),
        }
    }
}
