//! Tests of combinators that are on record already: what a replay makes of the record, and what it does not run again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::batches::{everywhere, strict};
use super::fake::{World, run};
use super::second;
use crate::entry::Function;
use crate::operations::child::INLINE_LIMIT;
use crate::{
    BoxError, CombinatorErrorKind, DurableContext, DurableFuture, OperationErrorKind, RetryDecision,
    WireError,
};

/// A race of failing steps, then a wait. Returns the kind of the error.
async fn lost(ctx: DurableContext) -> Result<String, BoxError> {
    let step = |text: &'static str| {
        let step = ctx.step(move |_| async move { Err::<u64, BoxError>(text.into()) });
        step.retry_strategy(|_, _| RetryDecision::Stop).future()
    };
    let error = ctx.race([step("one"), step("two")]).await.unwrap_err();
    ctx.wait(second()).await?;
    let OperationErrorKind::Combinator(combinator) = error.kind() else { panic!("{error}") };
    let failures = combinator.failures().len();
    Ok(match combinator.kind() {
        CombinatorErrorKind::FirstSettledFailed => format!("first settled, {failures}"),
        CombinatorErrorKind::AllFailed => format!("all failed, {failures}"),
        CombinatorErrorKind::JoinFailed(joined) => {
            format!("join, input {}, {failures}", joined.failed_index())
        }
        CombinatorErrorKind::EmptyInput => format!("empty, {failures}"),
        _ => format!("internal, {failures}"),
    })
}

#[test]
fn the_recorded_type_decides_the_kind_where_the_record_has_no_frames() {
    let kinds = [
        ("CombinatorError.FirstSettledFailed", "first settled, 1"),
        ("CombinatorError.AllFailed", "all failed, 2"),
        ("CombinatorError.JoinFailed.1", "join, input 1, 1"),
        ("CombinatorError.EmptyInput", "empty, 0"),
        ("CombinatorError.JoinFailed.x", "internal, 1"),
        ("Declined", "internal, 1"),
    ];
    for (error_type, expected) in kinds {
        let world = Arc::new(Mutex::new(World::default()));
        let execute = || run(&world, || Function::durable("test", |_: Value, ctx| lost(ctx)), "null");
        assert_eq!(execute().unwrap().unwrap(), "\"first settled, 1\"");
        let wire = WireError::new(error_type, "no");
        world.lock().unwrap().records.get_mut("/3").unwrap().outcome = Some(Err(wire));
        assert_eq!(execute().unwrap().unwrap(), format!("\"{expected}\""), "{error_type}");
    }
}

#[test]
fn a_rebuilt_result_runs_only_the_input_that_won() {
    let bodies = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let seen = Arc::clone(&bodies);
    let world = Arc::new(Mutex::new(strict()));
    let handler = move |_: Value, ctx: DurableContext| {
        let bodies = Arc::clone(&seen);
        async move {
            let large = |input: usize, letter: &'static str| -> DurableFuture<String> {
                let bodies = Arc::clone(&bodies);
                ctx.run_in_child_context(move |ctx| async move {
                    bodies[input].fetch_add(1, Ordering::Relaxed);
                    ctx.wait(second() * if input == 0 { 9 } else { 1 }).await?;
                    Ok(letter.repeat(300_000))
                })
                .future()
            };
            let winner = ctx.race([large(0, "a"), large(1, "b")]).await?;
            for _ in 0..3 {
                ctx.wait(second()).await?;
            }
            Ok::<_, BoxError>(winner.get(..1).map(str::to_owned))
        }
    };
    let outcome = run(&world, move || Function::durable("test", handler.clone()), "null");
    assert_eq!(outcome.unwrap().unwrap(), "\"b\"");
    let runs = bodies.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert_eq!(runs, [2, 5], "the loser until the winner's wait was over; the winner in each invocation");
}

#[test]
fn a_result_is_recorded_up_to_256_kib() {
    for (bytes, inline) in [(INLINE_LIMIT, true), (INLINE_LIMIT + 1, false)] {
        let (outcome, world) = everywhere(move |ctx| async move {
            // With its quotes.
            let text = ctx.step(move |_| async move { Ok("x".repeat(bytes - 2)) }).future();
            let winner = ctx.race([text]).await?;
            ctx.wait(second()).await?;
            Ok(winner.len().into())
        });
        assert_eq!(outcome.unwrap(), bytes - 2);
        let world = world.lock().unwrap();
        assert_eq!(world.records["/2"].summary.is_none(), inline, "{bytes} bytes");
    }
}
