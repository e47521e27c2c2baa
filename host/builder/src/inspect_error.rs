//! Why bytes are not an acceptable component, and the limits that such an error names.

use std::io;

use durawasm_complexity::{ComplexityError, MAX_COMPONENT_SIZE};

/// The most imports, exports and functions in a component.
pub(super) const MAX_ITEMS: usize = 20_000;

/// Why bytes are not an acceptable component.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),

    /// The path is not a file.
    #[error("it is not a file; give the path of a component (.wasm)")]
    NotAFile,

    /// The file is empty.
    #[error("the file is empty; build it again with `durawasm build`")]
    Empty,

    /// The file is too large.
    #[error(
        "it has {size} bytes, and a component may have {MAX_COMPONENT_SIZE}; strip its debug information"
    )]
    TooLarge {
        /// The size in bytes.
        size: u64,
    },

    /// The bytes are not WebAssembly.
    #[error("this is not WebAssembly but {looks_like}; build a component with `durawasm build`")]
    NotWasm {
        /// What they seem to be.
        looks_like: &'static str,
    },

    /// The bytes are a core module.
    #[error("this is a core module, not a component; build the handler's crate with `durawasm build`")]
    CoreModule,

    /// The bytes begin like a component and are invalid.
    #[error(
        "this component is damaged or cut off: {reason} (at byte {offset}); build it again with `durawasm build`"
    )]
    Invalid {
        /// The error of the validator.
        reason: String,
        /// The position of the error.
        offset: u64,
    },

    /// The component has too many imports and exports.
    #[error(
        "this component has more than {MAX_ITEMS} imports, exports and functions in them: no handler needs that many"
    )]
    TooManyItems,

    /// Validation would take too long, or too much memory or stack.
    #[error(transparent)]
    TooComplex(ComplexityError),
}

impl From<ComplexityError> for InspectError {
    fn from(error: ComplexityError) -> Self {
        match error {
            ComplexityError::TooLarge { size } => Self::TooLarge { size },
            ComplexityError::Malformed { reason, offset } => Self::Invalid { reason, offset },
            error => Self::TooComplex(error),
        }
    }
}
