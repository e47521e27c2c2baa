//! What is measured: invocations, executions, and runs of a test's runner.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use durawasm_core::{
    ambient::{OsEntropy, SystemClock},
    invocation::{Faults, Isolation, LogBuffer, Surroundings},
    orchestrator::{Environment, EnvironmentOptions},
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, ExecutionStatus,
        InvocationInput, InvocationResult, InvocationStatus, Limits, OperationUpdate, ServiceCall,
        ServiceError, StatePage,
    },
    replay::Probed,
    server::StartExecution,
};
use durawasm_sandbox::Handler;
use durawasm_testing::LocalDurableTestRunner;

use crate::rows::Outcome;

/// One invocation without a server: a fresh instance, the handler, its result.
pub(crate) async fn invoke_empty(handler: &Handler) -> Outcome<Duration> {
    let execution =
        serde_json::json!({"Id": "e", "Type": "EXECUTION", "StartTimestamp": 0, "Status": "STARTED"});
    let state = StatePage { operations: vec![serde_json::from_value(execution)?], next_marker: None };
    let input = InvocationInput {
        durable_execution_arn: "arn".into(),
        checkpoint_token: "token".into(),
        initial_execution_state: state,
        updated_operation_ids: Vec::new(),
        returned_at: None,
    };
    let around = Surroundings {
        client: Arc::new(NoService),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        log: Arc::new(LogBuffer::default()),
        grants: Arc::default(),
        faults: Faults::default(),
        isolation: Isolation::default(),
        probe: Probed::default(),
    };
    let started = Instant::now();
    let report = handler.invoke("empty", "request".into(), input, &Limits::default(), around).await;
    let took = started.elapsed();
    match report.result {
        InvocationResult::Output(output) if output.status == InvocationStatus::Succeeded => Ok(took),
        end => Err(format!("{end:?}").into()),
    }
}

/// The service of a handler that needs none.
struct NoService;

impl DurableServiceClient for NoService {
    fn checkpoint<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        Box::pin(async { Err(ServiceError::Unavailable("there is none".to_owned())) })
    }

    fn get_state<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        _: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        Box::pin(async { Err(ServiceError::Unavailable("there is none".to_owned())) })
    }
}

/// An environment of its own for the function of a component.
pub(crate) async fn environment(handler: &Handler, isolation: Isolation) -> Outcome<Environment> {
    let options = EnvironmentOptions { isolation, ..EnvironmentOptions::default() };
    let log = Arc::new(LogBuffer::default());
    Ok(Environment::new(options, std::slice::from_ref(handler), log).await?)
}

/// How long one execution takes.
pub(crate) async fn run(environment: &Environment, function: &str, event: String) -> Outcome<Duration> {
    let started = Instant::now();
    let run = environment.run(StartExecution::new(function, Some(event))).await?;
    if run.view.status != ExecutionStatus::Succeeded {
        return Err(format!("{:?}", run.view.error).into());
    }
    Ok(started.elapsed())
}

/// How long one execution takes in an environment of its own, which is set up beforehand.
pub(crate) async fn fresh(
    handler: &Handler,
    function: &str,
    event: u32,
    isolation: Isolation,
) -> Outcome<Duration> {
    run(&environment(handler, isolation).await?, function, event.to_string()).await
}

/// How long a run of a test's runner takes, with all that belongs to it.
pub(crate) async fn tested(runner: &LocalDurableTestRunner) -> Outcome<Duration> {
    let started = Instant::now();
    let result = runner.run(1_000).await?;
    if result.get_status() != ExecutionStatus::Succeeded || result.get_operations().len() != 1_000 {
        return Err(format!("{:?}", result.get_error()).into());
    }
    Ok(started.elapsed())
}
