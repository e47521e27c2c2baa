//! Skipped time does not pass the timeouts of what waits for an answer from outside, where executions are dispatched.

use std::sync::Arc;

use futures_util::FutureExt;

use super::world::{START, callback, invoke, ok};
use crate::{
    ambient::{Clock, SeededEntropy, VirtualClock},
    protocol::{ExecutionArn, Limits, OperationUpdate, Timestamp},
    server::{CheckpointServer, PauseRequest, ServerConfig, ServerHandle, StartExecution},
};

/// A server that dispatches, with one execution that times out after 60 seconds.
struct Held {
    _server: CheckpointServer,
    handle: ServerHandle,
    clock: VirtualClock,
    arn: ExecutionArn,
}

impl Held {
    async fn new() -> Self {
        let clock = VirtualClock::new(Timestamp::from_millis(START));
        let entropy = Arc::new(SeededEntropy::new(1));
        let config = ServerConfig { clock: Arc::new(clock.clone()), entropy, limits: Limits::default() };
        let server = CheckpointServer::spawn(config).unwrap();
        let handle = server.handle();
        handle.dispatch(10).await.unwrap();
        let request = StartExecution { timeout_seconds: Some(60), ..StartExecution::new("f", None) };
        let arn = handle.start_execution(request).await.unwrap();
        Self { _server: server, handle, clock, arn }
    }

    /// Sends an update of an invocation, which then goes on.
    async fn update(&self, update: OperationUpdate) {
        let invocation = self.handle.start_invocation(&self.arn).await.unwrap();
        let token = &invocation.input.checkpoint_token;
        self.handle.checkpoint(&self.arn, token, vec![update]).await.unwrap();
    }

    /// Whether time skips so many seconds from the start.
    fn skips_to(&self, seconds: u64) -> bool {
        let _actor = self.clock.actor();
        let mut sleep = self.clock.sleep(Some(Timestamp::from_millis(START).plus_seconds(seconds)));
        // The clock wakes within the first poll whom it wakes at all.
        let _ = (&mut sleep).now_or_never();
        (&mut sleep).now_or_never().is_some()
    }
}

#[tokio::test]
async fn an_execution_that_waits_for_nobody_times_out() {
    assert!(Held::new().await.skips_to(61));
}

#[tokio::test]
async fn timeouts_of_callbacks_are_held_until_they_are_answered() {
    for (timeout, heartbeat, held) in [(30, 0, 30), (50, 20, 20), (0, 0, 60)] {
        let execution = Held::new().await;
        execution.update(callback("c", timeout, heartbeat)).await;
        assert!(execution.skips_to(held - 1), "{held}");
        assert!(!execution.skips_to(held), "{held}");
        let view = execution.handle.view(&execution.arn).await.unwrap();
        let id = view.operations[1].callback_details.clone().unwrap().callback_id.unwrap();
        execution.handle.complete_callback(&id, ok("1")).await.unwrap();
        assert!(execution.skips_to(60), "{held}");
    }
}

#[tokio::test]
async fn an_execution_that_has_invoked_another_does_not_time_out() {
    let execution = Held::new().await;
    execution.update(invoke("i", "g")).await;
    assert!(!execution.skips_to(60));
    execution.handle.stop_execution(&execution.arn, None).await.unwrap();
    assert!(execution.skips_to(60), "it is over");
}

#[tokio::test]
async fn an_execution_that_is_paused_does_not_time_out() {
    for pause_timeout in [false, true] {
        let execution = Held::new().await;
        let (handle, arn) = (&execution.handle, &execution.arn);
        handle.pause_execution(arn, PauseRequest { reason: None, pause_timeout }).await.unwrap();
        assert!(!execution.skips_to(366 * 24 * 60 * 60), "{pause_timeout}");
        handle.resume_execution(arn, None).await.unwrap();
        assert!(execution.skips_to(60), "{pause_timeout}");
    }
}

#[tokio::test]
async fn a_permit_lets_time_pass_what_is_held() {
    let execution = Held::new().await;
    execution.update(callback("c", 30, 0)).await;
    let _permit = execution.clock.permit(Timestamp::from_millis(START).plus_seconds(30));
    assert!(execution.skips_to(30));
    assert!(!execution.skips_to(60));
}
