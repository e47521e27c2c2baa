//! How long to look for something before sleeping until it comes.
//!
//! Waking a sleeping thread takes ten to a hundred microseconds, processing a request a few: whoever expects something
//! soon does well to keep looking. But looking in vain takes the processor from the one who is waited for. So:
//! - looking is bounded, some tens of microseconds, and nobody looks twice for the same thing;
//! - whoever looked in vain several times in a row looks but briefly the next times; one success restores the patience;
//! - nobody gives its turn away in between: on a busy machine it would come back milliseconds later.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Some tens of microseconds: what a handler does between two checkpoints, most often.
const LONG: u32 = 2_000;
/// One or two microseconds.
const SHORT: u32 = 50;
/// How many short looks one long look in vain costs at most.
const MOST: u32 = 64;

/// What experience says about looking. A race between two who learn loses a lesson, no more.
#[derive(Debug, Default)]
pub(super) struct Patience {
    short_looks: AtomicU32,
    penalty: AtomicU32,
}

impl Patience {
    /// Looks until there is something, or for as long as it is worth it.
    pub(super) fn look<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let short = self.short_looks.load(Relaxed);
        for _ in 0..if short > 0 { SHORT } else { LONG } {
            if let Some(found) = look() {
                self.short_looks.store(0, Relaxed);
                self.penalty.store(0, Relaxed);
                return Some(found);
            }
            std::hint::spin_loop();
        }
        if short > 0 {
            self.short_looks.store(short - 1, Relaxed);
        } else {
            let penalty = self.penalty.load(Relaxed);
            self.short_looks.store(penalty, Relaxed);
            self.penalty.store((penalty * 2).clamp(1, MOST), Relaxed);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(patience: &Patience, found: bool) -> u32 {
        let mut count = 0;
        patience.look(|| {
            count += 1;
            found.then_some(())
        });
        count
    }

    #[test]
    fn looking_in_vain_gets_shorter_until_a_success() {
        let patience = Patience::default();
        let long = (0..1000).filter(|_| looks(&patience, false) == LONG).count();
        assert!((8..30).contains(&long), "{long}");
        assert_eq!(looks(&patience, true), 1);
        assert_eq!((looks(&patience, false), looks(&patience, false)), (LONG, LONG));
        assert_eq!((looks(&patience, false), looks(&patience, false)), (SHORT, LONG));
    }
}
