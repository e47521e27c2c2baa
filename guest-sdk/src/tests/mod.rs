//! Scenarios: handlers on a fake host, through all their invocations.

mod batch_records;
mod batch_results;
mod batches;
mod combinator_records;
mod combinators;
mod condition;
mod context;
mod errors;
mod fake;
mod held_steps;
mod invoke;
mod plugins;
mod saga;
mod values;
mod with_retry;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{World, run};
use serde_json::Value;

use crate::entry::Function;
use crate::{BoxError, DurableContext, OperationErrorKind, RetryDecision, StepErrorKind, TypedError};

type Shared = Arc<Mutex<World>>;

/// Runs a handler in its own world.
fn execute<F, Fut>(handler: F) -> (Shared, Result<String, String>)
where
    F: Fn(Value, DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let world = Shared::default();
    let outcome = run(&world, || Function::durable("test", handler.clone()), "null");
    (world, outcome.map(Option::unwrap_or_default).map_err(|error| error.to_string()))
}

fn second() -> Duration {
    Duration::from_secs(1)
}

#[test]
fn a_step_runs_once_however_often_its_handler_does() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let (world, outcome) = execute(|_, ctx| async move {
        let n: u32 = ctx.step(|_| async { Ok(BODIES.fetch_add(1, Ordering::Relaxed)) }).await?;
        ctx.wait(second()).await?;
        Ok(n.into())
    });
    assert_eq!(outcome.unwrap(), "0");
    assert_eq!(world.lock().unwrap().invocations, 2);
    let calls = ["claim", "step", "state", "block", "state", "claim", "wait", "block"];
    assert_eq!(world.lock().unwrap().calls, calls);
}

#[test]
fn positions_are_claimed_by_calls_not_by_awaits() {
    let (world, outcome) = execute(|_, ctx| async move {
        let first = ctx.step(|_| async { Ok(1) }).name("first");
        drop(ctx.step(|_| async { Ok(()) }).name("abandoned"));
        let third = ctx.step(|_| async { Ok(3) }).name("third").future();
        let third = third.await?;
        ctx.wait(second()).await?;
        Ok((third + first.await?).into())
    });
    assert_eq!(outcome.unwrap(), "4");
    let world = world.lock().unwrap();
    assert_eq!(world.records["/1"].name.as_deref(), Some("first"));
    assert!(!world.records.contains_key("/2"));
    assert_eq!(world.records["/3"].name.as_deref(), Some("third"));
}

#[test]
fn waits_end_in_the_order_of_their_times_on_every_replay() {
    let (world, outcome) = execute(|_, ctx| async move {
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |n: u64| {
            let (ctx, order) = (ctx.clone(), Arc::clone(&order));
            async move {
                ctx.wait(Duration::from_secs(n)).await?;
                order.lock().unwrap().push(n);
                ctx.step(move |_| async move { Ok(n) }).name(n.to_string()).await
            }
        };
        let (a, b, c) = tokio::join!(wait(3), wait(1), wait(2));
        assert_eq!((a?, b?, c?), (3, 1, 2));
        let order = order.lock().unwrap().clone();
        Ok(order.into())
    });
    assert_eq!(outcome.unwrap(), "[1,2,3]");
    assert_eq!(world.lock().unwrap().invocations, 4);
}

#[test]
fn a_retry_runs_in_a_later_invocation() {
    let (world, outcome) = execute(|_, ctx| async move {
        let step = ctx
            .step(|step| async move {
                if step.attempt() < 3 {
                    return Err("not yet".into());
                }
                Ok(step.attempt())
            })
            .retry_strategy(|_, _| RetryDecision::Retry { delay: Duration::ZERO })
            .spawn();
        Ok(step.await?.into())
    });
    assert_eq!(outcome.unwrap(), "3");
    assert_eq!(world.lock().unwrap().invocations, 3);
}

#[test]
fn a_failure_is_the_same_live_and_replayed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let (_, outcome) = execute(move |_, ctx| {
        let seen = Arc::clone(&seen);
        async move {
            let error = ctx
                .step(|_| async { Err::<(), _>(TypedError::with_type("Declined", "no funds").into()) })
                .retry_strategy(|_, _| RetryDecision::Stop)
                .await
                .unwrap_err();
            let OperationErrorKind::Step(step) = error.kind() else { panic!("{error}") };
            let StepErrorKind::RetriesExhausted(details) = step.kind() else { panic!("{step}") };
            seen.lock().unwrap().push(format!("{} {error:#} {:?}", details.attempts(), error.wire()));
            ctx.wait(second()).await?;
            Err(error.into())
        }
    });
    let message = "operation error: step: retries exhausted after 1 attempts: Declined: no funds";
    assert_eq!(outcome.unwrap_err(), format!("Declined: {message}"));
    let seen = all.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with(&format!("1 {message}")), "{}", seen[0]);
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_child_is_replayed_by_its_result_and_a_large_one_by_its_operations() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let (world, outcome) = execute(|_, ctx| async move {
        let mut lengths = Vec::new();
        for length in [10, 300_000] {
            let text = ctx
                .run_in_child_context(move |ctx| async move {
                    RUNS.fetch_add(1, Ordering::Relaxed);
                    let letter = ctx.step(|_| async { Ok("x".to_owned()) }).await?;
                    Ok(letter.repeat(length))
                })
                .await?;
            lengths.push(text.len());
        }
        ctx.wait(second()).await?;
        Ok(lengths.into())
    });
    assert_eq!(outcome.unwrap(), "[10,300000]");
    assert_eq!(RUNS.load(Ordering::Relaxed), 3);
    assert_eq!(world.lock().unwrap().records.len(), 5);
}

#[test]
fn a_callback_is_submitted_then_answered() {
    let (world, outcome) = execute(|_, ctx| async move {
        let callback = ctx.create_callback::<String>().await?;
        assert_eq!(callback.id(), "callback-/1");
        let answer = callback.result().await?;
        let second = ctx
            .wait_for_callback::<String, _, _>(|_, id| async move {
                assert_eq!(id, "callback-/2/1");
                Ok(())
            })
            .await?;
        Ok(format!("{answer} {second}").into())
    });
    assert_eq!(outcome.unwrap(), "\"answer answer\"");
    let world = world.lock().unwrap();
    assert_eq!((world.records["/2/1"].kind, world.records["/2/2"].kind), ("callback", "step"));
}

#[test]
fn a_future_that_can_never_complete_is_an_error() {
    let (_, outcome) = execute(|_, ctx| async move {
        ctx.step(|_| async { Ok(()) }).await?;
        std::future::pending().await
    });
    assert!(outcome.unwrap_err().starts_with("HandlerStalled: the handler waits for a future"));
    let (world, outcome) = execute(|_, ctx| async move {
        let _hour = ctx.wait(Duration::from_hours(1)).spawn();
        let step = ctx.step(|_| std::future::pending::<Result<(), BoxError>>());
        step.retry_strategy(|_, _| RetryDecision::Stop).await?;
        Ok(Value::Null)
    });
    assert!(outcome.unwrap_err().starts_with("StepStalled: "));
    assert_eq!(world.lock().unwrap().invocations, 1);
}

#[test]
fn bodies_can_wait_for_each_other() {
    let (_, outcome) = execute(|_, ctx| async move {
        let (send, receive) = tokio::sync::oneshot::channel();
        let receiver = ctx.step(move |_| async move { Ok(receive.await?) }).spawn();
        let sender = ctx.step(move |_| async move { send.send(7).map_err(|_| "gone".into()) }).spawn();
        sender.await?;
        Ok(receiver.await?.into())
    });
    assert_eq!(outcome.unwrap(), "7");
}

#[test]
fn a_dropped_spawn_is_aborted_and_a_kept_one_runs_by_itself() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let (_, outcome) = execute(|_, ctx| async move {
        drop(ctx.step(|_| async { Ok(BODIES.fetch_add(100, Ordering::Relaxed)) }).spawn());
        let kept = ctx.step(|_| async { Ok(BODIES.fetch_add(1, Ordering::Relaxed)) }).spawn();
        ctx.wait(second()).await?;
        assert_eq!(BODIES.load(Ordering::Relaxed), 1);
        Ok(kept.await?.into())
    });
    assert_eq!(outcome.unwrap(), "0");
}

#[test]
fn an_argument_that_is_not_allowed_is_an_error_of_the_operation() {
    let (_, outcome) = execute(|_, ctx| async move {
        ctx.wait(Duration::ZERO).await?;
        Ok(Value::Null)
    });
    let expected =
        "InvalidArgumentError: operation error: invalid_argument: invalid duration: 1 is the least";
    assert_eq!(outcome.unwrap_err(), expected);
}

#[test]
fn ten_thousand_operations_at_the_same_time() {
    let (_, outcome) = execute(|_, ctx| async move {
        let children: Vec<_> =
            (0..10_000_u64).map(|n| ctx.step(move |_| async move { Ok(n) }).spawn()).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await?;
        }
        Ok(sum.into())
    });
    assert_eq!(outcome.unwrap(), (0..10_000_u64).sum::<u64>().to_string());
}

#[test]
fn functions_are_found_by_name_and_events_checked() {
    #[derive(serde::Deserialize)]
    struct Order {
        items: Vec<u32>,
    }
    let order = || Function::plain("order", |order: Order| Ok::<_, BoxError>(order.items.len()));
    let later = || Function::plain("later", |n: u32| async move { Ok::<_, BoxError>(n + 1) });
    let world = Shared::default();
    assert_eq!(run(&world, order, "{\"items\":[1,2]}").unwrap().unwrap(), "2");
    assert_eq!(run(&world, later, "1").unwrap().unwrap(), "2");
    let error = run(&world, order, "{\"items\":[1,\"two\"]}").unwrap_err().to_string();
    assert!(
        error.starts_with("InvalidEvent: the event does not fit the handler: items[1]: invalid type"),
        "{error}"
    );
    let error = run(&world, order, "{").unwrap_err().to_string();
    assert!(error.starts_with("InvalidEvent") && error.contains("line 1"), "{error}");
}
