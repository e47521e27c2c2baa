//! Tests of the facts, modes and deterministic values of a context.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::fake::run;
use super::{Shared, execute, second};
use crate::builders::callback::{Callback, CallbackId};
use crate::entry::Function;
use crate::{
    BoxError, CallbackErrorKind, CheckpointMode, DurableContext, ExecutionMode, OperationErrorKind,
    WireError, logging,
};

#[test]
fn a_replay_ends_at_the_first_operation_that_is_not_recorded() {
    static MODES: Mutex<Vec<ExecutionMode>> = Mutex::new(Vec::new());
    let (_, outcome) = execute(|_, ctx| async move {
        assert_eq!(ctx.is_replaying(), ctx.execution_mode() == ExecutionMode::Replaying);
        MODES.lock().unwrap().push(ctx.execution_mode());
        ctx.step(|_| async { Ok(()) }).await?;
        MODES.lock().unwrap().push(ctx.execution_mode());
        ctx.wait(second()).await?;
        MODES.lock().unwrap().push(ctx.execution_mode());
        Ok(Value::Null)
    });
    outcome.unwrap();
    let (old, new) = (ExecutionMode::Replaying, ExecutionMode::Executing);
    assert_eq!(*MODES.lock().unwrap(), [new, new, old, old, new]);
}

#[test]
fn a_context_has_the_facts_of_its_execution_and_invocation() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (_, outcome) = execute(|_, ctx| async move {
        assert_eq!((ctx.arn(), ctx.execution_arn()), ("arn:test", "arn:test"));
        assert_eq!((ctx.function_name(), ctx.function_version()), ("test", "$LATEST"));
        assert_eq!(ctx.start_time(), UNIX_EPOCH);
        assert_eq!((ctx.context_id(), ctx.parent_op_id()), (None, None));
        let lambda = ctx.lambda_context();
        assert_eq!(lambda.invoked_function_arn, "arn:test");
        assert_eq!((&*lambda.env_config.function_name, &*lambda.env_config.version), ("test", "$LATEST"));
        assert_eq!(lambda.deadline, 900_000);
        assert_eq!(lambda.deadline(), UNIX_EPOCH + Duration::from_mins(15));
        SEEN.lock().unwrap().push(ctx.lambda_context().request_id.clone());
        let inner = ctx
            .run_in_child_context(|child| async move {
                assert_eq!(child.context_id(), Some("/1"));
                let inner = child
                    .run_in_child_context(|inner| async move { Ok(inner.parent_op_id().map(str::to_owned)) });
                let inner = inner.await?;
                assert_eq!(child.parent_op_id(), Some("/1"), "its own, whatever stands in it");
                Ok(inner)
            })
            .await?;
        ctx.wait(second()).await?;
        Ok(json!(inner))
    });
    assert_eq!(outcome.unwrap(), r#""/1/1""#);
    assert_eq!(*SEEN.lock().unwrap(), ["1", "2"], "each invocation has its id");
}

#[test]
fn batch_mode_buffers_updates_until_a_flush() {
    let (world, outcome) = execute(|_, ctx| async move {
        assert!(!ctx.is_batch_mode());
        assert_eq!((ctx.checkpoint_mode(), ctx.pending_update_count()), (CheckpointMode::Batched, 0));
        ctx.flush_batch().await?;
        ctx.enable_batch_mode();
        assert!(ctx.is_batch_mode());
        let mut sum = 0;
        for number in 1..=3 {
            sum += ctx.step(move |_| async move { Ok(number) }).await?;
        }
        let pending = ctx.pending_update_count();
        ctx.flush_batch().await?;
        assert_eq!(ctx.pending_update_count(), 0);
        assert!(ctx.is_batch_mode(), "a flush leaves the mode");
        Ok(json!([sum, pending]))
    });
    // The fake host counts only ends.
    assert_eq!(outcome.unwrap(), "[6,3]");
    assert_eq!(world.lock().unwrap().checkpoints, 1);
    let (world, _) = execute(|_, ctx| async move {
        for number in 1..=3 {
            ctx.step(move |_| async move { Ok(number) }).await?;
        }
        Ok(Value::Null)
    });
    assert_eq!(world.lock().unwrap().checkpoints, 3, "one each without");
}

#[test]
fn a_wait_sends_buffered_updates() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let (_, outcome) = execute(|_, ctx| async move {
        ctx.set_checkpoint_mode(CheckpointMode::Optimistic);
        let body: u32 = ctx.step(|_| async { Ok(BODIES.fetch_add(1, Ordering::Relaxed)) }).await?;
        ctx.wait(second()).await?;
        Ok(body.into())
    });
    assert_eq!(outcome.unwrap(), "0");
}

#[test]
fn replayed_lines_are_kept_on_request() {
    let (world, outcome) = execute(|_, ctx| async move {
        ctx.keep_replayed_logs(true);
        logging::keep_replayed(false);
        Ok(Value::Null)
    });
    outcome.unwrap();
    assert_eq!(world.lock().unwrap().calls, ["keep logs", "drop logs"]);
    logging::keep_replayed(true); // of no invocation
}

/// Values that contexts draw, concurrently and one after another.
async fn draw(ctx: DurableContext, slow_first: bool) -> Result<Value, BoxError> {
    let mut values = vec![ctx.uuid().to_string()];
    let branch = |seconds: u64| {
        ctx.run_in_child_context(move |child| async move {
            child.wait(Duration::from_secs(seconds)).await?;
            let first = child.uuid().to_string();
            child.step(|_| async { Ok(()) }).await?;
            Ok(vec![first, child.clone().uuid().to_string()])
        })
        .spawn()
    };
    let (one, two) = if slow_first { (branch(9), branch(1)) } else { (branch(1), branch(9)) };
    let (one, two) = tokio::join!(one, two);
    values.extend(one?);
    values.extend(two?);
    values.push(ctx.clone().uuid().to_string());
    values.push(ctx.random_u64().to_string());
    let inside = ctx.clone();
    values.push(ctx.step(move |_| async move { Ok(inside.uuid().to_string()) }).await?);
    ctx.wait(second()).await?;
    values.push(ctx.random().to_string());
    Ok(json!(values))
}

#[test]
fn values_are_the_same_on_each_replay_in_any_order_of_ends() {
    static RUNS: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    for slow_first in [true, false] {
        let (world, outcome) = execute(move |_, ctx| async move {
            let values = draw(ctx, slow_first).await?;
            RUNS.lock().unwrap().push(values.clone());
            Ok(values)
        });
        outcome.unwrap();
        assert_eq!(world.lock().unwrap().invocations, 4);
    }
    let runs = RUNS.lock().unwrap();
    assert_eq!(runs[0], runs[1]);
    let distinct: BTreeSet<_> = runs[0].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 9, "{runs:?}");
}

#[test]
fn values_do_not_depend_on_whether_children_and_bodies_run_again() {
    static FIRST: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static LAST: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (world, outcome) = execute(|_, ctx| async move {
        FIRST.lock().unwrap().push(ctx.uuid().to_string());
        let inside = ctx.clone();
        ctx.step(move |_| async move { Ok((inside.uuid(), inside.random())) }).await?;
        ctx.run_in_child_context(|child| async move { Ok((child.uuid(), child.random())) }).await?;
        LAST.lock().unwrap().push(ctx.uuid().to_string());
        ctx.wait(second()).await?;
        ctx.wait(second()).await?;
        Ok(Value::Null)
    });
    outcome.unwrap();
    assert_eq!(world.lock().unwrap().invocations, 3);
    let (first, last) = (FIRST.lock().unwrap(), LAST.lock().unwrap());
    assert_eq!((first.len(), last.len()), (3, 3));
    assert!(first.iter().all(|id| *id == first[0]) && last.iter().all(|id| *id == last[0]));
    assert_ne!(first[0], last[0]);
}

#[test]
fn an_attempt_that_runs_again_draws_the_same_values() {
    static KEYS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (_, outcome) = execute(|_, ctx| async move {
        let inside = ctx.clone();
        let attempt = ctx.step(move |step| async move {
            KEYS.lock().unwrap().push(inside.uuid().to_string());
            if KEYS.lock().unwrap().len() == 1 {
                std::panic::panic_any(super::fake::Crashed);
            }
            if step.attempt() == 1 { Err("again".into()) } else { Ok(step.attempt()) }
        });
        Ok(attempt.await?.into())
    });
    assert_eq!(outcome.unwrap(), "2");
    let keys = KEYS.lock().unwrap();
    assert_eq!(keys[0], keys[1], "interrupted, and run again");
    assert_ne!(keys[1], keys[2], "another attempt");
}

#[test]
fn the_time_is_that_of_the_latest_outcome() {
    static TIMES: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let (_, outcome) = execute(|_, ctx| async move {
        let mut times = vec![ctx.now_millis()];
        ctx.step(|_| async { Ok(()) }).await?;
        times.push(ctx.now_millis());
        ctx.wait(second()).await?;
        times.push(ctx.now_millis());
        assert_eq!(ctx.now(), UNIX_EPOCH + Duration::from_secs(2));
        TIMES.lock().unwrap().extend(times);
        ctx.wait(second()).await?;
        Ok(Value::Null)
    });
    outcome.unwrap();
    assert_eq!(*TIMES.lock().unwrap(), [0, 1000, 2000, 0, 1000, 2000]);
}

/// Runs a handler that creates a callback, which gets the given answer.
fn answered<F, Fut>(answer: Result<Option<String>, WireError>, handler: F) -> Result<String, String>
where
    F: Fn(Value, DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let world = Shared::default();
    world.lock().unwrap().answers.insert("reply".to_owned(), answer);
    let outcome = run(&world, || Function::durable("test", handler.clone()), "null");
    outcome.map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

/// Creates a callback, waits until it is answered, and only then awaits its result.
async fn late(_: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let callback = ctx.create_callback::<String>().name("reply").heartbeat(second()).await?;
    let id = callback.id_typed();
    let answer = callback.result().await;
    ctx.wait(second()).await?;
    // On this replay the callback has already ended when it is created.
    Ok(match answer {
        Ok(answer) => json!([id, answer]),
        Err(error) => {
            let OperationErrorKind::Callback(callback) = error.kind() else { return Err(error.into()) };
            json!([
                id,
                callback.kind().to_string(),
                callback.callback_id(),
                error.status(),
                format!("{error:#}")
            ])
        }
    })
}

#[test]
fn a_callback_that_has_ended_still_has_its_id() {
    let text = |text: &str| text.to_owned();
    assert_eq!(answered(Ok(Some(text("\"yes\""))), late).unwrap(), r#"["callback-/1","yes"]"#);
    let failures = [
        (WireError::new("Rejected", "no money"), "external failure", "FAILED", ": no money"),
        (WireError::default(), "external failure", "FAILED", ": unknown error"),
        (WireError::new("Callback.Timeout", "late"), "callback timed out", "TIMED_OUT", ""),
        (WireError::new("Callback.Heartbeat", "dead"), "callback heartbeat timed out", "TIMED_OUT", ""),
    ];
    for (wire, kind, status, cause) in failures {
        let message = format!("operation error: callback: {kind}{cause}");
        let expected = json!(["callback-/1", kind, "callback-/1", status, message]);
        assert_eq!(answered(Err(wire), late).unwrap(), expected.to_string());
    }
    let unreadable = answered(Ok(Some(text("7"))), late).unwrap();
    assert!(
        unreadable.starts_with(r#"["callback-/1","deserialization failed","callback-/1",null"#),
        "{unreadable}"
    );
}

#[test]
fn a_callback_without_an_id_is_an_error_not_a_hang() {
    let (_, outcome) = execute(|_, ctx| async move {
        let error = ctx.create_callback::<String>().name("nameless").await.unwrap_err();
        let OperationErrorKind::Callback(callback) = error.kind() else { return Err(error.into()) };
        assert!(matches!(callback.kind(), CallbackErrorKind::Internal), "{error:#}");
        assert_eq!(callback.callback_id(), None);
        Ok(format!("{error:#}").into())
    });
    assert!(outcome.unwrap().contains("did not return an id"));
}

#[test]
fn a_callback_is_sync_for_every_type_of_answer() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Callback<*mut ()>>();
    sendable::<Callback<std::rc::Rc<()>>>();
    sendable::<CallbackId>();
    sendable::<DurableContext>();
}
