//! Which executions can go on, and when the others can: for a host with more executions than it can run at once, which
//! keeps nothing of those that wait.
//!
//! States of an execution that has not ended: *at work* (somebody runs it); *ready* (it can go on, and waits for somebody);
//! *due* (time lets it go on); else only an answer from outside does, and nothing is kept here.
//!
//! Invariants:
//! - an execution that can go on is at work or ready;
//! - one that is ready is taken once, by whoever then runs it; nobody else runs it until that ends;
//! - the ready ones are taken in the order in which they became ready.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::protocol::{ExecutionArn, Timestamp};

/// What an execution needs to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it has ended.
    Over,
    /// Somebody to run it, at this time or later.
    At(Timestamp),
    /// An answer from outside.
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    AtWork,
    Ready,
    Due(Timestamp),
}

/// The executions that are at work, ready or due.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    places: HashMap<ExecutionArn, Place>,
    /// The ready ones, oldest first. One that has another place by now is skipped.
    ready: VecDeque<ExecutionArn>,
    due: BTreeSet<(Timestamp, ExecutionArn)>,
    at_work_count: usize,
    ready_count: usize,
    /// The targets of open callers: who runs a caller runs them, until it ends.
    targets: HashMap<ExecutionArn, BTreeSet<ExecutionArn>>,
    /// The executions that are left if the changes of the present requests are committed.
    leaving: Vec<ExecutionArn>,
    /// The executions that ended while nobody ran them.
    ended: Vec<ExecutionArn>,
    /// The executions that requests have used since they were looked at.
    touched: BTreeSet<ExecutionArn>,
    /// How many may be at work or ready; requests for more are refused.
    most: usize,
    /// Until when the dispatcher waits, unless it is told otherwise.
    until: Option<Timestamp>,
}

impl Dispatch {
    /// Without executions. `most` may be at work or ready.
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Whether no more executions should start.
    pub(super) fn is_full(&self) -> bool {
        self.at_work_count + self.ready_count >= self.most
    }

    fn place(&mut self, arn: &ExecutionArn, place: Option<Place>) {
        let before = match place {
            Some(place) => self.places.insert(arn.clone(), place),
            None => self.places.remove(arn),
        };
        if let Some(Place::Due(due)) = before {
            self.due.remove(&(due, arn.clone()));
        }
        let count = |place: Option<Place>, which: Place| usize::from(place == Some(which));
        self.at_work_count += count(place, Place::AtWork);
        self.at_work_count -= count(before, Place::AtWork);
        self.ready_count += count(place, Place::Ready);
        self.ready_count -= count(before, Place::Ready);
        match place {
            Some(Place::Due(due)) => drop(self.due.insert((due, arn.clone()))),
            Some(Place::Ready) => self.ready.push_back(arn.clone()),
            Some(Place::AtWork) | None => {}
        }
    }

    /// Records what an execution needs, unless it is at work.
    pub(super) fn needs(&mut self, arn: &ExecutionArn, need: Need, now: Timestamp) {
        let before = self.places.get(arn).copied();
        let place = match need {
            _ if before == Some(Place::AtWork) => return,
            Need::Over | Need::Answer => None,
            Need::At(time) if time <= now => Some(Place::Ready),
            Need::At(time) => Some(Place::Due(time)),
        };
        if place != before {
            self.place(arn, place);
        }
    }

    /// Takes executions that are ready, or due by now. Returns when the next one is due, too.
    pub(super) fn take(&mut self, now: Timestamp, most: usize) -> (Vec<ExecutionArn>, Option<Timestamp>) {
        while let Some((due, arn)) = self.due.first().filter(|(due, _)| *due <= now).cloned() {
            debug_assert_eq!(self.places.get(&arn), Some(&Place::Due(due)), "{arn}");
            self.place(&arn, Some(Place::Ready));
        }
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(arn) = self.ready.pop_front()
        {
            if self.places.get(&arn) == Some(&Place::Ready) {
                self.place(&arn, Some(Place::AtWork));
                taken.push(arn);
            }
        }
        self.until = self.next_due();
        (taken, self.until)
    }

    /// Lets somebody run an execution, unless somebody does.
    pub(super) fn attend(&mut self, arn: &ExecutionArn) -> bool {
        let free = self.places.get(arn) != Some(&Place::AtWork);
        if free {
            self.place(arn, Some(Place::AtWork));
        }
        free
    }

    /// Nobody runs an execution any more.
    pub(super) fn leave(&mut self, arn: &ExecutionArn) {
        if self.places.get(arn) == Some(&Place::AtWork) {
            self.place(arn, None);
        }
    }

    /// Nobody runs an execution any more, if the changes of the present requests are committed.
    pub(super) fn leave_with_commit(&mut self, arn: &ExecutionArn) {
        self.leaving.push(arn.clone());
    }

    /// The changes were committed, or not.
    pub(super) fn concluded(&mut self, committed: bool) {
        for arn in std::mem::take(&mut self.leaving) {
            if committed {
                self.leave(&arn);
            }
        }
    }

    pub(super) fn is_at_work(&self, arn: &ExecutionArn) -> bool {
        self.places.get(arn) == Some(&Place::AtWork)
    }

    /// Leaves a target to who runs its caller.
    pub(super) fn run_with(&mut self, caller: ExecutionArn, target: &ExecutionArn) {
        self.targets.entry(caller).or_default().insert(target.clone());
    }

    /// An execution has ended: its targets are not run by who ran it any more. Returns them.
    pub(super) fn ends(
        &mut self,
        arn: &ExecutionArn,
        caller: Option<&ExecutionArn>,
    ) -> BTreeSet<ExecutionArn> {
        if let Some(caller) = caller
            && let Some(targets) = self.targets.get_mut(caller)
        {
            targets.remove(arn);
            if targets.is_empty() {
                self.targets.remove(caller);
            }
        }
        self.targets.remove(arn).unwrap_or_default()
    }

    /// Reports an execution that ended while nobody ran it.
    pub(super) fn report_end(&mut self, arn: &ExecutionArn) {
        self.ended.push(arn.clone());
    }

    pub(super) fn take_ended(&mut self) -> Vec<ExecutionArn> {
        std::mem::take(&mut self.ended)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(super) fn has_news(&self) -> bool {
        let earlier = self.next_due().is_some_and(|due| self.until.is_none_or(|until| due < until));
        self.ready_count > 0 || earlier || !self.ended.is_empty()
    }

    pub(super) fn take_touched(&mut self) -> BTreeSet<ExecutionArn> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn forget(&mut self, arn: &ExecutionArn) {
        self.touched.remove(arn);
    }

    pub(super) fn touch(&mut self, arn: &ExecutionArn) {
        if !self.touched.contains(arn) {
            self.touched.insert(arn.clone());
        }
    }
}
