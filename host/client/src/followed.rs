//! Follows one execution by reading it again and again.
//!
//! Invariants:
//! - an execution has ended if the service says so and its history has the end; then the whole history is read again,
//!   because the service may complete events after it has told of them;
//! - a history of more than [`KEPT`] bytes is cut off there, and then the service alone says whether the execution has
//!   ended;
//! - a request that fails is repeated if it may succeed later: at most [`ATTEMPTS`] times in a row, and, once the endpoint
//!   has answered, for [`PATIENCE`] at least, in which a server may be restarted.

use std::time::Duration;

use durawasm_core::{
    protocol::{ExecutionArn, ExecutionStatus},
    server::ExecutionView,
};
use durawasm_report::{GrowingHistory, invocations_of, operations_of};
use tokio::time::{Instant, sleep};

use super::{
    client::{Client, KEPT, PAGES},
    error::{ClientError, Problem},
    types::Execution,
};

/// How often a request that fails is sent.
const ATTEMPTS: u32 = 5;

/// For how long requests to an endpoint that has answered before may fail.
const PATIENCE: Duration = Duration::from_mins(2);

/// The time between two requests: it grows by half each time.
#[derive(Debug, Clone)]
pub struct Intervals {
    next: Duration,
    longest: Duration,
}

impl Intervals {
    /// Intervals from 100 ms to `longest`.
    pub fn up_to(longest: Duration) -> Self {
        Self { next: Duration::from_millis(100).min(longest), longest }
    }
}

impl Default for Intervals {
    /// Up to five seconds.
    fn default() -> Self {
        Self::up_to(Duration::from_secs(5))
    }
}

impl Iterator for Intervals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.next;
        self.next = (now + now / 2).min(self.longest);
        Some(now)
    }
}

/// An execution that is followed.
pub struct Followed {
    client: Client,
    arn: ExecutionArn,
    execution: Option<Execution>,
    history: GrowingHistory,
    /// The bytes of the answers with the history, but for the last page, which is asked for again.
    kept: usize,
    cut: bool,
}

impl Followed {
    /// Nothing is known of the execution yet.
    pub fn new(client: Client, arn: ExecutionArn) -> Self {
        Self { client, arn, execution: None, history: GrowingHistory::default(), kept: 0, cut: false }
    }

    /// The execution.
    pub fn arn(&self) -> &ExecutionArn {
        &self.arn
    }

    /// What the service said last; `None` before it was asked.
    pub fn execution(&self) -> Option<&Execution> {
        self.execution.as_ref()
    }

    /// Whether only the beginning of the history was read, because it is larger than 256 MiB.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Reads the state of the execution and what is new of its history. Returns whether it has ended.
    ///
    /// # Errors
    /// [`ClientError`], at the first failure.
    pub async fn look(&mut self) -> Result<bool, ClientError> {
        let is_over = self.look_at_state().await?;
        if is_over {
            self.history.reread();
            (self.kept, self.cut) = (0, false);
        }
        for _ in 0..PAGES {
            if self.cut {
                return Ok(is_over);
            }
            let page = self.client.sized_history_page(&self.arn, self.history.marker());
            let (page, size) = page.await?;
            let events = page.known().map_err(|why| {
                self.client.error("GetDurableExecutionHistory", self.arn.as_str(), Problem::Answer(why))
            })?;
            if !self.history.take(events, page.next_marker) {
                return Ok(is_over && self.history.has_end());
            }
            self.kept += size;
            self.cut = self.kept > KEPT;
        }
        Err(self.client.endless("GetDurableExecutionHistory", self.arn.as_str()))
    }

    async fn look_at_state(&mut self) -> Result<bool, ClientError> {
        let execution = self.client.execution(&self.arn).await?;
        let is_over = execution.status.end().is_some();
        self.execution = Some(execution);
        Ok(is_over)
    }

    /// Waits until the execution has ended, however long that takes. Its history is read at the end.
    ///
    /// # Errors
    /// [`ClientError`], if the endpoint refuses a request or fails several times in a row: for two minutes, if it has
    /// answered before.
    pub async fn to_the_end(&mut self) -> Result<(), ClientError> {
        let (mut intervals, mut failures, mut failing_since) = (Intervals::default(), 0, None);
        loop {
            let ended = match self.look_at_state().await {
                Ok(true) => self.look().await,
                other => other,
            };
            match ended {
                Ok(true) => return Ok(()),
                Ok(false) => (failures, failing_since) = (0, None),
                Err(error) => {
                    failures += 1;
                    let since: Instant = *failing_since.get_or_insert_with(Instant::now);
                    let may_return = self.execution.is_some() && since.elapsed() < PATIENCE;
                    if !error.is_passing() || failures >= ATTEMPTS && !may_return {
                        return Err(error);
                    }
                }
            }
            sleep(intervals.next().unwrap_or_default()).await;
        }
    }

    /// The execution as of the last [`Followed::look`]; `None` before the first. A status that has no end is `RUNNING`.
    pub fn view(&self) -> Option<ExecutionView> {
        let execution = self.execution.clone()?;
        let events = self.history.events().to_vec();
        Some(ExecutionView {
            arn: self.arn.clone(),
            status: execution.status.end().unwrap_or(ExecutionStatus::Running),
            result: execution.result,
            error: execution.error,
            input: execution.input_payload,
            operations: operations_of(events.iter().map(AsRef::as_ref)),
            invocations: invocations_of(events.iter().map(AsRef::as_ref)),
            events,
            start: execution.start_timestamp,
            end: execution.end_timestamp,
            // The service does not tell it.
            checkpoints: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_up_to_the_longest() {
        let millis: Vec<u128> = Intervals::default().take(12).map(|interval| interval.as_millis()).collect();
        assert_eq!(millis[..4], [100, 150, 225, 337]);
        assert_eq!(millis[11], 5000);
        let short = Duration::from_millis(20);
        assert!(Intervals::up_to(short).take(5).all(|interval| interval == short));
    }
}
