//! Errors with a name.

use std::error::Error;

use super::boxed::BoxError;

/// An error with a name, which is recorded as its type.
///
/// The type of a boxed error is not known any more: it is recorded as `Error`. Wrap the error while its type is known,
/// to record that name.
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
    /// Uses the name of the error's type, without module paths.
    #[must_use]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self { error_type: short_type_name(std::any::type_name::<E>()), inner: Box::new(error) }
    }

    /// Uses the given name.
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

/// The name of a type without module paths, also in type arguments: `a::B<c::D>` becomes `B<D>`.
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
    fn module_paths_are_removed_from_type_names() {
        assert_eq!(short_type_name("a::b::C"), "C");
        assert_eq!(short_type_name("a::B<c::D, &e::F>"), "B<D, &F>");
        assert_eq!(short_type_name("Plain"), "Plain");
    }
}
