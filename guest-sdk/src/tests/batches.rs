//! Tests of maps and parallels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fake::{Snapshot, World, run};
use super::{Shared, second};
use crate::builders::map_parallel::{
    BatchItemStatus, BatchResult, BatchStatus, CompletionConfig, CompletionReason, ItemBatcher, NestingMode,
};
use crate::entry::Function;
use crate::serdes::SerdesContext;
use crate::{
    BoxError, Branch, ChildContextErrorKind, DurableContext, JsonSerdes, OperationError, OperationErrorKind,
    RetryDecision, Serdes, TypedError, WireError,
};

/// A world in which a handler has to start or skip every recorded operation.
pub(super) fn strict() -> World {
    let mut world = World::default();
    (world.strict, world.snapshots) = (true, Some(Vec::new()));
    world
}

/// Runs a handler, and again from each state of its records: all runs must end with the same outcome and the same
/// records. Returns the outcome, and the records of the first run.
pub(super) fn everywhere<F, Fut>(handler: F) -> (Result<Value, WireError>, Shared)
where
    F: Fn(DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let execute = |world: World| {
        let world = Arc::new(Mutex::new(world));
        let handler = handler.clone();
        let function = move || {
            let handler = handler.clone();
            Function::durable("test", move |_: Value, ctx| handler(ctx))
        };
        let outcome = run(&world, function, "null");
        (outcome.map(|json| serde_json::from_str(&json.unwrap()).unwrap()), world)
    };
    let (outcome, world) = execute(strict());
    let snapshots: Vec<Snapshot> = world.lock().unwrap().snapshots.take().unwrap();
    for (at, snapshot) in snapshots.into_iter().enumerate() {
        let mut world_then = World::from(snapshot);
        world_then.strict = true;
        let (again, replayed) = execute(world_then);
        assert_eq!(again, outcome, "from change {at} on");
        assert_eq!(replayed.lock().unwrap().lines(), world.lock().unwrap().lines(), "from change {at} on");
    }
    (outcome, world)
}

impl World {
    /// The operations: ids, kinds and names.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(id, r): (&String, &super::fake::Record)| {
            let sub_type = r.sub_type.unwrap_or_default();
            format!("{id} {}{sub_type} {}", r.kind, r.name.as_deref().unwrap_or_default())
                .trim_end()
                .to_owned()
        };
        self.records.iter().map(line).collect()
    }

    pub(super) fn payload(&self, id: &str) -> String {
        self.records[id].outcome.clone().unwrap().unwrap().unwrap()
    }
}

/// A short description of a batch.
fn outline<O: Serialize>(batch: &BatchResult<O>) -> Value {
    let item = |item: &crate::builders::map_parallel::BatchItem<O>| {
        let error = item.error_type.as_ref().zip(item.error_message.as_ref());
        json!([item.index, item.status.as_str(), item.result, error])
    };
    json!([batch.reason.as_str(), batch.items.iter().map(item).collect::<Vec<_>>()])
}

/// A step that returns a value.
async fn step<O>(ctx: &DurableContext, value: O) -> Result<O, BoxError>
where
    O: Serialize + DeserializeOwned + Send + 'static,
{
    Ok(ctx.step(move |_| async move { Ok(value) }).await?)
}

#[test]
fn a_map_is_a_context_with_a_child_context_for_each_item() {
    let (outcome, world) = everywhere(|ctx| async move {
        let greetings =
            ctx.map(["World", "Kiro"], |ctx, name, index| async move {
                step(&ctx, format!("{index}: {name}")).await
            })
            .name("map")
            .item_namer(|index| if index == 0 { "first".to_owned() } else { String::new() })
            .max_concurrency(1)
            .await?;
        Ok(greetings.into())
    });
    assert_eq!(outcome.unwrap(), json!(["0: World", "1: Kiro"]));
    let world = world.lock().unwrap();
    assert_eq!(
        world.lines(),
        [
            "/1 childMap map",
            "/1/1 childMapIteration first",
            "/1/1/1 step",
            "/1/2 childMapIteration",
            "/1/2/1 step"
        ]
    );
    assert_eq!(world.payload("/1/2"), r#""1: Kiro""#);
    assert_eq!(
        world.payload("/1"),
        concat!(
            r#"{"results":[{"index":0,"name":"first","status":"SUCCEEDED","result":"\"0: World\""},"#,
            r#"{"index":1,"status":"SUCCEEDED","result":"\"1: Kiro\""}],"reason":"ALL_COMPLETED"}"#
        )
    );
}

#[test]
fn branches_of_a_parallel_have_names_and_end_in_their_order_of_input() {
    let (outcome, world) = everywhere(|ctx| async move {
        let branch = |name: &str, seconds: u64| {
            Branch::new(name, move |ctx: DurableContext| async move {
                ctx.wait(Duration::from_secs(seconds)).await?;
                Ok(seconds)
            })
        };
        let branches = [branch("slow", 3), branch("", 1), branch("middle", 2)];
        Ok(ctx.parallel(branches).await?.into())
    });
    assert_eq!(outcome.unwrap(), json!([3, 1, 2]));
    let expected = [
        "/1 childParallel",
        "/1/1 childParallelBranch slow",
        "/1/1/1 wait",
        "/1/2 childParallelBranch",
        "/1/2/1 wait",
        "/1/3 childParallelBranch middle",
        "/1/3/1 wait",
    ];
    let world = world.lock().unwrap();
    assert_eq!(world.lines(), expected);
    assert_eq!((world.invocations, world.now), (4, 3), "they wait at the same time");
}

#[test]
fn flat_items_have_no_contexts() {
    let (outcome, world) = everywhere(|ctx| async move {
        let map = ctx.map(["fa", "fb"], |ctx, item, _| async move {
            let item = step(&ctx, item.to_owned()).await?;
            ctx.run_in_child_context(|ctx| async move { step(&ctx, item).await }).await.map_err(Into::into)
        });
        let values =
            map.nesting(NestingMode::Flat).item_namer(|index| format!("item-{index}")).await_batch().await?;
        assert_eq!(values.items[1].name, "item-1");
        ctx.wait(second()).await?;
        Ok(values.into_results().into())
    });
    assert_eq!(outcome.unwrap(), json!(["fa", "fb"]));
    let expected = [
        "/1 childMap",
        "/1~1/1 step",
        "/1~1/2 child",
        "/1~1/2/1 step",
        "/1~2/1 step",
        "/1~2/2 child",
        "/1~2/2/1 step",
        "/2 wait",
    ];
    assert_eq!(world.lock().unwrap().lines(), expected);
}

#[test]
fn an_empty_batch_is_recorded() {
    let (outcome, world) = everywhere(|ctx| async move {
        let batch = ctx.map(Vec::<u32>::new(), |_, item, _| async move { Ok(item) }).await_batch().await?;
        assert_eq!((batch.status(), batch.total_count()), (BatchStatus::Succeeded, 0));
        let none: [Branch<u32>; 0] = [];
        assert!(ctx.parallel(none).await?.is_empty());
        Ok(outline(&batch))
    });
    assert_eq!(outcome.unwrap(), json!(["ALL_COMPLETED", []]));
    assert_eq!(world.lock().unwrap().lines(), ["/1 childMap", "/2 childParallel"]);
}

/// Items of which the given ones fail, one after another.
async fn some_fail(
    ctx: &DurableContext,
    fails: &[usize],
    config: Option<CompletionConfig>,
) -> Result<BatchResult<usize>, OperationError> {
    let fails = fails.to_vec();
    let mut map = ctx
        .map(0..4_usize, move |_, item, _| {
            let fails = fails.contains(&item);
            async move {
                if fails {
                    return Err(TypedError::with_type("Declined", format!("item {item}")).into());
                }
                Ok(item)
            }
        })
        .max_concurrency(1);
    if let Some(config) = config {
        map = map.completion(config);
    }
    map.await_batch().await
}

#[test]
fn the_first_failure_ends_a_batch_by_default() {
    let (outcome, world) = everywhere(|ctx| async move {
        let mut all = Vec::new();
        let configs = [
            None,
            Some(CompletionConfig::default()),
            Some(CompletionConfig::with_tolerated_failure_count(1)),
            Some(CompletionConfig::with_tolerated_failure_percentage(25)),
            Some(CompletionConfig::with_tolerated_failure_percentage(50)),
            Some(CompletionConfig::with_min_successful(1)),
            Some(CompletionConfig::with_min_successful(3)),
            Some(CompletionConfig::with_completion_predicate(|stats| {
                stats.failed() >= 1 && stats.settled() >= 2
            })),
        ];
        for config in configs {
            let batch = some_fail(&ctx, &[0, 1], config).await?;
            all.push(json!([
                batch.reason.as_str(),
                batch.success_count(),
                batch.failure_count(),
                batch.total_count()
            ]));
        }
        ctx.wait(second()).await?;
        Ok(all.into())
    });
    assert_eq!(
        outcome.unwrap(),
        json!([
            ["FAILURE_TOLERANCE_EXCEEDED", 0, 1, 1],
            ["FAILURE_TOLERANCE_EXCEEDED", 0, 1, 1],
            ["FAILURE_TOLERANCE_EXCEEDED", 0, 2, 2],
            ["FAILURE_TOLERANCE_EXCEEDED", 0, 2, 2],
            ["ALL_COMPLETED", 2, 2, 4],
            ["MIN_SUCCESSFUL_REACHED", 1, 2, 3],
            ["ALL_COMPLETED", 2, 2, 4],
            ["PREDICATE_MATCHED", 0, 2, 2],
        ])
    );
    let world = world.lock().unwrap();
    assert!(
        world.records["/1"].outcome.as_ref().unwrap().is_ok(),
        "the batch's context succeeds all the same"
    );
    assert!(world.records["/1/1"].outcome.as_ref().unwrap().is_err());
    assert!(!world.records.contains_key("/1/2"), "what was not started is not on record");
}

#[test]
fn a_failure_that_ends_a_batch_is_its_error_live_and_replayed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let (outcome, _) = everywhere(move |ctx| {
        let seen = Arc::clone(&seen);
        async move {
            let batch = some_fail(&ctx, &[2], None).await?;
            let error = batch.throw_if_error().unwrap_err();
            let map = ctx.map([1, 2], |ctx, item, _| async move {
                let step =
                    ctx.step(|_| async { Err::<u32, _>(TypedError::with_type("Declined", "no").into()) });
                step.retry_strategy(|_, _| RetryDecision::Stop).await?;
                Ok(item)
            });
            let direct = map.await.unwrap_err();
            for error in [&error, &direct] {
                let OperationErrorKind::ChildContext(child) = error.kind() else { panic!("{error}") };
                assert!(matches!(child.kind(), ChildContextErrorKind::ChildFailed));
                seen.lock().unwrap().push(format!("{error:#} {:?}", error.wire()));
            }
            ctx.wait(second()).await?;
            Err(direct.into())
        }
    });
    let message = "operation error: child_context: child failed: child function error: operation error: step: retries \
                   exhausted after 1 attempts: Declined: no";
    let error = outcome.unwrap_err();
    assert_eq!(error.error_message(), Some(message));
    assert_eq!(error.error_type(), Some("Declined"));
    let seen = all.lock().unwrap();
    assert!(seen.len() > 2 && seen.iter().step_by(2).all(|text| *text == seen[0]), "{seen:#?}");
    assert!(seen.iter().skip(1).step_by(2).all(|text| *text == seen[1]), "{seen:#?}");
}

#[test]
fn items_that_run_when_a_batch_ends_are_dropped_and_reported_as_started() {
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let bodies = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&bodies);
        let (outcome, world) = everywhere(move |ctx| {
            let bodies = Arc::clone(&count);
            async move {
                let batch = ctx
                    .map([3, 1, 2, 1], move |ctx, seconds, _| {
                        let bodies = Arc::clone(&bodies);
                        async move {
                            ctx.wait(Duration::from_secs(seconds)).await?;
                            ctx.step(move |_| async move { Ok(bodies.fetch_add(1, Ordering::Relaxed)) })
                                .await?;
                            Ok(seconds)
                        }
                    })
                    .max_concurrency(3)
                    .nesting(nesting)
                    .completion(CompletionConfig::with_min_successful(1))
                    .await_batch()
                    .await?;
                ctx.wait(Duration::from_secs(10)).await?;
                Ok(outline(&batch))
            }
        });
        let expected = json!([
            "MIN_SUCCESSFUL_REACHED",
            [[0, "STARTED", null, null], [1, "SUCCEEDED", 1, null], [2, "STARTED", null, null]]
        ]);
        assert_eq!(outcome.unwrap(), expected);
        assert_eq!(world.lock().unwrap().now, 11);
    }
}

/// Appends so much that the result is too large to be recorded.
pub(super) struct Padded;

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for Padded {
    async fn serialize(&self, value: T, _: SerdesContext) -> Result<String, BoxError> {
        Ok(serde_json::to_string(&value)? + &" ".repeat(300_000))
    }

    async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<T, BoxError> {
        Ok(serde_json::from_str(&wire)?)
    }
}

#[test]
fn a_result_that_is_too_large_is_rebuilt_to_the_same_end() {
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let (outcome, world) = everywhere(move |ctx| async move {
            let batch = ctx
                .map([1, 9, 2, 9, 9], |ctx, seconds, index| async move {
                    let first = step(&ctx, index).await?;
                    ctx.wait(Duration::from_secs(seconds)).await?;
                    if index == 0 {
                        return Err("no".into());
                    }
                    step(&ctx, first * 10).await
                })
                .max_concurrency(3)
                .nesting(nesting)
                .completion(CompletionConfig::with_min_successful(1))
                .result_serdes(Padded)
                .await_batch()
                .await?;
            let later = step(&ctx, 1).await?;
            ctx.wait(Duration::from_secs(20)).await?;
            Ok(json!([outline(&batch), later]))
        });
        let expected = json!([
            [
                "MIN_SUCCESSFUL_REACHED",
                [
                    [0, "FAILED", null, ["ChildFnError", "child function error: no"]],
                    [1, "STARTED", null, null],
                    [2, "SUCCEEDED", 20, null],
                    [3, "STARTED", null, null],
                ]
            ],
            1
        ]);
        assert_eq!(outcome.unwrap(), expected);
        let world = world.lock().unwrap();
        let decision =
            r#"{"totalCount":4,"completionReason":"MIN_SUCCESSFUL_REACHED","startedIndexes":[1,3]}"#;
        assert_eq!(world.records["/1"].summary.as_deref(), Some(decision));
        assert!(world.records.keys().any(|id| id.starts_with("/1")), "the items stay on record");
    }
}

#[test]
fn items_with_results_that_are_too_large_are_rebuilt_too() {
    let (outcome, world) = everywhere(|ctx| async move {
        let map = ctx.map(0..3_usize, |ctx, item, _| async move {
            let letter = step(&ctx, "x".to_owned()).await?;
            Ok(letter.repeat(item * 200_000))
        });
        let lengths: Vec<_> = map.await?.iter().map(String::len).collect();
        ctx.wait(second()).await?;
        Ok(lengths.into())
    });
    assert_eq!(outcome.unwrap(), json!([0, 200_000, 400_000]));
    let world = world.lock().unwrap();
    let decision = r#"{"totalCount":3,"completionReason":"ALL_COMPLETED","startedIndexes":[]}"#;
    assert_eq!(world.records["/1"].summary.as_deref(), Some(decision));
    assert_eq!(world.records["/1/2"].summary, None);
    assert_eq!(world.records["/1/3"].summary.as_deref(), Some(""));
}

#[test]
fn batches_nest() {
    let (outcome, _) = everywhere(|ctx| async move {
        let sums = ctx
            .map(1..4_u64, |ctx, n, _| async move {
                let inner = ctx.map(0..n, move |ctx, m, _| async move {
                    ctx.wait(Duration::from_secs(m + 1)).await?;
                    step(&ctx, n * 10 + m).await
                });
                Ok(inner.max_concurrency(2).await?.into_iter().sum::<u64>())
            })
            .max_concurrency(2)
            .await?;
        Ok(sums.into())
    });
    assert_eq!(outcome.unwrap(), json!([10, 41, 93]));
}

/// Serializes values with a prefix.
struct Marked(&'static str);

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for Marked {
    async fn serialize(&self, value: T, context: SerdesContext) -> Result<String, BoxError> {
        Ok(format!("{}{}:{}", self.0, context.operation_id(), serde_json::to_string(&value)?))
    }

    async fn deserialize(&self, wire: String, context: SerdesContext) -> Result<T, BoxError> {
        let mark = format!("{}{}:", self.0, context.operation_id());
        let json = wire.strip_prefix(&mark).ok_or_else(|| format!("{wire} lacks {mark}"))?;
        Ok(serde_json::from_str(json)?)
    }
}

#[test]
fn items_and_the_batch_have_their_own_serdes() {
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let (outcome, world) = everywhere(move |ctx| async move {
            let map = ctx.map(["x"], |_, item, _| async move { Ok(item.to_uppercase()) }).nesting(nesting);
            let values = map.serdes(Marked("item ")).result_serdes(Marked("all ")).await?;
            ctx.wait(second()).await?;
            Ok(values.into())
        });
        assert_eq!(outcome.unwrap(), json!(["X"]));
        let world = world.lock().unwrap();
        if nesting == NestingMode::Normal {
            assert_eq!(world.payload("/1/1"), r#"item /1/1:"X""#);
        }
        let summary = r#"all /1:{"results":[{"index":0,"status":"SUCCEEDED","result":"item /1/item-0:\"X\""}],"reason":"ALL_COMPLETED"}"#;
        assert_eq!(world.payload("/1"), summary);
    }
}

/// Serializes only numbers below a limit, and deserializes only numbers below a smaller one.
struct Picky;

impl Serdes<u32> for Picky {
    async fn serialize(&self, value: u32, _: SerdesContext) -> Result<String, BoxError> {
        if value > 9 { Err("too large".into()) } else { Ok(value.to_string()) }
    }

    async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<u32, BoxError> {
        wire.parse().ok().filter(|value| *value < 5).ok_or_else(|| format!("cannot read {wire}").into())
    }
}

#[test]
fn a_result_that_cannot_be_serialized_or_deserialized_fails_its_item() {
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let (outcome, _) = everywhere(move |ctx| async move {
            let numbers = |numbers: [u32; 2]| {
                ctx.map(numbers, |_, item, _| async move { Ok(item) }).serdes(Picky).nesting(nesting)
            };
            let tolerant = CompletionConfig::with_min_successful(2);
            let written = numbers([1, 10]).completion(tolerant).await_batch().await?;
            let read = numbers([1, 7]).await.unwrap_err();
            let OperationErrorKind::ChildContext(child) = read.kind() else { panic!("{read}") };
            assert!(matches!(child.kind(), ChildContextErrorKind::ChildFailed), "{read}");
            assert_eq!(read.wire().unwrap().error_type(), Some("SerializationError"));
            ctx.wait(second()).await?;
            Ok(json!([outline(&written), format!("{read:#}").contains("cannot be read back: cannot read 7")]))
        });
        let message = "operation error: child_context: internal error: too large";
        let expected = json!([
            [
                "ALL_COMPLETED",
                [[0, "SUCCEEDED", 1, null], [1, "FAILED", null, ["SerializationError", message]]]
            ],
            true
        ]);
        assert_eq!(outcome.unwrap(), expected);
    }
}

#[test]
fn a_batch_that_is_not_allowed_is_not_started() {
    let (outcome, world) = everywhere(|ctx| async move {
        let map = || ctx.map([1, 2], |_, item, _| async move { Ok(item) });
        let none = map().max_concurrency(0).await.unwrap_err();
        let much =
            map().completion(CompletionConfig::with_tolerated_failure_percentage(101)).await.unwrap_err();
        let nothing = ItemBatcher::with_max_items(0);
        let empty =
            ctx.map_batched([1, 2], nothing, |_, items, _| async move { Ok(items) }).await.unwrap_err();
        for (error, text) in [
            (none, "max_concurrency"),
            (much, "tolerated_failure_percentage"),
            (empty, "max_items_per_batch"),
        ] {
            let OperationErrorKind::InvalidArgument(invalid) = error.kind() else { panic!("{error}") };
            assert_eq!(invalid.argument(), text);
        }
        step(&ctx, Value::Null).await
    });
    outcome.unwrap();
    assert_eq!(world.lock().unwrap().lines(), ["/4 step"], "their places are taken all the same");
}

#[test]
fn small_items_are_combined() {
    let (outcome, world) = everywhere(|ctx| async move {
        let batcher = ItemBatcher::with_max_items(3);
        let map = ctx.map_batched(1..=7_u32, batcher, |ctx, items, index| async move {
            step(&ctx, json!([index, items.iter().sum::<u32>()])).await
        });
        Ok(map.await?.into())
    });
    assert_eq!(outcome.unwrap(), json!([[0, 6], [1, 15], [2, 7]]));
    assert_eq!(world.lock().unwrap().records.len(), 7);
}

#[test]
fn batches_run_concurrently_and_are_aborted_with_their_futures() {
    let (outcome, world) = everywhere(|ctx| async move {
        let waits = |seconds: u64| {
            ctx.map(0..2_u64, move |ctx, n, _| async move {
                ctx.wait(Duration::from_secs(seconds + n)).await?;
                step(&ctx, n).await
            })
        };
        let (kept, dropped) = (waits(1).spawn(), waits(2).spawn());
        let kept = kept.await?;
        drop(dropped);
        ctx.wait(Duration::from_secs(5)).await?;
        Ok(kept.into())
    });
    assert_eq!(outcome.unwrap(), json!([0, 1]));
    let world = world.lock().unwrap();
    assert_eq!(world.now, 7);
    assert!(world.records["/2"].outcome.is_none());
}

#[test]
fn a_map_of_ten_thousand_items() {
    for (limit, nesting) in
        [(usize::MAX, NestingMode::Normal), (usize::MAX, NestingMode::Flat), (100, NestingMode::Normal)]
    {
        let world = Shared::default();
        let handler = move |_: Value, ctx: DurableContext| async move {
            let map = ctx.map(0..10_000_u64, |ctx, n, _| async move { step(&ctx, n).await });
            let values = map.max_concurrency(limit).nesting(nesting).await?;
            ctx.wait(second()).await?;
            Ok::<_, BoxError>(values.iter().sum::<u64>())
        };
        let outcome = run(&world, move || Function::durable("test", handler), "null");
        assert_eq!(outcome.unwrap().unwrap(), (0..10_000_u64).sum::<u64>().to_string());
        let calls = world.lock().unwrap().calls.len();
        assert!(
            calls < 100_000,
            "the result is too large, so a replay asks for each item again, once: {calls}"
        );
    }
}

/// The operations of an item.
#[derive(Debug, Clone)]
enum Op {
    Step,
    Wait(u64),
    /// A step whose first attempt fails.
    Retry(u64),
    /// A child context with a step.
    Child,
}

#[derive(Debug, Clone)]
struct Plan {
    items: Vec<(Vec<Op>, bool)>,
    limit: usize,
    flat: bool,
    large: bool,
    min: Option<usize>,
    count: Option<usize>,
    pct: Option<usize>,
    predicate: Option<usize>,
    parallel: bool,
}

fn plans() -> impl Strategy<Value = Plan> {
    let op = prop_oneof![
        Just(Op::Step),
        (1..4_u64).prop_map(Op::Wait),
        (1..4_u64).prop_map(Op::Retry),
        Just(Op::Child)
    ];
    let item = (prop::collection::vec(op, 0..4), prop::bool::weighted(0.3));
    let threshold = || prop::option::weighted(0.3, 0..6_usize);
    (
        prop::collection::vec(item, 0..6),
        1..7_usize,
        any::<bool>(),
        any::<bool>(),
        (threshold(), threshold(), prop::option::weighted(0.3, 0..=100_usize), threshold()),
        any::<bool>(),
    )
        .prop_map(|(items, limit, flat, large, (min, count, pct, predicate), parallel)| Plan {
            items,
            limit,
            flat,
            large,
            min,
            count,
            pct,
            predicate,
            parallel,
        })
}

/// Events that the records do not show.
#[derive(Default)]
struct Seen {
    /// The number of runs of each body.
    bodies: Mutex<BTreeMap<(usize, usize), usize>>,
    most: AtomicUsize,
}

/// An item that runs.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One generated item.
async fn item(
    ctx: DurableContext,
    index: usize,
    ops: Vec<Op>,
    fails: bool,
    seen: Arc<Seen>,
    running: Arc<AtomicUsize>,
) -> Result<usize, BoxError> {
    let now = running.fetch_add(1, Ordering::Relaxed) + 1;
    let _running = Running(running);
    seen.most.fetch_max(now, Ordering::Relaxed);
    for (at, op) in ops.into_iter().enumerate() {
        let seen = Arc::clone(&seen);
        let body =
            move || *seen.bodies.lock().unwrap().entry((index, at)).and_modify(|n| *n += 1).or_insert(1);
        match op {
            Op::Wait(seconds) => ctx.wait(Duration::from_secs(seconds)).await?,
            Op::Step => drop(ctx.step(move |_| async move { Ok(body()) }).await?),
            Op::Child => drop(
                ctx.run_in_child_context(|ctx| async move {
                    Ok(ctx.step(move |_| async move { Ok(body()) }).await?)
                })
                .await?,
            ),
            Op::Retry(seconds) => {
                let step = ctx.step(move |step| async move {
                    if step.attempt() == 1 { Err("not yet".into()) } else { Ok(body()) }
                });
                let delay = Duration::from_secs(seconds);
                step.retry_strategy(move |_, _| RetryDecision::Retry { delay }).await?;
            }
        }
    }
    if fails { Err("no".into()) } else { Ok(index) }
}

async fn planned(
    ctx: &DurableContext,
    plan: Plan,
    seen: Arc<Seen>,
) -> Result<BatchResult<usize>, OperationError> {
    let mut config = CompletionConfig::builder();
    if let Some(min) = plan.min {
        config = config.min_successful(min);
    }
    if let Some(count) = plan.count {
        config = config.tolerated_failure_count(count);
    }
    if let Some(pct) = plan.pct {
        config = config.tolerated_failure_percentage(pct);
    }
    if let Some(settled) = plan.predicate {
        config = config.completion_predicate(move |stats| stats.settled() >= settled);
    }
    let config = config.build().unwrap();
    let nesting = if plan.flat { NestingMode::Flat } else { NestingMode::Normal };
    let running = Arc::new(AtomicUsize::new(0));
    if plan.parallel {
        let branches = plan.items.into_iter().enumerate().map(|(index, (ops, fails))| {
            let (seen, running) = (Arc::clone(&seen), Arc::clone(&running));
            Branch::new(format!("b{index}"), move |ctx| item(ctx, index, ops, fails, seen, running))
        });
        let parallel = ctx.parallel(branches).max_concurrency(plan.limit).completion(config).nesting(nesting);
        return if plan.large {
            parallel.result_serdes(Padded).await_batch().await
        } else {
            parallel.await_batch().await
        };
    }
    let map = ctx.map(plan.items, move |ctx, (ops, fails), index| {
        item(ctx, index, ops, fails, Arc::clone(&seen), Arc::clone(&running))
    });
    let map = map.max_concurrency(plan.limit).completion(config).nesting(nesting);
    if plan.large { map.result_serdes(Padded).await_batch().await } else { map.await_batch().await }
}

/// Properties of a batch for every order in which its items end.
fn check(plan: &Plan, batch: &BatchResult<usize>) -> Result<(), TestCaseError> {
    let total = plan.items.len();
    prop_assert!(batch.items.iter().enumerate().all(|(at, item)| at == item.index), "a prefix of the input");
    for item in &batch.items {
        let fails = plan.items[item.index].1;
        prop_assert!(
            item.status != BatchItemStatus::Succeeded || (!fails && item.result == Some(item.index))
        );
        prop_assert!(item.status != BatchItemStatus::Failed || fails);
    }
    let (succeeded, failed) = (batch.success_count(), batch.failure_count());
    let exceeds = |failed: usize| {
        let none =
            plan.min.is_none() && plan.count.is_none() && plan.pct.is_none() && plan.predicate.is_none();
        (none && failed > 0)
            || plan.count.is_some_and(|count| failed > count)
            || plan.pct.is_some_and(|pct| failed * 100 > pct * total)
    };
    let enough = |succeeded: usize| plan.min.is_some_and(|min| min > 0 && succeeded >= min);
    match batch.reason {
        CompletionReason::AllCompleted => {
            prop_assert_eq!((batch.total_count(), batch.started_count()), (total, 0));
            prop_assert!(!exceeds(failed) && !enough(succeeded));
        }
        CompletionReason::FailureToleranceExceeded => prop_assert!(exceeds(failed) && !exceeds(failed - 1)),
        CompletionReason::MinSuccessfulReached => prop_assert!(enough(succeeded) && !enough(succeeded - 1)),
        CompletionReason::PredicateMatched => prop_assert!(succeeded + failed >= plan.predicate.unwrap()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_batch_ends_the_same_from_every_state_of_its_record(plan in plans()) {
        let results = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::new(Seen::default());
        let (all, watched, planned_) = (Arc::clone(&results), Arc::clone(&seen), plan.clone());
        let first = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&first);
        let (outcome, _) = everywhere(move |ctx| {
            let (results, plan, seen, runs) = (Arc::clone(&all), planned_.clone(), Arc::clone(&watched), Arc::clone(&runs));
            async move {
                // Only the first run is never interrupted, so only its bodies are counted.
                let seen = if runs.load(Ordering::Relaxed) == 0 { seen } else { Arc::default() };
                let batch = planned(&ctx, plan, seen).await?;
                let outline = outline(&batch);
                results.lock().unwrap().push(batch);
                let after = step(&ctx, 1).await?;
                ctx.wait(Duration::from_secs(30)).await?;
                runs.fetch_add(1, Ordering::Relaxed);
                Ok(json!([outline, after]))
            }
        });
        outcome.unwrap();
        for batch in results.lock().unwrap().iter() {
            check(&plan, batch)?;
        }
        prop_assert!(seen.most.load(Ordering::Relaxed) <= plan.limit);
        prop_assert!(seen.bodies.lock().unwrap().values().all(|n| *n == 1), "each body runs once");
    }
}

#[allow(dead_code, reason = "it only has to compile: the types are as those of AWS's crate")]
fn builders_have_the_expected_types(ctx: &DurableContext) {
    use crate::builders::{MapBuilder, ParallelBuilder};
    fn is_map<I, O, F, Fut, IS, RS>(_: &MapBuilder<I, O, F, Fut, IS, RS>) {}
    is_map(&ctx.map(vec![1], |_: DurableContext, item: u32, _: usize| async move { Ok(item) }));
    let _: ParallelBuilder<u32, JsonSerdes, JsonSerdes> =
        ctx.parallel([Branch::new("a", |_| async { Ok(1) })]);
}
