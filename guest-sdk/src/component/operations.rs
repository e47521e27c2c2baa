//! Scopes and operations in a component: each method calls one import.
//!
//! Invariants: a blocking import returns the new state or outcome. It is kept until the caller asks for the state or
//! outcome, so that both together cost one call of the host.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::bindings::durawasm::durable::{operations as wit, types};
use super::bindings::wasi::io::poll;
use super::convert::{outcome, started};
use crate::contract::{
    Attempts, Callback, CallbackOptions, Child, ChildResult, ChildState, Completed, Condition,
    ConditionState, EndStatus, Identity, Interest, Invoke, InvokeOptions, Operation, Outcome, Pollable,
    Position, Scope, Step, StepOptions, StepSemantics, StepState, Success,
};
use crate::error::{InvalidArgument, WireError};

/// A scope, with the last claimed position: counting here saves a call of the host for each operation.
pub(super) struct Context {
    context: wit::Context,
    claimed: AtomicU32,
}

impl Context {
    pub(super) fn new(context: wit::Context) -> Self {
        Self { context, claimed: AtomicU32::new(0) }
    }
}

impl Scope for Context {
    fn id(&self) -> Option<String> {
        self.context.id()
    }

    fn enter(&self, stream: u64) {
        self.context.enter(stream);
    }

    fn claim(&self) -> Position {
        self.claimed.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_recorded(&self, position: Position) -> bool {
        self.context.is_recorded(position)
    }

    fn skip(&self, position: Position) {
        self.context.skip(position);
    }

    fn step(&self, identity: Identity, options: StepOptions) -> Result<Arc<dyn Step>, InvalidArgument> {
        let semantics = match options.semantics {
            StepSemantics::AtLeastOncePerRetry => wit::StepSemantics::AtLeastOncePerRetry,
            StepSemantics::AtMostOncePerRetry => wit::StepSemantics::AtMostOncePerRetry,
        };
        let options = wit::StepOptions { semantics, timeout_ms: options.timeout_ms };
        started(self.context.step(&identity.into(), options).map(|step| Arc::new(Handle::new(step)) as _))
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Completed>, InvalidArgument> {
        started(self.context.wait(&identity.into(), seconds).map(|wait| Arc::new(Handle::new(wait)) as _))
    }

    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument> {
        let CallbackOptions { timeout, heartbeat_timeout } = options;
        let options = wit::CallbackOptions { timeout, heartbeat_timeout };
        let callback = self.context.create_callback(&identity.into(), options);
        started(callback.map(|callback| Arc::new(Handle::new(callback)) as _))
    }

    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument> {
        let InvokeOptions { function_name, tenant_id } = options;
        let options = wit::InvokeOptions { function_name, tenant_id };
        let invoke = self.context.invoke(&identity.into(), &options, payload);
        started(invoke.map(|invoke| Arc::new(Handle::new(invoke)) as _))
    }

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        started(self.context.child(&identity.into()).map(|child| Arc::new(Handle::new(child)) as _))
    }

    fn flat(&self, position: Position) -> Arc<dyn Scope> {
        Arc::new(Self::new(self.context.flat(Some(position))))
    }

    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument> {
        let condition = self.context.condition(&identity.into(), initial);
        started(condition.map(|condition| Arc::new(Handle::new(condition)) as _))
    }
}

/// The handle of an operation, with the value that the last blocking call returned.
struct Handle<T: Resource> {
    resource: T,
    found: Mutex<Option<T::Found>>,
}

impl<T: Resource> Handle<T> {
    fn new(resource: T) -> Self {
        Self { resource, found: Mutex::new(None) }
    }

    /// Takes the value that the last blocking call returned.
    fn found(&self) -> Option<T::Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The methods that the resources of all operations have.
trait Resource: Send + Sync {
    /// What a blocking call returns.
    type Found: Send;
    fn id(&self) -> String;
    fn subscribe(&self, interest: Interest) -> poll::Pollable;
    fn block(&self) -> Self::Found;
}

macro_rules! resource {
    ($resource:ty, $found:ty, $block:ident) => {
        impl Resource for $resource {
            type Found = $found;

            fn id(&self) -> String {
                <$resource>::id(self)
            }

            fn subscribe(&self, _: Interest) -> poll::Pollable {
                <$resource>::subscribe(self)
            }

            fn block(&self) -> $found {
                <$resource>::$block(self)
            }
        }
    };
}

resource!(wit::Step, wit::StepState, next);
resource!(wit::Wait, types::Outcome, finish);
resource!(wit::ChainedInvoke, types::Outcome, finish);
resource!(wit::ChildContext, wit::ChildState, next);
resource!(wit::Condition, wit::ConditionState, next);

impl Resource for wit::Callback {
    type Found = types::Outcome;

    fn id(&self) -> String {
        wit::Callback::id(self)
    }

    fn subscribe(&self, interest: Interest) -> poll::Pollable {
        match interest {
            Interest::Change => wit::Callback::subscribe(self),
            Interest::CallbackId => self.subscribe_id(),
        }
    }

    fn block(&self) -> types::Outcome {
        self.finish()
    }
}

impl<T: Resource> Operation for Handle<T> {
    fn id(&self) -> String {
        self.resource.id()
    }

    fn subscribe(&self, interest: Interest) -> Box<dyn Pollable> {
        Box::new(self.resource.subscribe(interest))
    }

    fn block(&self, interest: Interest) {
        match interest {
            Interest::Change => {
                let found = self.resource.block();
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            }
            Interest::CallbackId => self.resource.subscribe(interest).block(),
        }
    }
}

impl Attempts for Handle<wit::Step> {
    fn enter(&self) {
        self.resource.enter();
    }

    fn leave(&self) {
        self.resource.leave();
    }

    fn succeed(&self, payload: &str) {
        self.resource.succeed(Some(payload));
    }

    fn fail(&self, error: &WireError) {
        self.resource.fail(&error.into());
    }
}

impl Step for Handle<wit::Step> {
    fn state(&self) -> StepState {
        match self.found().unwrap_or_else(|| self.resource.state()) {
            wit::StepState::Pending => StepState::Pending,
            wit::StepState::Run(attempt) => StepState::Run(attempt),
            wit::StepState::Interrupted(attempt) => StepState::Interrupted(attempt),
            wit::StepState::TimedOut(attempt) => StepState::TimedOut(attempt),
            wit::StepState::Done(done) => {
                // Only errors have the number of attempts.
                let attempt = done.is_err().then(|| self.resource.attempt());
                StepState::Done { outcome: outcome(done), attempt }
            }
        }
    }

    fn recorded_success(&self) -> Option<Success> {
        self.resource.recorded_success().map(|wit::Success { order, value }| Success { order, value })
    }

    fn retry(&self, error: &WireError, delay: u64) -> Result<(), InvalidArgument> {
        self.resource.retry(&error.into(), delay).map_err(Into::into)
    }
}

impl Completed for Handle<wit::Wait> {
    fn outcome(&self) -> Option<Outcome> {
        self.found().or_else(|| self.resource.outcome()).map(outcome)
    }
}

impl Completed for Handle<wit::ChainedInvoke> {
    fn outcome(&self) -> Option<Outcome> {
        self.found().or_else(|| self.resource.outcome()).map(outcome)
    }
}

impl Invoke for Handle<wit::ChainedInvoke> {
    fn ended(&self) -> Option<EndStatus> {
        self.resource.ended().map(|status| match status {
            wit::EndStatus::Succeeded => EndStatus::Succeeded,
            wit::EndStatus::Failed => EndStatus::Failed,
            wit::EndStatus::TimedOut => EndStatus::TimedOut,
            wit::EndStatus::Stopped => EndStatus::Stopped,
            wit::EndStatus::Cancelled => EndStatus::Cancelled,
        })
    }
}

impl Completed for Handle<wit::Callback> {
    fn outcome(&self) -> Option<Outcome> {
        self.found().or_else(|| self.resource.outcome()).map(outcome)
    }
}

impl Callback for Handle<wit::Callback> {
    fn callback_id(&self) -> Option<String> {
        self.resource.callback_id()
    }
}

impl Child for Handle<wit::ChildContext> {
    fn state(&self) -> ChildState {
        match self.found().unwrap_or_else(|| self.resource.state()) {
            wit::ChildState::Pending => ChildState::Pending,
            wit::ChildState::Run => ChildState::Run,
            wit::ChildState::Rebuild(summary) => ChildState::Rebuild(summary),
            wit::ChildState::Done(done) => ChildState::Done(outcome(done)),
        }
    }

    fn context(&self) -> Arc<dyn Scope> {
        Arc::new(Context::new(self.resource.context()))
    }

    fn succeed(&self, result: ChildResult<'_>) {
        self.resource.succeed(&match result {
            ChildResult::Inline(json) => wit::ChildResult::Inline(Some(json.to_owned())),
            ChildResult::ReplayChildren(summary) => {
                wit::ChildResult::ReplayChildren(summary.map(str::to_owned))
            }
        });
    }

    fn fail(&self, error: &WireError) {
        self.resource.fail(&error.into());
    }
}

impl Attempts for Handle<wit::Condition> {
    fn enter(&self) {
        self.resource.enter();
    }

    fn leave(&self) {
        self.resource.leave();
    }

    fn succeed(&self, payload: &str) {
        self.resource.succeed(Some(payload));
    }

    fn fail(&self, error: &WireError) {
        self.resource.fail(&error.into());
    }
}

impl Condition for Handle<wit::Condition> {
    fn state(&self) -> ConditionState {
        match self.found().unwrap_or_else(|| self.resource.state()) {
            wit::ConditionState::Pending => ConditionState::Pending,
            wit::ConditionState::Run((attempt, state)) => ConditionState::Run { attempt, state },
            wit::ConditionState::Done(done) => {
                let attempt = done.is_err().then(|| self.resource.attempt());
                ConditionState::Done { outcome: outcome(done), attempt }
            }
        }
    }

    fn proceed(&self, state: &str, delay: u64) -> Result<(), InvalidArgument> {
        self.resource.continue_(state, delay).map_err(Into::into)
    }
}
