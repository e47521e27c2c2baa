//! The WIT interface `observing`, for plugins: code of a guest that observes its execution.

use std::sync::Arc;

use durawasm_core::protocol::{Operation, OperationStatus, OperationType, Timestamp};

use super::{bindings::durawasm::durable::observing as wit, convert, state::Durable};

impl wit::Host for &mut Durable {
    fn begin(&mut self) -> wasmtime::Result<Option<wit::Beginning>> {
        self.called()?;
        let begun = self.driver.observation_mut().begin();
        if !self.trap(begun)? {
            return Ok(None);
        }
        let (engine, observation) = (self.driver.engine(), self.driver.observation());
        let updated = observation.changes().updated().iter().filter(|id| engine.record(id).is_some());
        Ok(Some(wit::Beginning {
            first_invocation: observation.is_first_invocation(),
            operations: engine.records().into_iter().filter_map(|o| observed(o)).collect(),
            updated: updated.map(ToString::to_string).collect(),
        }))
    }

    fn changes(&mut self) -> wasmtime::Result<Vec<Vec<wit::Operation>>> {
        self.called()?;
        let changes = self.driver.observation_mut().changes_mut().take();
        let change = |change: Vec<Arc<Operation>>| change.iter().filter_map(|o| observed(o)).collect();
        Ok(changes.into_iter().map(change).collect())
    }

    fn result(&mut self, id: String) -> wasmtime::Result<Option<String>> {
        self.called()?;
        let record = self.driver.engine().record(&id.as_str().into());
        Ok(record.and_then(|record| record.result()).map(ToString::to_string))
    }

    fn enter(&mut self) -> wasmtime::Result<()> {
        self.called()?;
        self.drain_output()?;
        let entered = self.driver.observation_mut().enter_hook();
        self.trap(entered)
    }

    fn leave(&mut self) -> wasmtime::Result<()> {
        self.called()?;
        self.drain_output()?;
        let left = self.driver.observation_mut().leave_hook();
        self.trap(left)
    }
}

/// Converts an operation to the WIT type; `None` for the EXECUTION.
fn observed(operation: &Operation) -> Option<wit::Operation> {
    Some(wit::Operation {
        id: operation.id.to_string(),
        parent_id: operation.parent_id.as_ref().map(ToString::to_string),
        name: operation.name.as_deref().map(str::to_owned),
        kind: match operation.kind {
            OperationType::Execution => return None,
            OperationType::Context => wit::OperationType::Context,
            OperationType::Step => wit::OperationType::Step,
            OperationType::Wait => wit::OperationType::Wait,
            OperationType::Callback => wit::OperationType::Callback,
            OperationType::ChainedInvoke => wit::OperationType::ChainedInvoke,
        },
        sub_type: operation.sub_type.as_deref().map(str::to_owned),
        status: match operation.status {
            OperationStatus::Started => wit::OperationStatus::Started,
            OperationStatus::Pending => wit::OperationStatus::Pending,
            OperationStatus::Ready => wit::OperationStatus::Ready,
            OperationStatus::Succeeded => wit::OperationStatus::Succeeded,
            OperationStatus::Failed => wit::OperationStatus::Failed,
            OperationStatus::Cancelled => wit::OperationStatus::Cancelled,
            OperationStatus::TimedOut => wit::OperationStatus::TimedOut,
            OperationStatus::Stopped => wit::OperationStatus::Stopped,
        },
        start_time_ms: millis(operation.start_timestamp),
        end_time_ms: operation.end_timestamp.map(millis),
        attempt: operation.attempt(),
        error: operation.error().cloned().map(convert::error_out),
    })
}

fn millis(timestamp: Timestamp) -> u64 {
    u64::try_from(timestamp.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wit::Host as _;

    use super::super::{SandboxLimits, output::Output, watchdog::Watch};
    use super::*;
    use durawasm_core::{
        ambient::{SeededEntropy, VirtualClock},
        invocation::{
            Driver, Facts, Faults, Grants, Isolation, LogBuffer, LogLevel, LogSource, Surroundings,
        },
        protocol::{
            CheckpointResponse, CheckpointToken, DurableServiceClient, ErrorObject, ExecutionArn, Limits,
            OperationId, OperationUpdate, ServiceCall, StatePage, StepDetails, Timestamp,
        },
        replay::{Engine, Probed},
    };

    /// Answers every checkpoint with the same operations.
    struct Says(Vec<Arc<Operation>>);

    impl DurableServiceClient for Says {
        fn checkpoint<'a>(
            &'a self,
            _: &'a ExecutionArn,
            token: &'a CheckpointToken,
            _: Vec<OperationUpdate>,
        ) -> ServiceCall<'a, CheckpointResponse> {
            let (checkpoint_token, operations) = (token.clone(), self.0.clone());
            Box::pin(async { Ok(CheckpointResponse { checkpoint_token, operations }) })
        }

        fn get_state<'a>(
            &'a self,
            _: &'a ExecutionArn,
            _: &'a CheckpointToken,
            _: &'a str,
        ) -> ServiceCall<'a, StatePage> {
            Box::pin(async { Ok(StatePage { operations: Vec::new(), next_marker: None }) })
        }
    }

    fn operation(id: &str, kind: OperationType, status: OperationStatus) -> Arc<Operation> {
        let operation = Operation::new(id.into(), kind, Timestamp::from_millis(5));
        Arc::new(Operation { status, ..operation })
    }

    fn step(id: &str, status: OperationStatus, ended: u32, error: Option<ErrorObject>) -> Arc<Operation> {
        let details = StepDetails { attempt: ended, error, ..StepDetails::default() };
        let step = operation(id, OperationType::Step, status);
        Arc::new(Operation { step_details: Some(details), ..Operation::clone(&step) })
    }

    fn durable(
        recorded: Vec<Arc<Operation>>,
        told: Vec<Arc<Operation>>,
        updated: Vec<OperationId>,
    ) -> (Durable, Arc<LogBuffer>) {
        let log = Arc::new(LogBuffer::default());
        let around = Surroundings {
            client: Arc::new(Says(told)),
            clock: Arc::new(VirtualClock::new(Timestamp::from_millis(9_000))),
            entropy: Arc::new(SeededEntropy::new(1)),
            log: log.clone(),
            faults: Faults::default(),
            isolation: Isolation::default(),
            probe: Probed::default(),
            grants: Arc::new(Grants::default()),
        };
        let engine = Engine::new(recorded, Limits::default(), 100);
        let output = || Output::new(false, 1 << 20, engine.budget());
        let (stdout, stderr) = (output(), output());
        let facts = Facts {
            arn: "arn:test".into(),
            invocation_id: "i".into(),
            started: engine.time(),
            deadline: Duration::MAX,
        };
        let (faults, line) = ((around.faults.clone(), around.isolation), (around.log.clone(), 1 << 20));
        let driver = Driver::new(engine, facts, "t".into(), updated, faults, line);
        let watch = Watch::alone(Duration::MAX);
        let durable = Durable::new(driver, around, watch, (stdout, stderr), &SandboxLimits::default());
        (durable, log)
    }

    #[test]
    fn a_hook_has_live_time_and_randomness_and_leaves_the_handlers_as_they_were() {
        let execution = operation("execution", OperationType::Execution, OperationStatus::Started);
        let recorded = || vec![execution.clone(), step("a", OperationStatus::Succeeded, 1, None)];
        let draw = |durable: &mut Durable| {
            let mut bytes = [0; 16];
            durable.fill_random("test", &mut bytes).unwrap();
            bytes
        };
        let log_line = |durable: &mut Durable, message: &str| {
            let line = (LogLevel::Info, LogSource::Log);
            durable.driver.log(&*durable.around.clock, line, message.to_owned(), Vec::new(), None).unwrap();
        };
        let (mut alone, _) = durable(recorded(), Vec::new(), Vec::new());
        let expected = [draw(&mut alone), draw(&mut alone)];
        let (mut watched, log) = durable(recorded(), Vec::new(), Vec::new());
        assert_eq!(draw(&mut watched), expected[0]);
        log_line(&mut watched, "dropped");
        assert_eq!(watched.now(), Duration::from_millis(5));
        (&mut watched).enter().unwrap();
        assert_eq!(watched.now(), Duration::from_secs(9));
        assert!(!expected.contains(&draw(&mut watched)));
        log_line(&mut watched, "kept");
        (&mut watched).leave().unwrap();
        assert_eq!((watched.now(), draw(&mut watched)), (Duration::from_millis(5), expected[1]));
        let kept: Vec<String> = log.take().into_iter().map(|line| line.message).collect();
        assert_eq!(kept, ["kept"]);
    }

    #[tokio::test]
    async fn what_was_told_is_handed_over_once_and_only_to_those_who_watch() {
        let told = vec![
            operation("execution", OperationType::Execution, OperationStatus::Started),
            step("b", OperationStatus::Failed, 2, Some(ErrorObject::new("Declined", "no funds"))),
            operation("c", OperationType::Wait, OperationStatus::Started),
        ];
        let recorded = vec![told[0].clone(), step("b", OperationStatus::Started, 1, None)];
        let (mut durable, _) = durable(recorded, told, vec!["b".into(), "gone".into()]);
        let request = durable.driver.poll();
        durable.send(request).await.unwrap();
        assert!((&mut durable).changes().unwrap().is_empty());
        let beginning = (&mut durable).begin().unwrap().unwrap();
        assert!(!beginning.first_invocation);
        assert_eq!(beginning.updated, ["b"]);
        let seen: Vec<_> = beginning.operations.iter().map(|o| (&*o.id, o.attempt)).collect();
        assert_eq!(seen, [("b", Some(2)), ("c", None)]);
        let request = durable.driver.poll();
        durable.send(request).await.unwrap();
        let request = durable.driver.poll();
        durable.send(request).await.unwrap();
        let changes = (&mut durable).changes().unwrap();
        assert_eq!(changes.len(), 2);
        let failed = &changes[1][0];
        assert_eq!(
            (&*failed.id, failed.status, failed.attempt),
            ("b", wit::OperationStatus::Failed, Some(2))
        );
        assert_eq!(failed.error.as_ref().unwrap().message.as_deref(), Some("no funds"));
        assert_eq!((changes[1].len(), (&mut durable).changes().unwrap().len()), (2, 0));
    }
}
