//! Why a component is refused.

use super::{MAX_COMPONENT_SIZE, MAX_TYPE_SECTION};

/// Why a component is too complex, or could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComplexityError {
    /// It has too many bytes.
    #[error(
        "it has {size} bytes, and a component may have {MAX_COMPONENT_SIZE}; strip its debug information"
    )]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },

    /// The bytes cannot be parsed.
    #[error("{reason} (at byte {offset})")]
    Malformed {
        /// The error of the parser.
        reason: String,
        /// The position of the error.
        offset: u64,
    },

    /// It exceeds a limit.
    #[error("it is too complex: {what} {reached}, and at most {limit} are permitted; no handler needs that")]
    TooComplex {
        /// What was counted, as the beginning of "... 101".
        what: &'static str,
        /// The number that was reached when counting stopped.
        reached: u64,
        /// The limit.
        limit: u64,
    },

    /// A section of types is larger than is parsed.
    #[error(
        "it is too complex: a section of types has {size} bytes, and at most {MAX_TYPE_SECTION} are permitted; no \
         handler needs that"
    )]
    TypeSection {
        /// Its size in bytes.
        size: u64,
    },

    /// It instantiates a component that it gets as an argument, so its instances cannot be counted.
    #[error(
        "it is too complex: it instantiates a component that it imports, so that its instances cannot be counted; no \
         handler needs that"
    )]
    ImportedComponent,
}

impl From<wasmparser::BinaryReaderError> for ComplexityError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        let reason = error.message().chars().flat_map(|c| {
            let (shown, escaped) =
                if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
            shown.into_iter().chain(escaped.into_iter().flatten())
        });
        Self::Malformed { reason: reason.collect(), offset: error.offset() as u64 }
    }
}

/// Fails if `reached` exceeds `limit`. `what` is the beginning of the message.
pub(super) fn at_most(what: &'static str, reached: u64, limit: u64) -> Result<(), ComplexityError> {
    if reached <= limit { Ok(()) } else { Err(ComplexityError::TooComplex { what, reached, limit }) }
}
