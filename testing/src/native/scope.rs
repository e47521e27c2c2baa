//! The SDK's `Scope` trait, which starts operations.

use std::{sync::Arc, time::Duration};

use durawasm_core::{
    protocol,
    replay::{Engine, Semantics, StepPlan},
};
use durawasm_guest::runtime::{
    Callback, CallbackOptions, Child, Completed, Condition, Identity, InvalidArgument, Invoke, InvokeOptions,
    Position, Scope, Step, StepOptions, StepSemantics,
};

use super::handles::Context;

impl Scope for Context {
    fn id(&self) -> Option<String> {
        let id = |engine: &Engine| engine.scope_parent(self.scope).map(|id| id.map(ToString::to_string));
        self.run.call(|| None, |durable| Ok(id(durable.driver.engine())?))
    }

    fn claim(&self) -> Position {
        Self::claim(self)
    }

    fn is_recorded(&self, position: Position) -> bool {
        self.run.call(|| false, |durable| Ok(durable.driver.engine_mut().is_recorded(self.scope, position)?))
    }

    fn skip(&self, position: Position) {
        self.run.call(|| (), |durable| Ok(durable.driver.engine_mut().skip(self.scope, position)?));
    }

    fn step(&self, identity: Identity, options: StepOptions) -> Result<Arc<dyn Step>, InvalidArgument> {
        let semantics = match options.semantics {
            StepSemantics::AtMostOncePerRetry => Semantics::AtMostOncePerRetry,
            _ => Semantics::AtLeastOncePerRetry,
        };
        let plan = StepPlan { semantics, timeout: options.timeout_ms.map(Duration::from_millis) };
        let step =
            self.start(identity, |engine, at, identity| engine.step(self.scope, at, identity, plan))?;
        Ok(step)
    }

    fn wait(&self, identity: Identity, seconds: u64) -> Result<Arc<dyn Completed>, InvalidArgument> {
        let wait =
            self.start(identity, |engine, at, identity| engine.wait(self.scope, at, identity, seconds))?;
        Ok(wait)
    }

    fn create_callback(
        &self,
        identity: Identity,
        options: CallbackOptions,
    ) -> Result<Arc<dyn Callback>, InvalidArgument> {
        let options = protocol::CallbackOptions {
            timeout_seconds: options.timeout.filter(|s| *s > 0),
            heartbeat_timeout_seconds: options.heartbeat_timeout.filter(|s| *s > 0),
        };
        let callback =
            self.start(identity, |engine, at, identity| engine.callback(self.scope, at, identity, options))?;
        Ok(callback)
    }

    fn invoke(
        &self,
        identity: Identity,
        options: InvokeOptions,
        payload: Option<&str>,
    ) -> Result<Arc<dyn Invoke>, InvalidArgument> {
        let options = protocol::ChainedInvokeOptions {
            function_name: options.function_name.into(),
            tenant_id: options.tenant_id.map(Into::into),
        };
        let payload = payload.map(str::to_owned);
        let invoke = self.start(identity, |engine, at, identity| {
            engine.invoke(self.scope, at, identity, options, payload)
        })?;
        Ok(invoke)
    }

    fn child(&self, identity: Identity) -> Result<Arc<dyn Child>, InvalidArgument> {
        let child = self.start(identity, |engine, at, identity| engine.child(self.scope, at, identity))?;
        Ok(child)
    }

    fn flat(&self, position: Position) -> Arc<dyn Scope> {
        let flat = self.run.call(
            || self.run.root,
            |durable| Ok(durable.driver.engine_mut().flat(self.scope, Some(position))?),
        );
        Self::new(&self.run, flat)
    }

    fn condition(&self, identity: Identity, initial: &str) -> Result<Arc<dyn Condition>, InvalidArgument> {
        let initial = initial.to_owned();
        let condition =
            self.start(identity, |engine, at, identity| engine.condition(self.scope, at, identity, initial))?;
        Ok(condition)
    }
}
