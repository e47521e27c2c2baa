//! The options of a check.

use std::{sync::Arc, time::Duration};

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
