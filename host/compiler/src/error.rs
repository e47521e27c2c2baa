//! Errors of compiling, and of the cache.

use std::{io, path::PathBuf, time::Duration};

use durawasm_complexity::ComplexityError;

/// Why a component was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It is too complex, or its bytes cannot be parsed.
    #[error(transparent)]
    Complexity(#[from] ComplexityError),

    /// It is not valid.
    #[error("{0}")]
    Invalid(String),

    /// It took too long.
    #[error("compiling it takes longer than {limit:?}")]
    Time {
        /// The limit.
        limit: Duration,
    },

    /// It took too much memory.
    #[error("compiling it takes more memory than {} MiB", limit >> 20)]
    Memory {
        /// The limit in bytes.
        limit: u64,
    },

    /// The compiler could not be started, or crashed.
    #[error("the compiler failed: {0}")]
    Compiler(String),
}

/// Why a folder cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or folder cannot be created, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },

    /// Others could have written it.
    #[error("{} {problem}", path.display())]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// What others could do.
        problem: String,
    },
}
