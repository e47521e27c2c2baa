//! Ids of operations, and their generation: a buffered stream of random bytes for each execution.
//!
//! Invariants: an execution's ids depend only on the entropy, its ARN and the order of its own requests, so a seeded
//! run repeats them whatever else runs. Bytes are drawn from the source in blocks, so that not every checkpoint costs a
//! system call.

use std::{fmt::Write, sync::Arc};

use crate::ambient::Entropy;

/// An operation's position in the order of START.
pub(super) type Index = usize;

const BUFFER: usize = 64;

/// Generates random bytes, and ids from them.
pub(super) struct IdSource {
    ids: Stream,
    /// A separate stream, so that ids do not depend on the number of checkpoints.
    tokens: Stream,
}

struct Stream {
    entropy: Arc<dyn Entropy>,
    buffer: [u8; BUFFER],
    used: usize,
}

impl Stream {
    fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, buffer: [0; BUFFER], used: BUFFER }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= BUFFER) };
        if self.used + N > BUFFER {
            self.entropy.fill(&mut self.buffer);
            self.used = 0;
        }
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().zip(self.buffer.iter_mut().skip(self.used)) {
            *to = std::mem::take(from);
        }
        self.used += N;
        bytes
    }
}

impl IdSource {
    pub(super) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { tokens: Stream::new(entropy.fork("tokens")), ids: Stream::new(entropy) }
    }

    /// Returns new random bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.ids.bytes()
    }

    /// Returns new random bytes for a checkpoint token.
    pub(super) fn token_bytes<const N: usize>(&mut self) -> [u8; N] {
        self.tokens.bytes()
    }

    /// Returns a random UUID, as bytes and as text.
    pub(super) fn uuid(&mut self) -> ([u8; 16], String) {
        let mut bytes = self.bytes::<16>();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = String::with_capacity(36);
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        (bytes, text)
    }
}

/// Parses a UUID.
pub(super) fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let digits = text.replace('-', "");
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SeededEntropy;

    #[test]
    fn never_the_same_and_reproducible() {
        let make = || IdSource::new(Arc::new(SeededEntropy::new(7)));
        let (mut a, mut b) = (make(), make());
        let ids: Vec<_> = (0..200).map(|_| a.uuid().1).collect();
        assert_eq!(ids, (0..200).map(|_| b.uuid().1).collect::<Vec<_>>());
        let (bytes, text) = b.uuid();
        assert_eq!(read_uuid(&text), Some(bytes));
        for wrong in ["xyz", "12", &text[1..], &format!("{text}0")] {
            assert_eq!(read_uuid(wrong), None, "{wrong}");
        }
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 200);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{ids:?}");
    }
}
