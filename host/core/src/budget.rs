//! Budgets of bytes: what executions make this process keep.
//!
//! Everything of which a guest decides how much is kept is charged before it is kept: payloads, results, errors, names,
//! events, queued updates, log lines and output.
//!
//! Invariants:
//! - what is charged to an execution's budget is charged to the host's too, or to neither;
//! - a refused charge changes nothing, so it refuses only the one that asked;
//! - what an execution has charged is released when the last owner of its budget is gone.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The default of one execution's budget, in bytes.
pub const EXECUTION_BYTES: usize = 256 << 20;

/// The default of the budget of all executions of a host together, in bytes.
pub const HOST_BYTES: usize = 1 << 30;

/// How much a [`Charge`] takes from its budget at once, so that small amounts cost no shared access each.
const CHUNK: usize = 16 << 10;

/// The owner of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// One execution.
    Execution,
    /// All executions of the host together.
    Host,
}

/// A charge was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytesExceeded {
    /// Whose budget it would have exceeded.
    pub owner: Owner,
    /// The budget, in bytes.
    pub limit: usize,
    /// What would have been kept, in bytes.
    pub reached: usize,
}

impl fmt::Display for BytesExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, kept) = match self.owner {
            Owner::Execution => ("the execution makes", "for one execution"),
            Owner::Host => ("all executions together make", "for all of them"),
        };
        write!(
            f,
            "{owner} the host keep {} bytes of payloads, results, errors, names, history, queued updates, log and \
             output; at most {} are kept {kept}",
            self.reached, self.limit
        )
    }
}

impl std::error::Error for BytesExceeded {}

#[derive(Debug)]
struct Counter {
    limit: usize,
    used: AtomicUsize,
}

impl Counter {
    fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Adds the bytes, if they fit. Otherwise returns what would have been reached.
    fn charge(&self, bytes: usize) -> Result<(), usize> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        // No other memory depends on the count.
        let changed = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        changed.map(drop).map_err(|used| used.saturating_add(bytes))
    }

    fn add(&self, bytes: usize) {
        let sum = |used: usize| Some(used.saturating_add(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }

    fn release(&self, bytes: usize) {
        let rest = |used: usize| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
    }

    fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The budget of all executions of a host. Clones share it.
#[derive(Debug, Clone)]
pub struct HostBudget(Arc<Counter>);

impl HostBudget {
    /// A budget of this many bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Counter::new(limit)))
    }

    /// The budget, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What executions keep now, in bytes.
    pub fn used(&self) -> usize {
        self.0.used()
    }
}

impl Default for HostBudget {
    /// A budget of [`HOST_BYTES`] of its own.
    fn default() -> Self {
        Self::new(HOST_BYTES)
    }
}

/// The budget of one execution. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    own: Counter,
    host: HostBudget,
    /// The last charge that was refused.
    refused: Mutex<Option<BytesExceeded>>,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.host.0.release(self.own.used());
    }
}

impl Budget {
    /// A budget of this many bytes within the host's.
    pub fn new(limit: usize, host: HostBudget) -> Self {
        Self(Arc::new(Account { own: Counter::new(limit), host, refused: Mutex::default() }))
    }

    /// The budget, in bytes.
    pub fn limit(&self) -> usize {
        self.0.own.limit
    }

    /// What the execution keeps now, in bytes.
    pub fn used(&self) -> usize {
        self.0.own.used()
    }

    /// The host's budget.
    pub fn host(&self) -> &HostBudget {
        &self.0.host
    }

    /// Charges bytes that are about to be kept, as long as the execution is.
    ///
    /// # Errors
    /// When the execution's budget or else the host's does not suffice. Then nothing is charged.
    pub fn charge(&self, bytes: usize) -> Result<(), BytesExceeded> {
        if bytes == 0 {
            // Who asks for nothing is not refused, even where something was charged beyond the budget.
            return Ok(());
        }
        let Account { own, host, .. } = &*self.0;
        own.charge(bytes).map_err(|reached| self.refuse(Owner::Execution, own.limit, reached))?;
        host.0.charge(bytes).map_err(|reached| {
            own.release(bytes);
            self.refuse(Owner::Host, host.limit(), reached)
        })
    }

    fn refuse(&self, owner: Owner, limit: usize, reached: usize) -> BytesExceeded {
        let exceeded = BytesExceeded { owner, limit, reached };
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(exceeded);
        exceeded
    }

    /// The last charge that was refused.
    pub fn refusal(&self) -> Option<BytesExceeded> {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges bytes that are kept in any case: what the host itself records, which is small and of which the guest does
    /// not decide how much.
    pub fn charge_always(&self, bytes: usize) {
        self.0.own.add(bytes);
        self.0.host.0.add(bytes);
    }

    /// Begins a charge that ends before the execution does.
    pub fn hold(&self) -> Charge {
        Charge { budget: self.clone(), taken: 0, used: 0 }
    }

    fn release(&self, bytes: usize) {
        self.0.own.release(bytes);
        self.0.host.0.release(bytes);
    }
}

impl Default for Budget {
    /// A budget of [`EXECUTION_BYTES`] within a host's of its own.
    fn default() -> Self {
        Self::new(EXECUTION_BYTES, HostBudget::default())
    }
}

/// Bytes that are kept for a time. They are released when this is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    /// What is charged to the budget: `used` and at most [`CHUNK`] beyond it.
    taken: usize,
    used: usize,
}

impl Charge {
    /// The budget that is charged.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Charges more bytes.
    ///
    /// # Errors
    /// As for [`Budget::charge`].
    pub fn grow(&mut self, bytes: usize) -> Result<(), BytesExceeded> {
        let missing = bytes.saturating_sub(self.taken - self.used);
        if missing > 0 {
            // Where a chunk does not fit any more, what is needed still may.
            let chunk = missing.saturating_add(CHUNK);
            if self.budget.charge(chunk).is_ok() {
                self.taken += chunk;
            } else {
                self.budget.charge(missing)?;
                self.taken += missing;
            }
        }
        self.used += bytes;
        Ok(())
    }

    /// Releases bytes.
    pub fn shrink(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.used, "only what was charged can be released");
        self.used = self.used.saturating_sub(bytes);
        let spare = self.taken - self.used;
        if spare > 2 * CHUNK {
            let surplus = spare - CHUNK;
            self.taken -= surplus;
            self.budget.release(surplus);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.release(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_executions_budget_is_refused_first_and_leaves_the_hosts_as_it_was() {
        let host = HostBudget::new(100);
        let budget = Budget::new(60, host.clone());
        budget.charge(60).unwrap();
        assert_eq!(budget.charge(1), Err(BytesExceeded { owner: Owner::Execution, limit: 60, reached: 61 }));
        assert_eq!((budget.used(), host.used()), (60, 60));
        let message = budget.charge(usize::MAX).unwrap_err().to_string();
        assert!(message.contains(&usize::MAX.to_string()) && message.contains("at most 60"), "{message}");
    }

    #[test]
    fn the_hosts_budget_refuses_only_the_one_that_asks() {
        let host = HostBudget::new(100);
        let (large, bystander) = (Budget::new(90, host.clone()), Budget::new(90, host.clone()));
        bystander.charge(20).unwrap();
        large.charge(80).unwrap();
        assert_eq!(large.charge(1), Err(BytesExceeded { owner: Owner::Host, limit: 100, reached: 101 }));
        assert_eq!((large.used(), bystander.used(), host.used()), (80, 20, 100));
        bystander.charge_always(7);
        bystander.charge(0).unwrap();
        assert_eq!((bystander.used(), host.used()), (27, 107));
        let clone = large.clone();
        drop(large);
        assert_eq!(host.used(), 107, "the last owner releases it");
        drop(clone);
        assert_eq!(host.used(), 27);
        bystander.charge(63).unwrap();
    }

    #[test]
    fn a_charge_that_is_almost_all_of_the_budget_fits() {
        let budget = Budget::new(CHUNK + 10, HostBudget::new(usize::MAX));
        let mut charge = budget.hold();
        charge.grow(CHUNK).unwrap();
        charge.grow(10).unwrap();
        assert_eq!(charge.grow(1).unwrap_err().reached, CHUNK + 11);
        drop(charge);
        assert_eq!(budget.used(), 0);
    }

    proptest! {
        #[test]
        fn a_charge_takes_at_least_what_it_uses_and_gives_all_back(steps in prop::collection::vec((any::<bool>(), 0..3 * CHUNK), 0..60)) {
            let host = HostBudget::new(20 * CHUNK);
            let budget = Budget::new(usize::MAX, host.clone());
            let mut charge = budget.hold();
            let mut used = 0;
            for (grows, bytes) in steps {
                if grows {
                    let fits = used + bytes <= 20 * CHUNK;
                    prop_assert_eq!(charge.grow(bytes).is_ok(), fits);
                    used += if fits { bytes } else { 0 };
                } else {
                    let bytes = bytes.min(used);
                    charge.shrink(bytes);
                    used -= bytes;
                }
                prop_assert!(used <= host.used() && host.used() <= used + 2 * CHUNK);
            }
            drop(charge);
            prop_assert_eq!((budget.used(), host.used()), (0, 0));
        }
    }
}
