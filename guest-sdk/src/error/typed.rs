//! Errors with a name that their author gave.

use std::error::Error;

use super::boxed::BoxError;

/// An error with a name for the record.
///
/// Once an error is boxed, its type cannot be named any more: it is recorded as `Error`. Wrap it while its type is
/// known, and the record carries that name.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, TypedError};
///
/// let parsed = "seven".parse::<u32>().map_err(TypedError::new);
/// assert_eq!(parsed.as_ref().map_err(TypedError::error_type), Err("ParseIntError"));
/// let error: BoxError = TypedError::with_type("NoStock", "three are left").into(); // what a step's body returns
/// assert_eq!(error.to_string(), "NoStock: three are left");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TypedError {
    error_type: String,
    inner: BoxError,
}

impl TypedError {
    /// Names the error after its type, without module paths.
    #[must_use]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self { error_type: short_type_name(std::any::type_name::<E>()), inner: Box::new(error) }
    }

    /// Names the error as told.
    #[must_use]
    pub fn with_type(error_type: impl Into<String>, error: impl Into<BoxError>) -> Self {
        Self { error_type: error_type.into(), inner: error.into() }
    }

    /// The name.
    #[must_use]
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// The error itself.
    #[must_use]
    pub fn inner(&self) -> &(dyn Error + 'static) {
        &*self.inner
    }
}

impl Error for TypedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.inner)
    }
}

/// A type's name without module paths, also inside of brackets: `a::B<c::D>` is `B<D>`.
fn short_type_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut segment = 0;
    for c in full.chars() {
        if c == ':' {
            short.truncate(segment);
            continue;
        }
        short.push(c);
        if !(c.is_alphanumeric() || c == '_') {
            segment = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_paths() {
        assert_eq!(short_type_name("a::b::C"), "C");
        assert_eq!(short_type_name("a::B<c::D, &e::F>"), "B<D, &F>");
        assert_eq!(short_type_name("Plain"), "Plain");
    }
}
