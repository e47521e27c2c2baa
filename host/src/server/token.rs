//! Checkpoint tokens and state markers.
//!
//! Always true:
//! - a token is random and works for one checkpoint; only the latest token of the running invocation works;
//! - a marker works only where the server put it: it carries a check that cannot be made without the server's key.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ids::IdSource, operations::Index};
use crate::{
    protocol::{CheckpointToken, OperationId},
    replay::ServiceError,
};

/// Makes a token that was never given before.
pub(super) fn new_token(ids: &mut IdSource) -> CheckpointToken {
    STANDARD.encode(ids.token_bytes::<18>()).into()
}

/// Refuses every token but the current one.
pub(super) fn check_token(
    current: Option<&CheckpointToken>,
    given: &CheckpointToken,
) -> Result<(), ServiceError> {
    if current == Some(given) {
        return Ok(());
    }
    Err(ServiceError::InvalidParameterValue("Invalid checkpoint token".to_owned()))
}

/// Makes markers of one execution and recognizes them.
#[derive(Clone)]
pub(super) struct Markers([u8; 16]);

impl Markers {
    pub(super) fn new(ids: &mut IdSource) -> Self {
        Self(ids.bytes())
    }

    fn seal(&self, place: [u8; 8], execution: &OperationId) -> [u8; 8] {
        let mut seal = [0; 8];
        let mut params = blake2b_simd::Params::new();
        let hash = params
            .hash_length(8)
            .key(&self.0)
            .to_state()
            .update(&place)
            .update(execution.as_str().as_bytes())
            .finalize();
        for (to, from) in seal.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        seal
    }

    /// A marker that says where in the execution's state a page begins.
    pub(super) fn make(&self, execution: &OperationId, place: Index) -> String {
        let place = (place as u64).to_be_bytes();
        STANDARD.encode([place, self.seal(place, execution)].concat())
    }

    /// Where in the execution's state the page begins.
    pub(super) fn read(&self, execution: &OperationId, marker: &str) -> Result<Index, ServiceError> {
        let decoded = STANDARD.decode(marker).ok();
        let parts = decoded.as_deref().and_then(|bytes| bytes.split_first_chunk::<8>());
        parts
            .filter(|(place, seal)| *seal == self.seal(**place, execution))
            .and_then(|(place, _)| Index::try_from(u64::from_be_bytes(*place)).ok())
            .ok_or_else(|| ServiceError::InvalidParameterValue("Invalid marker".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ambient::SeededEntropy;

    #[test]
    fn markers_are_bound_to_server_and_execution() {
        let mut ids = IdSource::new(Arc::new(SeededEntropy::new(1)));
        let (markers, other) = (Markers::new(&mut ids), Markers::new(&mut ids));
        let (a, b) = (OperationId::from("a"), OperationId::from("b"));
        let marker = markers.make(&a, 1000);
        assert_eq!(markers.read(&a, &marker), Ok(1000));
        let refused = Err(ServiceError::InvalidParameterValue("Invalid marker".to_owned()));
        assert_eq!(markers.read(&b, &marker), refused);
        assert_eq!(other.read(&a, &marker), refused);
        for forged in ["", "1000", "AAAAAAAAA+g=", "not base64!", &STANDARD.encode(1000_u64.to_be_bytes())] {
            assert_eq!(markers.read(&a, forged), refused, "{forged}");
        }
    }

    #[test]
    fn only_the_current_token() {
        let mut ids = IdSource::new(Arc::new(SeededEntropy::new(1)));
        let (old, new) = (new_token(&mut ids), new_token(&mut ids));
        assert!(check_token(Some(&new), &new).is_ok());
        assert!(check_token(Some(&new), &old).is_err());
        assert!(check_token(None, &old).is_err());
        assert!(new.as_str().len() <= 2048 && STANDARD.decode(new.as_str()).is_ok());
    }
}
