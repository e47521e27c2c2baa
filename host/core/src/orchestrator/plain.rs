//! Plain functions: run once, without a history.

use std::sync::Arc;

use super::functions::{Function, Invocation, NO_DURABLE_OPERATIONS};
use crate::{
    ambient::Clock,
    budget::Budget,
    invocation::Surroundings,
    protocol::{
        Budgeting, CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, ExecutionDetails,
        InvocationInput, LATEST, Limits, Operation, OperationType, OperationUpdate, ServiceCall,
        ServiceError, StatePage,
    },
    server::InvokeOutcome,
};

/// The service of a plain function: it refuses every request. The function charges its caller's budget.
struct NoService(Budget);

impl DurableServiceClient for NoService {
    fn checkpoint<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async { Err(ServiceError::InvalidParameterValue(NO_DURABLE_OPERATIONS.to_owned())) })
    }

    fn get_state<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async { Err(ServiceError::InvalidParameterValue(NO_DURABLE_OPERATIONS.to_owned())) })
    }

    fn budget<'a>(&'a self, _: &'a ExecutionArn) -> Budgeting<'a> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

/// Runs a plain function for a chained invoke. `id` is unique, and seeds the function's randomness.
pub(super) async fn run_plain(
    function: &Function,
    payload: Option<Arc<str>>,
    id: &str,
    mut around: Surroundings,
    budget: Budget,
) -> InvokeOutcome {
    around.client = Arc::new(NoService(budget));
    let arn = plain_arn(&function.name, id);
    let execution = execution(&around.clock, payload);
    let input = InvocationInput {
        durable_execution_arn: arn,
        checkpoint_token: "none".into(),
        initial_execution_state: StatePage { operations: vec![Arc::new(execution)], next_marker: None },
        updated_operation_ids: Vec::new(),
        returned_at: None,
    };
    let limits = Limits::default();
    let invocation = Invocation { function: &function.name, id: id.into(), input, limits: &limits, around };
    function.handler.invoke_plain(invocation).await
}

/// What stands for an execution in the log lines of a plain function.
pub fn plain_arn(function: &str, id: &str) -> ExecutionArn {
    ExecutionArn::new(function, LATEST, "plain", id)
}

fn execution(clock: &Arc<dyn Clock>, payload: Option<Arc<str>>) -> Operation {
    let execution = Operation::new("plain".into(), OperationType::Execution, clock.now());
    Operation { execution_details: Some(ExecutionDetails { input_payload: payload }), ..execution }
}
