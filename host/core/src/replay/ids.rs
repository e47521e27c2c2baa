//! Operation ids, and the scopes that generate them.
//!
//! Invariants: an id depends only on the scope's namespace and the position, so every replay computes the same ids; a
//! position is used at most once.

use std::{
    collections::BTreeSet,
    hash::{BuildHasherDefault, Hasher},
    sync::OnceLock,
};

use crate::protocol::OperationId;

/// A position in a scope, from 1.
pub type Position = u32;

/// The ids of the first positions of every execution's root: they are the same in all executions, and each invocation makes
/// them again. A hash takes longer than all else that a replayed operation needs to be found.
static ROOT_IDS: [OnceLock<OperationId>; 2048] = [const { OnceLock::new() }; 2048];

/// Hashes ids for maps of the record, faster than the standard library does: each invocation makes such a map of all that
/// is on record. Ids are hashes already, and no guest chooses them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IdHasher(u64);

/// Makes an [`IdHasher`] for each id.
pub(super) type IdHash = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        for word in words.iter().chain((!rest.is_empty()).then_some(&last)) {
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// The end of a text, which an id does not need.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        // A map uses the lowest bits, which depend on few bits of the id.
        self.0.rotate_left(26)
    }
}

/// A scope of operation ids.
#[derive(Debug)]
pub(super) struct Scope {
    /// The prefix that its ids are hashed with; empty for the root.
    namespace: String,
    /// The CONTEXT of its operations.
    pub(super) parent: Option<OperationId>,
    /// Whether the CONTEXT is over on record and its code is not to run. What is on record below it is not known here,
    /// so nothing may be started in it.
    pub(super) over: bool,
    next: Position,
    /// Every position below this one has been used.
    used_below: Position,
    /// Positions from `used_below` that have been used.
    used_beyond: BTreeSet<Position>,
}

impl Scope {
    pub(super) fn root() -> Self {
        Self::new(String::new(), None)
    }

    /// The scope of the CONTEXT with this id.
    pub(super) fn of_context(id: &OperationId) -> Self {
        Self::new(id.to_string(), Some(id.clone()))
    }

    /// A scope with its own ids, whose operations belong to `parent`'s CONTEXT.
    pub(super) fn flat(namespace: &OperationId, parent: &Self) -> Self {
        debug_assert!(!parent.over, "nothing is opened in a context that is over");
        Self::new(namespace.to_string(), parent.parent.clone())
    }

    fn new(namespace: String, parent: Option<OperationId>) -> Self {
        Self { namespace, parent, over: false, next: 1, used_below: 1, used_beyond: BTreeSet::new() }
    }

    /// The prefix that its ids are hashed with.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Takes the next position.
    pub(super) fn claim(&mut self) -> Option<Position> {
        let position = self.next;
        self.next = self.next.checked_add(1)?;
        Some(position)
    }

    /// Uses a position and returns its id. An unclaimed position is claimed as well. `None` if it was used before or is
    /// invalid.
    pub(super) fn take(&mut self, position: Position) -> Option<OperationId> {
        if position < self.used_below || position == Position::MAX {
            return None;
        }
        if position == self.used_below && self.used_beyond.is_empty() {
            // The usual case: one after another.
            self.used_below += 1;
        } else if !self.used_beyond.insert(position) {
            return None;
        }
        self.next = self.next.max(position + 1);
        while self.used_beyond.remove(&self.used_below) {
            self.used_below += 1;
        }
        Some(self.id_at(position))
    }

    /// The id at a position.
    pub(super) fn id_at(&self, position: Position) -> OperationId {
        match ROOT_IDS.get(position as usize) {
            Some(id) if self.namespace.is_empty() => id.get_or_init(|| self.make_id(position)).clone(),
            _ => self.make_id(position),
        }
    }

    fn make_id(&self, position: Position) -> OperationId {
        let mut hash = blake2b_simd::Params::new().hash_length(16).to_state();
        hash.update(self.namespace.as_bytes()).update(b":").update(&position.to_be_bytes());
        hash.finalize().to_hex().as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_do_not_depend_on_the_order_of_use(order in Just((1..=40_u32).collect::<Vec<_>>()).prop_shuffle()) {
            let ids = |order: &[u32]| {
                let mut scope = Scope::root();
                for expected in 1..=40 {
                    prop_assert_eq!(scope.claim(), Some(expected));
                }
                let mut ids: Vec<_> = order.iter().map(|p| (*p, scope.take(*p).unwrap())).collect();
                prop_assert!(scope.used_beyond.is_empty());
                for p in order {
                    prop_assert_eq!(scope.take(*p), None);
                }
                ids.sort();
                Ok(ids)
            };
            let shuffled = ids(&order)?;
            prop_assert_eq!(&shuffled, &ids(&(1..=40).collect::<Vec<_>>())?);
            prop_assert!(shuffled.iter().all(|(_, id)| id.check().is_ok()));
        }

        /// Of ids that differ in one place, none has the hash of another.
        #[test]
        fn a_hash_depends_on_each_byte_of_an_id(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let hash = |bytes: &[u8]| {
                let mut hasher = IdHasher::default();
                hasher.write(bytes);
                hasher.finish()
            };
            let mut hashes = HashSet::from([hash(&bytes)]);
            for place in 0..bytes.len() {
                let mut other = bytes.clone();
                other[place] ^= 0x15;
                prop_assert!(hashes.insert(hash(&other)), "byte {}", place);
            }
        }
    }

    #[test]
    fn scopes_do_not_share_ids() {
        let mut root = Scope::root();
        let first = root.claim().and_then(|p| root.take(p)).unwrap();
        let mut child = Scope::of_context(&first);
        let mut flat = Scope::flat(&first, &root);
        let in_child = child.claim().and_then(|p| child.take(p)).unwrap();
        let in_flat = flat.claim().and_then(|p| flat.take(p)).unwrap();
        assert_ne!(first, in_child);
        assert_eq!(in_child, in_flat);
        assert_eq!((child.parent.as_ref(), flat.parent.as_ref()), (Some(&first), None));
        assert!([0, 1, Position::MAX].iter().all(|p| root.take(*p).is_none()), "no place, used, no place");
        assert!(root.take(7).is_some() && root.claim() == Some(8), "a guest may count by itself");
    }
}
