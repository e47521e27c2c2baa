//! The compensations that a context owns.
//!
//! Always true here:
//! - A compensation is in its context's list from when its step starts, until the step's failure is delivered, the record says that
//!   the step did not succeed and nobody waits for it any more, or a rollback takes it.
//! - They stand in the order of their steps' successes on record.
//! - Nothing is locked while the host is asked, or a compensation is dropped.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CompensationItem;
use crate::BoxError;
use crate::context::DurableContext;
use crate::error::{SERIALIZATION_ERROR, TypedError};
use crate::runtime::{Runtime, Step, Success};
use crate::serdes::{Serdes, SerdesContext};

pub(super) type Undoing = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What undoes a step, given the context to do it in and the step's result.
pub(crate) type Undo<O> = Box<dyn FnOnce(DurableContext, O) -> Undoing + Send>;

/// A step that was started, and what undoes it.
pub(crate) struct Compensation {
    pub(super) name: Option<String>,
    step: Arc<dyn Step>,
    pub(super) run: Box<dyn FnOnce(DurableContext, String) -> Undoing + Send>,
}

impl Compensation {
    /// For a step. Its result is read from the record when the compensation runs: values need not be cloned.
    pub(crate) fn new<O, S>(
        name: Option<String>,
        step: Arc<dyn Step>,
        serdes: Arc<S>,
        context: SerdesContext,
        undo: Undo<O>,
    ) -> Self
    where
        O: Send + 'static,
        S: Serdes<O>,
    {
        let run = Box::new(move |ctx, payload| -> Undoing {
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
pub(super) enum Standing {
    /// Somebody holds its future, which has not ended.
    Held,
    /// Its success was delivered, as the one of this number.
    Delivered(u64),
    /// Its future was dropped before it ended, or a rollback found that it had succeeded: the record tells.
    Settled,
}

pub(super) struct Entry {
    pub(super) compensation: Compensation,
    pub(super) standing: Standing,
    /// Its step's success, once it was asked for.
    pub(super) success: Option<Success>,
}

impl Entry {
    /// Its place in the order of successes. Those that are on record by now come before those that are not yet.
    fn order(&self) -> (u64, u64) {
        let delivered = if let Standing::Delivered(number) = self.standing { number } else { 0 };
        (self.success.as_ref().map_or(u64::MAX, |success| success.order), delivered)
    }
}

/// The compensations of one context.
#[derive(Default)]
pub(crate) struct Compensations(Mutex<List>);

#[derive(Default)]
pub(super) struct List {
    /// How many were registered, or delivered.
    counted: u64,
    /// Those that have not run, by the order in which their steps started.
    entries: BTreeMap<u64, Entry>,
    /// What rollbacks that were dropped did not tell.
    pub(super) untold: Vec<CompensationItem>,
}

impl List {
    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }
}

impl Compensations {
    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The steps of the entries that `which` selects, with their numbers.
    pub(super) fn steps(&self, which: impl Fn(&Entry) -> bool) -> Vec<(u64, Arc<dyn Step>)> {
        let list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| which(entry));
        entries.map(|(number, entry)| (*number, Arc::clone(&entry.compensation.step))).collect()
    }

    /// Looks up which steps have succeeded, and when. Those that have not, and that nobody waits for, leave nothing to undo.
    fn look_up(&self, runtime: &dyn Runtime) {
        let steps = self.steps(|entry| entry.standing != Standing::Held && entry.success.is_none());
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
                Some(entry) if entry.standing == Standing::Settled && success.is_none() => {
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
    pub(super) fn settle(&self, succeeded: &[u64]) {
        let mut list = self.list();
        for number in succeeded {
            if let Some(entry) = list.entries.get_mut(number).filter(|entry| entry.standing == Standing::Held)
            {
                entry.standing = Standing::Settled;
            }
        }
    }

    /// Takes that of the latest success.
    pub(super) fn pop(&self, runtime: &dyn Runtime) -> Option<Entry> {
        self.look_up(runtime);
        let mut list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| entry.standing != Standing::Held);
        let (&number, _) = entries.max_by_key(|(number, entry)| (entry.order(), **number))?;
        list.entries.remove(&number)
    }

    /// The names of those that are to run, in the order of their steps' successes.
    pub(super) fn names(&self, runtime: &dyn Runtime) -> Vec<String> {
        if !self.steps(|entry| entry.standing == Standing::Settled).is_empty() {
            self.look_up(runtime);
        }
        let list = self.list();
        let entries = list.entries.iter().filter(|(_, entry)| entry.standing != Standing::Held);
        let mut entries: Vec<_> = entries.map(|(number, entry)| (entry.order(), *number, entry)).collect();
        entries.sort_unstable_by_key(|(order, number, _)| (*order, *number));
        let names =
            entries.into_iter().map(|(.., entry)| entry.compensation.name.clone().unwrap_or_default());
        // What ran last in a dropped rollback succeeded first of these.
        names.chain(list.untold.iter().rev().map(|item| item.name.clone())).collect()
    }
}

/// A step's hold on the compensation that its context owns.
pub(crate) struct Registration {
    ctx: DurableContext,
    number: u64,
}

impl Registration {
    pub(crate) fn new(ctx: &DurableContext, compensation: Compensation) -> Self {
        let mut list = ctx.own().compensations.list();
        let number = list.count();
        list.entries.insert(number, Entry { compensation, standing: Standing::Held, success: None });
        drop(list);
        Self { ctx: ctx.clone(), number }
    }

    /// The step's end is delivered.
    pub(crate) fn ended(self, succeeded: bool) {
        let mut list = self.ctx.own().compensations.list();
        let delivered = list.count();
        if succeeded {
            if let Some(entry) = list.entries.get_mut(&self.number).filter(|e| e.standing == Standing::Held) {
                entry.standing = Standing::Delivered(delivered);
            }
        } else {
            let failed = list.entries.remove(&self.number);
            drop(list);
            drop(failed);
        }
    }
}

impl Drop for Registration {
    /// Where the step's end was not delivered, nobody waits for it any more.
    fn drop(&mut self) {
        let mut list = self.ctx.own().compensations.list();
        if let Some(entry) = list.entries.get_mut(&self.number).filter(|e| e.standing == Standing::Held) {
            entry.standing = Standing::Settled;
        }
    }
}
