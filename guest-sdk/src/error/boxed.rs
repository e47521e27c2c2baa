//! The error type of the handler's code.

/// The error of handlers and step bodies: any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
