//! `LocalDurableTestRunner` and its results, as authors of handlers use them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{handler, history, value};
use durawasm_guest::{BoxError, DurableContext, TypedError, durable_execution};
use durawasm_testing::{
    AnyPayload, Disturbance, ErrorObject, ExecutionStatus, InvocationRetry, LocalDurableTestRunner,
    OperationStatus, OperationType, PrintConfig, StepDetails, TestEnvironmentConfig, TestError, TestResult,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[durable_execution]
async fn my_workflow(input: String, ctx: DurableContext) -> Result<String, BoxError> {
    let step1 = ctx.step(move |_| async move { Ok(format!("processed: {input}")) }).await?;
    ctx.wait(Duration::from_secs(5)).name("delay").await?;
    Ok(step1)
}

/// The example of a test in the documentation.
#[tokio::test]
async fn test_workflow() {
    LocalDurableTestRunner::setup_test_environment(TestEnvironmentConfig {
        skip_time: true,
        checkpoint_delay: None,
    })
    .await
    .unwrap();

    let runner = LocalDurableTestRunner::new(my_workflow);
    let result = runner.run("hello".to_string()).await.unwrap();

    assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
    assert_eq!(result.get_result().unwrap(), "processed: hello");
    assert_eq!(result.get_operations().len(), 2);

    let wait_op = runner.get_operation("delay").unwrap();
    let wait_details = wait_op.get_wait_details().unwrap();
    assert_eq!(wait_details.wait_seconds, Some(5));

    LocalDurableTestRunner::teardown_test_environment().await.unwrap();
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Order {
    id: String,
    cents: u64,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Receipt {
    order: Order,
    rate: u64,
    checked: bool,
}

/// Invokes a durable function and a plain one.
async fn sell(order: Order, ctx: DurableContext) -> Result<Receipt, BoxError> {
    let rate: u64 = ctx.invoke("rate", order.clone()).name("rate").await?;
    let checked: bool = ctx.invoke("check", order.id.clone()).name("check").await?;
    Ok(Receipt { order, rate, checked })
}

async fn check(id: String, ctx: DurableContext) -> Result<bool, BoxError> {
    ctx.wait(Duration::from_hours(24)).name("a-day").await?;
    Ok(id.starts_with("o-"))
}

#[tokio::test]
async fn registered_functions_run_where_they_are_invoked() {
    let mut runner = LocalDurableTestRunner::new(sell);
    runner
        .register_function("rate", |order: Order| order.cents / 10)
        .register_durable_function("check", check);
    let order = Order { id: "o-1".into(), cents: 70 };
    let result = runner.run(order.clone()).await.unwrap();
    assert_eq!(result.get_result().unwrap(), &Receipt { order, rate: 7, checked: true });
    assert_eq!(result.get_duration(), Duration::from_hours(24));
    let details = runner.get_operation("rate").unwrap().get_invoke_details::<u64>().unwrap();
    assert_eq!(details.result, Some(7));
    let lines = result.get_history_lines();
    for line in ["+0s ChainedInvokeStarted rate (rate)", "+0s ChainedInvokeStarted check (check)"] {
        assert!(lines.iter().any(|other| other == line), "{line}: {lines:#?}");
    }
}

/// Keeps ten results of 1 MiB.
async fn collects(_nothing: (), ctx: DurableContext) -> Result<usize, BoxError> {
    let mut sum = 0;
    for _ in 0..10 {
        sum += ctx.step(|_| async { Ok("x".repeat(1 << 20)) }).await?.len();
    }
    Ok(sum)
}

#[tokio::test]
async fn what_an_execution_and_the_host_may_keep_is_set() {
    let runner = || LocalDurableTestRunner::new(collects);
    for (runner, kind) in [
        (runner(), None),
        (runner().execution_bytes(5 << 20), Some("Execution.ByteLimitExceeded")),
        (runner().host_bytes(5 << 20), Some("Sandbox.HostByteLimitExceeded")),
    ] {
        let result = runner.run(()).await.unwrap();
        let error = result.get_error().ok().and_then(|error| error.error_type.as_deref());
        assert_eq!(error, kind);
    }
}

#[tokio::test]
async fn a_crashed_invocation_is_retried_as_often_as_is_set() {
    async fn crashes(_nothing: (), _: DurableContext) -> Result<(), BoxError> {
        panic!("each time")
    }
    for max_retries in [0, 4] {
        let retry = InvocationRetry { max_retries, first_delay_seconds: 10 };
        let result = LocalDurableTestRunner::new(crashes).invocation_retry(retry).run(()).await.unwrap();
        assert_eq!(result.get_status(), ExecutionStatus::Failed);
        assert_eq!(result.get_invocations().len(), 1 + max_retries as usize);
        assert_eq!(result.get_duration().is_zero(), max_retries == 0);
    }
}

#[tokio::test]
async fn invokes_are_answered_from_data_or_by_functions_that_fail() {
    let order = Order { id: "o-1".into(), cents: 70 };
    let runner = LocalDurableTestRunner::new(sell)
        .answer_invoke("rate", "2h", 9)
        .unwrap()
        .answer_invoke("check", "0s", false)
        .unwrap();
    let result = runner.run(order.clone()).await.unwrap();
    assert_eq!(result.get_result().unwrap(), &Receipt { order: order.clone(), rate: 9, checked: false });
    assert_eq!(result.get_duration(), Duration::from_hours(2));

    let sold_out = ErrorObject::new("SoldOut", "nothing is left");
    let runner = LocalDurableTestRunner::new(sell).answer_invoke_failure("rate", "1s", sold_out).unwrap();
    let error = runner.run(order.clone()).await.unwrap().get_result().unwrap_err();
    assert!(error.error_message.unwrap().contains("nothing is left"));

    let mut runner = LocalDurableTestRunner::new(sell);
    runner.register_fallible_function("rate", |order: Order| {
        Err::<u64, _>(TypedError::with_type("NoRate", format!("none for {}", order.id)))
    });
    let error = runner.run(order).await.unwrap().get_error().unwrap().clone();
    assert!(error.to_string().contains("none for o-1"), "{error}");
}

#[tokio::test]
async fn a_component_s_handler_invokes_what_the_test_registers() {
    let mut runner = handler("sequence");
    runner.register_function("price", |event: Value| json!({ "of": event }));
    let result = runner.run(json!([{"invoke": ["i", "price", "tea"]}])).await.unwrap();
    assert_eq!(value(&result), json!([{"of": "tea"}]));
}

#[tokio::test]
async fn a_function_that_is_missing_is_named() {
    let order = Order { id: "o-1".into(), cents: 70 };
    let error = LocalDurableTestRunner::new(sell).run(order).await.unwrap_err();
    assert!(matches!(&error, TestError::FunctionNotRegistered(name) if name == "rate"), "{error}");
    // A handler may handle the missing function; the invoke's error then names it.
    let result = handler("sequence").run(json!([{"invoke": ["i", "nobody", 1]}])).await.unwrap();
    assert!(result.get_operation("i").unwrap().error().unwrap().to_string().contains("\"nobody\""));
}

/// Handles the failure of the missing function, and fails for another reason.
async fn has_a_fallback((): (), ctx: DurableContext) -> Result<(), BoxError> {
    let rate = ctx.invoke::<u64, _>("rate", 1).name("rate").await.unwrap_or(10);
    Err(TypedError::with_type("TooExpensive", format!("{rate} is too much")).into())
}

#[tokio::test]
async fn a_failure_for_another_reason_is_a_result() {
    let result = LocalDurableTestRunner::new(has_a_fallback).run(()).await.unwrap();
    assert_eq!(result.get_error().unwrap().error_type.as_deref(), Some("TooExpensive"));
    // Names with a qualifier, and ARNs, refer to the same function.
    for name in ["rate:prod", "arn:aws:lambda:eu-west-1:123456789012:function:rate:7"] {
        let runner = LocalDurableTestRunner::new(has_a_fallback).answer_invoke(name, "0s", 4).unwrap();
        let result = runner.run(()).await.unwrap();
        assert!(result.get_error().unwrap().to_string().contains("4 is too much"));
    }
}

async fn fails(why: String, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.step(|_| async { Ok(1) }).name("before").await?;
    Err(TypedError::with_type("Declined", why).into())
}

#[tokio::test]
async fn a_failure_has_its_error_and_no_result() {
    let result = LocalDurableTestRunner::new(fails).run("no funds".to_owned()).await.unwrap();
    assert_eq!(result.get_status(), ExecutionStatus::Failed);
    assert!(result.get_execution_arn().contains(":function:fails:"), "{}", result.get_execution_arn());
    let error = result.get_error().unwrap();
    assert_eq!(
        (error.error_type.as_deref(), error.error_message.as_deref()),
        (Some("Declined"), Some("Declined: no funds"))
    );
    assert_eq!(result.get_result().unwrap_err(), *error);
    let as_test_error: TestError = result.get_result().unwrap_err().into();
    assert_eq!(as_test_error.to_string(), "the execution did not succeed: Declined: no funds");
    let succeeded = LocalDurableTestRunner::new(my_workflow).run("x".to_owned()).await.unwrap();
    assert!(succeeded.get_error().unwrap_err().contains("succeeded"));
}

#[tokio::test]
async fn results_of_another_type_are_said_to_be() {
    let runner: LocalDurableTestRunner<AnyPayload, u64> = handler("returns").typed();
    let result = runner.run(json!({"Ok": "text"})).await.unwrap();
    assert_eq!(result.get_result().unwrap_err().error_type.as_deref(), Some("ResultTypeMismatch"));
    assert_eq!(result.get_result_as::<String>().unwrap(), "text");
    assert!(matches!(result.get_result_as::<u64>(), Err(TestError::SerializationError { .. })));
    let result = runner.run(json!({"Ok": 7})).await.unwrap();
    assert_eq!(result.get_result(), Ok(&7));
}

fn order_of_work() -> Value {
    json!([
        {"step": ["reserve", 1]},
        {"fails": "charge"},
        {"wait": ["supplier", 259_200]},
        {"child": ["ship", [{"step": ["pack", 2]}]]},
    ])
}

async fn worked() -> TestResult {
    handler("sequence").run(order_of_work()).await.unwrap()
}

#[tokio::test]
async fn a_table_shows_the_columns_that_were_asked_for() {
    let result = worked().await;
    let table = result.get_table(PrintConfig::default());
    let expected = [
        " name      type               status     start   end     duration",
        " reserve   STEP               SUCCEEDED  +0s     +0s     0s",
        " charge    STEP               FAILED     +0s     +0s     0s",
        " supplier  WAIT               SUCCEEDED  +0s     +3days  3days",
        " ship      RunInChildContext  SUCCEEDED  +3days  +3days  0s",
        "   pack    STEP               SUCCEEDED  +3days  +3days  0s",
    ];
    let table: Vec<&str> = table.lines().collect();
    assert_eq!(table, expected);
    let only = PrintConfig {
        show_parent_id: true,
        show_type: false,
        show_status: false,
        show_start_time: false,
        show_end_time: false,
        show_duration: false,
        ..PrintConfig::default()
    };
    let table = result.get_table(only);
    let header = table.lines().next().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(header, ["name", "parent"]);
    let ship = result.get_operation("ship").unwrap().id.to_string();
    assert!(table.lines().last().unwrap().ends_with(&ship), "{table}");
    result.print();
    result.print_with_config(only);
    let long = handler("sequence").run(json!([{"step": ["n".repeat(200), 1]}])).await.unwrap();
    let table = long.get_table(PrintConfig::default());
    assert!(table.lines().all(|line| line.chars().count() <= 110), "{table}");
}

#[tokio::test]
async fn a_history_is_asserted_as_lines_and_a_difference_is_shown() {
    let result = worked().await;
    result.assert_history(
        "
        +0s ExecutionStarted
        +0s StepStarted reserve
        +0s StepSucceeded reserve (attempt 1)
        +0s StepStarted charge
        +0s StepFailed charge (attempt 1)
        +0s WaitStarted supplier (3days)
        +0s InvocationCompleted
        +3days WaitSucceeded supplier
        +3days ContextStarted ship
        +3days StepStarted pack
        +3days StepSucceeded pack (attempt 1)
        +3days ContextSucceeded ship
        +3days InvocationCompleted
        +3days ExecutionSucceeded
        ",
    );
    let wrong =
        result.get_history_lines().join("\n").replace("WaitStarted supplier (3days)", "WaitStarted x");
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| result.assert_history(&wrong)));
    let message = panic.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("- +0s WaitStarted x\n+ +0s WaitStarted supplier (3days)\n"), "{message}");
}

#[tokio::test]
async fn a_snapshot_of_a_history_is_stable() {
    let runner = handler("sequence").seed(None).answer("approval", "1h", "yes").unwrap();
    let event = json!([{"callback": ["approval", 7200]}, {"fails": "f"}, {"invoke": ["i", "greet", "Ada"]}]);
    let result = runner.run(event).await.unwrap();
    insta::assert_json_snapshot!(result.get_normalized_history());
}

#[tokio::test]
async fn details_tell_what_happened() {
    let runner = handler("workflow");
    let result = runner.run(json!([{"step": {"fails": 2, "once": false}}])).await.unwrap();
    let step = runner.get_operation_by_index(0).unwrap();
    let StepDetails { attempt, next_attempt_timestamp, result: found, error }: StepDetails =
        step.get_step_details().unwrap();
    assert_eq!((attempt, next_attempt_timestamp), (Some(3), None));
    assert!(found.is_some() && error.is_none(), "{found:?} {error:?}");
    assert_eq!(step.get_type(), OperationType::Step);
    assert_eq!(step.get_status(), OperationStatus::Succeeded);
    assert_eq!(
        step.get_end_timestamp().unwrap() - step.get_start_timestamp().unwrap(),
        chrono::TimeDelta::seconds(4)
    );
    let mismatch = step.get_wait_details().unwrap_err();
    assert_eq!(mismatch.to_string(), "the operation is a STEP, not a WAIT");
    let invocations = result.get_invocations();
    assert_eq!(invocations.len(), 3);
    assert!(
        invocations.iter().all(|invocation| invocation.error.is_none() && invocation.request_id.is_some())
    );
    assert!(invocations[1].start_timestamp >= invocations[0].end_timestamp);
    let parent = {
        let runner = handler("sequence");
        let result = runner.run(order_of_work()).await.unwrap();
        assert_eq!(runner.get_operation("ship").unwrap().get_sub_type(), Some("RunInChildContext"));
        let ship = result.get_operation("ship").unwrap().id.clone();
        (result.get_operation("pack").unwrap().parent_id.clone(), ship)
    };
    assert_eq!(parent.0, Some(parent.1));
    assert_eq!(history(&result).len(), result.get_history_events().len());
}

/// Invokes a function, and returns the status and the text of its error.
async fn why((): (), ctx: DurableContext) -> Result<(Option<String>, String), BoxError> {
    let error = ctx.invoke::<u64, _>("rate", 1).name("rate").await.unwrap_err();
    Ok((error.status().map(str::to_owned), error.to_string()))
}

#[tokio::test]
async fn a_stand_in_times_out_fails_or_is_stopped_at_its_time() {
    let error = || ErrorObject::new("Halted", "the operator halted it");
    let runner = || LocalDurableTestRunner::new(why);
    for (runner, status, named, text) in [
        (runner().answer_invoke_timeout("rate", "3m"), OperationStatus::TimedOut, "TIMED_OUT", "longer than"),
        (
            runner().answer_invoke_stopped("rate", "3m", error()),
            OperationStatus::Stopped,
            "STOPPED",
            "halted",
        ),
        (runner().answer_invoke_failure("rate", "3m", error()), OperationStatus::Failed, "FAILED", "halted"),
    ] {
        let runner = runner.unwrap();
        let result = runner.run(()).await.unwrap();
        assert_eq!(result.get_operation("rate").unwrap().status, status);
        assert_eq!(result.get_duration(), Duration::from_mins(3));
        let (seen, message) = result.get_result().unwrap();
        assert_eq!(seen.as_deref(), Some(named));
        assert!(message.contains(text), "{message}");
        let details = runner.get_operation("rate").unwrap().get_invoke_details::<u64>().unwrap();
        assert_eq!((details.result, details.error.is_some()), (None, true));
    }
    let wrong = runner().answer_invoke_timeout("rate", "soon");
    assert!(matches!(wrong, Err(TestError::Duration(_))));
}

/// Invokes one of the test component's functions.
async fn adds_up((): (), ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke("sequence", json!([{"step": ["a", 1]}, {"wait": ["w", 60]}])).await?)
}

#[tokio::test]
async fn a_native_handler_invokes_a_component_s_functions() {
    let component = LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
    let mut runner = LocalDurableTestRunner::new(adds_up);
    runner.register_component(component).unwrap();
    let result = runner.run(()).await.unwrap();
    assert_eq!((result.get_result().unwrap(), result.get_duration().as_secs()), (&json!([1, 60]), 60));
    assert!(runner.register_component("/nowhere.wasm").is_err());
}

/// A payload that can be serialized so many times, and then no more.
struct Worn(Arc<AtomicUsize>);

impl Serialize for Worn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| serde::ser::Error::custom("it is worn out"))?;
        serializer.serialize_u64(1)
    }
}

/// A payload's type can be read as well, for a function that takes it. Nothing does here.
impl<'de> Deserialize<'de> for Worn {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it is only written"))
    }
}

/// An invoke on record was started with its payload, which is not needed again.
#[tokio::test]
async fn an_invoke_on_record_does_not_need_its_payload() {
    for (times, expected) in [(1, Ok(7)), (0, Err(()))] {
        let left = Arc::new(AtomicUsize::new(times));
        let sells = move |(): (), ctx: DurableContext| {
            let payload = Worn(left.clone());
            async move { Ok::<u64, BoxError>(ctx.invoke("rate", payload).name("rate").await?) }
        };
        let runner = LocalDurableTestRunner::new(sells).disturb(Disturbance::ReplayAtEveryCheckpoint);
        let result = runner.answer_invoke("rate", "1m", 7).unwrap().run(()).await.unwrap();
        assert_eq!(result.get_result().copied().map_err(drop), expected, "{:?}", result.get_error());
        // A closure has no name.
        assert!(result.get_execution_arn().contains(":function:handler:"), "{}", result.get_execution_arn());
    }
}
