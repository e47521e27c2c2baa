//! Tests of type, data and message of failures through each kind of layer, on the first run as on a replay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::fake::{World, run};
use super::second;
use crate::entry::Function;
use crate::runtime::EndStatus;
use crate::{
    BoxError, Branch, CallbackErrorKind, CombinatorErrorKind, DurableContext, DurableFuture, OperationError,
    OperationErrorKind, ReplayedFailure, RetryDecision, TypedError, WireError,
};

const DATA: &str = "{\"code\":51}";

/// Origins of failures, and the types and data that they have.
const ORIGINS: [(&str, &str, Option<&str>); 9] = [
    ("step", "Declined", Some(DATA)),
    ("external", "Rejected", Some(DATA)),
    ("waited", "Rejected", Some(DATA)),
    ("late", "Callback.Timeout", None),
    ("dead", "Callback.Heartbeat", None),
    ("failing", "OutOfStock", Some(DATA)),
    ("slow", "Invoke.Timeout", None),
    ("stopped", "Invoke.Stopped", Some(DATA)),
    ("condition", "Unreachable", Some(DATA)),
];

const PATHS: [&str; 11] = [
    "direct",
    "child",
    "nested",
    "map",
    "batch",
    "parallel",
    "try_join_all",
    "join_all",
    "race",
    "with_retry",
    "compensation",
];

fn failure(error_type: &str, data: Option<&str>) -> WireError {
    let frames = vec!["pay.c:1".to_owned()];
    let data = data.map(str::to_owned);
    WireError::from_parts(Some(error_type.to_owned()), Some(format!("why {error_type}")), data, frames)
}

/// An error of a body, with data.
fn refusal(error_type: &str) -> BoxError {
    let cause = ReplayedFailure::boxed(WireError::from_parts(
        None,
        Some(format!("why {error_type}")),
        Some(DATA.to_owned()),
        vec!["pay.c:1".to_owned()],
    ));
    TypedError::with_type(error_type, cause).into()
}

/// An operation that fails.
async fn origin(ctx: &DurableContext, name: &'static str) -> Result<DurableFuture<u32>, OperationError> {
    Ok(match name {
        "step" => ctx
            .step(|_| async { Err(refusal("Declined")) })
            .retry_strategy(|_, _| RetryDecision::Stop)
            .name(name)
            .future(),
        "condition" => {
            ctx.wait_for_condition(|_, _: u32| async { Err(refusal("Unreachable")) }, 0).name(name).future()
        }
        "external" | "late" | "dead" => ctx.create_callback::<u32>().name(name).await?.result(),
        // The callback of a wait for a callback has no name.
        "waited" => ctx.wait_for_callback(|_, _| async { Ok(()) }).future(),
        _ => ctx.invoke::<u32, _>("other", ()).name(name).future(),
    })
}

/// The error at the end of a path.
async fn through(ctx: &DurableContext, path: &'static str, name: &'static str) -> WireError {
    let fails = move |ctx: DurableContext| async move { Ok::<_, BoxError>(origin(&ctx, name).await?.await?) };
    let error = match path {
        "direct" => origin(ctx, name).await.unwrap().await.unwrap_err(),
        "child" => ctx.run_in_child_context(fails).await.unwrap_err(),
        "nested" => {
            let outer = ctx.run_in_child_context(move |ctx| async move {
                Ok::<u32, _>(ctx.run_in_child_context(fails).name("inner").await?)
            });
            outer.name("outer").await.unwrap_err()
        }
        "map" => ctx.map([0], move |ctx, _, _| fails(ctx)).await.unwrap_err(),
        "batch" => {
            let batch = ctx.map([0], move |ctx, _, _| fails(ctx)).await_batch().await.unwrap();
            batch.throw_if_error().unwrap_err()
        }
        "parallel" => ctx.parallel([Branch::new("only", fails)]).await.unwrap_err(),
        "try_join_all" => {
            let inputs =
                [ctx.run_in_child_context(|_| async { Ok(7) }).future(), origin(ctx, name).await.unwrap()];
            let error = ctx.try_join_all(inputs).await.unwrap_err();
            let OperationErrorKind::Combinator(join) = error.kind() else { panic!("{error}") };
            let CombinatorErrorKind::JoinFailed(details) = join.kind() else { panic!("{join}") };
            assert_eq!(details.failed_index(), 1);
            error
        }
        "join_all" => {
            let mut settled = ctx.join_all([origin(ctx, name).await.unwrap()]).await.unwrap();
            let Some(crate::Settled::Rejected(error)) = settled.pop() else { panic!("{settled:?}") };
            error
        }
        "race" => {
            let error = ctx.race([origin(ctx, name).await.unwrap()]).await.unwrap_err();
            let OperationErrorKind::Combinator(race) = error.kind() else { panic!("{error}") };
            assert!(matches!(race.kind(), CombinatorErrorKind::FirstSettledFailed), "{race}");
            error
        }
        "with_retry" => {
            let block = ctx.with_retry(fails).retry_strategy(|_, attempt| match attempt {
                1 => RetryDecision::Retry { delay: Duration::from_secs(1) },
                _ => RetryDecision::Stop,
            });
            block.await.unwrap_err()
        }
        "compensation" => {
            let step = ctx.step(|_| async { Ok(7) }).compensate_in_context(move |ctx, _: u32| async move {
                fails(ctx).await?;
                Ok(())
            });
            step.await.unwrap();
            let undone = ctx.run_compensations().await.unwrap();
            return undone.items[0].wire().unwrap().clone();
        }
        _ => panic!("{path}"),
    };
    error.wire().unwrap().clone()
}

/// Runs a handler, and again after a wait. Returns what it observed each time.
fn seen_in_all<T, F, Fut>(handler: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let mut world = World::default();
    for (name, error_type, data) in ORIGINS {
        let name = if name == "waited" { "" } else { name };
        world.answers.insert(name.to_owned(), Err(failure(error_type, data)));
    }
    world.ends.insert("slow".to_owned(), EndStatus::TimedOut);
    world.ends.insert("stopped".to_owned(), EndStatus::Stopped);
    let (world, seen) = (Arc::new(Mutex::new(world)), Arc::new(Mutex::new(Vec::new())));
    let function = || {
        let (handler, seen) = (handler.clone(), Arc::clone(&seen));
        Function::durable("test", move |_: Value, ctx: DurableContext| {
            let (handler, seen) = (handler.clone(), Arc::clone(&seen));
            async move {
                let saw = handler(ctx.clone()).await;
                seen.lock().unwrap().push(saw);
                ctx.wait(second()).await?;
                ctx.wait(second()).await?;
                Ok::<_, BoxError>(())
            }
        })
    };
    run(&world, function, "null").unwrap();
    let mut seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    std::mem::take(&mut *seen)
}

#[test]
fn a_failure_keeps_its_type_its_data_and_its_message_on_every_path() {
    for (name, error_type, data) in ORIGINS {
        for path in PATHS {
            // Finally through one more context, with `?`.
            let saw = seen_in_all(move |ctx| async move {
                let at_once = through(&ctx, path, name).await;
                let outer = ctx.run_in_child_context(move |ctx| async move {
                    Err::<(), _>(ReplayedFailure::boxed(through(&ctx, path, name).await))
                });
                (at_once, outer.await.unwrap_err().wire().unwrap().clone())
            });
            for (at_once, outside) in saw {
                for wire in [at_once, outside] {
                    let what = format!("{name} through {path}: {wire:?}");
                    assert_eq!(wire.error_type(), Some(error_type), "{what}");
                    assert_eq!(wire.error_data(), data, "{what}");
                    let message = wire.error_message().unwrap();
                    // A timeout has its own message.
                    assert!(message.contains("why ") || message.contains("timed out"), "{what}");
                    assert!(wire.stack_trace().iter().all(|frame| frame == "pay.c:1"), "{what}");
                }
            }
        }
    }
}

#[test]
fn the_failures_of_select_ok_keep_type_data_and_message() {
    for (name, error_type, data) in ORIGINS {
        let saw = seen_in_all(move |ctx| async move {
            let inputs = [origin(&ctx, name).await.unwrap(), origin(&ctx, "step").await.unwrap()];
            let error = ctx.select_ok(inputs).await.unwrap_err();
            let OperationErrorKind::Combinator(all) = error.kind() else { panic!("{error}") };
            let wire = |failure: &BoxError| failure.downcast_ref::<ReplayedFailure>().unwrap().wire().clone();
            all.failures().iter().map(wire).collect::<Vec<_>>()
        });
        for failures in saw {
            let keys: Vec<_> = failures.iter().map(|wire| (wire.error_type(), wire.error_data())).collect();
            assert_eq!(keys, [(Some(error_type), data), (Some("Declined"), Some(DATA))], "{name}");
        }
    }
}

#[test]
fn the_error_of_a_wait_for_a_callback_has_its_id() {
    let saw = seen_in_all(|ctx| async move {
        let error = origin(&ctx, "waited").await.unwrap().await.unwrap_err();
        let OperationErrorKind::Callback(callback) = error.kind() else { panic!("{error}") };
        assert!(matches!(callback.kind(), CallbackErrorKind::ExternalFailure), "{callback}");
        callback.callback_id().map(str::to_owned)
    });
    assert_eq!(saw, vec![Some("callback-/1/1".to_owned()); 3]);
}

#[test]
fn an_external_error_type_is_never_taken_for_a_type_of_the_sdk() {
    for error_type in ["ChildContextError", "SerializationError", "InvalidArgumentError", "Callback.Timeout"]
    {
        let world = Arc::new(Mutex::new(World::default()));
        world.lock().unwrap().answers.insert(String::new(), Err(failure(error_type, None)));
        let function = || {
            Function::durable("test", |_: Value, ctx: DurableContext| async move {
                let error = ctx.wait_for_callback::<u32, _, _>(|_, _| async { Ok(()) }).await.unwrap_err();
                ctx.wait(second()).await?;
                Ok::<_, BoxError>(matches!(error.kind(), OperationErrorKind::Callback(_)))
            })
        };
        assert_eq!(run(&world, function, "null").unwrap().as_deref(), Some("true"), "{error_type}");
    }
}

#[test]
fn an_error_is_displayed_on_one_line_with_its_causes() {
    let expected = [
        ("step", "step \"step\" failed: retries exhausted after 1 attempts: Declined: why Declined"),
        ("external", "callback \"external\" failed: external failure: why Rejected"),
        ("waited", "callback /7 failed: external failure: why Rejected"),
        ("late", "callback \"late\" failed: callback timed out: why Callback.Timeout"),
        ("dead", "callback \"dead\" failed: callback heartbeat timed out: why Callback.Heartbeat"),
        ("failing", "invoke \"failing\" failed: function failed: why OutOfStock"),
        (
            "condition",
            "wait for a condition \"condition\" failed: check failed: Unreachable: why Unreachable",
        ),
    ];
    for (name, line) in expected {
        for text in
            seen_in_all(
                move |ctx| async move { origin(&ctx, name).await.unwrap().await.unwrap_err().to_string() },
            )
        {
            // The fake host uses positions as ids.
            assert_eq!(text.replace(" /1 ", " /7 "), line);
        }
    }
    let lines = seen_in_all(|ctx| async move {
        let child = ctx.run_in_child_context(|_| async { Err::<(), _>("one\r\ntwo\nthree".into()) });
        let child = child.name("the \"child\"").await.unwrap_err();
        let invalid = ctx.wait(Duration::ZERO).name("nothing").await.unwrap_err();
        let race = ctx.race::<u32>([]).name("none").await.unwrap_err();
        let OperationErrorKind::ChildContext(kind) = child.kind() else { panic!("{child:#}") };
        vec![child.to_string(), kind.to_string(), invalid.to_string(), race.to_string(), format!("{child:#}")]
    });
    for lines in lines {
        let text = [
            "child context \"the \\\"child\\\"\" failed: child failed: child function error: one two three",
            "child context failed: child failed: child function error: one two three",
            "operation \"nothing\" was not started: invalid duration: 1 is the least",
            "combinator \"none\" failed: combinator called with no futures: race was called with no futures",
            "operation error: child_context: child failed: child function error: one\r\ntwo\nthree",
        ];
        assert_eq!(lines, text);
    }
}
