//! Time and randomness, each behind a trait.
//!
//! Every other module gets a [`Clock`] and an [`Entropy`] as parameters. Only `system.rs` reads the machine's clock and
//! the machine's randomness.

mod clock;
mod entropy;
mod system;
mod virtual_clock;

pub use clock::{Actor, Clock, Hold, Permit, Sleep};
pub use entropy::{Entropy, SeededEntropy};
pub use system::{OsEntropy, SystemClock, thread_cpu_time};
pub use virtual_clock::VirtualClock;
