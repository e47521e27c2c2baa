//! One function for many items: cases 9-x.

use durable::builders::map_parallel::{BatchSummary, CompletionConfig, NestingMode};
use durable::serdes::SerdesContext;
use durable::{BoxError, DurableContext, Serdes};
use serde_json::{Value, json};

use crate::formats::Prefixed;
use crate::parallel::outcome;
use crate::step::greet;

/// What an item is to do.
#[derive(Clone, Copy)]
enum Item {
    /// Return a text.
    Return(&'static str),
    /// Fail.
    Fail,
}

impl Item {
    /// Does it.
    fn run(self) -> Result<String, BoxError> {
        match self {
            Self::Return(value) => Ok(value.to_owned()),
            Self::Fail => Err("the item failed".into()),
        }
    }
}

/// Greets each item in a step, one after the other.
pub async fn case_9_1(event: Vec<String>, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let greetings = ctx
        .map(event, |child, item, _index| async move {
            Ok(child.step(move |_| async move { Ok(greet(&item)) }).await?)
        })
        .name("map")
        .max_concurrency(1)
        .await?;
    Ok(greetings)
}

/// Doubles each item without an operation, and without a name.
pub async fn case_9_2(event: Vec<i64>, ctx: DurableContext) -> Result<Vec<i64>, BoxError> {
    Ok(ctx.map(event, |_child, item, _index| async move { Ok(item * 2) }).max_concurrency(1).await?)
}

/// No items.
pub async fn case_9_4(event: Vec<Value>, ctx: DurableContext) -> Result<Vec<Value>, BoxError> {
    Ok(ctx.map(event, |_child, item, _index| async move { Ok(item) }).name("empty").await?)
}

/// Three items that end with the first failure, that of the second.
pub async fn case_9_5(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let items = [Item::Return("ok"), Item::Fail, Item::Return("never")];
    let batch = ctx
        .map(items, |_child, item, _index| async move { item.run() })
        .name("failfast")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(0))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Two items, of which the first fails; the batch's failure becomes the handler's.
pub async fn case_9_6(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let batch = ctx
        .map([Item::Fail, Item::Return("never")], |_child, item, _index| async move { item.run() })
        .name("throwing")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(0))
        .await_batch()
        .await?;
    batch.throw_if_error()?;
    Ok(())
}

/// Three items, of which one may fail and does.
pub async fn case_9_8(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let items = [Item::Return("a"), Item::Fail, Item::Return("c")];
    let batch = ctx
        .map(items, |_child, item, _index| async move { item.run() })
        .name("tolerated")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_count(1))
        .await_batch()
        .await?;
    Ok(outcome(&batch))
}

/// Four items, of which a quarter may fail and half do.
pub async fn case_9_10(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let items = [Item::Fail, Item::Fail, Item::Return("never"), Item::Return("never")];
    let batch = ctx
        .map(items, |_child, item, _index| async move { item.run() })
        .name("tolerated-pct")
        .max_concurrency(1)
        .completion(CompletionConfig::with_tolerated_failure_percentage(25))
        .await_batch()
        .await?;
    Ok(json!({
        "completionReason": batch.reason.as_str(),
        "successCount": batch.success_count(),
        "failureCount": batch.failure_count(),
        "totalCount": batch.total_count(),
    }))
}

/// Two items without contexts of their own.
pub async fn case_9_12(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let values = ctx
        .map(["fa", "fb"], |child, item, _index| async move {
            Ok(child.step(move |_| async move { Ok(item.to_owned()) }).await?)
        })
        .name("flat")
        .max_concurrency(1)
        .nesting(NestingMode::Flat)
        .await?;
    Ok(values)
}

/// Items with contexts that are named after them.
pub async fn case_9_13(event: Vec<i64>, ctx: DurableContext) -> Result<Vec<i64>, BoxError> {
    let items = event.clone();
    let values = ctx
        .map(event, |_child, item, _index| async move { Ok(item * 10) })
        .name("named-items")
        .max_concurrency(1)
        .item_namer(move |index| items.get(index).map_or_else(String::new, |item| format!("item-{item}")))
        .await?;
    Ok(values)
}

/// Two items with a serdes that records what each returns after a prefix.
pub async fn case_9_14(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let values = ctx
        .map(["x", "y"], |_child, item, _index| async move { Ok(item.to_uppercase()) })
        .name("serdes")
        .max_concurrency(1)
        .serdes(Prefixed("wrapped:"))
        .await?;
    Ok(values)
}

/// Four items that return 70 kB each: more together than fits in a record.
pub async fn case_9_16(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let batch = ctx
        .map(0..4, |_child, _item, index| async move { Ok(index.to_string().repeat(70 * 1024)) })
        .name("large")
        .max_concurrency(1)
        .await_batch()
        .await?;
    Ok(json!({ "successCount": batch.success_count(), "totalCount": batch.total_count() }))
}

/// Records a batch of texts that all succeeded as these texts, after `OPSERDE:` and with commas between them.
struct CommaSeparated;

const MARK: &str = "OPSERDE:";

impl Serdes<BatchSummary> for CommaSeparated {
    async fn serialize(&self, value: BatchSummary, _context: SerdesContext) -> Result<String, BoxError> {
        let summary = serde_json::to_value(value)?;
        let items = summary.get("results").and_then(Value::as_array).ok_or("a summary has results")?;
        let texts = items.iter().map(|item| -> Result<String, BoxError> {
            let result = item.get("result").and_then(Value::as_str).ok_or("an item without a result")?;
            Ok(serde_json::from_str(result)?)
        });
        Ok(format!("{MARK}{}", texts.collect::<Result<Vec<_>, _>>()?.join(",")))
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<BatchSummary, BoxError> {
        let texts = wire.strip_prefix(MARK).ok_or_else(|| format!("{wire:?} lacks {MARK:?}"))?;
        let items = texts.split(',').enumerate().map(|(index, text)| {
            json!({ "index": index, "status": "SUCCEEDED", "result": json!(text).to_string() })
        });
        let results: Vec<Value> = items.collect();
        Ok(serde_json::from_value(json!({ "results": results, "reason": "ALL_COMPLETED" }))?)
    }
}

/// Two items, with a serdes for the batch as a whole.
pub async fn case_9_19(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let values = ctx
        .map(["x", "y"], |_child, item, _index| async move { Ok(item.to_uppercase()) })
        .name("op-serde")
        .max_concurrency(1)
        .result_serdes(CommaSeparated)
        .await?;
    Ok(values)
}
