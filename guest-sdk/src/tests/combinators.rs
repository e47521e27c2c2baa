//! Tests of combinators.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::batches::{everywhere, strict};
use super::fake::run;
use super::second;
use crate::builders::map_parallel::CompletionConfig;
use crate::entry::Function;
use crate::{
    BoxError, Branch, CombinatorErrorKind, DurableContext, DurableFuture, OperationError, OperationErrorKind,
    RetryDecision, Settled, TypedError,
};

/// Waits for the given number of seconds, then returns it.
fn after(ctx: &DurableContext, seconds: u64) -> DurableFuture<u64> {
    ctx.run_in_child_context(move |ctx| async move {
        ctx.wait(Duration::from_secs(seconds)).await?;
        Ok(seconds)
    })
    .future()
}

/// A step that fails.
fn fails(ctx: &DurableContext, text: &'static str) -> DurableFuture<u64> {
    let step = ctx.step(move |_| async move { Err(TypedError::with_type("Declined", text).into()) });
    step.retry_strategy(|_, _| RetryDecision::Stop).future()
}

fn succeeds(ctx: &DurableContext, value: u64) -> DurableFuture<u64> {
    ctx.step(move |_| async move { Ok(value) }).future()
}

fn kind(error: &OperationError) -> &CombinatorErrorKind {
    let OperationErrorKind::Combinator(error) = error.kind() else { panic!("{error}") };
    error.kind()
}

#[test]
fn the_recorded_winner_wins_again_after_all_inputs_have_ended() {
    let (outcome, world) = everywhere(|ctx| async move {
        let winner = ctx.race([after(&ctx, 10), after(&ctx, 1)]).name("first").await?;
        ctx.wait(Duration::from_secs(20)).await?;
        Ok(winner.into())
    });
    assert_eq!(outcome.unwrap(), 1);
    let world = world.lock().unwrap();
    assert_eq!(
        world.lines(),
        ["/1 child", "/1/1 wait", "/2 child", "/2/1 wait", "/3 child first", "/4 wait"]
    );
    assert_eq!((world.now, world.payload("/3")), (21, "1".to_owned()));
    assert_eq!(world.records["/1/1"].outcome, Some(Ok(None)), "the loser's wait goes on");
    assert!(world.records["/1"].outcome.is_none(), "its context does not");
}

#[test]
fn a_replay_does_not_run_the_inputs_of_a_combinator_that_has_ended() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let world = Arc::new(Mutex::new(strict()));
    let handler = move |_: Value, ctx: DurableContext| {
        let runs = Arc::clone(&count);
        async move {
            let code = |seconds: u64| {
                let runs = Arc::clone(&runs);
                ctx.run_in_child_context(move |ctx| async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    ctx.wait(Duration::from_secs(seconds)).await?;
                    Ok(seconds)
                })
            };
            let winner = ctx.race([code(5).future(), code(1).spawn()]).await?;
            for _ in 0..3 {
                ctx.wait(second()).await?;
            }
            Ok::<_, BoxError>(winner)
        }
    };
    let outcome = run(&world, move || Function::durable("test", handler.clone()), "null");
    assert_eq!(outcome.unwrap().unwrap(), "1");
    assert_eq!(runs.load(Ordering::Relaxed), 4, "two at first, and two when the winner's wait was over");
    let calls = &world.lock().unwrap().calls;
    assert_eq!(calls.iter().filter(|call| *call == "skip").count(), 2, "{calls:?}");
}

#[test]
fn race_returns_a_failure_that_comes_first_and_select_ok_does_not() {
    let (outcome, _) = everywhere(|ctx| async move {
        let lost = ctx.race([after(&ctx, 2), fails(&ctx, "no funds")]).await.unwrap_err();
        assert!(matches!(kind(&lost), CombinatorErrorKind::FirstSettledFailed), "{lost}");
        let won = ctx.select_ok([after(&ctx, 2), fails(&ctx, "no funds"), after(&ctx, 1)]).await?;
        ctx.wait(Duration::from_secs(5)).await?;
        let wire = lost.wire().unwrap();
        Ok(json!([won, format!("{lost:#}"), wire.error_type(), lost.status()]))
    });
    let text = "operation error: combinator: first settled future failed: operation error: step: retries exhausted after 1 \
                attempts: Declined: no funds";
    assert_eq!(outcome.unwrap(), json!([1, text, "Declined", "FAILED"]));
}

#[test]
fn all_failures_are_returned_if_no_input_succeeds() {
    let (outcome, world) = everywhere(|ctx| async move {
        let error = ctx.select_ok([fails(&ctx, "one"), fails(&ctx, "two")]).await.unwrap_err();
        ctx.wait(second()).await?;
        assert!(matches!(kind(&error), CombinatorErrorKind::AllFailed));
        let OperationErrorKind::Combinator(combinator) = error.kind() else { panic!("{error}") };
        let failure = |failure: &BoxError| {
            let failure = failure.downcast_ref::<crate::ReplayedFailure>().unwrap();
            json!([failure.error_type(), failure.error_message()])
        };
        Ok(combinator.failures().iter().map(failure).collect())
    });
    assert_eq!(outcome.unwrap(), json!([["Declined", "Declined: one"], ["Declined", "Declined: two"]]));
    let world = world.lock().unwrap();
    let wire = world.records["/3"].outcome.clone().unwrap().unwrap_err();
    assert_eq!(
        wire.error_message(),
        Some("all 2 futures failed: [0] Declined: Declined: one; [1] Declined: Declined: two")
    );
}

#[test]
fn failures_too_large_to_record_each_are_recorded_together() {
    let (outcome, _) = everywhere(|ctx| async move {
        let long: &'static str = Box::leak("x".repeat(20_000).into_boxed_str());
        let error = ctx.select_ok([fails(&ctx, long), fails(&ctx, long)]).await.unwrap_err();
        let OperationErrorKind::Combinator(combinator) = error.kind() else { panic!("{error}") };
        Ok(combinator.failures().len().into())
    });
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn a_join_has_all_values_or_the_first_failure() {
    let (outcome, world) = everywhere(|ctx| async move {
        let all = ctx.try_join_all([after(&ctx, 2), succeeds(&ctx, 7), after(&ctx, 1)]).name("all").await?;
        let error = ctx.try_join_all([after(&ctx, 9), after(&ctx, 1), fails(&ctx, "no")]).await.unwrap_err();
        let CombinatorErrorKind::JoinFailed(details) = kind(&error) else { panic!("{error}") };
        let failed = details.failed_index();
        ctx.wait(second()).await?;
        Ok(json!([all, failed, error.to_string()]))
    });
    let text =
        "join failed at index 2: operation error: step: retries exhausted after 1 attempts: Declined: no";
    let outcome = outcome.unwrap();
    assert_eq!((&outcome[0], &outcome[1]), (&json!([2, 7, 1]), &json!(2)));
    assert!(outcome[2].as_str().unwrap().ends_with(&format!(" failed: {text}")), "{outcome}");
    let world = world.lock().unwrap();
    assert_eq!(world.payload("/4"), "[2,7,1]");
    let wire = world.records["/8"].outcome.clone().unwrap().unwrap_err();
    assert_eq!(wire.error_type(), Some("Declined"));
}

#[test]
fn join_all_returns_failures_too() {
    let (outcome, world) = everywhere(|ctx| async move {
        let all = ctx.join_all([fails(&ctx, "no"), after(&ctx, 1)]).await?;
        ctx.wait(second()).await?;
        let outline = |settled: &Settled<u64>| match settled {
            Settled::Fulfilled(value) => json!(value),
            Settled::Rejected(error) => json!([format!("{error:#}"), error.wire().unwrap().error_type()]),
        };
        Ok(all.iter().map(outline).collect())
    });
    let text = "operation error: child_context: child failed: Declined: no";
    assert_eq!(outcome.unwrap(), json!([[text, "Declined"], 1]));
    let written = r#"[{"status":"rejected","message":"Declined: no","error_type":"Declined"},{"status":"fulfilled","value":1}]"#;
    assert_eq!(world.lock().unwrap().payload("/3"), written);
}

#[test]
fn without_inputs_joins_succeed_and_selections_fail() {
    let (outcome, world) = everywhere(|ctx| async move {
        let none: [DurableFuture<u64>; 0] = [];
        assert!(ctx.try_join_all(none).await?.is_empty());
        assert!(ctx.join_all::<u64>([]).await?.is_empty());
        for error in [ctx.select_ok::<u64>([]).await.unwrap_err(), ctx.race::<u64>([]).await.unwrap_err()] {
            assert!(matches!(kind(&error), CombinatorErrorKind::EmptyInput), "{error}");
        }
        ctx.wait(second()).await?;
        Ok(Value::Null)
    });
    outcome.unwrap();
    assert_eq!(world.lock().unwrap().records.len(), 5);
}

#[test]
fn combinators_are_inputs_of_combinators() {
    let (outcome, world) = everywhere(|ctx| async move {
        let early = ctx.race([after(&ctx, 9), after(&ctx, 3)]).future();
        let late =
            ctx.select_ok([ctx.race([after(&ctx, 7), after(&ctx, 8)]).future(), after(&ctx, 6)]).spawn();
        let winner = ctx.select_ok([early, after(&ctx, 8), late]).await?;
        ctx.wait(Duration::from_secs(20)).await?;
        Ok(winner.into())
    });
    assert_eq!(outcome.unwrap(), 3);
    let calls = &world.lock().unwrap().calls;
    // Three combinators, and the six waits in them.
    assert_eq!(calls.iter().filter(|call| *call == "skip").count(), 9, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "child").count(), 1, "{calls:?}");
}

#[test]
fn inputs_may_be_of_every_kind_and_state() {
    let (outcome, _) = everywhere(|ctx| async move {
        let map = ctx.map([1_u64, 2], |ctx, n, _| async move {
            ctx.wait(Duration::from_secs(n + 5)).await?;
            Ok(n)
        });
        let branch = Branch::new("b", |ctx: DurableContext| async move {
            ctx.wait(Duration::from_secs(6)).await?;
            Ok(3_u64)
        });
        let parallel = ctx.parallel([branch]).completion(CompletionConfig::with_min_successful(1));
        let invoke = ctx.invoke::<Vec<u64>, _>("other", 1);
        let approval = ctx.wait_for_callback::<Vec<u64>, _, _>(|_, _| async { Ok(()) });
        let condition = ctx.wait_for_condition(|_, n: Vec<u64>| async move { Ok(n) }, vec![9]);
        let callback = ctx.create_callback::<Vec<u64>>().await?;
        let retried = ctx.with_retry(|ctx| async move {
            ctx.wait(Duration::from_secs(4)).await?;
            Ok(vec![4_u64])
        });
        let quick = ctx.run_in_child_context(|ctx| async move {
            ctx.wait(second()).await?;
            Ok(vec![5_u64])
        });
        // It has already ended, but is returned third.
        let ended = ctx
            .step(|_| async { Err::<Vec<u64>, _>("no".into()) })
            .retry_strategy(|_, _| RetryDecision::Stop)
            .spawn();
        ctx.wait(second()).await?;
        drop(condition);
        let futures = [
            map.spawn(),
            parallel.future(),
            ended,
            invoke.future(),
            approval.spawn(),
            callback.result(),
            retried.future(),
            quick.future(),
        ];
        let winner = ctx.select_ok(futures).await?;
        ctx.wait(Duration::from_secs(20)).await?;
        Ok(winner.into())
    });
    assert_eq!(outcome.unwrap(), json!([5]));
}

#[test]
fn an_input_that_does_not_start_is_a_failure() {
    let (outcome, _) = everywhere(|ctx| async move {
        let never = ctx.wait(Duration::ZERO).future();
        let error = ctx.try_join_all([ctx.wait(second()).future(), never]).await.unwrap_err();
        let CombinatorErrorKind::JoinFailed(details) = kind(&error) else { panic!("{error}") };
        Ok(details.failed_index().into())
    });
    assert_eq!(outcome.unwrap(), 1);
}

#[test]
fn a_result_that_is_too_large_is_rebuilt_from_the_winner() {
    let (outcome, world) = everywhere(|ctx| async move {
        let large = |letter: &'static str, seconds: u64| {
            ctx.run_in_child_context(move |ctx| async move {
                ctx.wait(Duration::from_secs(seconds)).await?;
                let letter = ctx.step(move |_| async move { Ok(letter.to_owned()) }).await?;
                Ok(letter.repeat(300_000))
            })
        };
        let winner = ctx.race([large("a", 3).future(), large("b", 1).spawn()]).await?;
        let all = ctx.try_join_all([large("c", 1).future(), large("d", 1).future()]).await?;
        let settled = ctx.join_all([large("e", 1).future()]).await?;
        let [Settled::Fulfilled(settled)] = &settled[..] else { panic!("{settled:?}") };
        ctx.wait(Duration::from_secs(5)).await?;
        Ok(json!([&winner[..2], all.concat().len(), settled.len()]))
    });
    assert_eq!(outcome.unwrap(), json!(["bb", 600_000, 300_000]));
    let world = world.lock().unwrap();
    assert_eq!(world.records["/3"].summary.as_deref(), Some(r#"{"winner":1}"#));
    assert_eq!(world.records["/6"].summary.as_deref(), Some(""));
}

#[test]
fn compensations_of_inputs_are_registered_on_replays_too() {
    let undone = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&undone);
    let (outcome, world) = everywhere(move |ctx| {
        let undone = Arc::clone(&all);
        async move {
            let book = |name: &'static str, good: bool| {
                let undone = Arc::clone(&undone);
                let step = ctx
                    .step(move |_| async move { if good { Ok(name.to_owned()) } else { Err("no".into()) } });
                step.name(name).retry_strategy(|_, _| RetryDecision::Stop).compensate_with(
                    move |name| async move {
                        undone.lock().unwrap().push(name);
                        Ok(())
                    },
                )
            };
            let late = ctx.run_in_child_context(|ctx| async move {
                ctx.wait(second()).await?;
                Err::<String, _>("no".into())
            });
            let booked = ctx
                .try_join_all([book("hotel", true).future(), late.future(), book("flight", true).spawn()])
                .await;
            assert!(booked.is_err());
            ctx.wait(second()).await?;
            let result = ctx.run_compensations().await?;
            ctx.wait(second()).await?;
            Ok(result.items.iter().map(|item| item.name.clone()).collect())
        }
    });
    assert_eq!(outcome.unwrap(), json!(["hotel", "flight"]), "the flight was booked first");
    assert_eq!(undone.lock().unwrap()[..2], ["hotel", "flight"]);
    assert!(world.lock().unwrap().invocations >= 4);
}

#[test]
fn ten_thousand_inputs() {
    let world = super::Shared::default();
    let handler = |_: Value, ctx: DurableContext| async move {
        let futures: Vec<_> = (0..10_000).map(|n| succeeds(&ctx, n)).collect();
        let all = ctx.try_join_all(futures).await?;
        ctx.wait(second()).await?;
        Ok::<_, BoxError>(all.iter().sum::<u64>())
    };
    let outcome = run(&world, || Function::durable("test", handler), "null");
    assert_eq!(outcome.unwrap().unwrap(), (0..10_000_u64).sum::<u64>().to_string());
    let calls = &world.lock().unwrap().calls;
    assert!(!calls.iter().any(|call| call == "step"), "a replay runs none of them");
}

/// How an input ends: after how many seconds in how many parts, and whether it succeeds.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent")]
struct Input {
    parts: Vec<u64>,
    good: bool,
    spawned: bool,
    body: bool,
    /// A step with a compensation, whose first attempt fails after the first part.
    step: bool,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let any = any::<bool>;
    let input = (prop::collection::vec(1..4_u64, 0..3), any(), any(), any(), any())
        .prop_map(|(parts, good, spawned, body, step)| Input { parts, good, spawned, body, step });
    prop::collection::vec(input, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_combinator_ends_the_same_from_every_state_of_its_record(inputs in inputs(), which in 0..4_u32, nested in any::<bool>()) {
        let (outcome, _) = everywhere(move |ctx| {
            let inputs = inputs.clone();
            async move {
                let future = |(index, Input { parts, good, spawned, body, step }): (usize, Input)| {
                    if step {
                        let (first, tries) = (parts.first().copied(), parts.len());
                        let step = ctx.step(move |step| async move {
                            let again = step.attempt() as usize <= tries.min(1);
                            if again || !good { Err("no".into()) } else { Ok(index) }
                        });
                        let delay = Duration::from_secs(first.unwrap_or(1));
                        let step = step.name(index.to_string()).compensate_with(|_| async { Ok(()) });
                        let step = step.retry_strategy(move |_, attempt| {
                            if attempt as usize <= tries.min(1) { RetryDecision::Retry { delay } } else { RetryDecision::Stop }
                        });
                        return if spawned { step.spawn() } else { step.future() };
                    }
                    let child = ctx.run_in_child_context(move |ctx| async move {
                        for part in parts {
                            ctx.wait(Duration::from_secs(part)).await?;
                            if body {
                                ctx.step(|_| async { Ok(()) }).await?;
                            }
                        }
                        if good { Ok(index) } else { Err("no".into()) }
                    });
                    if spawned { child.spawn() } else { child.future() }
                };
                let mut futures: Vec<_> = inputs.into_iter().enumerate().map(future).collect();
                if nested && futures.len() > 1 {
                    let half = futures.split_off(1);
                    futures.push(ctx.race(half).future());
                }
                let outcome = match which {
                    0 => ctx.race(futures).await.map(|value| json!(value)),
                    1 => ctx.select_ok(futures).await.map(|value| json!(value)),
                    2 => ctx.try_join_all(futures).await.map(|values| json!(values)),
                    _ => ctx.join_all(futures).await.map(|all| {
                        all.iter().map(|settled| match settled {
                            Settled::Fulfilled(value) => json!(value),
                            Settled::Rejected(error) => json!(format!("{error:#}")),
                        }).collect()
                    }),
                };
                let outcome = outcome.map_err(|error| format!("{error:#} {:?}", error.wire()));
                let undone = ctx.run_compensations().await?;
                let undone: Vec<_> = undone.items.iter().map(|item| item.name.clone()).collect();
                ctx.step(|_| async { Ok(()) }).await?;
                ctx.wait(Duration::from_secs(30)).await?;
                Ok(json!([outcome, undone]))
            }
        });
        outcome.unwrap();
    }
}
