//! The seam in a component: every method is one import.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Callback, CallbackOptions, Child, ChildResult, ChildState, Identity, InvalidArgument, Operation, Outcome,
    Pollable, Position, Runtime, Scope, Step, StepSemantics, StepState, Wait,
};
use crate::bindings::durawasm::durable::{execution, operations as wit, types};
use crate::bindings::wasi::io::poll;
use crate::error::WireError;

/// The component's host.
pub(crate) struct Host;

impl Runtime for Host {
    fn execution_arn(&self) -> String {
        execution::info().arn
    }

    fn root(&self) -> Arc<dyn Scope> {
        Arc::new(Context::new(wit::Context::root()))
    }

    fn poll(&self, pollables: &[&dyn Pollable]) -> Vec<u32> {
        let pollables: Vec<&poll::Pollable> =
            pollables.iter().filter_map(|pollable| (*pollable as &dyn Any).downcast_ref()).collect();
        poll::poll(&pollables)
    }
}

impl Pollable for poll::Pollable {}

/// A scope, and the last place in it that was claimed: counting here saves a call for each operation.
struct Context {
    context: wit::Context,
    claimed: AtomicU32,
}

impl Context {
    fn new(context: wit::Context) -> Self {
        Self { context, claimed: AtomicU32::new(0) }
    }
}

impl Scope for Context {
    fn claim(&self) -> Position {
        self.claimed.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_replaying(&self) -> bool {
        self.context.is_replaying()
    }

    fn step(&self, identity: Identity, semantics: StepSemantics) -> Result<Arc<dyn Step>, InvalidArgument> {
        let semantics = match semantics {
            StepSemantics::AtLeastOncePerRetry => wit::StepSemantics::AtLeastOncePerRetry,
            StepSemantics::AtMostOncePerRetry => wit::StepSemantics::AtMostOncePerRetry,
        };
        started(self.context.step(&identity.into(), semantics).map(|step| Arc::new(step) as _))
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Wait>, InvalidArgument> {
        started(self.context.wait(&identity.into(), seconds).map(|wait| Arc::new(wait) as _))
    }

    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument> {
        let CallbackOptions { timeout, heartbeat_timeout } = options;
        let options = wit::CallbackOptions { timeout, heartbeat_timeout };
        started(
            self.context.create_callback(&identity.into(), options).map(|callback| Arc::new(callback) as _),
        )
    }

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        started(self.context.child(&identity.into()).map(|child| Arc::new(child) as _))
    }
}

fn started<T>(operation: Result<T, types::InvalidArgument>) -> Result<T, InvalidArgument> {
    operation.map_err(Into::into)
}

impl Operation for wit::Step {
    fn id(&self) -> String {
        Self::id(self)
    }
}

impl Step for wit::Step {
    fn state(&self) -> StepState {
        match Self::state(self) {
            wit::StepState::Pending => StepState::Pending,
            wit::StepState::Run(attempt) => StepState::Run(attempt),
            wit::StepState::Interrupted(attempt) => StepState::Interrupted(attempt),
            wit::StepState::Done(done) => {
                // Only errors tell how many attempts there were.
                let attempt = done.is_err().then(|| Self::attempt(self));
                StepState::Done { outcome: outcome(done), attempt }
            }
        }
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        Box::new(Self::subscribe(self))
    }

    fn enter(&self) {
        Self::enter(self);
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn succeed(&self, result: &str) {
        Self::succeed(self, Some(result));
    }

    fn fail(&self, error: &WireError) {
        Self::fail(self, &error.into());
    }

    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        Self::retry(self, &error.into(), delay).map_err(Into::into)
    }
}

impl Operation for wit::Wait {
    fn id(&self) -> String {
        Self::id(self)
    }
}

impl Wait for wit::Wait {
    fn outcome(&self) -> Option<Outcome> {
        Self::outcome(self).map(outcome)
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        Box::new(Self::subscribe(self))
    }
}

impl Operation for wit::Callback {
    fn id(&self) -> String {
        Self::id(self)
    }
}

impl Callback for wit::Callback {
    fn callback_id(&self) -> Option<String> {
        Self::callback_id(self)
    }

    fn subscribe_id(&self) -> Box<dyn Pollable> {
        Box::new(Self::subscribe_id(self))
    }

    fn outcome(&self) -> Option<Outcome> {
        Self::outcome(self).map(outcome)
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        Box::new(Self::subscribe(self))
    }
}

impl Operation for wit::ChildContext {
    fn id(&self) -> String {
        Self::id(self)
    }
}

impl Child for wit::ChildContext {
    fn state(&self) -> ChildState {
        match Self::state(self) {
            wit::ChildState::Pending => ChildState::Pending,
            wit::ChildState::Run => ChildState::Run,
            wit::ChildState::Rebuild(_) => ChildState::Rebuild,
            wit::ChildState::Done(done) => ChildState::Done(outcome(done)),
        }
    }

    fn subscribe(&self) -> Box<dyn Pollable> {
        Box::new(Self::subscribe(self))
    }

    fn context(&self) -> Arc<dyn Scope> {
        Arc::new(Context::new(Self::context(self)))
    }

    fn succeed(&self, result: ChildResult<'_>) {
        Self::succeed(
            self,
            &match result {
                ChildResult::Inline(json) => wit::ChildResult::Inline(Some(json.to_owned())),
                ChildResult::ReplayChildren => wit::ChildResult::ReplayChildren(None),
            },
        );
    }

    fn fail(&self, error: &WireError) {
        Self::fail(self, &error.into());
    }
}

fn outcome(outcome: types::Outcome) -> Outcome {
    outcome.map_err(|error| {
        WireError::from_parts(error.error_type, error.message, error.data, error.stack_trace)
    })
}

impl From<&WireError> for types::ErrorObject {
    fn from(error: &WireError) -> Self {
        Self {
            error_type: error.error_type().map(str::to_owned),
            message: error.error_message().map(str::to_owned),
            data: error.error_data().map(str::to_owned),
            stack_trace: error.stack_trace().to_vec(),
        }
    }
}

impl From<types::InvalidArgument> for InvalidArgument {
    fn from(invalid: types::InvalidArgument) -> Self {
        Self { argument: invalid.argument, reason: invalid.reason }
    }
}

impl From<Identity> for wit::Identity {
    fn from(identity: Identity) -> Self {
        let Identity { position, name, sub_type } = identity;
        Self { position: Some(position), name, sub_type: sub_type.map(str::to_owned) }
    }
}
