//! The WIT interface `operations`, on the replay engine.

use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

use super::{
    bindings::durawasm::durable::{operations as wit, types},
    convert::{self, Refusal},
    resources::{
        Callback, ChainedInvoke, ChildContext, Condition, Context, PollableKind, Step, Wait, WaitSet, key,
        own, own_scope, scope,
    },
    state::{Durable, Ended},
};
use crate::{
    protocol::{CallbackOptions, ChainedInvokeOptions, OperationStatus},
    replay::{ChildResult, Directive, Interest, Key, ReplayError, Semantics, SetKey, StepPlan},
};

type Started<T> = wasmtime::Result<Result<Resource<T>, types::InvalidArgument>>;
type Told = wasmtime::Result<Result<(), types::InvalidArgument>>;

impl Durable {
    /// What a guest must not do ends its run.
    fn must<T>(&mut self, result: Result<T, ReplayError>) -> wasmtime::Result<T> {
        result.map_err(|e| self.broken(e))
    }

    fn broken(&mut self, error: ReplayError) -> wasmtime::Error {
        self.end(error.into())
    }

    /// Before a guest starts something: what it wrote until now it wrote as a replay, if it is one until now.
    fn about_to_start(&mut self) -> wasmtime::Result<()> {
        if self.engine.is_replaying() { self.drain_replayed() } else { Ok(()) }
    }

    /// Of a start: a bad argument is the guest's to handle.
    fn started<T: 'static>(&mut self, result: Result<Key, ReplayError>) -> Started<T> {
        match convert::refusal(result) {
            Ok(key) if self.engine.is_new(key) && self.around.faults.operation() => {
                Err(self.end(Ended::Killed))
            }
            Ok(key) => Ok(Ok(own(key))),
            Err(Refusal::Told(argument)) => Ok(Err(argument)),
            Err(Refusal::Fatal(error)) => Err(self.broken(error)),
        }
    }

    /// Of a report: a bad argument is the guest's to handle.
    async fn told(&mut self, result: Result<(), ReplayError>) -> Told {
        match convert::refusal(result) {
            Ok(()) => {
                self.live = None;
                self.reported_end(true).await?;
                Ok(Ok(()))
            }
            Err(Refusal::Told(argument)) => Ok(Err(argument)),
            Err(Refusal::Fatal(error)) => Err(self.broken(error)),
        }
    }

    /// Of a report without arguments that could be bad.
    async fn closed(&mut self, result: Result<(), ReplayError>) -> wasmtime::Result<()> {
        self.drain_body()?;
        self.live = None;
        self.must(result)?;
        self.reported_end(self.engine.queued() > 0).await
    }

    fn id_of(&mut self, key: Key) -> wasmtime::Result<String> {
        let id = self.engine.id(key).map(ToString::to_string);
        self.must(id)
    }

    fn outcome_of(&mut self, key: Key) -> wasmtime::Result<Option<types::Outcome>> {
        let outcome = self.engine.outcome(key);
        Ok(self.must(outcome)?.map(convert::outcome))
    }

    async fn enter(&mut self, key: Key) -> wasmtime::Result<()> {
        // A body's lines are its own: they carry its operation.
        self.end_lines();
        self.drain_output()?;
        let timeout = self.engine.body_timeout(key);
        if let Some(timeout) = self.must(timeout)? {
            self.bodies.enter(key, timeout, self.around.clock.precise_now());
        }
        let entered = self.engine.enter(key);
        self.must(entered)?;
        self.live = Some(key);
        self.reported().await
    }

    /// The outcome of an operation, waited for.
    async fn finished(&mut self, key: Key) -> wasmtime::Result<types::Outcome> {
        self.settled(key, Interest::Change).await?;
        match self.outcome_of(key)? {
            Some(outcome) => Ok(outcome),
            None => Err(wasmtime::Error::msg("an operation that has ended has an outcome")),
        }
    }

    fn leave(&mut self) -> wasmtime::Result<()> {
        self.drain_body()?;
        self.live = None;
        Ok(())
    }

    /// Before code other than a replay's writes to the same streams: ends the line that the replay has begun.
    pub(super) fn drain_replayed(&mut self) -> wasmtime::Result<()> {
        if !self.is_live() && self.engine.is_replaying() {
            self.end_lines();
        }
        self.drain_output()
    }

    /// Before other code writes to the same streams as the body that runs: ends the line that the body has begun.
    fn drain_body(&mut self) -> wasmtime::Result<()> {
        if self.live.is_some() {
            self.end_lines();
        }
        self.drain_output()
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
        Ok(own_scope(self.engine.root()))
    }

    fn id(&mut self, this: Resource<Context>) -> wasmtime::Result<Option<String>> {
        let id = self.engine.scope_parent(scope(&this)).map(|id| id.map(ToString::to_string));
        self.must(id)
    }

    fn is_replaying(&mut self, _: Resource<Context>) -> wasmtime::Result<bool> {
        Ok(!self.is_live() && self.engine.is_replaying())
    }

    fn enter(&mut self, this: Resource<Context>, number: u64) -> wasmtime::Result<()> {
        self.streams.enter(scope(&this), number);
        Ok(())
    }

    fn claim(&mut self, this: Resource<Context>) -> wasmtime::Result<u32> {
        let position = self.engine.claim(scope(&this));
        self.must(position)
    }

    fn is_recorded(&mut self, this: Resource<Context>, position: u32) -> wasmtime::Result<bool> {
        let recorded = self.engine.is_recorded(scope(&this), position);
        self.must(recorded)
    }

    fn skip(&mut self, this: Resource<Context>, position: u32) -> wasmtime::Result<()> {
        self.about_to_start()?;
        let skipped = self.engine.skip(scope(&this), position);
        self.must(skipped)
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
        self.about_to_start()?;
        let started = self.engine.step(scope(&this), position, identity, plan);
        self.started(started)
    }

    fn wait(&mut self, this: Resource<Context>, identity: wit::Identity, duration: u64) -> Started<Wait> {
        let (position, identity) = convert::identity(identity);
        self.about_to_start()?;
        let started = self.engine.wait(scope(&this), position, identity, duration);
        self.started(started)
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
        self.about_to_start()?;
        let started = self.engine.callback(scope(&this), position, identity, options);
        self.started(started)
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
        self.about_to_start()?;
        let started = self.engine.invoke(scope(&this), position, identity, options, payload);
        self.started(started)
    }

    fn child(&mut self, this: Resource<Context>, identity: wit::Identity) -> Started<ChildContext> {
        let (position, identity) = convert::identity(identity);
        self.about_to_start()?;
        let started = self.engine.child(scope(&this), position, identity);
        self.started(started)
    }

    fn flat(
        &mut self,
        this: Resource<Context>,
        position: Option<u32>,
    ) -> wasmtime::Result<Resource<Context>> {
        self.handle_given()?;
        let flat = self.engine.flat(scope(&this), position);
        Ok(own_scope(self.must(flat)?))
    }

    fn condition(
        &mut self,
        this: Resource<Context>,
        identity: wit::Identity,
        initial: String,
    ) -> Started<Condition> {
        let (position, identity) = convert::identity(identity);
        self.about_to_start()?;
        let started = self.engine.condition(scope(&this), position, identity, initial);
        self.started(started)
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
        let directive = self.engine.directive(key(&this));
        Ok(match self.must(directive)? {
            Directive::Pending | Directive::Rebuild { .. } => wit::StepState::Pending,
            Directive::Run { attempt, .. } => wit::StepState::Run(attempt),
            Directive::Interrupted { attempt } => wit::StepState::Interrupted(attempt),
            Directive::TimedOut { attempt } => wit::StepState::TimedOut(attempt),
            Directive::Done(outcome) => wit::StepState::Done(convert::outcome(outcome)),
        })
    }

    fn attempt(&mut self, this: Resource<Step>) -> wasmtime::Result<u32> {
        let attempt = self.engine.attempt(key(&this));
        self.must(attempt)
    }

    fn recorded_success(&mut self, this: Resource<Step>) -> wasmtime::Result<Option<wit::Success>> {
        let success = self.engine.recorded_success(key(&this));
        let success = self.must(success)?;
        Ok(success.map(|(order, value)| wit::Success { order, value: value.map(|value| value.to_string()) }))
    }

    fn subscribe(&mut self, this: Resource<Step>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<Step>) -> wasmtime::Result<wit::StepState> {
        self.settled(key(&this), Interest::Change).await?;
        wit::HostStep::state(self, this)
    }

    async fn enter(&mut self, this: Resource<Step>) -> wasmtime::Result<()> {
        Durable::enter(self, key(&this)).await
    }

    fn leave(&mut self, _: Resource<Step>) -> wasmtime::Result<()> {
        Durable::leave(self)
    }

    async fn succeed(&mut self, this: Resource<Step>, result: Option<String>) -> wasmtime::Result<()> {
        let closed = self.engine.succeed(key(&this), result);
        self.closed(closed).await
    }

    async fn fail(&mut self, this: Resource<Step>, error: types::ErrorObject) -> wasmtime::Result<()> {
        let closed = self.engine.fail(key(&this), convert::error_in(error));
        self.closed(closed).await
    }

    async fn retry(&mut self, this: Resource<Step>, error: types::ErrorObject, delay: u64) -> Told {
        self.drain_body()?;
        let told = self.engine.retry(key(&this), convert::error_in(error), delay);
        self.told(told).await
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
        let id = self.engine.callback_id(key(&this)).map(|id| id.map(str::to_owned));
        self.must(id)
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
        let ended = self.engine.ended(key(&this));
        Ok(self.must(ended)?.map(|status| match status {
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
        let directive = self.engine.directive(key(&this));
        Ok(match self.must(directive)? {
            Directive::Pending | Directive::Interrupted { .. } | Directive::TimedOut { .. } => {
                wit::ChildState::Pending
            }
            Directive::Run { .. } => wit::ChildState::Run,
            Directive::Rebuild { summary } => wit::ChildState::Rebuild(summary.map(|s| s.to_string())),
            Directive::Done(outcome) => wit::ChildState::Done(convert::outcome(outcome)),
        })
    }

    fn subscribe(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<wit::ChildState> {
        self.settled(key(&this), Interest::Change).await?;
        wit::HostChildContext::state(self, this)
    }

    fn context(&mut self, this: Resource<ChildContext>) -> wasmtime::Result<Resource<Context>> {
        self.handle_given()?;
        let scope = self.engine.child_scope(key(&this));
        Ok(own_scope(self.must(scope)?))
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
        let closed = self.engine.close_child(key(&this), result);
        self.closed(closed).await
    }

    async fn fail(
        &mut self,
        this: Resource<ChildContext>,
        error: types::ErrorObject,
    ) -> wasmtime::Result<()> {
        let closed = self.engine.fail_child(key(&this), convert::error_in(error));
        self.closed(closed).await
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
        let directive = self.engine.directive(key(&this));
        Ok(match self.must(directive)? {
            Directive::Run { attempt, state } => wit::ConditionState::Run((
                attempt,
                state.map_or_else(|| "null".to_owned(), |s| s.to_string()),
            )),
            Directive::Done(outcome) => wit::ConditionState::Done(convert::outcome(outcome)),
            Directive::Pending
            | Directive::Interrupted { .. }
            | Directive::TimedOut { .. }
            | Directive::Rebuild { .. } => wit::ConditionState::Pending,
        })
    }

    fn attempt(&mut self, this: Resource<Condition>) -> wasmtime::Result<u32> {
        let attempt = self.engine.attempt(key(&this));
        self.must(attempt)
    }

    fn subscribe(&mut self, this: Resource<Condition>) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self, key(&this), Interest::Change)
    }

    async fn next(&mut self, this: Resource<Condition>) -> wasmtime::Result<wit::ConditionState> {
        self.settled(key(&this), Interest::Change).await?;
        wit::HostCondition::state(self, this)
    }

    async fn enter(&mut self, this: Resource<Condition>) -> wasmtime::Result<()> {
        Durable::enter(self, key(&this)).await
    }

    fn leave(&mut self, _: Resource<Condition>) -> wasmtime::Result<()> {
        Durable::leave(self)
    }

    async fn succeed(&mut self, this: Resource<Condition>, result: Option<String>) -> wasmtime::Result<()> {
        let closed = self.engine.succeed(key(&this), result);
        self.closed(closed).await
    }

    async fn fail(&mut self, this: Resource<Condition>, error: types::ErrorObject) -> wasmtime::Result<()> {
        let closed = self.engine.fail(key(&this), convert::error_in(error));
        self.closed(closed).await
    }

    async fn continue_(&mut self, this: Resource<Condition>, next: String, delay: u64) -> Told {
        self.drain_body()?;
        let told = self.engine.continue_condition(key(&this), next, delay);
        self.told(told).await
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
        let set = self.engine.new_set();
        Ok(Resource::new_own(self.must(set)?.to_number()))
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
        let watched = self.engine.watch(set(&this), key, interest, token);
        self.must(watched)
    }

    fn remove(&mut self, this: Resource<WaitSet>, token: u64) -> wasmtime::Result<()> {
        let removed = self.engine.unwatch(set(&this), token);
        self.must(removed)
    }

    async fn next(&mut self, this: Resource<WaitSet>) -> wasmtime::Result<Vec<u64>> {
        match self.watched(set(&this)).await? {
            Some(tokens) => Ok(tokens),
            None => Err(self.suspend()),
        }
    }

    async fn next_or_idle(&mut self, this: Resource<WaitSet>) -> wasmtime::Result<Option<Vec<u64>>> {
        self.watched(set(&this)).await
    }

    fn drop(&mut self, _: Resource<WaitSet>) -> wasmtime::Result<()> {
        Ok(())
    }
}
