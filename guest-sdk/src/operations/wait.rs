//! Runs a wait.

use crate::context::DurableContext;
use crate::contract::{Identity, Position};
use crate::error::{OperationError, OperationErrorKind, UnexpectedStatus, WaitError, WaitErrorKind};

pub(crate) async fn execute(
    ctx: DurableContext,
    position: Position,
    name: Option<String>,
    seconds: u64,
) -> Result<(), OperationError> {
    let wait = ctx.checked_scope()?.wait(Identity { position, name, sub_type: None }, seconds)?;
    loop {
        // The host delivers outcomes only to code that waits, also on a replay.
        ctx.engine().changed(wait.clone()).await;
        match wait.outcome() {
            None => {}
            Some(Ok(_)) => return Ok(()),
            Some(Err(wire)) => {
                let status = UnexpectedStatus::new(wire.error_type().unwrap_or("CANCELLED"));
                let error = WaitError::new(WaitErrorKind::UnexpectedStatus(status), None);
                return Err(OperationError::new(OperationErrorKind::Wait(error)).on_record(
                    wait.id(),
                    "CANCELLED",
                    wire,
                ));
            }
        }
    }
}
