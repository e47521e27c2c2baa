//! Markers of pages: where the next page begins, in a form that only this process makes and reads.
//!
//! Invariants: a marker is accepted only for the request that it was made for, apart from the size of the page, and for
//! a day (service model: "Each pagination token expires after 24 hours").

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use blake2b_simd::Params;
use durawasm_core::{
    ambient::{Entropy, OsEntropy},
    protocol::Timestamp,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::{ApiError, invalid};

/// The bytes of a marker that authenticate the others.
const TAG: usize = 16;

/// How long a marker is accepted, in milliseconds.
const LIFETIME: i64 = 24 * 60 * 60 * 1000;

/// Makes and reads markers.
pub(crate) struct Markers {
    key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    made: i64,
    place: T,
}

impl Markers {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        OsEntropy.fill(&mut key);
        Self { key }
    }

    /// Makes a marker. `scope` is the request that it is for.
    pub(crate) fn make<T: Serialize>(&self, scope: &str, place: T, now: Timestamp) -> Option<String> {
        let sealed = serde_json::to_vec(&Sealed { made: now.as_millis(), place }).ok()?;
        let mut bytes = self.tag(scope, &sealed);
        bytes.extend(sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a marker.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        scope: &str,
        marker: &str,
        now: Timestamp,
    ) -> Result<T, ApiError> {
        let found = || {
            let bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
            let (tag, sealed) = bytes.split_at_checked(TAG)?;
            if tag != self.tag(scope, sealed) {
                return None;
            }
            serde_json::from_slice::<Sealed<T>>(sealed).ok()
        };
        match found() {
            Some(Sealed { made, place }) if now.as_millis().saturating_sub(made) <= LIFETIME => Ok(place),
            Some(_) => invalid("the marker is older than 24 hours: begin with the first page"),
            None => invalid("the marker was not made here for this request: begin with the first page"),
        }
    }

    fn tag(&self, scope: &str, sealed: &[u8]) -> Vec<u8> {
        let mut state = Params::new().hash_length(TAG).key(&self.key).to_state();
        // The length separates the two.
        state.update(&(scope.len() as u64).to_le_bytes()).update(scope.as_bytes()).update(sealed);
        state.finalize().as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_for_one_request_and_one_day() {
        let (markers, now) = (Markers::new(), Timestamp::Y2025);
        let marker = markers.make("history a", 7_u64, now).unwrap();
        let later = now.plus_seconds(24 * 60 * 60);
        assert_eq!(markers.read("history a", &marker, later), Ok(7_u64));
        assert!(markers.read::<u64>("history a", &marker, later.plus_millis(1)).is_err());
        assert!(markers.read::<u64>("history b", &marker, now).is_err());
        assert!(Markers::new().read::<u64>("history a", &marker, now).is_err());
        for bad in ["", "x", "AAAA", &marker[1..], &format!("{marker}AAAA")] {
            assert!(markers.read::<u64>("history a", bad, now).is_err(), "{bad}");
        }
    }
}
