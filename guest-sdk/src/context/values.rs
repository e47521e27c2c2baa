//! Values that look random and repeat on every replay.
//!
//! Always true here:
//! - A value is a hash of the execution's ARN, of the place of its context among all contexts, and of how many values
//!   the context has drawn before. No stream of random numbers is read or moved, so neither other contexts nor other
//!   users of randomness have an influence.
//! - A step's body runs once, and not on replays. Values drawn in one come from the attempt, and leave the context's
//!   where they were.

use std::sync::atomic::{AtomicU64, Ordering};

use blake2b_simd::{Params, State};

use crate::contract::Position;

/// How many bytes a value has.
pub(super) const LENGTH: usize = 16;

/// What the values of one context are made of.
#[derive(Default)]
pub(crate) struct Values {
    /// The places on the way from the execution's own context to this one.
    path: Vec<Position>,
    drawn: AtomicU64,
}

impl Values {
    /// Those of a context at a place in this one's.
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

/// A hash that has taken in what all values of one kind share.
pub(super) fn hash(arn: &str, kind: &str) -> State {
    let mut state = Params::new().hash_length(LENGTH).personal(b"durawasm/values").to_state();
    // The lengths of all parts but one are told or fixed: no two sequences of parts read alike.
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
    fn values_stay_what_they_are_between_releases() {
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
