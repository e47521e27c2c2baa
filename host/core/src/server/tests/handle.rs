//! A server's handle passes requests on, and tells whether the server is there.

use std::sync::{Arc, Mutex};

use super::world::{START, error, invoke, start, wait};
use crate::{
    ambient::{SeededEntropy, VirtualClock},
    protocol::{
        EventDetails, ExecutionStatus, InvocationOutput, InvocationResult, Limits, OperationStatus as Status,
        OperationType as Type, ServiceError, Timestamp,
    },
    server::{
        Change, CheckpointServer, InvokeOutcome, InvokeTarget, Observer, ServerConfig, ServerHandle,
        StartExecution, TimerMode,
    },
};

fn server() -> CheckpointServer {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(START)));
    let entropy = Arc::new(SeededEntropy::new(1));
    CheckpointServer::spawn(ServerConfig { clock, entropy, limits: Limits::default() }).unwrap()
}

/// Counts changes.
#[derive(Default)]
struct Count(Mutex<usize>);

impl Observer for Count {
    fn observe(&self, _: Change) {
        *self.0.lock().unwrap() += 1;
    }
}

#[tokio::test]
async fn timers_of_a_scheduler_and_a_stop_go_through_a_handle() {
    let server = server();
    let handle: ServerHandle = server.handle();
    let request = StartExecution { timers: TimerMode::Scheduler, ..StartExecution::new("f", None) };
    let arn = handle.start_execution(request).await.unwrap();
    let count = Arc::new(Count::default());
    handle.observe(&arn, count.clone()).await.unwrap();
    let seen = *count.0.lock().unwrap();
    assert_eq!(seen, 1, "the state so far");
    let invocation = handle.start_invocation(&arn).await.unwrap();
    handle.take_timers(&arn).await.unwrap();
    let before = handle.budget(&arn).await.unwrap().used();
    let updates = vec![wait("w", 5), start("s", Type::Step)];
    handle.checkpoint(&arn, &invocation.input.checkpoint_token, updates).await.unwrap();
    assert!(handle.budget(&arn).await.unwrap().used() > before);
    assert!(*count.0.lock().unwrap() > seen);
    let timers = handle.take_timers(&arn).await.unwrap();
    let [timer] = timers[..] else { panic!("{timers:?}") };
    assert!(handle.has_timer(&arn, timer.key).await.unwrap());
    handle.elapse(&arn, timer.key).await.unwrap();
    assert!(!handle.has_timer(&arn, timer.key).await.unwrap());
    let view = handle.view(&arn).await.unwrap();
    assert_eq!((view.operations[1].status, view.status), (Status::Succeeded, ExecutionStatus::Running));
    handle.stop_execution(&arn, Some(error("Enough"))).await.unwrap();
    let view = handle.view(&arn).await.unwrap();
    assert_eq!((view.status, view.error), (ExecutionStatus::Stopped, Some(error("Enough"))));
}

#[tokio::test]
async fn the_target_and_the_outcome_of_an_invoke_go_through_a_handle() {
    let server = server();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    let invocation = handle.start_invocation(&arn).await.unwrap();
    let updates = vec![invoke("i", "target")];
    handle.checkpoint(&arn, &invocation.input.checkpoint_token, updates).await.unwrap();
    let target = InvokeTarget { executed_version: Some("7".into()), durable_execution_arn: None };
    handle.annotate_invoke(&arn, &"i".into(), target).await.unwrap();
    let suspended = InvocationResult::Output(InvocationOutput::pending());
    handle.complete_invocation(&arn, &invocation.request_id, suspended).await.unwrap();
    handle.complete_invoke(&arn, &"i".into(), InvokeOutcome::Succeeded(Some("2".into()))).await.unwrap();
    let view = handle.view(&arn).await.unwrap();
    assert_eq!(view.operations[1].result().map(|result| &**result), Some("2"));
    let EventDetails::ChainedInvokeStarted(details) = &view.events[1].details else { panic!("{view:?}") };
    assert_eq!(details.executed_version.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_handle_tells_that_its_server_has_crashed() {
    let server = server();
    let handle = server.handle();
    assert!(!handle.is_gone());
    handle.crash("on purpose");
    let refused = handle.start_execution(StartExecution::new("f", None)).await;
    assert_eq!(refused, Err(ServiceError::Unavailable("on purpose".to_owned())));
    assert!(handle.is_gone());
}
