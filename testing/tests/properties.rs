//! The 22 correctness properties of the testing library, each over at least 100 random cases.
//!
//! Random sequences of operations are run by one handler, `sequence`, in the sandbox.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::common::{handler, random_cases};
use durawasm_core::{
    protocol::{
        CallbackOptions, DurableServiceClient, EventDetails, InvocationResult, Operation, OperationAction,
        OperationId, OperationUpdate, Timestamp,
    },
    server::{Answer, Next, StartExecution},
};
use durawasm_guest::{BoxError, DurableContext};
use durawasm_testing::{
    ContextDetails, ErrorObject, EventType, ExecutionStatus, InvokeDetails, LocalDurableTestRunner,
    MockDurableServiceClient, OperationStatus, OperationType, QueueScheduler, Scheduler, StepDetails,
    TestError, TestResult,
    WaitingOperationStatus::{Completed, Started, Submitted},
    checkpoint_server::{
        CheckpointWorkerManager, CompleteCallbackStatus, ExecutionManager, GetExecution, SendCallback,
        StartDurableExecution, StartInvocation,
    },
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};
use serde_json::{Value, json};

const CASES: u32 = 100;

/// The answer to every callback and invoke of a sequence, a minute later.
const ANSWER: &str = "yes";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

fn runner() -> LocalDurableTestRunner {
    let mut runner = handler("sequence");
    for _ in 0..12 {
        runner = runner.answer("*", "60s", ANSWER).unwrap();
    }
    runner
}

fn run(acts: &[Value]) -> TestResult {
    block_on(runner().run(acts)).unwrap()
}

/// Few names, so that some occur twice.
fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

fn act() -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        3 => (name(), any::<u16>()).prop_map(|(name, value)| json!({ "step": [name, value] })),
        1 => name().prop_map(|name| json!({ "fails": name })),
        2 => (name(), 1..100_000_u32).prop_map(|(name, seconds)| json!({ "wait": [name, seconds] })),
        1 => (name(), select(vec![0, 30, 3600])).prop_map(|(name, limit)| json!({ "callback": [name, limit] })),
        1 => name().prop_map(|name| json!({ "wait_for_callback": name })),
        1 => name().prop_map(|name| json!({ "invoke": [name, "plain", 1] })),
    ];
    let inside = simple.clone().boxed();
    prop_oneof![
        6 => simple,
        1 => (name(), vec(inside, 0..4)).prop_map(|(name, acts)| json!({ "child": [name, acts] })),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Value>> {
    vec(act(), 1..7)
}

/// The operations that a sequence starts, in order: type and name.
fn expected(acts: &[Value]) -> Vec<(OperationType, Option<String>)> {
    let mut all = Vec::new();
    for act in acts {
        let (kind, of) = act.as_object().unwrap().iter().next().unwrap();
        let name = of.as_str().or_else(|| of[0].as_str()).map(str::to_owned);
        match kind.as_str() {
            "step" | "fails" => all.push((OperationType::Step, name)),
            "wait" => all.push((OperationType::Wait, name)),
            "callback" => all.push((OperationType::Callback, name)),
            "invoke" => all.push((OperationType::ChainedInvoke, name)),
            "wait_for_callback" => {
                all.push((OperationType::Context, name));
                all.push((OperationType::Callback, None));
                all.push((OperationType::Step, None));
            }
            "child" => {
                all.push((OperationType::Context, name));
                all.extend(expected(of[1].as_array().unwrap()));
            }
            other => panic!("{other}"),
        }
    }
    all
}

fn started(operations: &[Operation]) -> Vec<(OperationType, Option<String>)> {
    operations.iter().map(|o| (o.kind, o.name.as_deref().map(str::to_owned))).collect()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 64, ..random_cases(CASES) })]

    /// Property 1: Execution Status Consistency.
    #[test]
    fn p01_what_the_handler_returns_is_the_status(what in prop::result::maybe_ok(json_value(), ".+")) {
        let result = block_on(handler("returns").run(&what)).unwrap();
        let expected = if what.is_ok() { ExecutionStatus::Succeeded } else { ExecutionStatus::Failed };
        prop_assert_eq!(result.get_status(), expected);
        prop_assert_eq!(result.get_error().is_ok(), what.is_err());
    }

    /// Property 2: Operation Capture Completeness.
    #[test]
    fn p02_all_operations_are_there_in_their_order(acts in acts()) {
        prop_assert_eq!(started(run(&acts).get_operations()), expected(&acts));
    }

    /// Property 3: Reset Clears State.
    #[test]
    fn p03_a_reset_runner_knows_nothing_and_runs_the_same_again(acts in acts()) {
        let mut runner = runner();
        let first = block_on(runner.run(&acts)).unwrap();
        prop_assert_eq!(runner.get_operations().len(), first.get_operations().len());
        runner.reset();
        prop_assert!(runner.get_operations().is_empty() && runner.get_operation_by_index(0).is_none());
        let second = block_on(runner.run(&acts)).unwrap();
        prop_assert_eq!(second.get_history_events(), first.get_history_events());
    }

    /// Property 4: Time Skipping Acceleration.
    #[test]
    fn p04_a_wait_takes_less_than_it_says(seconds in 5..=31_622_400_u64) {
        let runner = runner();
        let started = Instant::now();
        let result = block_on(runner.run([json!({ "wait": ["w", seconds] })])).unwrap();
        prop_assert!(started.elapsed() < Duration::from_secs(5), "the shortest of these waits");
        prop_assert_eq!(result.get_duration(), Duration::from_secs(seconds));
    }

    /// Property 5: Result Retrieval Consistency.
    #[test]
    fn p05_the_result_is_what_was_returned(what in prop::result::maybe_ok(json_value(), ".+")) {
        let result = block_on(handler("returns").run(&what)).unwrap();
        match &what {
            Ok(value) => prop_assert_eq!(result.get_result(), Ok(value)),
            Err(message) => {
                prop_assert_eq!(result.get_result().unwrap_err().error_message, Some(message.clone()));
                prop_assert!(matches!(result.get_result_as::<Value>(), Err(TestError::ExecutionFailed(_))));
            }
        }
    }

    /// Property 6: Operation Filtering Correctness.
    #[test]
    fn p06_a_filter_gives_those_of_that_status_and_no_others(acts in acts()) {
        use OperationStatus::*;
        let result = run(&acts);
        let mut found = 0;
        for status in [Started, Pending, Ready, Succeeded, Failed, Cancelled, TimedOut, Stopped] {
            let of_it = result.get_operations_by_status(status);
            prop_assert!(of_it.iter().all(|operation| operation.status == status));
            found += of_it.len();
        }
        prop_assert_eq!(found, result.get_operations().len());
    }

    /// Property 7: Operation Lookup Consistency.
    #[test]
    fn p07_all_ways_to_an_operation_lead_to_the_same(acts in acts()) {
        let runner = runner();
        let result = block_on(runner.run(&acts)).unwrap();
        let operations = result.get_operations();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, operation) in operations.iter().enumerate() {
            let id = operation.id.as_str();
            let (by_index, by_id) = (runner.get_operation_by_index(index), runner.get_operation_by_id(id));
            prop_assert_eq!(by_index.unwrap().get_operation_data().clone(), operation.clone());
            prop_assert_eq!(by_id.unwrap().get_operation_data().clone(), operation.clone());
            let Some(name) = operation.name.as_deref() else { continue };
            let nth = seen.entry(name).or_default();
            let by_name = runner.get_operation_by_name_and_index(name, *nth).unwrap();
            prop_assert_eq!(by_name.get_operation_data(), operation);
            if *nth == 0 {
                prop_assert_eq!(runner.get_operation(name).unwrap().get_id().to_owned(), id);
                prop_assert_eq!(result.get_operation(name), Some(operation));
            }
            *nth += 1;
        }
        prop_assert!(runner.get_operation_by_index(operations.len()).is_none());
        prop_assert!(runner.get_operation("nothing").is_none() && runner.get_operation_by_id("0").is_none());
        for (name, count) in seen {
            prop_assert!(runner.get_operation_by_name_and_index(name, count).is_none());
        }
    }

    /// Property 8: Type-Specific Details Availability.
    #[test]
    fn p08_details_are_those_of_the_type_alone(acts in acts()) {
        let runner = runner();
        block_on(runner.run(&acts)).unwrap();
        for operation in runner.get_operations() {
            let kind = operation.get_type();
            let step = operation.get_step_details::<Value>();
            let wait = operation.get_wait_details();
            let callback = operation.get_callback_details::<Value>();
            let invoke: Result<InvokeDetails, _> = operation.get_invoke_details();
            let context: Result<ContextDetails, _> = operation.get_context_details();
            prop_assert_eq!(step.is_ok(), kind == OperationType::Step);
            prop_assert_eq!(wait.is_ok(), kind == OperationType::Wait);
            prop_assert_eq!(invoke.is_ok(), kind == OperationType::ChainedInvoke);
            prop_assert_eq!(context.is_ok(), kind == OperationType::Context);
            // A wait-for-callback has the details of its callback too.
            prop_assert_eq!(callback.is_ok(), operation.is_callback());
            prop_assert!(operation.is_callback() || kind != OperationType::Callback);
            if let Err(error) = &step {
                let mismatch = matches!(error, TestError::OperationTypeMismatch {
                    expected: OperationType::Step, found } if *found == kind);
                prop_assert!(mismatch, "{}", error);
            }
            if let Ok(StepDetails { attempt, result, error, .. }) = step {
                prop_assert_eq!((attempt, result.is_some()), (Some(1), error.is_none()));
            }
            if let Ok(wait) = wait {
                let took = operation.get_end_timestamp().unwrap() - operation.get_start_timestamp().unwrap();
                prop_assert_eq!(wait.wait_seconds, took.num_seconds().try_into().ok());
                prop_assert_eq!(wait.scheduled_end_timestamp, operation.get_end_timestamp());
            }
        }
    }

    /// Property 9: Callback Method Type Safety.
    #[test]
    fn p09_callbacks_alone_take_answers(acts in acts(), fail in any::<bool>()) {
        let runner = handler("sequence");
        let operations = expected(&acts);
        let callbacks = operations.iter().filter(|(kind, _)| *kind == OperationType::Callback).count();
        // One handle per callback, by position.
        let places = operations.iter().enumerate();
        let handles: Vec<_> = places
            .filter(|(_, (kind, _))| *kind == OperationType::Callback)
            .map(|(place, _)| runner.operation_by_index(place))
            .collect();
        let answer = async {
            let mut answered = 0;
            for handle in handles {
                let callback = handle.wait_for_data(Submitted).await?;
                callback.send_callback_heartbeat().await?;
                if fail {
                    callback.send_callback_failure(&ErrorObject::new("No", "no")).await?;
                } else {
                    callback.send_callback_success("1").await?;
                }
                answered += 1;
            }
            Ok::<_, TestError>(answered)
        };
        let (result, answered) = block_on(async { tokio::join!(runner.run(&acts), answer) });
        result.unwrap();
        prop_assert_eq!(answered.unwrap(), callbacks);
        for operation in runner.get_operations().iter().filter(|operation| !operation.is_callback()) {
            let refused = block_on(async {
                [
                    operation.send_callback_success("1").await,
                    operation.send_callback_failure(&ErrorObject::default()).await,
                    operation.send_callback_heartbeat().await,
                ]
            });
            prop_assert!(refused.iter().all(|r| matches!(r, Err(TestError::NotCallbackOperation))));
        }
    }

    /// Property 10: Function Registration Retrieval.
    #[test]
    fn p10_what_is_registered_runs_where_it_is_invoked(names in vec("[a-z][a-z0-9_-]{0,20}", 1..5), durable in any::<bool>()) {
        let mut runner = handler("sequence");
        for (n, name) in names.iter().enumerate() {
            if durable {
                runner.register_durable_function(name, move |event: u64, ctx: DurableContext| async move {
                    ctx.wait(Duration::from_mins(1)).await?;
                    Ok::<_, BoxError>((n as u64, event))
                });
            } else {
                runner.register_function(name, move |event: u64| (n as u64, event));
            }
        }
        let acts: Vec<Value> = names.iter().map(|name| json!({ "invoke": ["i", name, 7] })).collect();
        let result = block_on(runner.run(&acts)).unwrap();
        // Of several functions with one name, the last registration takes precedence.
        let last = |name: &String| names.iter().rposition(|other| other == name).unwrap() as u64;
        let expected: Vec<Value> = names.iter().map(|name| json!([last(name), 7])).collect();
        prop_assert_eq!(result.get_result().unwrap(), &Value::from(expected));
        let per_call = if durable { 60 } else { 0 };
        prop_assert_eq!(result.get_duration().as_secs(), per_call * names.len() as u64);
    }

    /// Property 11: Checkpoint Server Thread Lifecycle.
    #[test]
    fn p11_a_server_answers_from_its_setup_to_its_teardown(steps in vec(any::<bool>(), 1..6)) {
        block_on(async {
            let manager = CheckpointWorkerManager::new(None);
            for up in steps {
                if up { manager.setup().await.unwrap() } else { manager.teardown().await.unwrap() }
                let start = StartDurableExecution(StartExecution::new("f", None));
                let answered = manager.send_api_request(start).await;
                prop_assert_eq!(manager.is_set_up(), up);
                prop_assert_eq!(answered.is_ok(), up);
                prop_assert!(up || matches!(answered, Err(TestError::CheckpointCommunicationError(_))));
            }
            Ok(())
        })?;
    }

    /// Property 12: Execution State Consistency.
    #[test]
    fn p12_the_state_is_what_the_checkpoints_said(batches in vec(vec((0..6_u8, any::<bool>()), 1..5), 1..12)) {
        let mut server = manager();
        let (arn, mut token) = server.begin();
        let first = token.clone();
        // The model: the status of each step; absent before its start.
        let mut model: BTreeMap<OperationId, OperationStatus> = BTreeMap::new();
        for batch in batches {
            let mut next = model.clone();
            let mut legal = true;
            let mut touched: Vec<u8> = Vec::new();
            let updates: Vec<OperationUpdate> = batch
                .iter()
                .map(|(step, succeed)| {
                    let id = OperationId::from(format!("s{step}").as_str());
                    let known = next.get(&id).copied();
                    let action = if *succeed { OperationAction::Succeed } else { OperationAction::Start };
                    legal &= match (known, action) {
                        (None, OperationAction::Start) => !touched.contains(step),
                        (Some(OperationStatus::Started), OperationAction::Succeed) => true,
                        _ => false,
                    };
                    touched.push(*step);
                    let status = if *succeed { OperationStatus::Succeeded } else { OperationStatus::Started };
                    next.insert(id.clone(), status);
                    OperationUpdate::new(id, OperationType::Step, action)
                })
                .collect();
            match server.0.checkpoint(server.1, &arn, &token, updates) {
                Ok(answer) => {
                    prop_assert!(legal);
                    token = answer.checkpoint_token;
                    model = next;
                }
                Err(_) => prop_assert!(!legal),
            }
            let state = server.0.get_checkpoints_by_execution(&arn).unwrap();
            for (id, status) in &model {
                prop_assert_eq!(state.get_operation_data(id).unwrap().status, *status);
            }
            prop_assert_eq!(state.get_all_operation_data().count(), model.len() + 1);
            prop_assert_eq!(state.get_state().len(), model.len() + 1);
        }
        prop_assert!(server.0.get_checkpoints_by_token(&token).is_some());
        prop_assert!(server.0.get_checkpoints_by_token(&first).is_some(), "it says which execution it was for");
        prop_assert!(server.0.get_checkpoints_by_token(&"none".into()).is_none());
        let stale = token != first && server.0.checkpoint(server.1, &arn, &first, Vec::new()).is_ok();
        prop_assert!(!stale, "a token works once");
    }

    /// Property 13: Callback Lifecycle Correctness.
    #[test]
    fn p13_a_callback_ends_once(
        answers in vec((0..3_u8, 0..50_u64), 1..8),
        timeout in 0..100_u64,
        heartbeat in 0..30_u64,
    ) {
        let mut server = manager();
        let (arn, token) = server.begin();
        let options = CallbackOptions {
            timeout_seconds: Some(timeout).filter(|s| *s > 0),
            heartbeat_timeout_seconds: Some(heartbeat).filter(|s| *s > 0),
        };
        let mut update = OperationUpdate::new("c".into(), OperationType::Callback, OperationAction::Start);
        update.callback_options = Some(options);
        let answer = server.0.checkpoint(server.1, &arn, &token, vec![update]).unwrap();
        let id = answer.operations[0].callback_details.clone().unwrap().callback_id.unwrap();
        // The model: how the callback ended, its timeout, and its heartbeat timeout.
        let mut ended: Option<CompleteCallbackStatus> = None;
        let (mut now, mut last) = (0, 0);
        let mut accepted = 0;
        for (kind, after) in answers {
            now += after;
            let late = |limit: u64, since: u64| limit > 0 && now >= since + limit;
            if ended.is_none() && (late(timeout, 0) || late(heartbeat, last)) {
                ended = Some(CompleteCallbackStatus::TimedOut);
            }
            let answer = match kind {
                0 => Answer::Success(Some("1".into())),
                1 => Answer::Failure(ErrorObject::new("No", "no")),
                _ => Answer::Heartbeat,
            };
            let done = server.0.complete_callback(server.1.plus_seconds(now), &id, answer);
            prop_assert_eq!(done.is_ok(), ended.is_none());
            if done.is_ok() {
                match kind {
                    0 => ended = Some(CompleteCallbackStatus::Success),
                    1 => ended = Some(CompleteCallbackStatus::Failure),
                    _ => last = now,
                }
                accepted += u32::from(kind < 2);
            }
            let state = server.0.get_checkpoints_by_execution(&arn).unwrap();
            prop_assert_eq!(state.get_callback_status(&id), ended);
            prop_assert_eq!(state.callbacks().open_count(), usize::from(ended.is_none()));
        }
        prop_assert!(accepted <= 1);
        let events = server.0.get_checkpoints_by_execution(&arn).unwrap().events().get_events();
        let ends = events.iter().filter(|event| event.event_type != EventType::CallbackStarted).skip(1).count();
        prop_assert_eq!(ends, usize::from(ended.is_some()));
    }

    /// Property 14: History Event Generation.
    #[test]
    fn p14_each_change_has_its_event(acts in acts()) {
        let result = run(&acts);
        let events = result.get_history_events();
        let ids: Vec<u64> = events.iter().map(|event| event.event_id).collect();
        prop_assert_eq!(ids, (1..=events.len() as u64).collect::<Vec<_>>());
        prop_assert!(events.is_sorted_by_key(|event| event.event_timestamp));
        prop_assert_eq!(events[0].event_type, EventType::ExecutionStarted);
        prop_assert_eq!(events[events.len() - 1].event_type, EventType::ExecutionSucceeded);
        for operation in result.get_operations() {
            let of_it: Vec<_> = events.iter().filter(|event| event.id.as_ref() == Some(&operation.id)).collect();
            prop_assert_eq!(of_it.len(), 2, "one for its start and one for its end");
            prop_assert_eq!(of_it[0].event_timestamp, operation.start_timestamp);
            prop_assert_eq!(Some(of_it[1].event_timestamp), operation.end_timestamp);
            prop_assert!(of_it.iter().all(|e| e.name == operation.name && e.parent_id == operation.parent_id));
            let (start, end) = (format!("{:?}", of_it[0].event_type), format!("{:?}", of_it[1].event_type));
            prop_assert!(start.ends_with("Started"));
            let ending = format!("{:?}", operation.status);
            prop_assert!(end.ends_with(&ending), "{} {}", end, ending);
        }
        let invocations = events.iter().filter_map(|event| match &event.details {
            EventDetails::InvocationCompleted(details) => Some(details.request_id.to_string()),
            _ => None,
        });
        let expected = result.get_invocations().iter().map(|i| i.request_id.clone().unwrap());
        prop_assert_eq!(invocations.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    /// Property 15: Thread Communication Reliability.
    #[test]
    fn p15_every_request_has_its_answer(requests in vec(0..3_u8, 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let manager = Arc::new(CheckpointWorkerManager::new(None));
            manager.setup().await.unwrap();
            let tasks: Vec<_> = requests
                .into_iter()
                .enumerate()
                .map(|(n, kind)| {
                    let manager = manager.clone();
                    tokio::spawn(async move {
                        let start = StartExecution::new(format!("f{n}"), Some(n.to_string()));
                        let arn = manager.send_api_request(StartDurableExecution(start)).await.unwrap();
                        match kind {
                            0 => {}
                            1 => {
                                let started = manager.send_api_request(StartInvocation(arn.clone())).await;
                                assert_eq!(started.unwrap().input.durable_execution_arn, arn);
                            }
                            _ => {
                                let callback = SendCallback {
                                    callback_id: "none".into(),
                                    answer: Answer::Heartbeat,
                                };
                                let refused = manager.send_api_request(callback).await;
                                assert!(matches!(refused, Err(TestError::CallbackNotFound(_))));
                            }
                        }
                        let view = manager.send_api_request(GetExecution(arn.clone())).await.unwrap();
                        (view.arn == arn, view.input.unwrap().to_string() == n.to_string(), arn.to_string())
                    })
                })
                .collect();
            let mut arns = std::collections::BTreeSet::new();
            let count = tasks.len();
            for task in tasks {
                let (same, own, arn) = task.await.unwrap();
                prop_assert!(same && own);
                arns.insert(arn);
            }
            prop_assert_eq!(arns.len(), count);
            Ok(())
        })?;
    }

    /// Property 16: Mock Client Response Order.
    #[test]
    fn p16_a_mock_answers_in_the_order_of_its_script(tokens in vec("[a-z]{1,8}", 0..12)) {
        let mut mock = MockDurableServiceClient::new();
        for token in &tokens {
            mock = mock.with_checkpoint_response_with_operations(token, Vec::new());
        }
        for token in &tokens {
            let answer = block_on(mock.checkpoint(&"arn".into(), &"t".into(), Vec::new()));
            prop_assert_eq!(answer.unwrap().checkpoint_token.to_string(), token.clone());
        }
        prop_assert!(block_on(mock.checkpoint(&"arn".into(), &"t".into(), Vec::new())).is_err());
    }

    /// Property 17: Mock Client Call Recording.
    #[test]
    fn p17_a_mock_records_calls_in_their_order(calls in vec(("[a-z]{1,8}", 0..4_usize), 0..12)) {
        let mock = MockDurableServiceClient::new().with_checkpoint_responses(calls.len() / 2);
        for (token, count) in &calls {
            let update = |n: usize| {
                OperationUpdate::new(format!("{n}").as_str().into(), OperationType::Step, OperationAction::Start)
            };
            let updates = (0..*count).map(update).collect();
            drop(block_on(mock.checkpoint(&"arn".into(), &token.as_str().into(), updates)));
        }
        let recorded: Vec<_> = mock
            .get_checkpoint_calls()
            .into_iter()
            .map(|call| (call.checkpoint_token, call.operations.len()))
            .collect();
        prop_assert_eq!(recorded, calls);
        mock.clear_checkpoint_calls();
        prop_assert!(mock.get_checkpoint_calls().is_empty());
    }

    /// Property 18: Async Wait Resolution.
    #[test]
    fn p18_a_wait_for_an_operation_ends(acts in acts(), index in 0..12_usize, status in 0..2_u8) {
        let runner = runner();
        let handle = runner.operation_by_index(index);
        let status = if status == 0 { Started } else { Completed };
        // The handle is dropped after the wait; its callback may then time out.
        let wait = async move {
            let found = handle.wait_for_data(status).await?;
            Ok((found.get_id().to_owned(), found.get_status()))
        };
        let (result, waited) = block_on(async { tokio::join!(runner.run(&acts), wait) });
        let result = result.unwrap();
        match (result.get_operations().get(index), waited) {
            (Some(operation), Ok(found)) => {
                prop_assert_eq!(found.0, operation.id.as_str());
                prop_assert!(status == Started || found.1.is_terminal());
            }
            (None, Err(TestError::ExecutionCompletedEarly(_, of))) => prop_assert_eq!(of, status),
            (operation, waited) => prop_assert!(false, "{:?} {:?}", operation, waited),
        }
    }

    /// Property 19: Wait Operation Completion.
    #[test]
    fn p19_waits_end_when_they_say_and_the_handler_goes_on(waits in vec(1..1_000_000_u64, 1..8)) {
        let acts: Vec<Value> = waits.iter().map(|seconds| json!({ "wait": ["w", seconds] })).collect();
        let result = run(&acts);
        prop_assert_eq!(result.get_invocations().len(), waits.len() + 1);
        for (operation, seconds) in result.get_operations().iter().zip(&waits) {
            prop_assert_eq!(operation.status, OperationStatus::Succeeded);
            let end = operation.start_timestamp.plus_seconds(*seconds);
            prop_assert_eq!(operation.end_timestamp, Some(end));
        }
        prop_assert_eq!(result.get_duration().as_secs(), waits.iter().sum::<u64>());
    }

    /// Property 20: Execution Lifecycle Orchestration.
    #[test]
    fn p20_an_execution_is_invoked_until_it_is_over(acts in acts()) {
        let result = run(&acts);
        prop_assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
        // One invocation for each event from outside of the handler, and the first invocation.
        let outside = result.get_history_events().iter().filter(|event| {
            use EventType::*;
            matches!(
                event.event_type,
                WaitSucceeded | CallbackSucceeded | CallbackTimedOut | ChainedInvokeSucceeded
            )
        });
        prop_assert_eq!(result.get_invocations().len(), outside.count() + 1);
    }

    /// Property 21: Scheduler FIFO Order.
    #[test]
    fn p21_a_queue_goes_by_the_order_of_scheduling(timestamps in vec(prop::option::of(0..1_000_000_i64), 0..20)) {
        block_on(async {
            let mut scheduler = QueueScheduler::new();
            let order = Arc::new(Mutex::new(Vec::new()));
            for (n, timestamp) in timestamps.iter().enumerate() {
                let (updates, starts) = (order.clone(), order.clone());
                scheduler.schedule_function(
                    Box::new(move || {
                        Box::pin(async move {
                            tokio::task::yield_now().await;
                            starts.lock().unwrap().push((n, "start"));
                        })
                    }),
                    Box::new(|error| panic!("{error}")),
                    timestamp.map(Timestamp::from_millis),
                    Some(Box::new(move || {
                        Box::pin(async move {
                            tokio::task::yield_now().await;
                            updates.lock().unwrap().push((n, "update"));
                            Ok(())
                        })
                    })),
                );
                prop_assert!(scheduler.has_scheduled_function());
            }
            scheduler.wait_for_completion().await;
            prop_assert!(!scheduler.has_scheduled_function());
            let expected: Vec<_> =
                (0..timestamps.len()).flat_map(|n| [(n, "update"), (n, "start")]).collect();
            prop_assert_eq!(&*order.lock().unwrap(), &expected);
            Ok(())
        })?;
    }

    /// Property 22: Checkpoint Polling Continuity.
    #[test]
    fn p22_whatever_happens_outside_is_noticed_until_the_end(acts in acts(), delays in vec(0..200_u64, 12)) {
        // Answers arrive at arbitrary times, some of them too late: none is lost, and the execution ends.
        let mut runner = handler("sequence");
        for delay in delays {
            runner = runner.answer("*", &format!("{delay}s"), ANSWER).unwrap();
        }
        let result = block_on(runner.run(&acts)).unwrap();
        prop_assert_eq!(result.get_status(), ExecutionStatus::Succeeded);
        prop_assert!(result.get_operations().iter().all(|operation| operation.status.is_terminal()));
        let last = result.get_history_events().last().unwrap();
        prop_assert_eq!(last.event_type, EventType::ExecutionSucceeded);
    }
}

/// A server without a thread, at the start of its time.
struct Server(ExecutionManager, Timestamp);

fn manager() -> Server {
    let entropy = Arc::new(durawasm_core::ambient::SeededEntropy::new(1));
    let now = Timestamp::from_millis(0);
    Server(ExecutionManager::new(entropy, durawasm_core::protocol::Limits::default()), now)
}

impl Server {
    /// Starts an execution and its first invocation.
    fn begin(&mut self) -> (durawasm_core::protocol::ExecutionArn, durawasm_core::protocol::CheckpointToken) {
        let arn = self.0.start_execution(self.1, StartExecution::new("f", None)).unwrap();
        let started = self.0.start_invocation(self.1, &arn).unwrap();
        (arn, started.input.checkpoint_token)
    }
}

#[test]
fn an_invocation_tracks_its_times_and_what_its_handler_has_not_heard_of() {
    let mut server = manager();
    let (arn, token) = server.begin();
    let start = OperationUpdate::new("s".into(), OperationType::Step, OperationAction::Start);
    server.0.checkpoint(server.1, &arn, &token, vec![start]).unwrap();
    assert!(!server.0.get_checkpoints_by_execution(&arn).unwrap().has_dirty_operations());
    let view = server.0.view(server.1, &arn).unwrap();
    let output = durawasm_core::protocol::InvocationOutput::succeeded(Some("1".into()));
    let later = server.1.plus_seconds(3);
    let request = view.invocations[0].request_id.clone();
    let next = server.0.complete_invocation(later, &arn, &request, InvocationResult::Output(output)).unwrap();
    assert_eq!(next, Next::Closed);
    let state = server.0.get_checkpoints_by_execution(&arn).unwrap();
    assert!(state.is_execution_completed());
    let view = server.0.view(later, &arn).unwrap();
    assert_eq!((view.invocations[0].start, view.invocations[0].end), (server.1, Some(later)));
}
