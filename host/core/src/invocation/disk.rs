//! The space that an execution may take in directories.
//!
//! Invariants: what an execution adds is charged before it is written; the charge is never less than what is there.
//! Space is given back by measuring the directories, which their user does while nothing is open for writing: a file
//! that was removed still takes its space while it is open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much an execution may add to all its directories, in all its invocations together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskQuota {
    /// Bytes, by the lengths of files.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

impl Default for DiskQuota {
    fn default() -> Self {
        Self { bytes: 1 << 30, files: 10_000 }
    }
}

/// An amount of space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes, by the lengths of files.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

/// The quota of one execution, and what is charged to it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    quota: DiskQuota,
    charged: Arc<Mutex<Charged>>,
}

#[derive(Debug, Default)]
struct Charged {
    added: Space,
    /// What was there before the execution added anything, once that was measured.
    before: Option<Space>,
    /// Whether something was removed since the directories were measured.
    removed: bool,
}

/// Two are equal if they have the same quota.
impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        self.quota == other.quota
    }
}

impl Eq for Disk {}

impl Disk {
    /// A quota to which nothing is charged yet.
    pub fn new(quota: DiskQuota) -> Self {
        Self { quota, charged: Arc::default() }
    }

    fn charged(&self) -> MutexGuard<'_, Charged> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges what is to be added. Returns whether there is room for it; if not, nothing is charged.
    pub fn add(&self, more: Space) -> bool {
        let mut charged = self.charged();
        let bytes = charged.added.bytes.saturating_add(more.bytes);
        let files = charged.added.files.saturating_add(more.files);
        let fits = bytes <= self.quota.bytes && files <= self.quota.files;
        if fits {
            charged.added = Space { bytes, files };
        }
        fits
    }

    /// Takes back what was charged for something that was not made.
    pub fn take_back(&self, less: Space) {
        let mut charged = self.charged();
        charged.added.bytes = charged.added.bytes.saturating_sub(less.bytes);
        charged.added.files = charged.added.files.saturating_sub(less.files);
    }

    /// Notes that something was removed, so that measuring may give space back.
    pub fn removed(&self) {
        self.charged().removed = true;
    }

    /// Whether the directories have to be measured: before anything is added to them, and when space is short and
    /// something was removed.
    pub fn wants_measuring(&self) -> bool {
        let charged = self.charged();
        let short = charged.added.bytes > self.quota.bytes / 2 || charged.added.files > self.quota.files / 2;
        charged.before.is_none() || (charged.removed && short)
    }

    /// Corrects the charge by what the directories hold. `None`: they cannot be measured, and nothing is given back.
    pub fn measured(&self, there: Option<Space>) {
        let mut charged = self.charged();
        charged.removed = false;
        let Some(before) = charged.before else {
            // Against nothing, later measurements show at least what was added.
            charged.before = Some(there.unwrap_or_default());
            return;
        };
        let Some(there) = there else { return };
        let added = Space {
            bytes: there.bytes.saturating_sub(before.bytes),
            files: there.files.saturating_sub(before.files),
        };
        charged.added.bytes = charged.added.bytes.min(added.bytes);
        charged.added.files = charged.added.files.min(added.files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(bytes: u64, files: u64) -> Space {
        Space { bytes, files }
    }

    #[test]
    fn what_does_not_fit_is_not_charged() {
        let disk = Disk::new(DiskQuota { bytes: 100, files: 2 });
        assert!(disk.add(space(60, 1)));
        assert!(!disk.add(space(41, 0)));
        assert!(!disk.add(space(u64::MAX, 0)));
        assert!(disk.add(space(40, 1)));
        assert!(!disk.add(space(0, 1)));
        assert!(disk.clone().add(space(0, 0)));
        assert!(!disk.clone().add(space(1, 0)));
    }

    #[test]
    fn measuring_gives_back_what_was_removed_and_no_more() {
        let disk = Disk::new(DiskQuota { bytes: 100, files: 10 });
        assert!(disk.wants_measuring());
        disk.measured(Some(space(1_000, 5)));
        assert!(disk.add(space(90, 5)) && !disk.wants_measuring());
        disk.removed();
        assert!(disk.wants_measuring());
        // Half of what was added is gone, and a file that was there before as well.
        disk.measured(Some(space(1_045, 7)));
        assert!(!disk.wants_measuring());
        assert!(!disk.add(space(56, 0)) && disk.add(space(55, 0)));
        // Somebody else's files are not charged.
        disk.removed();
        disk.measured(Some(space(9_999, 99)));
        assert!(!disk.add(space(1, 0)) && disk.add(space(0, 8)) && !disk.add(space(0, 1)));
    }

    #[test]
    fn what_cannot_be_measured_is_not_given_back() {
        let disk = Disk::new(DiskQuota { bytes: 100, files: 10 });
        disk.measured(None);
        assert!(disk.add(space(90, 0)));
        disk.removed();
        disk.measured(None);
        assert!(!disk.add(space(11, 0)));
    }
}
