//! How a run tells the test what happens, and lets it answer.

use std::{future::Future, pin::Pin, sync::Arc};

use durawasm_core::{
    ambient::Clock,
    orchestrator::Attendant,
    protocol::{CallbackId, ErrorObject, ExecutionArn},
    server::{Answer, Change, Observer, Outside, ServerHandle},
};

use crate::{
    DurableApiClient,
    watch::{ApiCall, Hub, World},
};

/// Follows an execution for a test.
pub(crate) struct Attend {
    pub(crate) hub: Hub,
    /// Which of the hub's executions.
    pub(crate) run: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Observer for Attend {
    fn observe(&self, change: Change) {
        self.hub.changed(self.run, change.operations, change.callbacks);
    }
}

impl Attendant for Attend {
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle) {
        let api = Arc::new(LocalApi(server.clone()));
        self.hub.started(self.run, World { arn: arn.clone(), api, clock: Some(self.clock.clone()) });
    }

    fn may_answer(&self, what: &[Outside]) -> bool {
        self.hub.may_answer(what.iter().filter_map(|what| match what {
            Outside::Callback { callback_id, .. } => Some(callback_id.clone()),
            Outside::Invoke { .. } => None,
        }))
    }

    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.hub.reconsidered())
    }
}

/// The embedded server, as a test sees it.
struct LocalApi(ServerHandle);

impl DurableApiClient for LocalApi {
    fn complete_callback<'a>(&'a self, id: &'a CallbackId, answer: Answer) -> ApiCall<'a> {
        Box::pin(async move { Ok(self.0.complete_callback(id, answer).await?) })
    }

    fn stop<'a>(&'a self, arn: &'a ExecutionArn, error: Option<ErrorObject>) -> ApiCall<'a> {
        Box::pin(async move { Ok(self.0.stop_execution(arn, error).await?) })
    }
}
