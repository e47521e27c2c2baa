//! Tests of batches that are on record already, and of what is recorded of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::batches::{Padded, everywhere, strict};
use super::fake::run;
use super::second;
use crate::builders::map_parallel::{CompletionConfig, NestingMode};
use crate::entry::Function;
use crate::operations::child::INLINE_LIMIT;
use crate::serdes::SerdesContext;
use crate::{BoxError, DurableContext, Serdes};

#[test]
fn a_rebuilt_result_runs_no_item_that_had_not_ended() {
    let runs = Arc::new(Mutex::new([0, 0]));
    let seen = Arc::clone(&runs);
    let world = Arc::new(Mutex::new(strict()));
    let handler = move |_: Value, ctx: DurableContext| {
        let runs = Arc::clone(&seen);
        async move {
            let map = ctx.map([9, 1], move |ctx, seconds, index| {
                let runs = Arc::clone(&runs);
                async move {
                    runs.lock().unwrap()[index] += 1;
                    ctx.wait(Duration::from_secs(seconds)).await?;
                    Ok(seconds)
                }
            });
            let map = map.completion(CompletionConfig::with_min_successful(1)).result_serdes(Padded);
            let batch = map.await_batch().await?;
            for _ in 0..3 {
                ctx.wait(second()).await?;
            }
            Ok::<_, BoxError>(batch.into_results())
        }
    };
    let outcome = run(&world, move || Function::durable("test", handler.clone()), "null");
    assert_eq!(outcome.unwrap().unwrap(), "[1]");
    assert_eq!(world.lock().unwrap().invocations, 5);
    assert_eq!(*runs.lock().unwrap(), [2, 2], "at first, and when the shorter wait was over");
}

/// Appends spaces up to this number of bytes.
struct Filled(usize);

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for Filled {
    async fn serialize(&self, value: T, _: SerdesContext) -> Result<String, BoxError> {
        let json = serde_json::to_string(&value)?;
        let spaces = " ".repeat(self.0 - json.len());
        Ok(json + &spaces)
    }

    async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<T, BoxError> {
        Ok(serde_json::from_str(&wire)?)
    }
}

#[test]
fn a_result_is_recorded_up_to_256_kib() {
    for (bytes, inline) in [(INLINE_LIMIT, true), (INLINE_LIMIT + 1, false)] {
        let (outcome, world) = everywhere(move |ctx| async move {
            let map = ctx.map([1, 2], |_, item, _| async move { Ok(item) });
            let values = map.result_serdes(Filled(bytes)).await?;
            ctx.wait(second()).await?;
            Ok(values.into())
        });
        assert_eq!(outcome.unwrap(), json!([1, 2]));
        let world = world.lock().unwrap();
        assert_eq!(world.records["/1"].summary.is_none(), inline, "{bytes} bytes");
    }
}

#[test]
fn a_flat_item_is_told_by_its_name() {
    for (name, told) in [("first", "in the context \"first\":"), ("", "in a context without a name:")] {
        let (outcome, _) = everywhere(move |ctx| async move {
            let outer = ctx.clone();
            let map = ctx.map([()], move |_, (), _| {
                let outer = outer.clone();
                async move {
                    outer.wait(second()).await?;
                    Ok(())
                }
            });
            let map = map.nesting(NestingMode::Flat).item_namer(move |_| name.to_owned());
            let batch = map.await_batch().await?;
            Ok(json!(batch.items[0].error_message))
        });
        let message = outcome.unwrap().to_string().replace('\\', "");
        assert!(message.contains(&format!("was used {told}")), "{message}");
    }
}
