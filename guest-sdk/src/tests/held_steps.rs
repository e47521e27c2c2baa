//! Tests of rollbacks that run while futures of steps are held, and of what a context knows of its compensations.

use std::pin::pin;
use std::sync::Arc;

use serde_json::{Value, json};

use super::saga::{Journal, book, journaled, note};
use super::second;
use crate::{BoxError, DurableContext, RetryDecision};

/// The names of the items of a rollback.
async fn undo(ctx: &DurableContext) -> Result<Vec<String>, BoxError> {
    let undone = ctx.run_compensations().await?;
    assert!(undone.all_succeeded);
    Ok(undone.items.into_iter().map(|item| item.name).collect())
}

#[test]
fn held_steps_that_have_succeeded_are_compensated_and_others_are_not() {
    let (world, outcome, journal) = journaled(|ctx, journal| async move {
        let refused = ctx
            .step(|_| async { Err::<u32, BoxError>("declined".into()) })
            .name("refused")
            .retry_strategy(|_, _| RetryDecision::Stop)
            .compensate_with(|_| async { Ok(()) });
        let mut refused = pin!(refused.into_future());
        let [mut one, mut two, mut three] = [1, 2, 3].map(|number| Box::pin(book(&ctx, number, &journal)));
        // The outcome of the first is delivered; the others have ended as well, and their futures are held.
        tokio::select! {
            biased;
            _ = &mut one => {}
            _ = &mut two => {}
            _ = &mut three => {}
            _ = &mut refused => {}
        }
        let names = undo(&ctx).await?;
        ctx.wait(second()).await?;
        assert!(undo(&ctx).await?.is_empty(), "each is compensated once");
        assert_eq!(
            (two.await?, three.await?, refused.await.is_err()),
            (2, 3, true),
            "they can still be awaited"
        );
        Ok(json!(names))
    });
    assert_eq!(outcome.unwrap(), r#"["step3","step2","step1"]"#);
    assert_eq!(journal, ["undo 3", "undo 2", "undo 1"]);
    let world = world.lock().unwrap();
    let records = world.records.values().filter(|record| record.sub_type == Some("SettledSteps"));
    let settled: Vec<_> = records.map(|record| record.outcome.clone().unwrap().unwrap().unwrap()).collect();
    assert_eq!(settled.len(), 2, "one for each rollback that found held steps");
    assert_eq!(settled.last().unwrap(), "[]", "the step that failed has not succeeded");
}

/// Starts a step that fails, and succeeds a second later, and rolls back meanwhile. The compensation of the other step
/// takes 5 seconds.
async fn rolled_back_too_early(ctx: DurableContext, journal: Journal) -> Result<Value, BoxError> {
    let kept = Arc::clone(&journal);
    ctx.step(|_| async { Ok(()) })
        .name("first")
        .compensate_in_context(|ctx, ()| async move {
            ctx.wait(second() * 5).await?;
            note(&kept, "undo first");
            Ok(())
        })
        .await?;
    let kept = Arc::clone(&journal);
    let late = ctx
        .step(|step| async move { if step.attempt() == 1 { Err("not yet".into()) } else { Ok(()) } })
        .name("late")
        .retry_strategy(|_, _| RetryDecision::Retry { delay: second() })
        .compensate_with(move |()| async move {
            note(&kept, "undo late");
            Ok(())
        });
    let mut late = pin!(late.into_future());
    tokio::select! {
        biased;
        _ = &mut late => return Err("it has ended".into()),
        () = std::future::ready(()) => {}
    }
    let first = undo(&ctx).await?;
    late.await?;
    let second_rollback = undo(&ctx).await?;
    ctx.wait(second()).await?;
    Ok(json!([first, second_rollback]))
}

#[test]
fn a_rollback_compensates_what_had_succeeded_when_it_began() {
    let (world, outcome, journal) = journaled(rolled_back_too_early);
    assert_eq!(outcome.unwrap(), r#"[["first"],["late"]]"#, "the same on each replay");
    assert_eq!(journal, ["undo first", "undo late"]);
    assert!(world.lock().unwrap().invocations > 2);
}

#[test]
fn to_ask_for_delivered_compensations_sends_nothing() {
    let (_, outcome, _) = journaled(|ctx, journal| async move {
        ctx.enable_batch_mode();
        book(&ctx, 1, &journal).await?;
        let before = ctx.pending_update_count();
        let names = ctx.registered_compensations();
        assert!(before > 0, "the success of the step is not sent yet");
        assert_eq!(ctx.pending_update_count(), before);
        Ok(json!(names))
    });
    assert_eq!(outcome.unwrap(), r#"["step1"]"#);
}
