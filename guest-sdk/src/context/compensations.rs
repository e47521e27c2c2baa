//! The compensations that a context owns.
//!
//! Always true here:
//! - A compensation is in its context's list from when its step starts, until the step's failure is delivered, the
//!   record says that the step did not succeed and nobody waits for it any more, or a rollback takes it.
//! - They stand in the order of their steps' successes on record.
//! - Nothing is locked while the host is asked, or a compensation is dropped.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compensation_result::CompensationItem;
use crate::contract::{Runtime, Step, Success};
use crate::error::{BoxError, SERIALIZATION_ERROR, TypedError};
use crate::serdes::{Serdes, SerdesContext};

pub(crate) type CompensationFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What undoes a step, given the context to do it in and the step's result.
pub(crate) type CompensationFn<C, O> = Box<dyn FnOnce(C, O) -> CompensationFuture + Send>;

/// A step that was started, and what undoes it.
pub(crate) struct Compensation<C> {
    pub(crate) name: Option<String>,
    step: Arc<dyn Step>,
    pub(crate) run: Box<dyn FnOnce(C, String) -> CompensationFuture + Send>,
}

impl<C: Send + 'static> Compensation<C> {
    /// For a step. Its result is read from the record when the compensation runs: values need not be cloned.
    pub(crate) fn new<O, S>(
        name: Option<String>,
        step: Arc<dyn Step>,
        serdes: Arc<S>,
        context: SerdesContext,
        undo: CompensationFn<C, O>,
    ) -> Self
    where
        O: Send + 'static,
        S: Serdes<O>,
    {
        let run = Box::new(move |ctx, payload| -> CompensationFuture {
            Box::pin(async move {
                let value = serdes.deserialize(payload, context).await;
                let value = value.map_err(|error| TypedError::with_type(SERIALIZATION_ERROR, error))?;
                undo(ctx, value).await
            })
        });
        Self { name, step, run }
    }
}

/// What is known of the step of a compensation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Somebody holds its future, which has not ended.
    Pending,
    /// Its success was delivered, as the one of this number.
    Delivered(u64),
    /// Its future was dropped before it ended, or a rollback found that it had succeeded: the record tells.
    Recorded,
}

pub(crate) struct Entry<C> {
    pub(crate) compensation: Compensation<C>,
    pub(crate) delivery: Delivery,
    /// Its step's success, once it was asked for.
    pub(crate) success: Option<Success>,
}

impl<C> Entry<C> {
    /// Its place in the order of successes. Those that are on record by now come before those that are not yet.
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
    /// How many were registered, or delivered.
    counted: u64,
    /// Those that have not run, by the order in which their steps started.
    entries: BTreeMap<u64, Entry<C>>,
    /// What rollbacks that were dropped did not tell.
    unreported: Vec<CompensationItem>,
}

impl<C> List<C> {
    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// Changes the standing of an entry whose step's future is held.
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

    /// The steps of the entries that `which` selects, with their numbers.
    pub(crate) fn steps(&self, which: impl Fn(&Entry<C>) -> bool) -> Vec<(u64, Arc<dyn Step>)> {
        let list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| which(entry));
        entries.map(|(number, entry)| (*number, Arc::clone(&entry.compensation.step))).collect()
    }

    /// Looks up which steps have succeeded, and when. Those that have not, and that nobody waits for, leave nothing to
    /// undo.
    fn look_up(&self, runtime: &dyn Runtime) {
        let steps = self.steps(|entry| entry.delivery != Delivery::Pending && entry.success.is_none());
        if steps.is_empty() {
            return;
        }
        let on_record = || steps.iter().map(|(number, step)| (*number, step.recorded_success()));
        let mut found: Vec<_> = on_record().collect();
        if runtime.pending_updates() > 0 && found.iter().any(|(_, success)| success.is_none()) {
            // What was reported by now counts.
            runtime.flush();
            found = on_record().collect();
        }
        let mut nothing = Vec::new();
        let mut list = self.list();
        for (number, success) in found {
            match list.entries.get_mut(&number) {
                Some(entry) if entry.delivery == Delivery::Recorded && success.is_none() => {
                    nothing.extend(list.entries.remove(&number));
                }
                Some(entry) => entry.success = success,
                None => {}
            }
        }
        drop(list);
        drop(nothing);
    }

    /// Of the steps whose futures are held: these have succeeded.
    pub(crate) fn settle(&self, succeeded: &[u64]) {
        let mut list = self.list();
        for number in succeeded {
            list.set_delivery(*number, Delivery::Recorded);
        }
    }

    /// Takes that of the latest success.
    pub(crate) fn pop(&self, runtime: &dyn Runtime) -> Option<Entry<C>> {
        self.look_up(runtime);
        let mut list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| entry.delivery != Delivery::Pending);
        let (&number, _) = entries.max_by_key(|(number, entry)| (entry.order(), **number))?;
        list.entries.remove(&number)
    }

    /// The names of those that are to run, in the order of their steps' successes.
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
        // What ran last in a dropped rollback succeeded first of these.
        names.chain(list.unreported.iter().rev().map(|item| item.name.clone())).collect()
    }

    /// Adds the compensation of a step that has started. Returns its number.
    pub(crate) fn register(&self, compensation: Compensation<C>) -> u64 {
        let mut list = self.list();
        let number = list.count();
        list.entries.insert(number, Entry { compensation, delivery: Delivery::Pending, success: None });
        number
    }

    /// The end of the step of this number is delivered.
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

    /// Nobody waits any more for the step of this number.
    pub(crate) fn released(&self, number: u64) {
        self.list().set_delivery(number, Delivery::Recorded);
    }

    /// Takes what rollbacks that were dropped did not tell.
    pub(crate) fn take_unreported(&self) -> Vec<CompensationItem> {
        std::mem::take(&mut self.list().unreported)
    }

    /// Keeps for the next rollback what this one does not tell.
    pub(crate) fn add_unreported(&self, mut items: Vec<CompensationItem>) {
        self.list().unreported.append(&mut items);
    }
}
