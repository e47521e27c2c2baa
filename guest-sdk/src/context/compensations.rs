//! The compensations that a context owns.
//!
//! Invariants:
//! - A compensation is in the list of its context from the start of its step until the failure of the step is
//!   delivered, or the step's future was dropped and the history shows that the step did not succeed, or a rollback
//!   takes the compensation.
//! - Compensations are ordered by the recorded successes of their steps.
//! - The list is not locked during calls of the host, nor while a compensation is dropped.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compensation_result::CompensationItem;
use crate::contract::{Runtime, Step, Success};
use crate::error::{BoxError, SERIALIZATION_ERROR, TypedError};
use crate::serdes::{Serdes, SerdesContext};

pub(crate) type CompensationFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The function that compensates a step: gets a context for its operations, and the result of the step.
pub(crate) type CompensationFn<C, O> = Box<dyn FnOnce(C, O) -> CompensationFuture + Send>;

/// The compensation of a step that was started.
pub(crate) struct Compensation<C> {
    pub(crate) name: Option<String>,
    step: Arc<dyn Step>,
    pub(crate) run: Box<dyn FnOnce(C, String) -> CompensationFuture + Send>,
}

impl<C: Send + 'static> Compensation<C> {
    /// Creates the compensation of a step. When it runs, it deserializes the recorded result of the step, so results
    /// need not implement `Clone`.
    pub(crate) fn new<O, S>(
        name: Option<String>,
        step: Arc<dyn Step>,
        serdes: Arc<S>,
        context: SerdesContext,
        compensation: CompensationFn<C, O>,
    ) -> Self
    where
        O: Send + 'static,
        S: Serdes<O>,
    {
        let run = Box::new(move |ctx, payload| -> CompensationFuture {
            Box::pin(async move {
                let value = serdes.deserialize(payload, context).await;
                let value = value.map_err(|error| TypedError::with_type(SERIALIZATION_ERROR, error))?;
                compensation(ctx, value).await
            })
        });
        Self { name, step, run }
    }
}

/// Whether the outcome of a compensation's step has been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The step's future is held, and has not ended.
    Pending,
    /// The step's success was delivered; the number orders deliveries.
    Delivered(u64),
    /// The step's future was dropped before it ended, or a rollback found that the step had succeeded: the history
    /// decides whether the compensation runs.
    Recorded,
}

pub(crate) struct Entry<C> {
    pub(crate) compensation: Compensation<C>,
    pub(crate) delivery: Delivery,
    /// The recorded success of the step, once it was looked up.
    pub(crate) success: Option<Success>,
}

impl<C> Entry<C> {
    /// The position in the order of successes. Recorded successes come before those that are not yet recorded.
    fn order(&self) -> (u64, u64) {
        let delivered = if let Delivery::Delivered(number) = self.delivery { number } else { 0 };
        (self.success.as_ref().map_or(u64::MAX, |success| success.order), delivered)
    }
}

/// The compensations of one context.
pub(crate) struct Compensations<C>(Mutex<List<C>>);

impl<C> Default for Compensations<C> {
    fn default() -> Self {
        Self(Mutex::new(List { counted: 0, entries: BTreeMap::new(), unreported: Vec::new() }))
    }
}

struct List<C> {
    /// Counts registrations and deliveries.
    counted: u64,
    /// The compensations that have not run, by the order in which their steps started.
    entries: BTreeMap<u64, Entry<C>>,
    /// Items that dropped rollbacks did not report.
    unreported: Vec<CompensationItem>,
}

impl<C> List<C> {
    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// Changes the delivery of an entry that is still pending.
    fn set_delivery(&mut self, number: u64, delivery: Delivery) {
        if let Some(entry) = self.entries.get_mut(&number).filter(|entry| entry.delivery == Delivery::Pending)
        {
            entry.delivery = delivery;
        }
    }
}

impl<C> Compensations<C> {
    fn list(&self) -> MutexGuard<'_, List<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The steps of the selected entries, with their numbers.
    pub(crate) fn steps(&self, which: impl Fn(&Entry<C>) -> bool) -> Vec<(u64, Arc<dyn Step>)> {
        let list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| which(entry));
        entries.map(|(number, entry)| (*number, Arc::clone(&entry.compensation.step))).collect()
    }

    /// Looks up which steps have succeeded, and in which order. Removes the entries of steps that have not succeeded
    /// and whose futures were dropped.
    fn look_up(&self, runtime: &dyn Runtime) {
        let steps = self.steps(|entry| entry.delivery != Delivery::Pending && entry.success.is_none());
        if steps.is_empty() {
            return;
        }
        let successes = || steps.iter().map(|(number, step)| (*number, step.recorded_success()));
        let mut found: Vec<_> = successes().collect();
        if runtime.pending_updates() > 0 && found.iter().any(|(_, success)| success.is_none()) {
            // Updates that are still buffered count as well: send them.
            runtime.flush();
            found = successes().collect();
        }
        let mut removed = Vec::new();
        let mut list = self.list();
        for (number, success) in found {
            match list.entries.get_mut(&number) {
                Some(entry) if entry.delivery == Delivery::Recorded && success.is_none() => {
                    removed.extend(list.entries.remove(&number));
                }
                Some(entry) => entry.success = success,
                None => {}
            }
        }
        drop(list);
        drop(removed);
    }

    /// Marks pending entries whose steps have succeeded, so that the rollback runs them.
    pub(crate) fn settle(&self, succeeded: &[u64]) {
        let mut list = self.list();
        for number in succeeded {
            list.set_delivery(*number, Delivery::Recorded);
        }
    }

    /// Takes the entry whose step succeeded last.
    pub(crate) fn pop(&self, runtime: &dyn Runtime) -> Option<Entry<C>> {
        self.look_up(runtime);
        let mut list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| entry.delivery != Delivery::Pending);
        let (&number, _) = entries.max_by_key(|(number, entry)| (entry.order(), **number))?;
        list.entries.remove(&number)
    }

    /// The names of the compensations that a rollback would run, in the order in which their steps succeeded.
    pub(crate) fn names(&self, runtime: &dyn Runtime) -> Vec<String> {
        if !self.steps(|entry| entry.delivery == Delivery::Recorded).is_empty() {
            self.look_up(runtime);
        }
        let list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| entry.delivery != Delivery::Pending);
        let mut entries: Vec<_> = entries.map(|(number, entry)| (entry.order(), *number, entry)).collect();
        entries.sort_unstable_by_key(|(order, number, _)| (*order, *number));
        let names =
            entries.into_iter().map(|(.., entry)| entry.compensation.name.clone().unwrap_or_default());
        // A rollback runs the latest success first, so the unreported items are in reverse order.
        names.chain(list.unreported.iter().rev().map(|item| item.name.clone())).collect()
    }

    /// Adds the compensation of a step that was started. Returns its number.
    pub(crate) fn register(&self, compensation: Compensation<C>) -> u64 {
        let mut list = self.list();
        let number = list.count();
        list.entries.insert(number, Entry { compensation, delivery: Delivery::Pending, success: None });
        number
    }

    /// Notes that the outcome of the step with this number was delivered.
    pub(crate) fn delivered(&self, number: u64, succeeded: bool) {
        let mut list = self.list();
        let delivered = list.count();
        if succeeded {
            list.set_delivery(number, Delivery::Delivered(delivered));
        } else {
            let failed = list.entries.remove(&number);
            drop(list);
            drop(failed);
        }
    }

    /// Notes that the future of the step with this number was dropped.
    pub(crate) fn released(&self, number: u64) {
        self.list().set_delivery(number, Delivery::Recorded);
    }

    /// Takes the items that dropped rollbacks did not report.
    pub(crate) fn take_unreported(&self) -> Vec<CompensationItem> {
        std::mem::take(&mut self.list().unreported)
    }

    /// Keeps items that a rollback did not report, for the next rollback.
    pub(crate) fn add_unreported(&self, mut items: Vec<CompensationItem>) {
        self.list().unreported.append(&mut items);
    }
}
