//! What the HTTP requests of one invocation use: bytes that are sent and received, connections, and what the host keeps
//! of requests and responses.
//!
//! Invariants:
//! - the bytes of an invocation and its connections at once are limited;
//! - what the host keeps is charged to the execution's budget of bytes: the buffers of a connection while it is open, a
//!   frame of a body until the guest has taken it, header fields until the invocation ends;
//! - a refused charge ends the request, and then the run of its guest.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use durawasm_core::budget::{Budget, BytesExceeded, Charge};

/// The most connections of one invocation at once. Further requests fail.
const MAX_OPEN: u32 = 32;

/// The buffer of a connection in bytes, which bounds the head of a response.
pub(super) const BUFFER: usize = 128 * 1024;

/// The most bytes that a guest writes to a request's body at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// The bytes that a connection keeps at most, beside frames of the response: its buffer, and two chunks of the request's
/// body, of which one is being sent.
const CONNECTION: usize = BUFFER + 2 * CHUNK;

/// What the requests of one invocation have used.
#[derive(Debug)]
pub(super) struct Traffic {
    /// The most bytes.
    limit: u64,
    bytes: AtomicU64,
    open: AtomicU32,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    charge: Charge,
    /// The first charge that was refused.
    refused: Option<BytesExceeded>,
}

/// Why a request cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// The limit of bytes that are sent and received; this many were.
    Traffic(u64),
    /// A budget of bytes that the host keeps.
    Kept(BytesExceeded),
}

impl Traffic {
    pub(super) fn new(limit: u64, budget: &Budget) -> Arc<Self> {
        let kept = Mutex::new(Kept { charge: budget.hold(), refused: None });
        Arc::new(Self { limit, bytes: AtomicU64::new(0), open: AtomicU32::new(0), kept })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, bytes: usize) -> Result<(), BytesExceeded> {
        let mut kept = self.kept();
        kept.charge.grow(bytes).inspect_err(|exceeded| {
            kept.refused.get_or_insert(*exceeded);
        })
    }

    /// Counts bytes that are sent or received. An error has the total, which exceeds the limit.
    pub(super) fn count(&self, bytes: usize) -> Result<(), u64> {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let total = before.saturating_add(bytes as u64);
        if total > self.limit { Err(total) } else { Ok(()) }
    }

    /// Counts header fields that are sent or received, and keeps them until the invocation ends: a guest can hold them
    /// longer than the request.
    ///
    /// # Errors
    /// The bytes that were sent and received so far, if they exceed their limit or the fields exceed a budget.
    pub(super) fn head(&self, bytes: usize) -> Result<(), u64> {
        self.count(bytes)?;
        self.keep(bytes).map_err(|_| self.bytes.load(Ordering::Relaxed))
    }

    /// Counts a frame that was received, and keeps it until the returned value is dropped.
    ///
    /// # Errors
    /// As for [`head`](Self::head).
    pub(super) fn frame(self: &Arc<Self>, bytes: usize) -> Result<Frame, u64> {
        self.count(bytes)?;
        self.keep(bytes).map_err(|_| self.bytes.load(Ordering::Relaxed))?;
        Ok(Frame { traffic: self.clone(), bytes })
    }

    /// Which limit is exceeded, if one is.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes > self.limit {
            return Some(Exceeded::Traffic(bytes));
        }
        self.kept().refused.map(Exceeded::Kept)
    }

    /// The most bytes that may be sent and received.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Counts a connection, which is open until the returned value is dropped. `None` if there are too many.
    ///
    /// # Errors
    /// When a budget has no room for its buffers.
    pub(super) fn open(self: &Arc<Self>) -> Result<Option<Open>, BytesExceeded> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= MAX_OPEN {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Ok(None);
        }
        if let Err(exceeded) = self.keep(CONNECTION) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(exceeded);
        }
        Ok(Some(Open(self.clone())))
    }
}

/// A connection that is counted, and whose buffers are charged.
#[derive(Debug)]
pub(super) struct Open(Arc<Traffic>);

impl Open {
    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.kept().charge.shrink(CONNECTION);
    }
}

/// A frame of a response that the guest has not taken yet.
#[derive(Debug)]
pub(super) struct Frame {
    traffic: Arc<Traffic>,
    bytes: usize,
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.traffic.kept().charge.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use durawasm_core::budget::{HostBudget, Owner};

    use super::*;

    /// A budget that a charge takes no more of than it uses, and a little to spare.
    fn budget(bytes: usize) -> Budget {
        Budget::new(bytes, HostBudget::default())
    }

    #[test]
    fn what_is_kept_is_charged_until_it_is_gone() {
        let budget = budget(1 << 20);
        let traffic = Traffic::new(1 << 30, &budget);
        let open = traffic.open().unwrap().unwrap();
        assert!(budget.used() >= CONNECTION);
        let frame = traffic.frame(100_000).unwrap();
        assert!(budget.used() >= CONNECTION + 100_000);
        traffic.head(50_000).unwrap();
        drop((open, frame));
        assert!((50_000..100_000).contains(&budget.used()), "{}", budget.used());
        assert_eq!(traffic.exceeded(), None);
        drop(traffic);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_refused_charge_is_told() {
        let budget = budget(CONNECTION + 10_000);
        let traffic = Traffic::new(1 << 30, &budget);
        let _open = traffic.open().unwrap().unwrap();
        assert!(traffic.frame(20_000).is_err());
        let Some(Exceeded::Kept(exceeded)) = traffic.exceeded() else { panic!("it is not told") };
        assert_eq!((exceeded.owner, exceeded.limit), (Owner::Execution, CONNECTION + 10_000));
        assert!(traffic.open().is_err());
    }

    #[test]
    fn connections_are_counted() {
        let traffic = Traffic::new(1 << 30, &budget(1 << 30));
        let mut open: Vec<_> = (0..MAX_OPEN).map(|_| traffic.open().unwrap().unwrap()).collect();
        assert!(traffic.open().unwrap().is_none());
        open.pop();
        assert!(traffic.open().unwrap().is_some());
    }

    #[test]
    fn bytes_are_counted() {
        let traffic = Traffic::new(10, &budget(1 << 20));
        assert_eq!((traffic.count(10), traffic.exceeded()), (Ok(()), None));
        assert_eq!((traffic.count(1), traffic.exceeded()), (Err(11), Some(Exceeded::Traffic(11))));
    }
}
