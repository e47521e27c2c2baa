//! The WIT interface `operations`, implemented with the invocation driver.

use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

use super::{
    bindings::durawasm::durable::{operations as wit, types},
    convert,
    resources::{
        Callback, ChainedInvoke, ChildContext, Condition, Context, PollableKind, Step, Wait, WaitSet, key,
        own, own_scope, scope,
    },
    state::Durable,
};
use durawasm_core::{
    invocation::Ended,
    protocol::{CallbackOptions, ChainedInvokeOptions, OperationStatus},
    replay::{
        ChildResult, ChildState, ConditionState, Engine, Interest, Key, ReplayError, Semantics, SetKey,
        StepPlan, StepState,
    },
};

type Started<T> = wasmtime::Result<Result<Resource<T>, types::InvalidArgument>>;
type Reported = wasmtime::Result<Result<(), types::InvalidArgument>>;

impl Durable {
    /// Called before the guest starts an operation: output until now belongs to replayed code, if the guest is
    /// replaying.
    fn about_to_start(&mut self) -> wasmtime::Result<()> {
        self.called()?;
        if self.driver.engine().is_replaying() { self.drain_replayed() } else { Ok(()) }
    }

    /// Starts an operation. An invalid argument is returned to the guest.
    fn start<T: 'static>(
        &mut self,
        start: impl FnOnce(&mut Engine) -> Result<Key, ReplayError>,
    ) -> Started<T> {
        self.about_to_start()?;
        let started = self.driver.start(start);
        Ok(self.trap(started)?.map(own).map_err(convert::invalid_argument))
    }

    /// Closes an attempt with arguments that may be invalid. An invalid argument is returned to the guest.
    async fn report(
        &mut self,
        key: Key,
        report: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> Reported {
        self.check_traffic()?;
        self.drain_body()?;
        let reported = self.driver.report(key, report);
        let reported = self.trap(reported)?;
        self.send_due().await?;
        Ok(reported.map_err(convert::invalid_argument))
    }

    /// Closes an operation with arguments that need no validation.
    async fn close(
        &mut self,
        key: Key,
        close: impl FnOnce(&mut Engine, Key) -> Result<(), ReplayError>,
    ) -> wasmtime::Result<()> {
        self.check_traffic()?;
        self.drain_body()?;
        let closed = self.driver.close(key, close);
        self.trap(closed)?;
        self.send_due().await
    }

    /// Reads from the engine.
    fn read<T>(&mut self, read: impl FnOnce(&Engine) -> Result<T, ReplayError>) -> wasmtime::Result<T> {
        self.called()?;
        let read = read(self.driver.engine());
        self.trap(read)
    }

    /// Performs an operation on the engine that returns no error to the guest.
    fn change<T>(&mut self, act: impl FnOnce(&mut Engine) -> Result<T, ReplayError>) -> wasmtime::Result<T> {
        self.called()?;
        let done = act(self.driver.engine_mut());
        self.trap(done)
    }

    fn id_of(&mut self, key: Key) -> wasmtime::Result<String> {
        self.read(|engine| engine.id(key).map(ToString::to_string))
    }

    fn outcome_of(&mut self, key: Key) -> wasmtime::Result<Option<types::Outcome>> {
        Ok(self.read(|engine| engine.outcome(key))?.map(convert::outcome))
    }

    async fn enter(&mut self, key: Key) -> wasmtime::Result<()> {
        // Lines that the body writes carry its operation.
        self.end_lines();
        self.drain_output()?;
        if let Some(timeout) = self.read(|engine| engine.body_timeout(key))? {
            self.bodies.enter(key, timeout, self.around.clock.precise_now(), &self.watch);
        }
        let entered = self.driver.enter(key);
        self.trap(entered)?;
        self.send_due().await
    }

    /// Waits for an operation, and returns its outcome.
    async fn finished(&mut self, key: Key) -> wasmtime::Result<types::Outcome> {
        self.wait_for(key, Interest::Change).await?;
        match self.outcome_of(key)? {
            Some(outcome) => Ok(outcome),
            None => Err(wasmtime::Error::msg("an operation that has ended has an outcome")),
        }
    }

    fn leave(&mut self, key: Key) -> wasmtime::Result<()> {
        self.called()?;
        self.drain_body()?;
        self.charge_body();
        self.check_traffic()?;
        let left = self.driver.leave(key);
        self.trap(left)
    }
}

fn pollable(durable: &mut Durable, key: Key, interest: Interest) -> wasmtime::Result<Resource<DynPollable>> {
    durable.handle_given()?;
    let handle = PollableKind::Durable(key, interest).handle();
    handle.ok_or_else(|| wasmtime::Error::msg("a durable pollable has a number"))
}

impl wit::Host for &mut Durable {}

impl wit::HostContext for &mut Durable {
    fn root(&mut self) -> wasmtime::Result<Resource<Context>> {
        self.handle_given()?;
        Ok(own_scope(self.driver.engine().root()))
    }

    fn id(&mut self, this: Resource<Context>) -> wasmtime::Result<Option<String>> {
        self.read(|engine| engine.scope_parent(scope(&this)).map(|id| id.map(ToString::to_string)))
    }

    fn is_replaying(&mut self, _: Resource<Context>) -> wasmtime::Result<bool> {
        let replaying = self.driver.is_replaying();
        let name = "durawasm:durable/operations.[method]context.is-replaying";
        self.imported(name, || (String::new(), replaying.to_string()));
        Ok(replaying)
    }

    fn enter(&mut self, this: Resource<Context>, number: u64) -> wasmtime::Result<()> {
        self.streams.enter(scope(&this), number);
        Ok(())
    }

    fn claim(&mut self, this: Resource<Context>) -> wasmtime::Result<u32> {
        self.change(|engine| engine.claim(scope(&this)))
    }

    fn is_recorded(&mut self, this: Resource<Context>, position: u32) -> wasmtime::Result<bool> {
        self.change(|engine| engine.is_recorded(scope(&this), position))
    }

    fn skip(&mut self, this: Resource<Context>, position: u32) -> wasmtime::Result<()> {
        self.about_to_start()?;
        self.change(|engine| engine.skip(scope(&this), position))
    }

    fn step(
        &mut self,
        this: Resource<Context>,
        identity: wit::Identity,
        options: wit::StepOptions,
    ) -> Started<Step> {
        let semantics = match options.semantics {
            wit::StepSemantics::AtLeastOncePerRetry => Semantics::AtLeastOncePerRetry,
            wit::StepSemantics::AtMostOncePerRetry => Semantics::AtMostOncePerRetry,
        };
        let plan = StepPlan { semantics, timeout: options.timeout_ms.map(Duration::from_millis) };
        let (position, identity) = convert::identity(identity);
        let scope = scope(&this);
        self.start(|engine| engine.step(scope, position, identity, plan))
    }

    fn wait(&mut self, this: Resource<Context>, identity: wit::Identity, duration: u64) -> Started<Wait> {
        let (position, identity) = convert::identity(identity);
        let scope = scope(&this);
        self.start(|engine| engine.wait(scope, position, identity, duration))
    }

    fn create_callback(
        &mut self,
        this: Resource<Context>,
        identity: wit::Identity,
        options: wit::CallbackOptions,
    ) -> Started<Callback> {
        let (position, identity) = convert::identity(identity);
        let options = CallbackOptions {
            timeout_seconds: options.timeout.filter(|s| *s > 0),
            heartbeat_timeout_seconds: options.heartbeat_timeout.filter(|s| *s > 0),
        };
        let scope = scope(&this);
        self.start(|engine| engine.callback(scope, position, identity, options))
    }

    fn invoke(
        &mut self,
        this: Resource<Context>,
        identity: wit::Identity,
        options: wit::InvokeOptions,
        payload: Option<String>,
    ) -> Started<ChainedInvoke> {
        let (position, identity) = convert::identity(identity);
        let options = ChainedInvokeOptions {
            function_name: options.function_name.into(),
            tenant_id: options.tenant_id.map(Into::into),
        };
        let scope = scope(&this);
        self.start(|engine| engine.invoke(scope, position, identity, options, payload))
    }

    fn child(&mut self, this: Resource<Context>, identity: wit::Identity) -> Started<ChildContext> {
        let (position, identity) = convert::identity(identity);
        let scope = scope(&this);
        self.start(|engine| engine.child(scope, position, identity))
    }

    fn flat(
        &mut self,
        this: Resource<Context>,
        position: Option<u32>,
    ) -> wasmtime::Result<Resource<Context>> {
        self.handle_given()?;
        Ok(own_scope(self.change(|engine| engine.flat(scope(&this), position))?))
    }

    fn condition(
        &mut self,
        this: Resource<Context>,
        identity: wit::Identity,
        initial: String,
    ) -> Started<Condition> {
        let (position, identity) = convert::identity(identity);
        let scope = scope(&this);
        self.start(|engine| engine.condition(scope, position, identity, initial))
    }

    fn drop(&mut self, _: Resource<Context>) -> wasmtime::Result<()> {
        self.handle_returned();
        Ok(())
    }
}

impl wit::HostStep for &mut Durable {
    fn id(&mut self, this: Resource<Step>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn state(&mut self, this: Resource<Step>) -> wasmtime::Result<wit::StepState> {
        Ok(match self.read(|engine| engine.step_state(key(&this)))? {
            StepState::Pending => wit::StepState::Pending,
            StepState::Run(attempt) => wit::StepState::Run(attempt),
            StepState::Interrupted(attempt) => wit::StepState::Interrupted(attempt),
            StepState::TimedOut(attempt) => wit::StepState::TimedOut(attempt),
            StepState::Done(outcome) => wit::StepState::Done(convert::outcome(outcome)),
        })
    }

    fn attempt(&mut self, this: Resource<Step>) -> wasmtime::Result<u32> {
        self.read(|engine| engine.attempt(key(&this)))
    }

    fn recorded_success(&mut self, this: Resource<Step>) -> wasmtime::Result<Option<wit::Success>> {
        let success = self.read(|engine| engine.recorded_success(key(&this)))?;
        Ok(success.map(|(order, value)| wit::Success { order, value: value.map(|value| value.to_string()) }))
    }

    fn subscribe(&mut self, this: Resource<Step>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<Step>) -> wasmtime::Result<wit::StepState> {
        self.wait_for(key(&this), Interest::Change).await?;
        wit::HostStep::state(self, this)
    }

    async fn enter(&mut self, this: Resource<Step>) -> wasmtime::Result<()> {
        Durable::enter(self, key(&this)).await
    }

    fn leave(&mut self, this: Resource<Step>) -> wasmtime::Result<()> {
        Durable::leave(self, key(&this))
    }

    async fn succeed(&mut self, this: Resource<Step>, result: Option<String>) -> wasmtime::Result<()> {
        self.close(key(&this), |engine, key| engine.succeed(key, result)).await
    }

    async fn fail(&mut self, this: Resource<Step>, error: types::ErrorObject) -> wasmtime::Result<()> {
        self.close(key(&this), |engine, key| engine.fail(key, convert::error_in(error))).await
    }

    async fn retry(&mut self, this: Resource<Step>, error: types::ErrorObject, delay: u64) -> Reported {
        self.report(key(&this), |engine, key| engine.retry(key, convert::error_in(error), delay)).await
    }

    fn drop(&mut self, _: Resource<Step>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl wit::HostWait for &mut Durable {
    fn id(&mut self, this: Resource<Wait>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn outcome(&mut self, this: Resource<Wait>) -> wasmtime::Result<Option<types::Outcome>> {
        self.outcome_of(key(&this))
    }

    fn subscribe(&mut self, this: Resource<Wait>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn finish(&mut self, this: Resource<Wait>) -> wasmtime::Result<types::Outcome> {
        self.finished(key(&this)).await
    }

    fn drop(&mut self, _: Resource<Wait>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl wit::HostCallback for &mut Durable {
    fn id(&mut self, this: Resource<Callback>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn callback_id(&mut self, this: Resource<Callback>) -> wasmtime::Result<Option<String>> {
        self.read(|engine| engine.callback_id(key(&this)).map(|id| id.map(str::to_owned)))
    }

    fn subscribe_id(&mut self, this: Resource<Callback>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::CallbackId)
    }

    fn outcome(&mut self, this: Resource<Callback>) -> wasmtime::Result<Option<types::Outcome>> {
        self.outcome_of(key(&this))
    }

    fn subscribe(&mut self, this: Resource<Callback>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn finish(&mut self, this: Resource<Callback>) -> wasmtime::Result<types::Outcome> {
        self.finished(key(&this)).await
    }

    fn drop(&mut self, _: Resource<Callback>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl wit::HostChainedInvoke for &mut Durable {
    fn id(&mut self, this: Resource<ChainedInvoke>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn outcome(&mut self, this: Resource<ChainedInvoke>) -> wasmtime::Result<Option<types::Outcome>> {
        self.outcome_of(key(&this))
    }

    fn ended(&mut self, this: Resource<ChainedInvoke>) -> wasmtime::Result<Option<wit::EndStatus>> {
        Ok(self.read(|engine| engine.ended(key(&this)))?.map(|status| match status {
            OperationStatus::Succeeded => wit::EndStatus::Succeeded,
            OperationStatus::TimedOut => wit::EndStatus::TimedOut,
            OperationStatus::Stopped => wit::EndStatus::Stopped,
            OperationStatus::Cancelled => wit::EndStatus::Cancelled,
            _ => wit::EndStatus::Failed,
        }))
    }

    fn subscribe(&mut self, this: Resource<ChainedInvoke>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn finish(&mut self, this: Resource<ChainedInvoke>) -> wasmtime::Result<types::Outcome> {
        self.finished(key(&this)).await
    }

    fn drop(&mut self, _: Resource<ChainedInvoke>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl wit::HostChildContext for &mut Durable {
    fn id(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn state(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<wit::ChildState> {
        Ok(match self.read(|engine| engine.child_state(key(&this)))? {
            ChildState::Pending => wit::ChildState::Pending,
            ChildState::Run => wit::ChildState::Run,
            ChildState::Rebuild(summary) => wit::ChildState::Rebuild(summary.map(|s| s.to_string())),
            ChildState::Done(outcome) => wit::ChildState::Done(convert::outcome(outcome)),
        })
    }

    fn subscribe(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<wit::ChildState> {
        self.wait_for(key(&this), Interest::Change).await?;
        wit::HostChildContext::state(self, this)
    }

    fn context(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<Resource<Context>> {
        self.handle_given()?;
        Ok(own_scope(self.read(|engine| engine.child_scope(key(&this)))?))
    }

    async fn succeed(
        &mut self,
        this: Resource<ChildContext>,
        result: wit::ChildResult,
    ) -> wasmtime::Result<()> {
        let result = match result {
            wit::ChildResult::Inline(payload) => ChildResult::Inline(payload),
            wit::ChildResult::ReplayChildren(summary) => ChildResult::ReplayChildren(summary),
        };
        self.close(key(&this), |engine, key| engine.close_child(key, result)).await
    }

    async fn fail(
        &mut self,
        this: Resource<ChildContext>,
        error: types::ErrorObject,
    ) -> wasmtime::Result<()> {
        self.close(key(&this), |engine, key| engine.fail_child(key, convert::error_in(error))).await
    }

    fn drop(&mut self, _: Resource<ChildContext>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl wit::HostCondition for &mut Durable {
    fn id(&mut self, this: Resource<Condition>) -> wasmtime::Result<String> {
        self.id_of(key(&this))
    }

    fn state(&mut self, this: Resource<Condition>) -> wasmtime::Result<wit::ConditionState> {
        Ok(match self.read(|engine| engine.condition_state(key(&this)))? {
            ConditionState::Pending => wit::ConditionState::Pending,
            ConditionState::Run { attempt, state } => wit::ConditionState::Run((
                attempt,
                state.map_or_else(|| "null".to_owned(), |s| s.to_string()),
            )),
            ConditionState::Done(outcome) => wit::ConditionState::Done(convert::outcome(outcome)),
        })
    }

    fn attempt(&mut self, this: Resource<Condition>) -> wasmtime::Result<u32> {
        self.read(|engine| engine.attempt(key(&this)))
    }

    fn subscribe(&mut self, this: Resource<Condition>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<Condition>) -> wasmtime::Result<wit::ConditionState> {
        self.wait_for(key(&this), Interest::Change).await?;
        wit::HostCondition::state(self, this)
    }

    async fn enter(&mut self, this: Resource<Condition>) -> wasmtime::Result<()> {
        Durable::enter(self, key(&this)).await
    }

    fn leave(&mut self, this: Resource<Condition>) -> wasmtime::Result<()> {
        Durable::leave(self, key(&this))
    }

    async fn succeed(&mut self, this: Resource<Condition>, result: Option<String>) -> wasmtime::Result<()> {
        self.close(key(&this), |engine, key| engine.succeed(key, result)).await
    }

    async fn fail(&mut self, this: Resource<Condition>, error: types::ErrorObject) -> wasmtime::Result<()> {
        self.close(key(&this), |engine, key| engine.fail(key, convert::error_in(error))).await
    }

    async fn continue_(&mut self, this: Resource<Condition>, next: String, delay: u64) -> Reported {
        self.report(key(&this), |engine, key| engine.continue_condition(key, next, delay)).await
    }

    fn drop(&mut self, _: Resource<Condition>) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn set(handle: &Resource<WaitSet>) -> SetKey {
    SetKey::from_number(handle.rep())
}

impl wit::HostWaitSet for &mut Durable {
    fn new(&mut self) -> wasmtime::Result<Resource<WaitSet>> {
        Ok(Resource::new_own(self.change(Engine::new_set)?.to_number()))
    }

    fn add(
        &mut self,
        this: Resource<WaitSet>,
        pollable: Resource<DynPollable>,
        token: u64,
    ) -> wasmtime::Result<()> {
        let PollableKind::Durable(key, interest) = PollableKind::of(&pollable) else {
            let reason = "only pollables of operations can be added to a wait set".to_owned();
            return Err(self.end(Ended::Replay(ReplayError::Misuse(reason))));
        };
        self.handle_returned();
        self.change(|engine| engine.add_to_set(set(&this), key, interest, token))
    }

    fn remove(&mut self, this: Resource<WaitSet>, token: u64) -> wasmtime::Result<()> {
        self.change(|engine| engine.remove_from_set(set(&this), token))
    }

    async fn next(&mut self, this: Resource<WaitSet>) -> wasmtime::Result<Vec<u64>> {
        match self.wait_for_set(set(&this)).await? {
            Some(tokens) => Ok(tokens),
            None => Err(self.suspend()),
        }
    }

    async fn next_or_idle(&mut self, this: Resource<WaitSet>) -> wasmtime::Result<Option<Vec<u64>>> {
        self.wait_for_set(set(&this)).await
    }

    fn drop(&mut self, _: Resource<WaitSet>) -> wasmtime::Result<()> {
        Ok(())
    }
}
