//! Durable operations: real handlers, in the real sandbox, on a virtual clock.

use crate::common::{error, handler, history, random_cases, value};
use durawasm_testing::{ErrorObject, ExecutionStatus, OperationStatus};
use proptest::prelude::*;
use serde_json::json;

#[tokio::test]
async fn a_wait_suspends_and_the_next_instance_replays() {
    let result = handler("two_steps_and_wait").run(3 * 86_400).await.unwrap();
    assert_eq!(value(&result), json!([1, 2]));
    assert_eq!(
        history(&result),
        [
            "ExecutionStarted +0",
            "StepStarted first +0",
            "StepSucceeded first +0",
            "WaitStarted pause +0",
            "InvocationCompleted +0",
            "WaitSucceeded pause +259200",
            "StepStarted second +259200",
            "StepSucceeded second +259200",
            "InvocationCompleted +259200",
            "ExecutionSucceeded +259200",
        ]
    );
}

#[tokio::test]
async fn a_step_is_retried_until_it_succeeds_or_the_strategy_stops() {
    let result = handler("flaky").run(json!({"failures": 2, "max_attempts": 5})).await.unwrap();
    assert_eq!(value(&result), json!(3));
    assert_eq!(result.get_invocations().len(), 3);
    let attempts = |r: &durawasm_testing::TestResult| {
        r.get_operation("flaky").unwrap().step_details.as_ref().unwrap().attempt
    };
    assert_eq!(attempts(&result), 3);

    let result = handler("flaky").run(json!({"failures": 9, "max_attempts": 4})).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    assert!(error(&result).1.contains("attempt 4 failed"), "{:?}", error(&result));
    assert_eq!((result.get_invocations().len(), attempts(&result)), (4, 4));
}

#[tokio::test]
async fn a_retry_that_comes_due_while_another_step_runs_waits_for_the_next_invocation() {
    let result = handler("retries_beside_a_sleep").run(()).await.unwrap();
    assert_eq!(value(&result), json!(2));
    assert_eq!(result.get_invocations().len(), 2, "{:#?}", history(&result));
    assert!(result.get_invocations().iter().all(|i| i.error.is_none()));
    assert_eq!(history(&result).last().unwrap(), "ExecutionSucceeded +5");
}

#[tokio::test]
async fn two_waits_at_once_take_as_long_as_the_longer() {
    for (a, b, order) in [(10, 1, ["b", "a"]), (1, 10, ["a", "b"])] {
        let result = handler("two_waits").run((a, b)).await.unwrap();
        assert_eq!(value(&result), json!(order));
        assert!(history(&result).contains(&"ExecutionSucceeded +10".to_owned()), "{:#?}", history(&result));
        assert_eq!(result.get_invocations().len(), 3, "one to start both, and one for each end");
    }
}

#[tokio::test]
async fn waits_that_end_together_are_one_invocation() {
    let result = handler("two_waits").run((5, 5)).await.unwrap();
    assert_eq!(result.get_invocations().len(), 2, "{:#?}", history(&result));
}

#[tokio::test]
async fn a_callback_is_answered_fails_times_out_or_dies() {
    let runner = handler("callback");
    let event = json!({"name": "reply", "timeout": 3600, "heartbeat": 60});

    let answered = runner.clone().answer("reply", "30s", "yes").unwrap().run(&event).await.unwrap();
    assert_eq!(value(&answered)["answer"], json!("yes"));
    assert!(history(&answered).contains(&"CallbackSucceeded reply +30".to_owned()));

    let failure = ErrorObject::new("Rejected", "no money");
    let failed = runner.clone().answer_failure("reply", "30s", failure).unwrap().run(&event).await.unwrap();
    assert!(value(&failed)["error"].as_str().unwrap().contains("no money"), "{}", value(&failed));
    assert!(value(&failed)["id"].as_str().is_some_and(|id| !id.is_empty()), "the id is known all the same");

    let dead = runner.clone().run(&event).await.unwrap();
    assert!(history(&dead).contains(&"CallbackTimedOut reply +60".to_owned()), "{:#?}", history(&dead));
    let details = dead.get_operation("reply").unwrap().callback_details.clone().unwrap();
    assert_eq!(details.error.unwrap().error_type.unwrap(), "Callback.Heartbeat");

    let mut alive = runner.clone();
    for beat in 1..=71 {
        alive = alive.answer_heartbeat("reply", &format!("{}s", beat * 50)).unwrap();
    }
    let late = alive.run(&event).await.unwrap();
    assert!(history(&late).contains(&"CallbackTimedOut reply +3600".to_owned()), "{:#?}", history(&late));
    let details = late.get_operation("reply").unwrap().callback_details.clone().unwrap();
    assert_eq!(details.error.unwrap().error_type.unwrap(), "Callback.Timeout");
}

#[tokio::test]
async fn a_callback_that_nobody_answers_is_no_hang() {
    let error = handler("callback").run(json!({"name": "reply"})).await.unwrap_err();
    assert!(error.to_string().contains("callback \"reply\""), "{error}");
}

#[tokio::test]
async fn wait_for_callback_holds_a_callback_and_a_submitter_that_is_retried() {
    let event = json!({"name": "approval", "submitter_failures": 2, "timeout": 86_400});
    let result =
        handler("await_approval").answer("approval", "1h", json!({"ok": true})).unwrap().run(&event).await;
    let result = result.unwrap();
    assert_eq!(value(&result), json!({"ok": true}));
    let kinds: Vec<_> =
        result.get_operations().iter().map(|o| o.sub_type.clone().unwrap().to_string()).collect();
    assert_eq!(kinds, ["WaitForCallback", "Callback", "Step"]);
    assert!(result.get_operations().iter().all(|o| o.status == OperationStatus::Succeeded));
    assert_eq!(result.get_operations()[2].step_details.as_ref().unwrap().attempt, 3);
}

#[tokio::test]
async fn children_have_their_own_operations() {
    let result = handler("nested_children").run(4).await.unwrap();
    assert_eq!(value(&result), json!(4));
    let operations = result.get_operations();
    let leaf = result.get_operation("leaf").unwrap();
    let innermost = result.get_operation("level-4").unwrap();
    assert_eq!(leaf.parent_id.as_ref(), Some(&innermost.id));
    let mut ids: Vec<_> = operations.iter().map(|o| o.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), operations.len());

    let result = handler("concurrent_children").run(20).await.unwrap();
    assert_eq!(value(&result), json!(190));
    assert_eq!(result.get_invocations().len(), 2, "all waits end together");
}

#[tokio::test]
async fn places_are_claimed_where_operations_are_called() {
    let result = handler("awaits_in_reverse").run(()).await.unwrap();
    assert_eq!(value(&result), json!(["second", "first"]));
    assert_eq!(value(&handler("abandons_a_builder").run(()).await.unwrap()), json!("used"));
}

#[tokio::test]
async fn a_bad_argument_is_the_handlers_to_handle() {
    let result = handler("invalid_argument").run(()).await.unwrap();
    assert!(value(&result).as_str().unwrap().contains("duration"), "{}", value(&result));
    assert_eq!(result.get_operation("after").unwrap().status, OperationStatus::Succeeded);
}

#[tokio::test]
async fn an_error_keeps_its_type_and_data() {
    let result = handler("typed_failure").run(7).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    let step = result.get_operation("pay").unwrap().step_details.clone().unwrap();
    assert_eq!(step.error.unwrap().error_type.unwrap(), "PaymentDeclined");
    assert!(error(&result).1.contains('7'), "{:?}", error(&result));
}

#[tokio::test]
async fn a_large_result_of_a_child_is_rebuilt_on_replay() {
    for bytes in [1_000, 300_000, 2_000_000] {
        let result = handler("big_result").run(bytes).await.unwrap();
        assert_eq!(value(&result).as_str().unwrap().len() + 2, bytes);
        let child = result.get_operation("big").unwrap().context_details.clone().unwrap();
        assert_eq!(child.replay_children, bytes > 256 * 1024);
    }
    let result = handler("big_result").run(7_000_000).await.unwrap();
    assert_eq!(error(&result).0, "ResultTooLarge", "{:?}", error(&result));
}

#[tokio::test]
async fn an_event_of_the_wrong_form_says_where() {
    for (event, says) in [
        (json!({"customer": {"name": 3}, "items": []}), "customer.name"),
        (json!({"customer": {"name": "a"}, "items": [{"sku": "x", "count": -1}]}), "items[0].count"),
        (json!("text"), "invalid type"),
    ] {
        let result = handler("bad_event").run(&event).await.unwrap();
        let (kind, message) = error(&result);
        assert_eq!(kind, "InvalidEvent");
        assert!(message.contains(says), "{message}");
        assert_eq!(result.get_invocations().len(), 1, "trying again would not help");
    }
}

#[tokio::test]
async fn costs_grow_with_the_work_and_not_faster() {
    let result = handler("many_steps").run(300).await.unwrap();
    assert_eq!(value(&result), json!(300 * 299 / 2));
    assert_eq!((result.get_checkpoints(), result.get_invocations().len()), (300, 1));

    let result = handler("many_concurrent_steps").run(1000).await.unwrap();
    assert_eq!(value(&result), json!(1000 * 999 / 2));
    assert!(
        result.get_checkpoints() <= 20,
        "steps side by side share checkpoints: {}",
        result.get_checkpoints()
    );

    let result = handler("many_waits").run(50).await.unwrap();
    assert_eq!(
        (result.get_invocations().len(), history(&result).last().unwrap().as_str()),
        (51, "ExecutionSucceeded +50")
    );
}

proptest! {
    #![proptest_config(random_cases(40))]

    /// However long two waits are: the longer decides, the order is that of their ends, and nothing takes real time.
    #[test]
    fn any_two_waits(a in 1_u64..=31_622_400, b in 1_u64..=31_622_400) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(handler("two_waits").run((a, b))).unwrap();
        let order = match a.cmp(&b) {
            std::cmp::Ordering::Less | std::cmp::Ordering::Equal => json!(["a", "b"]),
            std::cmp::Ordering::Greater => json!(["b", "a"]),
        };
        prop_assert_eq!(value(&result), order);
        prop_assert_eq!(history(&result).last().unwrap().clone(), format!("ExecutionSucceeded +{}", a.max(b)));
    }

    /// A step that fails n times of at most m attempts runs min(n + 1, m) times.
    #[test]
    fn any_number_of_failures(failures in 0_u32..6, max_attempts in 1_u32..6) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = json!({"failures": failures, "max_attempts": max_attempts});
        let result = runtime.block_on(handler("flaky").run(event)).unwrap();
        let ran = (failures + 1).min(max_attempts);
        let step = result.get_operation("flaky").unwrap().step_details.clone().unwrap();
        prop_assert_eq!(step.attempt, ran);
        prop_assert_eq!(result.get_invocations().len(), ran as usize);
        prop_assert_eq!(result.get_status() == ExecutionStatus::Succeeded, failures < max_attempts);
    }
}

#[tokio::test]
async fn closures_are_functions_too() {
    let greeted = handler("closure").run(json!({ "name": "Ann" })).await.unwrap();
    assert_eq!(value(&greeted), json!("Hello, Ann"));
    let watched = handler("closure_with_options").run(7).await.unwrap();
    assert_eq!(value(&watched), json!(7));
    assert!(watched.get_log().iter().any(|line| line.message.starts_with(r#"["starts","number""#)));
    assert_eq!(value(&handler("plain_closure").run(21).await.unwrap()), json!(42));
}
