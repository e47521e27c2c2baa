//! Values that look random and repeat on every replay.
//!
//! Always true here:
//! - A value is a hash of the execution's ARN, of the place of its context among all contexts, and of how many values the
//!   context has drawn before. No stream of random numbers is read or moved, so neither other contexts nor other users of
//!   randomness have an influence.
//! - A step's body runs once, and not on replays. Values drawn in one come from the attempt, and leave the context's where they
//!   were.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blake2b_simd::{Params, State};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::DurableContext;
use crate::runtime::Position;
use crate::scope::LogScope;

/// How many bytes a value has.
const LENGTH: usize = 16;

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

    fn draw(&self, arn: &str) -> [u8; LENGTH] {
        let mut state = hash(arn, "context");
        for position in &self.path {
            state.update(&position.to_le_bytes());
        }
        finish(&mut state, self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}

/// A hash that has taken in what all values of one kind share.
fn hash(arn: &str, kind: &str) -> State {
    let mut state = Params::new().hash_length(LENGTH).personal(b"durawasm/values").to_state();
    // The lengths of all parts but one are told or fixed: no two sequences of parts read alike.
    state.update(kind.as_bytes()).update(&(arn.len() as u64).to_le_bytes()).update(arn.as_bytes());
    state
}

fn finish(state: &mut State, count: u64) -> [u8; LENGTH] {
    let mut value = [0; LENGTH];
    state.update(&count.to_le_bytes());
    for (to, from) in value.iter_mut().zip(state.finalize().as_bytes()) {
        *to = *from;
    }
    value
}

impl DurableContext {
    /// The next value of the code that runs now.
    fn draw(&self) -> [u8; LENGTH] {
        let arn = self.execution_arn();
        match LogScope::current().and_then(|scope| Some((scope.attempt?, scope))) {
            None => self.own().values.draw(arn),
            Some((attempt, scope)) => {
                let mut state = hash(arn, "attempt");
                state.update(scope.id().as_bytes()).update(&[0]).update(&attempt.to_le_bytes());
                finish(&mut state, scope.draw())
            }
        }
    }

    /// The time of the latest outcome that the handler has seen; before the first, that of the execution's start. The same on
    /// every replay, to the millisecond.
    ///
    /// In a component, `SystemTime::now` tells the same between operations. In a step's body both tell the live time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let deadline = ctx.now() + Duration::from_secs(60 * 60);
    /// ctx.wait(Duration::from_secs(30)).await?;
    /// let in_time = ctx.now() < deadline;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.engine().runtime().now()
    }

    /// [`now`](Self::now), in whole milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// A new id, the same on every replay: for idempotency keys, orders, correlation ids.
    ///
    /// Ids differ between executions, contexts and calls. Clones of a context share one sequence, each child context has its
    /// own. In a step's body they belong to the attempt, and are the same when an interrupted attempt runs again.
    ///
    /// They are not secret: whoever knows the execution's ARN can compute them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let key = ctx.uuid();
    /// ctx.step(move |_| async move { Ok(println!("pay once for {key}")) }).name("pay").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        Uuid::from_random(self.draw())
    }

    /// A number from 0 to below 1, the same on every replay: for samples, shuffles and jitter, not for secrets. Sequences are
    /// those of [`uuid`](Self::uuid).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// if ctx.random() < 0.1 {
    ///     ctx.step(|_| async { Ok(println!("one in ten is looked at")) }).name("audit").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn random(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let bits = (self.random_u64() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// A number of all that 64 bits can hold, as [`random`](Self::random).
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation)] // half of a value is enough
        let half = u128::from_le_bytes(self.draw()) as u64;
        half
    }
}

/// A universally unique id of version 4 (RFC 9562): what [`DurableContext::uuid`] gives.
///
/// It displays and serializes as 36 characters, lower case.
///
/// # Examples
///
/// ```
/// use durawasm_guest::Uuid;
///
/// let id: Uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse()?;
/// assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// assert_eq!(id.as_bytes()[0], 0x67);
/// # Ok::<(), durawasm_guest::ParseUuidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; LENGTH]);

impl Uuid {
    /// Marks 16 bytes as an id of version 4.
    fn from_random(bytes: [u8; LENGTH]) -> Self {
        const VERSION: u128 = 4 << 76;
        const VARIANT: u128 = 2 << 62;
        let cleared = u128::from_be_bytes(bytes) & !(0xf << 76) & !(3 << 62);
        Self((cleared | VERSION | VARIANT).to_be_bytes())
    }

    /// Its bytes, as they are displayed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its bytes as a number, the first the highest.
    #[must_use]
    pub fn as_u128(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.as_u128();
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            number >> 96,
            number >> 80 & 0xffff,
            number >> 64 & 0xffff,
            number >> 48 & 0xffff,
            number & 0xffff_ffff_ffff,
        )
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Uuid> for String {
    fn from(id: Uuid) -> Self {
        id.to_string()
    }
}

/// A text is not a UUID: 8, 4, 4, 4 and 12 hexadecimal digits with `-` between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID: expected 8, 4, 4, 4 and 12 hexadecimal digits with - between them")
    }
}

impl std::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let groups = text.split('-').map(str::len);
        if !groups.eq([8, 4, 4, 4, 12]) || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        {
            return Err(ParseUuidError);
        }
        let number = u128::from_str_radix(&text.replace('-', ""), 16).map_err(|_| ParseUuidError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

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

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e55044-10b1-426f-9247-bb680e5fe0c88",
            "67e5504-410b1-426f-9247-bb680e5fe0c8",
            "+7e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
            assert!(serde_json::from_value::<Uuid>(text.into()).is_err());
        }
    }

    proptest! {
        #[test]
        fn ids_are_of_version_4_and_come_back_from_text(bytes: [u8; 16]) {
            let id = Uuid::from_random(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 36);
            prop_assert_eq!(&text[14..15], "4");
            prop_assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{}", text);
            prop_assert_eq!(text.parse::<Uuid>(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<Uuid>(&json).unwrap(), id);
        }
    }
}
