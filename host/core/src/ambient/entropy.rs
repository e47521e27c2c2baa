//! The trait of a source of randomness.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A source of random bytes, for ids and for guests.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Creates an independent source: its bytes do not depend on how much is drawn from this source or from other
    /// forks.
    fn fork(&self, label: &str) -> Arc<dyn Entropy>;
}

/// Random bytes that depend only on a seed: equal seeds give equal bytes.
pub struct SeededEntropy {
    seed: [u8; 32],
    stream: Mutex<ChaCha12Rng>,
}

impl SeededEntropy {
    /// Creates a source from a 64-bit seed.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        Self::of(bytes)
    }

    fn of(seed: [u8; 32]) -> Self {
        Self { seed, stream: Mutex::new(ChaCha12Rng::from_seed(seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buffer);
    }

    fn fork(&self, label: &str) -> Arc<dyn Entropy> {
        let mut hash = blake2b_simd::Params::new().hash_length(32).key(&self.seed).to_state();
        let mut seed = [0; 32];
        seed.copy_from_slice(hash.update(label.as_bytes()).finalize().as_bytes());
        Arc::new(Self::of(seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entropy: &dyn Entropy) -> [u8; 16] {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_fork_depends_on_the_seed_and_its_label_alone() {
        let (one, other) = (SeededEntropy::new(1), SeededEntropy::new(1));
        bytes(&one);
        assert_eq!(bytes(&*one.fork("a")), bytes(&*other.fork("a")));
        assert_ne!(bytes(&*one.fork("a")), bytes(&*one.fork("b")));
        assert_ne!(bytes(&*one.fork("a")), bytes(&*SeededEntropy::new(2).fork("a")));
        assert_ne!(bytes(&one), bytes(&one));
    }
}
