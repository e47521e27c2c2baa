//! What surrounds a program: time and chance, each behind a trait.
//!
//! Every room gets a [`Clock`] and an [`Entropy`] handed in. Only `system.rs` reads the machine's clock and the
//! machine's randomness.

mod clock;
mod entropy;
mod system;
mod virtual_clock;

pub use clock::{Actor, Clock, Hold, Permit, Sleep};
pub use entropy::{Entropy, SeededEntropy};
pub use system::{OsEntropy, SystemClock};
pub use virtual_clock::VirtualClock;
