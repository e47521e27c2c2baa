//! Tests of compensations.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fake::Crashed;
use super::{Shared, execute, second};
use crate::serdes::{Serdes, SerdesContext};
use crate::{
    BoxError, CheckpointMode, CompensationStatus, DurableContext, OperationError, RetryDecision, TypedError,
};

/// Events, in order.
pub(super) type Journal = Arc<Mutex<Vec<String>>>;

pub(super) fn note(journal: &Journal, what: impl Into<String>) {
    journal.lock().unwrap().push(what.into());
}

fn take(journal: &Journal) -> Vec<String> {
    std::mem::take(&mut journal.lock().unwrap())
}

/// Runs a handler that writes a journal.
pub(super) fn journaled<F, Fut>(handler: F) -> (Shared, Result<String, String>, Vec<String>)
where
    F: Fn(DurableContext, Journal) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let journal = Journal::default();
    let kept = Arc::clone(&journal);
    let (world, outcome) = execute(move |_, ctx| handler(ctx, Arc::clone(&kept)));
    let entries = take(&journal);
    (world, outcome, entries)
}

/// A step that returns a number, and writes it to the journal when it is compensated.
pub(super) async fn book(
    ctx: &DurableContext,
    number: u32,
    journal: &Journal,
) -> Result<u32, OperationError> {
    let journal = Arc::clone(journal);
    ctx.step(move |_| async move { Ok(number) })
        .name(format!("step{number}"))
        .compensate_with(move |number| async move {
            note(&journal, format!("undo {number}"));
            Ok(())
        })
        .await
}

/// The kinds, names and sub-types of the records, in the order of their ids.
fn compensations(world: &Shared) -> Vec<(String, String)> {
    let world = world.lock().unwrap();
    let all = world.records.values().filter(|record| record.sub_type == Some("Compensation"));
    all.map(|record| (record.kind.to_owned(), record.name.clone().unwrap())).collect()
}

#[test]
fn a_step_returns_what_it_returned_without_a_compensation() {
    let (_, outcome, _) = journaled(|ctx, journal| async move {
        let refused = ctx
            .step(|_| async { Err::<u32, BoxError>("declined".into()) })
            .retry_strategy(|_, _| RetryDecision::Stop)
            .compensate_with(|_| async { Ok(()) })
            .await
            .unwrap_err();
        Ok(json!([book(&ctx, 42, &journal).await?, format!("{refused:#}")]))
    });
    let refused = "operation error: step: retries exhausted after 1 attempts: declined";
    assert_eq!(outcome.unwrap(), json!([42, refused]).to_string());
}

#[test]
fn a_compensation_is_registered_on_success_only() {
    let (world, _, counts) = journaled(|ctx, journal| async move {
        note(&journal, ctx.compensation_count().to_string());
        book(&ctx, 1, &journal).await?;
        note(&journal, ctx.compensation_count().to_string());
        let refused = ctx
            .step(|_| async { Err::<u32, BoxError>("declined".into()) })
            .name("refused")
            .retry_strategy(|_, _| RetryDecision::Stop)
            .compensate_with(|_| async { Ok(()) });
        assert!(refused.await.is_err());
        ctx.wait(second()).await?;
        note(&journal, ctx.registered_compensations().join(" "));
        Ok(Value::Null)
    });
    assert_eq!(world.lock().unwrap().invocations, 2);
    assert_eq!(counts, ["0", "1", "0", "1", "step1"]);
}

#[test]
fn without_compensations_a_rollback_does_nothing_and_succeeds() {
    let (world, outcome, _) = journaled(|ctx, _| async move {
        let undone = ctx.run_compensations().await?;
        assert!(undone.all_succeeded && undone.items.is_empty());
        Ok(serde_json::to_value(undone)?)
    });
    assert_eq!(outcome.unwrap(), r#"{"all_succeeded":true,"items":[]}"#);
    assert!(world.lock().unwrap().records.is_empty());
}

#[test]
fn a_rollback_is_last_in_first_out_with_a_context_for_each_compensation() {
    let (world, outcome, journal) = journaled(|ctx, journal| async move {
        for number in 1..=3 {
            book(&ctx, number, &journal).await?;
        }
        let undone = ctx.run_compensations().await?;
        assert_eq!(ctx.compensation_count(), 0, "they are gone");
        assert!(ctx.run_compensations().await?.items.is_empty(), "and do not run twice");
        let names: Vec<_> = undone.items.iter().map(|item| &*item.name).collect();
        Ok(json!([names, undone.all_succeeded]))
    });
    assert_eq!(outcome.unwrap(), r#"[["step3","step2","step1"],true]"#);
    assert_eq!(journal, ["undo 3", "undo 2", "undo 1"]);
    let expected = ["step3", "step2", "step1"].map(|name| ("child".to_owned(), name.to_owned()));
    assert_eq!(compensations(&world), expected);
}

#[test]
fn a_failure_is_reported_and_does_not_stop_the_others() {
    let (world, _, journal) = journaled(|ctx, journal| async move {
        let kept = Arc::clone(&journal);
        ctx.step(|_| async { Ok(()) })
            .name("charge")
            .compensate_with(move |()| async move {
                note(&kept, "refund");
                Err(TypedError::with_type("NoFunds", "the account is empty").into())
            })
            .await?;
        book(&ctx, 2, &journal).await?;
        ctx.step_with_compensation("third", |_| async { Ok(()) }, |()| async { Err("plain".into()) }).await?;
        let undone = ctx.run_compensations().await?;
        ctx.wait(second()).await?;
        let item = |index: usize| {
            let item = &undone.items[index];
            (&*item.name, item.status, item.error.as_deref())
        };
        assert!(!undone.all_succeeded);
        let failed = CompensationStatus::Failed;
        assert_eq!(item(0), ("third", failed, Some("plain")));
        assert_eq!(item(1), ("step2", CompensationStatus::Succeeded, None));
        assert_eq!(item(2), ("charge", failed, Some("NoFunds: the account is empty")));
        assert_eq!(undone.items[2].wire().unwrap().error_type(), Some("NoFunds"));
        assert_eq!(undone.items[1].wire(), None);
        Ok(Value::Null)
    });
    assert_eq!(world.lock().unwrap().invocations, 2, "the same from the record");
    assert_eq!(journal, ["undo 2", "refund"]);
    let world = world.lock().unwrap();
    let of = |name: &str| {
        let mut records = world.records.values();
        let record = records.find(|r| r.sub_type.is_some() && r.name.as_deref() == Some(name));
        record.unwrap().outcome.clone().unwrap()
    };
    assert_eq!(of("charge").unwrap_err().error_type(), Some("NoFunds"));
    assert_eq!(of("step2").unwrap().as_deref(), Some("null"));
}

/// Three compensations: the second to run waits, and the third crashes when it runs for the first time.
async fn interrupted(ctx: DurableContext, journal: Journal) -> Result<Value, BoxError> {
    let kept = Arc::clone(&journal);
    ctx.step(|_| async { Ok(1_u32) })
        .name("crashes")
        .compensate_with(move |_| async move {
            note(&kept, "crashing");
            if kept.lock().unwrap().iter().filter(|entry| *entry == "crashing").count() == 1 {
                panic_any(Crashed);
            }
            Ok(())
        })
        .await?;
    let kept = Arc::clone(&journal);
    ctx.step(|_| async { Ok(2_u32) })
        .name("waits")
        .compensate_in_context(|ctx, number| async move {
            note(&kept, "before the wait");
            ctx.wait(second()).await?;
            note(&kept, format!("after the wait, undo {number}"));
            Ok(())
        })
        .await?;
    book(&ctx, 3, &journal).await?;
    let undone = ctx.run_compensations().await?;
    let after = ctx.step(|_| async { Ok("after".to_owned()) }).await?;
    Ok(json!([undone.all_succeeded, undone.items.len(), after]))
}

#[test]
fn a_rollback_continues_after_an_interruption() {
    let (world, outcome, journal) = journaled(interrupted);
    assert_eq!(outcome.unwrap(), r#"[true,3,"after"]"#);
    let expected =
        ["undo 3", "before the wait", "before the wait", "after the wait, undo 2", "crashing", "crashing"];
    assert_eq!(journal, expected, "what had ended did not run again");
    assert_eq!(world.lock().unwrap().invocations, 3);
    let names: Vec<_> = compensations(&world).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["step3", "waits", "crashes"]);
}

#[test]
fn a_compensation_is_recorded_before_the_next_runs_in_all_modes() {
    for mode in [CheckpointMode::Batched, CheckpointMode::Eager, CheckpointMode::Optimistic] {
        let (_, outcome, journal) = journaled(move |ctx, journal| async move {
            ctx.set_checkpoint_mode(mode);
            interrupted(ctx, journal).await
        });
        assert_eq!(outcome.unwrap(), r#"[true,3,"after"]"#);
        let undone = journal.iter().filter(|entry| *entry == "undo 3").count();
        let waited = journal.iter().filter(|entry| entry.starts_with("after")).count();
        assert_eq!((undone, waited), (1, 1), "{mode:?}");
    }
}

#[test]
fn a_compensation_does_not_run_twice_although_steps_may_run_twice() {
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        ctx.enable_batch_mode();
        let kept = Arc::clone(&journal);
        ctx.step(|_| async { Ok(()) })
            .compensate_with(move |()| async move {
                note(&kept, "crashing");
                if kept.lock().unwrap().iter().filter(|entry| *entry == "crashing").count() == 1 {
                    panic_any(Crashed);
                }
                Ok(())
            })
            .await?;
        book(&ctx, 2, &journal).await?;
        Ok(ctx.run_compensations().await?.all_succeeded.into())
    });
    assert_eq!(outcome.unwrap(), "true");
    assert_eq!(journal, ["undo 2", "crashing", "crashing"]);
}

#[test]
fn steps_in_combinators_are_compensated_on_a_replay_too() {
    let (world, outcome, journal) = journaled(|ctx, journal| async move {
        let step = |number: u32| {
            let journal = Arc::clone(&journal);
            ctx.step(move |_| async move { if number == 9 { Err("no".into()) } else { Ok(number) } })
                .name(format!("step{number}"))
                .retry_strategy(|_, _| RetryDecision::Stop)
                .compensate_with(move |number| async move {
                    note(&journal, format!("undo {number}"));
                    Ok(())
                })
                .future()
        };
        ctx.try_join_all([step(1), step(2)]).await?;
        ctx.race([step(3), step(4)]).await?;
        ctx.select_ok([step(9), step(5)]).await?;
        assert!(ctx.try_join_all([step(6), step(9)]).await.is_err());
        ctx.wait(second()).await?;
        let registered = ctx.registered_compensations();
        ctx.run_compensations().await?;
        ctx.wait(second()).await?;
        Ok(json!(registered))
    });
    assert_eq!(outcome.unwrap(), r#"["step1","step2","step3","step4","step5","step6"]"#);
    assert_eq!(journal, ["undo 6", "undo 5", "undo 4", "undo 3", "undo 2", "undo 1"]);
    assert_eq!(world.lock().unwrap().invocations, 3);
}

#[test]
fn a_child_has_its_own_compensations_and_inherits_none() {
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        book(&ctx, 1, &journal).await?;
        let kept = Arc::clone(&journal);
        let counts = ctx
            .run_in_child_context(|child| async move {
                let before = child.compensation_count();
                book(&child, 2, &kept).await?;
                let clone = child.clone();
                let registered = clone.compensation_count();
                let undone = child.run_compensations().await?;
                book(&child, 3, &kept).await?;
                Ok((before, registered, undone.items.len(), child.compensation_count()))
            })
            .await?;
        ctx.wait(second()).await?;
        let own = ctx.registered_compensations();
        let undone = ctx.run_compensations().await?;
        Ok(json!([counts, own, undone.items.len()]))
    });
    assert_eq!(outcome.unwrap(), r#"[[0,1,1,1],["step1"],1]"#);
    assert_eq!(journal, ["undo 2", "undo 1"], "what the child left is not undone");
}

#[test]
fn a_compensation_gets_the_result_through_the_serdes_of_the_step() {
    #[derive(Debug, PartialEq)]
    struct NotClone(u32);
    struct Hex;
    impl Serdes<NotClone> for Hex {
        async fn serialize(&self, value: NotClone, _: SerdesContext) -> Result<String, BoxError> {
            Ok(format!("{:x}", value.0))
        }
        async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<NotClone, BoxError> {
            Ok(NotClone(u32::from_str_radix(&wire, 16)?))
        }
    }
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        let value = ctx
            .step(|_| async { Ok(NotClone(255)) })
            .compensate_with(move |value| async move {
                note(&journal, format!("{value:?}"));
                Ok(())
            })
            .serdes(Hex)
            .await?;
        assert_eq!(value, NotClone(255));
        ctx.wait(second()).await?;
        let undone = ctx.run_compensations().await?;
        assert_eq!(undone.items[0].name, "", "the step has no name");
        Ok(undone.all_succeeded.into())
    });
    assert_eq!(outcome.unwrap(), "true");
    assert_eq!(journal, ["NotClone(255)"]);
}

#[test]
fn concurrent_steps_register_in_the_order_in_which_they_end() {
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        let slow = {
            let (ctx, journal) = (ctx.clone(), Arc::clone(&journal));
            async move {
                ctx.wait(second()).await?;
                book(&ctx, 1, &journal).await
            }
        };
        let (slow, fast) = tokio::join!(slow, book(&ctx, 2, &journal));
        assert_eq!((slow?, fast?), (1, 2));
        ctx.wait(second()).await?;
        let order = ctx.registered_compensations();
        ctx.run_compensations().spawn().await?;
        Ok(json!(order))
    });
    assert_eq!(outcome.unwrap(), r#"["step2","step1"]"#);
    assert_eq!(journal, ["undo 1", "undo 2"]);
}

#[test]
fn a_rollback_builder_that_is_dropped_loses_nothing() {
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        book(&ctx, 1, &journal).await?;
        drop(ctx.run_compensations());
        assert_eq!(ctx.compensation_count(), 1);
        Ok(ctx.run_compensations().future().await?.items.len().into())
    });
    assert_eq!((outcome.unwrap(), journal), ("1".to_owned(), vec!["undo 1".to_owned()]));
}

/// Deserializes nothing after the switch was set.
struct Forgets(Arc<std::sync::atomic::AtomicBool>);

impl Serdes<u32> for Forgets {
    async fn serialize(&self, value: u32, _: SerdesContext) -> Result<String, BoxError> {
        Ok(value.to_string())
    }

    async fn deserialize(&self, payload: String, _: SerdesContext) -> Result<u32, BoxError> {
        if self.0.load(std::sync::atomic::Ordering::Relaxed) {
            return Err("forgotten".into());
        }
        Ok(payload.parse()?)
    }
}

#[test]
fn a_result_that_cannot_be_deserialized_fails_the_compensation() {
    let (_, outcome, _) = journaled(|ctx, _| async move {
        let forgets = Arc::new(std::sync::atomic::AtomicBool::new(ctx.is_replaying()));
        let step = ctx.step(|_| async { Ok(1) }).name("step").serdes(Forgets(forgets));
        let read = step.compensate_with(|_| async { Ok(()) }).await.is_ok();
        ctx.wait(second()).await?;
        let undone = ctx.run_compensations().await?;
        let item = &undone.items[0];
        assert!(!read && !undone.all_succeeded);
        let error = item.wire().unwrap().error_type().unwrap();
        Ok(json!([undone.items.len(), item.name, item.status, error]))
    });
    assert_eq!(outcome.unwrap(), r#"[1,"step","FAILED","SerializationError"]"#);
}

#[test]
fn dropped_steps_are_compensated_in_the_order_of_the_history() {
    let (_, outcome, journal) = journaled(|ctx, journal| async move {
        let [one, two, three] = [1, 2, 3].map(|number| book(&ctx, number, &journal));
        // Only the end of the first was delivered; the others have ended as well.
        tokio::select! {
            biased;
            _ = two => {}
            _ = three => {}
            _ = one => {}
        }
        assert_eq!(ctx.compensation_count(), 3);
        let undone = ctx.run_compensations().await?;
        ctx.wait(second()).await?;
        Ok(json!(undone.items.iter().map(|item| item.name.clone()).collect::<Vec<_>>()))
    });
    assert_eq!(outcome.unwrap(), r#"["step1","step3","step2"]"#);
    assert_eq!(journal, ["undo 1", "undo 3", "undo 2"]);
}

#[test]
fn the_items_of_a_dropped_rollback_are_reported_by_the_next() {
    let (_, outcome, _) = journaled(|ctx, journal| async move {
        book(&ctx, 1, &journal).await?;
        for number in 2..=3 {
            let step = ctx.step(move |_| async move { Ok(number) }).name(format!("step{number}"));
            step.compensate_in_context(move |ctx, number: u32| async move {
                if number == 2 { Ok(ctx.wait(second() * 10).await?) } else { Err("stuck".into()) }
            })
            .await?;
        }
        tokio::select! {
            biased;
            _ = ctx.run_compensations().future() => return Err("it was not dropped".into()),
            _ = ctx.wait(second()).future() => {}
        }
        let undone = ctx.run_compensations().await?;
        ctx.wait(second()).await?;
        let items: Vec<_> = undone.items.iter().map(|i| format!("{} {}", i.name, i.status)).collect();
        Ok(json!([items, undone.all_succeeded, ctx.run_compensations().await?.items.len()]))
    });
    let items = r#"["step3 FAILED","step2 FAILED","step1 SUCCEEDED"]"#;
    assert_eq!(outcome.unwrap(), format!("[{items},false,0]"));
}
