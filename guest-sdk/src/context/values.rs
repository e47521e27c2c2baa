//! Deterministic values: they look random and repeat on every replay.
//!
//! Invariants:
//! - A value is a hash of the ARN of the execution, of the path of positions to its context, and of the number of
//!   values that the context has drawn before. It does not use a stream of random numbers, so it is independent of
//!   other contexts and of other users of random numbers.
//! - The body of a step does not run on replays. Values that it draws belong to the attempt, and do not advance the
//!   sequence of the context.

use std::sync::atomic::{AtomicU64, Ordering};

use blake2b_simd::{Params, State};

use crate::contract::Position;

/// The length of a value in bytes.
pub(super) const LENGTH: usize = 16;

/// The sequence of values of one context.
#[derive(Default)]
pub(crate) struct Values {
    /// The positions on the path from the root context to this one.
    path: Vec<Position>,
    drawn: AtomicU64,
}

impl Values {
    /// The sequence of the context at a position of this one.
    pub(crate) fn nested(&self, position: Position) -> Self {
        let path = self.path.iter().copied().chain([position]).collect();
        Self { path, drawn: AtomicU64::new(0) }
    }

    pub(super) fn draw(&self, arn: &str) -> [u8; LENGTH] {
        let mut state = hash(arn, "context");
        for position in &self.path {
            state.update(&position.to_le_bytes());
        }
        finish(&mut state, self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}

/// A hash of everything that the values of one kind have in common.
pub(super) fn hash(arn: &str, kind: &str) -> State {
    let mut state = Params::new().hash_length(LENGTH).personal(b"durawasm/values").to_state();
    // The length of every part but one is hashed or fixed, so different sequences of parts have different inputs.
    state.update(kind.as_bytes()).update(&(arn.len() as u64).to_le_bytes()).update(arn.as_bytes());
    state
}

pub(super) fn finish(state: &mut State, count: u64) -> [u8; LENGTH] {
    let mut value = [0; LENGTH];
    state.update(&count.to_le_bytes());
    for (to, from) in value.iter_mut().zip(state.finalize().as_bytes()) {
        *to = *from;
    }
    value
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn values_do_not_change_between_releases() {
        let root = Values::default();
        assert_eq!(u128::from_be_bytes(root.draw("arn:test")), 0x2371_eaa2_ed59_5f5e_0028_f8e9_51f3_5b5b);
        assert_eq!(u128::from_be_bytes(root.draw("arn:test")), 0x6ed1_0701_8490_ae28_cbb4_abe5_cd60_0678);
        assert_eq!(
            u128::from_be_bytes(root.nested(1).draw("arn:test")),
            0xea41_6e07_2118_5c29_6781_bd58_e00b_ff97
        );
    }

    #[test]
    fn no_two_values_are_the_same() {
        let mut seen = HashSet::new();
        for arn in ["a", "b", "ab", ""] {
            let root = Values::default();
            let contexts = [Values::default(), root.nested(1), root.nested(2), root.nested(1).nested(2)];
            for context in contexts {
                for _ in 0..100 {
                    assert!(seen.insert(context.draw(arn)));
                }
            }
        }
    }
}
