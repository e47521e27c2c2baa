//! The error of the handler's own code.

/// The error of handlers and step bodies: anything, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
