//! Connects a run with the test: reports changes to the test, and lets it answer callbacks.

use std::{future::Future, pin::Pin, sync::Arc};

use durawasm_core::{
    ambient::Clock,
    orchestrator::Attendant,
    protocol::{CallbackId, ErrorObject, ExecutionArn},
    server::{Answer, Change, Observer, PendingExternal, ServerHandle},
};

use crate::{
    DurableApiClient,
    tracking::{ApiCall, Hub, RunningExecution},
};

/// The attendant of a test: observes an execution and forwards its changes to the hub.
pub(crate) struct TestAttendant {
    pub(crate) hub: Hub,
    /// The number of the hub's execution.
    pub(crate) run: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Observer for TestAttendant {
    fn observe(&self, change: Change) {
        self.hub.changed(self.run, change.operations, change.callbacks);
    }
}

impl Attendant for TestAttendant {
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle) {
        let api = Arc::new(LocalApi(server.clone()));
        self.hub
            .started(self.run, RunningExecution { arn: arn.clone(), api, clock: Some(self.clock.clone()) });
    }

    fn may_answer(&self, what: &[PendingExternal]) -> bool {
        self.hub.may_answer(what.iter().filter_map(|what| match what {
            PendingExternal::Callback { callback_id, .. } => Some(callback_id.clone()),
            PendingExternal::Invoke { .. } => None,
        }))
    }

    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.hub.reconsidered())
    }
}

/// The embedded server as the service that the test calls.
struct LocalApi(ServerHandle);

impl DurableApiClient for LocalApi {
    fn complete_callback<'a>(&'a self, id: &'a CallbackId, answer: Answer) -> ApiCall<'a> {
        Box::pin(async move { Ok(self.0.complete_callback(id, answer).await?) })
    }

    fn stop<'a>(&'a self, arn: &'a ExecutionArn, error: Option<ErrorObject>) -> ApiCall<'a> {
        Box::pin(async move { Ok(self.0.stop_execution(arn, error).await?) })
    }
}
