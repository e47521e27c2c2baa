//! `GetDurableExecution`, `GetDurableExecutionHistory` and `ListDurableExecutionsByFunction`.

use aws_sdk_lambda::{
    primitives::{Blob, DateTime},
    types::{EventType, ExecutionStatus},
};
use durawasm_testing::{CloudDurableTestRunner, CloudTestRunnerConfig};
use serde_json::{Value, json};

use super::{Served, path, refused};

const NOBODY: &str = "arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST/durable-execution/n/0";

#[tokio::test]
async fn an_execution_with_and_without_its_data() {
    let served = Served::start().await;
    let arn = served.started("greet", &json!("Ada")).await;
    served.until(&arn, "SUCCEEDED").await;
    let get = |data: bool| {
        let get = served.client().get_durable_execution().durable_execution_arn(&arn);
        get.include_execution_data(data).send()
    };
    let whole = get(true).await.unwrap();
    let view = served.api.server().view(&arn.as_str().into()).await.unwrap();
    assert_eq!(whole.durable_execution_arn, arn);
    assert_eq!(whole.durable_execution_name, arn.split('/').nth(2).unwrap());
    assert_eq!(whole.function_arn, "arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST");
    assert_eq!((whole.version(), whole.status()), (Some("$LATEST"), &ExecutionStatus::Succeeded));
    assert_eq!((whole.input_payload(), whole.result()), (Some("\"Ada\""), Some("\"Hello, Ada\"")));
    assert_eq!(whole.start_timestamp, DateTime::from_millis(view.start.as_millis()));
    assert_eq!(whole.end_timestamp, view.end.map(|end| DateTime::from_millis(end.as_millis())));
    let bare = get(false).await.unwrap();
    assert_eq!((bare.input_payload(), bare.result(), bare.status()), (None, None, whole.status()));
    let failed = served.started("typed_failure", &json!(7)).await;
    served.until(&failed, "FAILED").await;
    let failed = served.client().get_durable_execution().durable_execution_arn(failed).send().await.unwrap();
    assert!(failed.error().unwrap().error_type().is_some() && failed.result().is_none());
}

#[tokio::test]
async fn a_history_in_pages_from_either_end() {
    let served = Served::start().await;
    let arn = served.started("concurrent_children", &json!(5)).await;
    served.until(&arn, "SUCCEEDED").await;
    let all = served.api.server().view(&arn.as_str().into()).await.unwrap().events.len();
    let client = served.client();
    for (size, reverse) in [(1, false), (7, false), (7, true), (1000, true), (0, false)] {
        let (mut marker, mut ids) = (None, Vec::new());
        loop {
            let page = client.get_durable_execution_history().durable_execution_arn(&arn);
            let page = page.max_items(size).reverse_order(reverse).set_marker(marker).send().await.unwrap();
            assert!(page.events().len() <= if size == 0 { 100 } else { usize::try_from(size).unwrap() });
            ids.extend(page.events().iter().map(|event| usize::try_from(event.event_id).unwrap()));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        if reverse {
            ids.reverse();
        }
        assert!(ids.iter().copied().eq(1..=all), "{size} {reverse}: {ids:?}");
    }
    let page =
        client.get_durable_execution_history().durable_execution_arn(&arn).max_items(1).send().await.unwrap();
    let other = client.get_durable_execution_history().durable_execution_arn(&arn).reverse_order(true);
    let (status, name, message) = refused(other.set_marker(page.next_marker).send().await);
    assert_eq!((status, &*name), (400, "InvalidParameterValueException"));
    assert!(message.contains("marker"), "{message}");
}

#[tokio::test]
async fn a_history_without_its_data_says_what_is_left_out() {
    let served = Served::start().await;
    let arn = served.started("greet", &json!("Ada")).await;
    served.until(&arn, "SUCCEEDED").await;
    let whole = served.raw("GET", &path(&arn, "/history"), &[], b"").await;
    assert!(whole.body.to_string().contains("Ada"));
    let bare = served.raw("GET", &path(&arn, "/history?IncludeExecutionData=false"), &[], b"").await;
    assert!(!bare.body.to_string().contains("Ada"), "{}", bare.body);
    let first = &bare.body["Events"][0]["ExecutionStartedDetails"];
    assert_eq!(first["Input"], json!({ "Truncated": true }));
    let count = |answer: &Value| answer["Events"].as_array().unwrap().len();
    assert_eq!(count(&whole.body), count(&bare.body));
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let served = Served::start().await;
    let mut ended = Vec::new();
    for n in 0..5 {
        let arn = served.started("greet", &json!(n.to_string())).await;
        served.until(&arn, "SUCCEEDED").await;
        ended.push(arn);
    }
    let client = served.client();
    let list = || client.list_durable_executions_by_function().function_name("greet");
    for oldest_first in [true, false] {
        let (mut marker, mut found) = (None, Vec::new());
        loop {
            let page =
                list().max_items(2).reverse_order(oldest_first).set_marker(marker).send().await.unwrap();
            found.extend(page.durable_executions().iter().map(|e| e.durable_execution_arn.clone()));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        found.sort();
        let mut all = ended.clone();
        all.sort();
        assert_eq!(found, all);
    }
    let name = ended[1].split('/').nth(2).unwrap();
    let named = list().durable_execution_name(name).send().await.unwrap();
    assert_eq!(named.durable_executions()[0].durable_execution_arn, ended[1]);
    assert_eq!(named.durable_executions()[0].status, ExecutionStatus::Succeeded);
    for (statuses, count) in [
        (vec![ExecutionStatus::Running], 0),
        (vec![ExecutionStatus::Succeeded], 5),
        (vec![ExecutionStatus::Failed, ExecutionStatus::Succeeded], 5),
    ] {
        let found = list().set_statuses(Some(statuses)).send().await.unwrap();
        assert_eq!(found.durable_executions().len(), count);
    }
    let future = DateTime::from_secs(4_000_000_000);
    assert_eq!(list().started_after(future).send().await.unwrap().durable_executions().len(), 0);
    assert_eq!(list().started_before(future).send().await.unwrap().durable_executions().len(), 5);
    assert_eq!(list().qualifier("$LATEST").send().await.unwrap().durable_executions().len(), 5);
    let unknown = client.list_durable_executions_by_function().function_name("nowhere").send().await;
    assert_eq!(refused(unknown).1, "ResourceNotFoundException");
    assert_eq!(refused(list().marker("x").send().await).1, "InvalidParameterValueException");
    assert_eq!(refused(list().max_items(1001).send().await).1, "InvalidParameterValueException");
    let status = ExecutionStatus::from("WALKING");
    assert_eq!(refused(list().statuses(status).send().await).1, "InvalidParameterValueException");
}

#[tokio::test]
async fn the_paginators_of_the_client_read_everything_once() {
    let served = Served::start().await;
    let client = served.client();
    let mut arns = Vec::new();
    for count in [2, 3, 4] {
        let arn = served.started("concurrent_children", &json!(count)).await;
        served.until(&arn, "SUCCEEDED").await;
        arns.push(arn);
    }
    for reverse in [false, true] {
        let list = client.list_durable_executions_by_function().function_name("concurrent_children");
        let list = list.reverse_order(reverse).into_paginator().page_size(2).items().send();
        let listed = list.try_collect().await.unwrap();
        let mut found: Vec<&str> = listed.iter().map(|listed| &*listed.durable_execution_arn).collect();
        if !reverse {
            found.reverse();
        }
        assert_eq!(found, arns);
        let history = client.get_durable_execution_history().durable_execution_arn(&arns[2]);
        let history = history.reverse_order(reverse).into_paginator().page_size(3).items().send();
        let mut events = history.try_collect().await.unwrap();
        if reverse {
            events.reverse();
        }
        let ids: Vec<i32> = events.iter().map(|event| event.event_id).collect();
        assert!(ids.len() > 3 * 4 && ids.iter().copied().eq(1..=ids[ids.len() - 1]), "{ids:?}");
        assert_eq!(events[0].event_type(), Some(&EventType::ExecutionStarted));
        assert_eq!(events[events.len() - 1].event_type(), Some(&EventType::ExecutionSucceeded));
    }
}

#[tokio::test]
async fn events_have_the_details_of_their_types() {
    let served = Served::start().await;
    let acts = json!([
        {"step": ["s", {"a": 1}]}, {"fails": "x"}, {"wait": ["w", 5]}, {"callback": ["c", 60]},
        {"invoke": ["i", "greet", "Ada"]}, {"child": ["k", []]},
    ]);
    let arn = served.started("sequence", &acts).await;
    let id = served.callback(&arn).await;
    let client = served.client();
    let success = client.send_durable_execution_callback_success().callback_id(&id);
    success.result(Blob::new("7")).send().await.unwrap();
    served.until(&arn, "SUCCEEDED").await;
    let history = client.get_durable_execution_history().durable_execution_arn(&arn).send().await.unwrap();
    let event = |kind: EventType| {
        let mut events = history.events().iter().filter(|event| event.event_type() == Some(&kind));
        events.next().unwrap_or_else(|| panic!("{kind:?}"))
    };
    let step = event(EventType::StepSucceeded).step_succeeded_details().unwrap();
    assert_eq!(step.result().unwrap().payload(), Some(r#"{"a":1}"#));
    let failed = event(EventType::StepFailed).step_failed_details().unwrap();
    assert_eq!(failed.error().unwrap().payload().unwrap().error_type(), Some("OnPurpose"));
    let wait = event(EventType::WaitStarted).wait_started_details().unwrap();
    assert_eq!(wait.duration, 5);
    let callback = event(EventType::CallbackStarted).callback_started_details().unwrap();
    assert_eq!((callback.callback_id(), callback.timeout()), (&*id, Some(60)));
    let answer = event(EventType::CallbackSucceeded).callback_succeeded_details().unwrap();
    assert_eq!(answer.result().unwrap().payload(), Some("7"));
    let invoke = event(EventType::ChainedInvokeStarted).chained_invoke_started_details().unwrap();
    assert_eq!(invoke.function_name(), "greet");
    let child = event(EventType::ContextStarted);
    assert!(child.name() == Some("k") && child.context_started_details().is_some(), "{child:?}");
    let completed = event(EventType::InvocationCompleted).invocation_completed_details().unwrap();
    assert!(!completed.request_id().is_empty(), "{completed:?}");
}

#[tokio::test]
async fn executions_that_are_not_there() {
    let served = Served::start().await;
    let client = served.client();
    let get = |arn: &str| client.get_durable_execution().durable_execution_arn(arn).send();
    let (status, name, message) = refused(get(NOBODY).await);
    assert_eq!((status, &*name), (404, "ResourceNotFoundException"), "{message}");
    assert_eq!(refused(get("order").await).1, "InvalidParameterValueException");
    let history = client.get_durable_execution_history().durable_execution_arn(NOBODY).send().await;
    assert_eq!(refused(history).0, 404);
    let stop = client.stop_durable_execution().durable_execution_arn(NOBODY).send().await;
    assert_eq!(refused(stop).0, 404);
}

#[tokio::test]
async fn the_runner_for_deployed_functions_runs_them_here() {
    let served = Served::start().await;
    let runner = |function: &str| {
        let quick = CloudTestRunnerConfig { poll_interval: 2, ..CloudTestRunnerConfig::default() };
        CloudDurableTestRunner::<Value>::with_endpoint(function, served.url()).with_config(quick)
    };
    let result = runner("greet").run("Ada").await.unwrap();
    assert_eq!(result.get_result().unwrap(), &json!("Hello, Ada"));
    let result = runner("concurrent_children").run(5).await.unwrap();
    assert!(result.get_operations().len() > 5);
    assert!(runner("typed_failure").run(7).await.unwrap().get_result().is_err());
    let runner = runner("await_approval");
    let approval = runner.operation("approve");
    let acting = async {
        let status = durawasm_testing::WaitingOperationStatus::Submitted;
        approval.wait_for_data(status).await.unwrap().send_callback_success("\"yes\"").await.unwrap();
    };
    let (result, ()) = tokio::join!(runner.run(json!({ "name": "approve" })), acting);
    assert_eq!(result.unwrap().get_result().unwrap(), &json!("yes"));
}
