//! Chained invokes: from one that was started to the outcome of its target.
//!
//! Invariants: a target is started once; one that has started continues with the code that it began with; a target that does
//! not exist is the invoke's failure; one whose code cannot be loaded, or that has started and is not served now, waits for
//! its code.

use std::pin::Pin;

use super::{
    CODE_RETRY_SECONDS, Function, Version, VersionError,
    run::{DriveOptions, Orchestrator, StopReason, after, function_of},
    targets::{Spawner, TargetEnd},
};
use crate::{
    protocol::{ErrorObject, ExecutionArn, ExecutionStatus, ServiceError, Timestamp, error_types},
    server::{Continued, InvokeOutcome, InvokeTarget, StartExecution, StartedInvoke},
};

/// The target of a chained invoke, after it was begun.
enum BegunTarget {
    /// It has an execution.
    Execution {
        arn: ExecutionArn,
        /// Its code, if it was started now.
        function: Option<Function>,
        /// When it times out, if it was started now.
        deadline: Option<Timestamp>,
    },
    /// It has ended: it is a plain function, or does not exist.
    Ended(InvokeOutcome),
}

impl Orchestrator {
    /// Runs the target of a chained invoke, and reports how it ended.
    pub(super) fn target(
        &self,
        caller: ExecutionArn,
        invoke: StartedInvoke,
        spawner: Spawner,
    ) -> Pin<Box<dyn Future<Output = TargetEnd> + Send>> {
        let this = self.clone();
        let actor = self.clock.actor();
        Box::pin(async move {
            // Other actors that are active at this instant run first. Targets that start together run one after
            // another, so the order in which they end does not depend on the machine.
            this.clock.sleep(Some(this.clock.now())).await;
            let outcome = match spawner.deeper() {
                // On the heap, so that a target that waits for its turn or is refused has no room for it.
                Ok(spawner) => Box::pin(this.run_target(&caller, &invoke, spawner)).await,
                Err(error) => Ok(InvokeOutcome::Failed(error)),
            };
            let outcome = outcome.or_else(refused);
            let done = match outcome {
                Ok(outcome) => this.server.complete_invoke(&caller, &invoke.operation_id, outcome).await,
                Err(error) => Err(error),
            };
            // The caller has ended meanwhile.
            let over =
                matches!(&done, Err(ServiceError::InvalidParameterValue(_))) && this.answers_from_outside;
            let done = if over { Ok(()) } else { done };
            (actor, done)
        })
    }

    /// Begins the execution of a target, or runs it to its end if it is a plain function.
    async fn begin_target(
        &self,
        caller: &ExecutionArn,
        invoke: &StartedInvoke,
    ) -> Result<BegunTarget, ServiceError> {
        if self.versions.is_some()
            && let Some(arn) = self.server.invoked_by(caller, &invoke.operation_id).await?
        {
            // It continues with the code that it began with, whatever the name stands for by now.
            return Ok(BegunTarget::Execution { arn, function: None, deadline: None });
        }
        let found = loop {
            match self.find(&invoke.function_name).await {
                Err(VersionError::Code { .. }) => self.wait_for_code().await,
                found => break found,
            }
        };
        let Version { function, version, origin } = match found {
            Ok(version) => version,
            Err(error) => {
                let error = ErrorObject::new(error_types::NOT_FOUND, error.to_string());
                return Ok(BegunTarget::Ended(InvokeOutcome::Failed(error)));
            }
        };
        if !function.durable {
            // What it makes the host keep is kept for its caller.
            let budget = self.server.budget(caller).await?;
            let target = InvokeTarget { executed_version: Some(version), durable_execution_arn: None };
            self.server.annotate_invoke(caller, &invoke.operation_id, target).await?;
            let id = invoke.operation_id.as_str();
            let label = format!("{caller} {id}");
            let outcome = self.granted_plain(&function, invoke.payload.clone(), id, &label, budget).await;
            return Ok(BegunTarget::Ended(outcome));
        }
        let mut start =
            StartExecution::new(&*function.name, invoke.payload.as_ref().map(ToString::to_string));
        version.as_ref().clone_into(&mut start.function_version);
        start.origin = origin;
        start.invoked_by = Some((caller.clone(), invoke.operation_id.clone()));
        start.timeout_seconds = self.execution_timeouts.get(&*function.name).copied();
        start.timers = self.timers();
        let deadline = self.deadline(self.clock.now(), start.timeout_seconds);
        let arn = self.server.start_execution(start).await?;
        Ok(BegunTarget::Execution { arn, function: Some(function), deadline })
    }

    /// Waits until code that could not be loaded may be there.
    async fn wait_for_code(&self) {
        self.clock.sleep(Some(self.clock.now().plus_seconds(CODE_RETRY_SECONDS))).await;
    }

    async fn run_target(
        &self,
        caller: &ExecutionArn,
        invoke: &StartedInvoke,
        spawner: Spawner,
    ) -> Result<InvokeOutcome, ServiceError> {
        let (arn, function, begun) = match self.begin_target(caller, invoke).await? {
            BegunTarget::Execution { arn, function, deadline } => (arn, function, deadline),
            BegunTarget::Ended(outcome) => return Ok(outcome),
        };
        let target = InvokeTarget {
            executed_version: arn.parts().map(|(_, version, _)| version.into()),
            durable_execution_arn: Some(arn.clone()),
        };
        self.server.annotate_invoke(caller, &invoke.operation_id, target).await?;
        if let Some((attendance, Continued { times_out, origin })) = self.server.attend(&arn).await? {
            // With a store it may have been started before, if this continues the caller's execution.
            let begun_before = function.is_none() || self.server.has_store();
            let mut code = function;
            let function = loop {
                if let Some(function) = code {
                    break function;
                }
                code = self.started_with(function_of(&arn), origin.as_deref()).await.ok();
                if code.is_none() {
                    self.wait_for_code().await;
                }
            };
            let mut checkpoints = 0;
            let options = DriveOptions {
                function: &function,
                deadline: if begun_before { after(times_out) } else { begun },
                stop_when: None,
                attendant: None,
                may_leave: false,
            };
            let driven = self.drive(&arn, options, &mut checkpoints, spawner).await;
            if matches!(driven, Ok(StopReason::Ended)) {
                attendance.set_left();
            }
            if let StopReason::Stalled(_) = driven? {
                // The target waits for an answer that cannot come, and so does its caller.
                let error = ErrorObject::new(
                    error_types::INVOKE_STALLED,
                    "the target waits for an external answer that cannot arrive",
                );
                return Ok(InvokeOutcome::Stopped(error));
            }
        } else {
            // Somebody runs it since its caller was left.
            tokio::select! {
                biased;
                ended = self.server.ended(&arn) => ended?,
                // Virtual time advances meanwhile.
                () = self.clock.sleep(None) => {}
            }
        }
        let view = self.server.view(&arn).await?;
        let error = view.error.unwrap_or_default();
        Ok(match view.status {
            ExecutionStatus::Succeeded => InvokeOutcome::Succeeded(view.result.map(|r| r.to_string())),
            ExecutionStatus::TimedOut => InvokeOutcome::TimedOut(error),
            ExecutionStatus::Stopped => InvokeOutcome::Stopped(error),
            ExecutionStatus::Failed | ExecutionStatus::Running => InvokeOutcome::Failed(error),
        })
    }
}

/// Converts a refusal of a target by the service to the failure of that target. The run continues.
fn refused(error: ServiceError) -> Result<InvokeOutcome, ServiceError> {
    match error {
        ServiceError::Unavailable(_) | ServiceError::Store(_) => Err(error),
        refused => {
            Ok(InvokeOutcome::Failed(ErrorObject::new(error_types::INVOKE_REFUSED, refused.to_string())))
        }
    }
}
