//! Random numbers for replayed code: one stream for each section of a context.
//!
//! Invariants: the values of a stream depend only on the execution, the context, the number of the stream, and the
//! amount drawn from it before. They do not depend on other contexts, or on whether a replay runs those.

use std::collections::{HashMap, hash_map::Entry};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use durawasm_core::{
    invocation::Ended,
    protocol::error_types,
    replay::{Engine, ScopeKey},
};

/// The most streams that one invocation may use.
const MAX_STREAMS: usize = 1_000_000;

/// A stream: its context and number.
type Name = (ScopeKey, u64);

/// The streams of one instance.
#[derive(Debug)]
pub(super) struct Streams {
    /// The stream of the code that is running.
    current: Name,
    /// The stream that was used last.
    open: Option<(Name, ChaCha12Rng)>,
    /// The positions of other streams, in words. The state of a generator would be ten times as large.
    positions: HashMap<Name, u128>,
}

impl Streams {
    /// Creates the streams of an instance whose code starts in this context.
    pub(super) fn new(root: ScopeKey) -> Self {
        Self { current: (root, 0), open: None, positions: HashMap::new() }
    }

    /// Selects the stream of the code that runs from now on.
    pub(super) fn enter(&mut self, scope: ScopeKey, number: u64) {
        self.current = (scope, number);
    }

    /// Draws from the selected stream.
    pub(super) fn fill(&mut self, arn: &str, engine: &Engine, buffer: &mut [u8]) -> Result<(), Ended> {
        if let Some((name, stream)) = &mut self.open {
            if *name == self.current {
                stream.fill_bytes(buffer);
                return Ok(());
            }
            let full = self.positions.len() >= MAX_STREAMS;
            match self.positions.entry(*name) {
                Entry::Vacant(_) if full => {
                    let reason =
                        format!("the handler drew random numbers in more than {MAX_STREAMS} contexts");
                    return Err(Ended::Limit(error_types::RANDOM_LIMIT, reason));
                }
                position => drop(position.insert_entry(stream.get_word_pos())),
            }
        }
        let (scope, number) = self.current;
        let mut stream = stream(arn, engine.namespace(scope)?, number);
        if let Some(position) = self.positions.get(&self.current) {
            stream.set_word_pos(*position);
        }
        stream.fill_bytes(buffer);
        self.open = Some((self.current, stream));
        Ok(())
    }
}

/// Creates a generator at the beginning of a stream.
fn stream(arn: &str, namespace: &str, number: u64) -> ChaCha12Rng {
    let mut hash = blake2b_simd::Params::new().hash_length(32).personal(b"durawasm/random").to_state();
    // All parts but one have a fixed length or are preceded by it, so different streams hash different inputs.
    hash.update(&(arn.len() as u64).to_le_bytes()).update(arn.as_bytes());
    hash.update(&number.to_le_bytes()).update(namespace.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(hash.finalize().as_bytes());
    ChaCha12Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use durawasm_core::{protocol::Limits, replay::Identity};

    /// An engine with the root and three more contexts.
    fn engine() -> (Engine, Vec<ScopeKey>) {
        let mut engine = Engine::new(Vec::new(), Limits::default(), 100);
        let root = engine.root();
        let mut scopes = vec![root];
        for _ in 0..2 {
            let child = engine.child(root, None, Identity::default()).unwrap();
            scopes.push(engine.child_scope(child).unwrap());
        }
        scopes.push(engine.flat(root, None).unwrap());
        (engine, scopes)
    }

    proptest! {
        /// Draws of so many bytes, each from a stream: what one stream gives does not depend on the others.
        #[test]
        fn streams_do_not_shift_each_other(draws in proptest::collection::vec((0..4_usize, 0..2_u64, 1..40_usize), 1..60)) {
            let (engine, scopes) = engine();
            let draw = |streams: &mut Streams, count: usize| {
                let mut bytes = vec![0; count];
                streams.fill("arn:test", &engine, &mut bytes).unwrap();
                bytes
            };
            let mut together = Streams::new(engine.root());
            let mut alone: HashMap<(usize, u64), Streams> = HashMap::new();
            let mut seen: HashMap<(usize, u64), Vec<u8>> = HashMap::new();
            for (scope, number, count) in draws {
                together.enter(scopes[scope], number);
                let given = draw(&mut together, count);
                let one = alone.entry((scope, number)).or_insert_with(|| Streams::new(engine.root()));
                one.enter(scopes[scope], number);
                prop_assert_eq!(&given, &draw(one, count));
                seen.entry((scope, number)).or_default().extend(given);
            }
            let long: Vec<_> = seen.values().filter(|bytes| bytes.len() >= 16).map(|bytes| &bytes[..16]).collect();
            let distinct: std::collections::HashSet<_> = long.iter().collect();
            prop_assert_eq!(long.len(), distinct.len());
        }
    }

    #[test]
    fn another_execution_has_other_numbers() {
        let (engine, _) = engine();
        let of = |arn: &str| {
            let mut bytes = [0; 32];
            Streams::new(engine.root()).fill(arn, &engine, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(of("arn:a"), of("arn:a"));
        assert_ne!(of("arn:a"), of("arn:b"));
    }
}
