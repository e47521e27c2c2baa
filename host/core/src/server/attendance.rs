//! Who runs an execution, where executions are dispatched.
//!
//! Invariants: an execution has one attendance at most; when it is dropped, the execution is ready if it can go on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{api::Continued, handle::ServerHandle};
use crate::protocol::{ChangeSubscription, ExecutionArn, OperationId, ServiceError, Timestamp};

/// The right and the duty to run an execution until it has ended or is left.
pub struct Attendance {
    server: ServerHandle,
    arn: ExecutionArn,
    /// Whether the server has recorded that the execution is left.
    is_left: AtomicBool,
}

impl Attendance {
    /// The execution.
    pub fn arn(&self) -> &ExecutionArn {
        &self.arn
    }

    /// Continues the execution: an invocation that somebody has left is over, which costs no retry.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn take_over(&self) -> Result<Continued, ServiceError> {
        let arn = self.arn.clone();
        self.server.call(move |server, now| server.manager.take_over(now, &arn)).await
    }

    /// Records that the server has recorded that the execution is left ([`NextAction::left`](super::NextAction)).
    pub(crate) fn set_left(&self) {
        self.is_left.store(true, Ordering::Release);
    }

    /// Ends the attendance. Nobody is asked to run the execution until a request changes it.
    pub fn shelve(self) {
        self.set_left();
        let arn = self.arn.clone();
        self.server.tell(move |server| server.manager.shelve(&arn));
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        if !*self.is_left.get_mut() {
            let arn = self.arn.clone();
            self.server.tell(move |server| server.manager.leave(&arn));
        }
    }
}

/// The executions to run now, and when there are more.
pub struct Dispatched {
    /// The executions to run.
    pub ready: Vec<Attendance>,
    /// Executions that ended while nobody ran them.
    pub ended: Vec<ExecutionArn>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
    /// Completes when there is more, or an execution becomes due before `next`.
    pub news: ChangeSubscription,
}

impl ServerHandle {
    /// Lets whoever calls [`Self::take_ready`] run the executions. If `most` can go on, requests for more are refused. With
    /// a store, all executions that have not ended are dispatched.
    ///
    /// On a clock that skips time, timeouts of callbacks pass only with a permit of the clock, since someone outside is
    /// about to answer; so do timeouts of executions that wait for a callback or for a function that they have invoked.
    /// This does not hold for executions that only a store has.
    ///
    /// # Errors
    /// [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn dispatch(&self, most: usize) -> Result<(), ServiceError> {
        self.call(move |server, now| server.dispatch(now, most)).await
    }

    /// Takes executions that can go on, at most this many, and subscribes to further ones. There is one such caller.
    ///
    /// # Errors
    /// [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn take_ready(&self, most: usize) -> Result<Dispatched, ServiceError> {
        let this = self.clone();
        self.call(move |server, now| {
            let (taken, news) = server.take_ready(now, most);
            // Made here, so that they are left if the answer is lost.
            let ready = taken.ready.into_iter().map(|arn| this.attendance(arn)).collect();
            Ok(Dispatched { ready, ended: taken.ended, next: taken.next, news })
        })
        .await
    }

    /// Continues an execution that nobody runs, as [`Attendance::take_over`] does; `None` if somebody runs it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub async fn attend(&self, arn: &ExecutionArn) -> Result<Option<(Attendance, Continued)>, ServiceError> {
        let (this, arn) = (self.clone(), arn.clone());
        self.call(move |server, now| {
            if !server.manager.attend(&arn) {
                return Ok(None);
            }
            match server.manager.take_over(now, &arn) {
                Ok(continued) => Ok(Some((this.attendance(arn), continued))),
                Err(error) => {
                    server.manager.leave(&arn);
                    Err(error)
                }
            }
        })
        .await
    }

    /// The execution that a chained invoke has started, if it has. Without a store it is known where executions are
    /// dispatched.
    ///
    /// # Errors
    /// [`ServiceError::Store`], [`ServiceError::Unavailable`].
    pub(crate) async fn invoked_by(
        &self,
        caller: &ExecutionArn,
        operation: &OperationId,
    ) -> Result<Option<ExecutionArn>, ServiceError> {
        let (caller, operation) = (caller.clone(), operation.clone());
        self.call(move |server, _| server.manager.invoked_by(&caller, &operation)).await
    }

    fn attendance(&self, arn: ExecutionArn) -> Attendance {
        Attendance { server: self.clone(), arn, is_left: AtomicBool::new(false) }
    }
}
