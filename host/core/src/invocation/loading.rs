//! Loads the record at the start of an invocation.

use std::sync::Arc;

use super::{Driver, Facts, InvocationBounds, Surroundings};
use crate::{
    protocol::{
        CheckpointToken, DurableServiceClient, ExecutionArn, InvocationInput, Limits, Operation,
        OperationType, ServiceError, StatePage,
    },
    replay::Engine,
};

/// Loads the whole state of the execution. Returns the invocation's driver and the input of the execution as JSON text.
///
/// # Errors
/// When the service refuses a page of the state, or the state does not begin with the EXECUTION operation.
///
/// # Examples
///
/// A host calls the driver for every durable call of the guest, sends what it returns, and passes the answers back:
///
/// ```
/// use std::sync::Arc;
///
/// use durawasm_core::{
///     ambient::{SeededEntropy, VirtualClock},
///     invocation::{
///         Faults, InvocationBounds, Isolation, LogBuffer, Need, Returned, Surroundings, load,
///     },
///     protocol::{ExecutionStatus, Limits, Timestamp},
///     replay::{Identity, Interest, Probed, Semantics},
///     server::{CheckpointServer, ServerConfig, StartExecution},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (clock, entropy) = (Arc::new(VirtualClock::new(Timestamp::Y2025)), Arc::new(SeededEntropy::new(1)));
/// let limits = Limits::default();
/// let config = ServerConfig { clock: clock.clone(), entropy: entropy.clone(), limits: limits.clone() };
/// let server = CheckpointServer::spawn(config)?;
/// let handle = server.handle();
/// let arn = handle.start_execution(StartExecution::new("double", Some("21".to_owned()))).await?;
/// let started = handle.start_invocation(&arn).await?;
/// let around = Surroundings {
///     client: Arc::new(handle.clone()),
///     clock,
///     entropy,
///     log: Arc::new(LogBuffer::default()),
///     faults: Faults::default(),
///     isolation: Isolation::default(),
///     grants: Arc::default(),
///     probe: Probed::default(),
/// };
/// let (id, bounds) = (started.request_id.clone(), InvocationBounds::default());
/// let (mut driver, event) = load(id, started.input, &limits, bounds, &around).await?;
///
/// // The guest runs a step, and waits for it.
/// let identity = Identity::default();
/// let semantics = Semantics::AtLeastOncePerRetry;
/// let step = driver.start(|engine| engine.step(engine.root(), None, identity, semantics.into()));
/// let step = step.expect("the run goes on").expect("the arguments are valid");
/// let result = (event.parse::<i32>()? * 2).to_string();
/// let reported = driver.report(step, |engine, step| engine.succeed(step, Some(result)));
/// reported.expect("the run goes on").expect("the result is valid");
/// while let Need::Send(request) = driver.wait_for(step, Interest::Change).expect("the run goes on") {
///     let answer = request.send(&*around.client, &*around.clock, &arn).await;
///     driver.answered(answer).expect("the run goes on");
/// }
/// assert_eq!(driver.checkpoints(), 1);
///
/// // It returns the step's result.
/// let outcome = driver.engine().outcome(step)?.expect("it has ended");
/// let result = driver.conclude(Returned::Value(outcome.map(|json| json.map(|json| json.to_string()))));
/// handle.complete_invocation(&arn, &started.request_id, result).await?;
/// let view = handle.view(&arn).await?;
/// assert_eq!((view.status, view.result.as_deref()), (ExecutionStatus::Succeeded, Some("42")));
/// # Ok(())
/// # }
/// ```
pub async fn load(
    invocation_id: Arc<str>,
    input: InvocationInput,
    limits: &Limits,
    bounds: InvocationBounds,
    around: &Surroundings,
) -> Result<(Driver, Arc<str>), ServiceError> {
    let InvocationInput {
        durable_execution_arn: arn,
        checkpoint_token,
        initial_execution_state,
        updated_operation_ids,
        returned_at,
    } = input;
    let client = &*around.client;
    let (operations, event) = load_state(&arn, &checkpoint_token, initial_execution_state, client).await?;
    let budget = client.budget(&arn).await;
    let engine = Engine::new(operations, limits.clone(), bounds.operations).with_budget(&budget);
    let engine = engine
        .with_updated(&updated_operation_ids)
        .with_returned_at(returned_at)
        .with_probe(around.probe.clone());
    let facts = Facts {
        arn,
        invocation_id,
        started: engine.time(),
        deadline: around.clock.precise_now().saturating_add(bounds.wall),
    };
    let driver = Driver::new(
        engine,
        facts,
        checkpoint_token,
        updated_operation_ids,
        (around.faults.clone(), around.isolation),
        (around.log.clone(), bounds.log),
    );
    Ok((driver, event))
}

/// Loads all pages of the state, and returns the operations and the input of the execution.
async fn load_state(
    arn: &ExecutionArn,
    token: &CheckpointToken,
    first: StatePage,
    client: &dyn DurableServiceClient,
) -> Result<(Vec<Arc<Operation>>, Arc<str>), ServiceError> {
    let StatePage { mut operations, next_marker: mut marker } = first;
    while let Some(at) = marker.filter(|m| !m.is_empty()) {
        let page = client.get_state(arn, token, &at).await?;
        operations.extend(page.operations);
        marker = page.next_marker;
    }
    let execution = operations.first().filter(|o| o.kind == OperationType::Execution).ok_or_else(|| {
        ServiceError::InvalidParameterValue(
            "the state does not begin with the EXECUTION operation".to_owned(),
        )
    })?;
    let event = execution.execution_details.as_ref().and_then(|d| d.input_payload.clone());
    Ok((operations, event.unwrap_or_else(|| "null".into())))
}
