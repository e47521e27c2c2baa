//! Handlers with the names of other crates, as `docs/porting.md` has them: what they come to, also when everything is replayed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use common::{handler, history, value};
use durawasm_testing::{Disturbance, ErrorObject, LocalDurableTestRunner};
use serde_json::{Value, json};

/// The result and the history, which must be the same when it is replayed at every checkpoint.
async fn run(runner: LocalDurableTestRunner, event: Value) -> (Value, Vec<String>) {
    let runner = runner.scratch();
    let result = runner.run(&event).await.unwrap();
    let replayed = runner.disturb(Disturbance::ReplayAtEveryCheckpoint).run(&event).await.unwrap();
    assert_eq!(value(&replayed), value(&result));
    (value(&result), history(&result))
}

fn refused(function: &str, error_type: &str) -> LocalDurableTestRunner {
    handler(function).answer_failure("approval", "1m", ErrorObject::new(error_type, "no")).unwrap()
}

#[tokio::test]
async fn a_saga_with_options_is_undone_last_first_and_tells_of_each() {
    let (told, history) = run(handler("seed_saga"), json!({"failures": 2, "retries": 2})).await;
    assert_eq!(told["booked"], json!(["BOOKING-123", "SEAT-7"]), "2 retries are 3 attempts");
    assert_eq!(told["registered"], json!(2));
    let undone = ["book_flight is undone", "book_hotel failed: BOOKING-123 cannot be cancelled"];
    assert_eq!((&told["undone"], &told["all"]), (&json!(undone), &json!(false)));
    assert!(history.contains(&"StepSucceeded book_flight +10".to_owned()), "{history:?}");
}

#[tokio::test]
async fn without_retries_the_first_failure_counts_and_there_is_nothing_to_undo_of_it() {
    let (told, history) = run(handler("seed_saga"), json!({"failures": 1, "retries": 0})).await;
    assert_eq!((&told["booked"][1], &told["registered"]), (&Value::Null, &json!(1)));
    assert_eq!(told["undone"], json!(["book_hotel failed: BOOKING-123 cannot be cancelled"]));
    assert!(history.contains(&"StepFailed book_flight +0".to_owned()), "{history:?}");
}

#[tokio::test]
async fn batch_mode_has_its_names_in_every_context() {
    let result = handler("seed_batch_mode").run(json!(null)).await.unwrap();
    assert_eq!(value(&result), json!([true, [true, true, 0, true, 0]]));
}

#[tokio::test]
async fn a_callback_is_asked_for_twice_through_a_shared_borrow() {
    let answered = handler("seed_callback").answer("approval", "1m", json!({"by": "kim"})).unwrap();
    assert_eq!(run(answered, json!(null)).await.0, json!([{"by": "kim"}, {"by": "kim"}]));
    let told = run(refused("seed_callback", "Rejected"), json!(null)).await.0;
    assert_eq!(told, json!([["Rejected", true], ["Rejected", true]]));
}

#[tokio::test]
async fn a_wait_for_a_callback_tells_which_and_why() {
    let told = run(refused("seed_wait_for_callback", "Rejected"), json!(null)).await.0;
    assert_eq!(told, json!(["external failure", "Rejected", true]));
    let unreadable = handler("seed_wait_for_callback").answer("approval", "1m", "no number").unwrap();
    let told = run(unreadable, json!(null)).await.0;
    assert_eq!(told, json!(["deserialization failed", "DeserializationError", true]));
}

/// An external system's own types are its business, also those that the SDK uses for its own failures.
#[tokio::test]
async fn the_type_of_an_external_failure_does_not_make_it_another_kind() {
    for error_type in ["DeserializationError", "ChildContextError", "SerializationError"] {
        let told = run(refused("seed_wait_for_callback", error_type), json!(null)).await.0;
        assert_eq!(told, json!(["external failure", error_type, true]));
    }
}
