//! The options of a check.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use durawasm_core::ambient::{Entropy, SeededEntropy};
use tokio::sync::watch;

use crate::{kind::Kind, schedule::ScheduleId};

/// How much a check may explore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Real time.
    Time(Duration),
    /// This many schedules, chosen by the seed if there are more.
    Schedules(usize),
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Schedules that were explored.
    pub done: usize,
    /// Schedules that are known so far.
    pub of: usize,
}

/// Called as a check goes on, from any of its threads.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// Ends a check early, from any thread: the report has what was explored by then.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Ends the checks that have this in their options.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes once [`Self::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // The sender is part of `self`, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// The result of work; `None` if time is over, or [`Self::stop`] was called, before it completes.
    pub(crate) async fn within<T>(&self, until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
            () = self.stopped() => None,
        }
    }
}

/// The options of a check.
#[derive(Clone)]
pub struct Options {
    /// The kinds of schedules to explore.
    pub kinds: Vec<Kind>,
    /// Chooses random numbers, keys and samples.
    pub seed: u64,
    /// The budget; `None` is none.
    pub budget: Option<Budget>,
    /// How many schedules are explored at the same time; 0 is one for each core.
    pub jobs: usize,
    /// Explore this schedule only.
    pub replay: Option<ScheduleId>,
    /// Called as the check goes on.
    pub progress: Option<OnProgress>,
    /// Ends the check early.
    pub stop: Stop,
}

impl Default for Options {
    /// Everything, on all cores, within a minute.
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            seed: 0,
            budget: Some(Budget::Time(Duration::from_mins(1))),
            jobs: 0,
            replay: None,
            progress: None,
            stop: Stop::default(),
        }
    }
}

impl Options {
    /// How many threads explore.
    pub(crate) fn threads(&self) -> usize {
        match self.jobs {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            jobs => jobs,
        }
    }

    /// Puts what can be explored into an order that the seed chooses, so that what a budget leaves out is spread over
    /// all of it.
    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        let entropy = SeededEntropy::new(self.seed ^ 0x5eed);
        let mut bytes = [0; 8];
        for at in (1..items.len()).rev() {
            entropy.fill(&mut bytes);
            let other = usize::try_from(u64::from_le_bytes(bytes) % (at as u64 + 1)).unwrap_or(0);
            items.swap(at, other);
        }
    }

    /// Why something was left out; `None` if there is no reason for that.
    pub(crate) fn what_ended_it(&self) -> Option<String> {
        if self.stop.is_stopped() {
            return Some("the check was stopped".to_owned());
        }
        Some(match self.budget? {
            Budget::Time(time) => format!("the budget of {} s was used up", time.as_secs_f64()),
            Budget::Schedules(count) => {
                format!("the budget of {count} schedules was used up; seed {} chose them", self.seed)
            }
        })
    }
}
