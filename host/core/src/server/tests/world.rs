//! A server with one execution and a time that the test sets.

use std::sync::Arc;

use crate::{
    ambient::SeededEntropy,
    protocol::{
        CallbackId, CallbackOptions, ChainedInvokeOptions, CheckpointResponse, CheckpointToken,
        ContextOptions, ErrorObject, ExecutionArn, InvocationOutput, InvocationResult, Limits, Operation,
        OperationAction as Action, OperationType as Type, OperationUpdate, ServiceError, StatePage,
        StepOptions, Timestamp, WaitOptions,
    },
    server::{Answer, ExecutionManager, ExecutionView, Next, StartExecution, StartedInvocation},
};

pub(super) struct World {
    pub(super) manager: ExecutionManager,
    pub(super) now: Timestamp,
    pub(super) arn: ExecutionArn,
    pub(super) request_id: Arc<str>,
    pub(super) token: CheckpointToken,
    pub(super) state: StatePage,
    pub(super) returned_at: Option<u64>,
}

pub(super) const START: i64 = 1_700_000_000_000;

impl World {
    /// Creates an execution whose first invocation is running.
    pub(super) fn new() -> Self {
        Self::of(StartExecution::new("f", Some("{}".into())), Limits::default())
    }

    pub(super) fn of(start: StartExecution, limits: Limits) -> Self {
        let mut world = Self::idle(start, limits);
        world.invoke();
        world
    }

    pub(super) fn idle(start: StartExecution, limits: Limits) -> Self {
        let now = Timestamp::from_millis(START);
        let mut manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), limits);
        let arn = manager.start_execution(now, start).unwrap();
        Self {
            manager,
            now,
            arn,
            request_id: "".into(),
            token: "".into(),
            state: StatePage::default(),
            returned_at: None,
        }
    }

    pub(super) fn invoke(&mut self) {
        assert_eq!(self.poll(), Next::Invoke);
        let StartedInvocation { request_id, input } =
            self.manager.start_invocation(self.now, &self.arn).unwrap();
        self.returned_at = input.returned_at;
        (self.request_id, self.token, self.state) =
            (request_id, input.checkpoint_token, input.initial_execution_state);
    }

    pub(super) fn poll(&mut self) -> Next {
        self.manager.poll(self.now, &self.arn).unwrap()
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }

    pub(super) fn try_checkpoint(
        &mut self,
        updates: Vec<OperationUpdate>,
    ) -> Result<CheckpointResponse, ServiceError> {
        let response = self.manager.checkpoint(self.now, &self.arn, &self.token, updates)?;
        self.token = response.checkpoint_token.clone();
        Ok(response)
    }

    /// Sends a checkpoint, and returns the ids of the operations in the answer.
    pub(super) fn checkpoint(&mut self, updates: Vec<OperationUpdate>) -> Vec<Arc<Operation>> {
        self.try_checkpoint(updates).unwrap().operations
    }

    pub(super) fn complete(&mut self, result: InvocationResult) -> Next {
        let request_id = self.request_id.clone();
        self.manager.complete_invocation(self.now, &self.arn, &request_id, result).unwrap()
    }

    pub(super) fn suspend(&mut self) -> Next {
        self.complete(InvocationResult::Output(InvocationOutput::pending()))
    }

    pub(super) fn succeed(&mut self, result: &str) -> Next {
        self.complete(InvocationResult::Output(InvocationOutput::succeeded(Some(result.into()))))
    }

    pub(super) fn crash(&mut self) -> Next {
        self.complete(InvocationResult::Crashed(error("Runtime.ExitError")))
    }

    pub(super) fn view(&mut self) -> ExecutionView {
        self.manager.view(self.now, &self.arn).unwrap()
    }

    pub(super) fn operation(&mut self, id: &str) -> Arc<Operation> {
        self.view().operations.into_iter().find(|operation| operation.id.as_str() == id).unwrap()
    }

    pub(super) fn callback_id(&mut self, id: &str) -> CallbackId {
        self.operation(id).callback_details.clone().unwrap().callback_id.unwrap()
    }

    pub(super) fn answer(&mut self, id: &str, answer: Answer) -> Result<(), ServiceError> {
        let id = self.callback_id(id);
        self.manager.complete_callback(self.now, &id, answer)
    }

    /// The history: the type of each event, and the operation's id if it has one.
    pub(super) fn history(&mut self) -> Vec<String> {
        let view = self.view();
        let execution = view.operations[0].id.clone();
        let text = |event: &crate::protocol::Event| match &event.id {
            Some(id) if *id != execution => format!("{:?} {id}", event.event_type),
            _ => format!("{:?}", event.event_type),
        };
        view.events.iter().map(|event| text(event)).collect()
    }

    pub(super) fn listed(&self) -> Vec<&str> {
        self.state.operations.iter().skip(1).map(|operation| operation.id.as_str()).collect()
    }
}

pub(super) fn error(error_type: &str) -> ErrorObject {
    ErrorObject::new(error_type, "for a reason")
}

pub(super) fn ok(text: &str) -> Answer {
    Answer::Success(Some(text.into()))
}

pub(super) fn update(id: &str, kind: Type, action: Action) -> OperationUpdate {
    OperationUpdate::new(id.into(), kind, action)
}

pub(super) trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Self)) -> Self;
    fn parent(self, id: &str) -> Self;
    fn name(self, name: &str) -> Self;
}

impl With for OperationUpdate {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn parent(self, id: &str) -> Self {
        self.with(|update| update.parent_id = Some(id.into()))
    }

    fn name(self, name: &str) -> Self {
        self.with(|update| update.name = Some(name.into()))
    }
}

pub(super) fn start(id: &str, kind: Type) -> OperationUpdate {
    update(id, kind, Action::Start)
}

pub(super) fn wait(id: &str, seconds: u64) -> OperationUpdate {
    start(id, Type::Wait)
        .with(|update| update.wait_options = Some(WaitOptions { wait_seconds: Some(seconds) }))
}

pub(super) fn succeed(id: &str, kind: Type, payload: &str) -> OperationUpdate {
    update(id, kind, Action::Succeed).with(|update| update.payload = Some(payload.into()))
}

pub(super) fn fail(id: &str, kind: Type) -> OperationUpdate {
    update(id, kind, Action::Fail).with(|update| update.error = Some(error("Broken")))
}

pub(super) fn retry(id: &str, seconds: u64) -> OperationUpdate {
    update(id, Type::Step, Action::Retry).with(|update| {
        update.error = Some(error("Broken"));
        update.step_options = Some(StepOptions { next_attempt_delay_seconds: Some(seconds) });
    })
}

pub(super) fn callback(id: &str, timeout: u64, heartbeat: u64) -> OperationUpdate {
    let options =
        CallbackOptions { timeout_seconds: Some(timeout), heartbeat_timeout_seconds: Some(heartbeat) };
    start(id, Type::Callback).with(|update| update.callback_options = Some(options))
}

pub(super) fn invoke(id: &str, function: &str) -> OperationUpdate {
    let options = ChainedInvokeOptions { function_name: function.into(), tenant_id: None };
    start(id, Type::ChainedInvoke).with(|update| update.chained_invoke_options = Some(options))
}

pub(super) fn succeed_context(id: &str, replay_children: bool) -> OperationUpdate {
    succeed(id, Type::Context, "1")
        .with(|update| update.context_options = Some(ContextOptions { replay_children }))
}
