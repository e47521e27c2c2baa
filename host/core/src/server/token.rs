//! Checkpoint tokens and state markers.
//!
//! Invariants:
//! - a token has a random part and is valid for one checkpoint; only the latest token of the running invocation is
//!   valid;
//! - the fields of a token serve only to find the execution; a token is validated by comparing all of it with the
//!   current one;
//! - a marker is valid only for the execution and position that it was made for: it carries a keyed hash of both.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::ids::{IdSource, Index};
use crate::protocol::{CheckpointToken, OperationId, ServiceError};

/// The fields of a checkpoint token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointTokenData {
    /// The id of the execution: the last part of its ARN.
    pub execution_id: String,
    /// The random part.
    pub token: String,
    /// The invocation that the token was given to.
    pub invocation_id: String,
}

/// Encodes a token (base64). Each field is truncated to 65,535 bytes.
pub fn encode_checkpoint_token(data: &CheckpointTokenData) -> String {
    let mut bytes = Vec::with_capacity(128);
    for text in [&data.execution_id, &data.invocation_id, &data.token] {
        let end = text.floor_char_boundary(usize::from(u16::MAX));
        bytes.extend(u16::try_from(end).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(text.bytes().take(end));
    }
    STANDARD.encode(bytes)
}

/// Decodes a token without validating it.
///
/// # Errors
/// [`ServiceError::InvalidParameterValue`] when the text is not a token of a server.
pub fn decode_checkpoint_token(token: &str) -> Result<CheckpointTokenData, ServiceError> {
    let refused = || ServiceError::InvalidToken;
    let bytes = STANDARD.decode(token).map_err(|_| refused())?;
    let mut rest = bytes.as_slice();
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        String::from_utf8(text.to_vec()).ok()
    };
    let (execution_id, invocation_id, token) = (next(), next(), next());
    match (execution_id, invocation_id, token, rest) {
        (Some(execution_id), Some(invocation_id), Some(token), []) => {
            Ok(CheckpointTokenData { execution_id, token, invocation_id })
        }
        _ => Err(refused()),
    }
}

/// Creates a new token.
pub(super) fn new_token(ids: &mut IdSource, execution: &OperationId, invocation: &str) -> CheckpointToken {
    encode_checkpoint_token(&CheckpointTokenData {
        execution_id: execution.to_string(),
        token: STANDARD.encode(ids.token_bytes::<18>()),
        invocation_id: invocation.to_owned(),
    })
    .into()
}

/// Refuses every token except the current one.
pub(super) fn check_token(
    current: Option<&CheckpointToken>,
    given: &CheckpointToken,
) -> Result<(), ServiceError> {
    if current == Some(given) {
        return Ok(());
    }
    Err(ServiceError::InvalidToken)
}

/// Creates and verifies the markers of one server.
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

    /// Creates a marker for a position in the execution's state.
    pub(super) fn make(&self, execution: &OperationId, place: Index) -> String {
        let place = (place as u64).to_be_bytes();
        STANDARD.encode([place, self.seal(place, execution)].concat())
    }

    /// Verifies a marker, and returns the position.
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

    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn tokens_say_what_they_were_given(execution_id in ".*", token in ".*", invocation_id in ".*") {
            let data = CheckpointTokenData { execution_id, token, invocation_id };
            prop_assert_eq!(decode_checkpoint_token(&encode_checkpoint_token(&data)), Ok(data));
        }

        #[test]
        fn whatever_is_no_token_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), text in ".*") {
            for token in [STANDARD.encode(&bytes), text] {
                if let Ok(data) = decode_checkpoint_token(&token) {
                    prop_assert_eq!(encode_checkpoint_token(&data), token);
                }
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let two_bytes = "\u{e9}";
        for (text, rest) in [
            ("x".repeat(65_535), "x".repeat(65_535)),
            ("x".repeat(65_536), "x".repeat(65_535)),
            (two_bytes.repeat(40_000), two_bytes.repeat(32_767)),
        ] {
            let of = |execution_id| CheckpointTokenData {
                execution_id,
                token: "t".to_owned(),
                invocation_id: "i".to_owned(),
            };
            assert_eq!(decode_checkpoint_token(&encode_checkpoint_token(&of(text))), Ok(of(rest)));
        }
    }

    #[test]
    fn only_the_current_token() {
        let mut ids = IdSource::new(Arc::new(SeededEntropy::new(1)));
        let mut token = || new_token(&mut ids, &"e".into(), "i");
        let (old, new) = (token(), token());
        assert!(check_token(Some(&new), &new).is_ok());
        assert!(check_token(Some(&new), &old).is_err());
        assert!(check_token(None, &old).is_err());
        assert!(new.as_str().len() <= 2048 && STANDARD.decode(new.as_str()).is_ok());
    }
}
