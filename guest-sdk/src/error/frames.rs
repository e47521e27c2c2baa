//! Frames that this crate adds to chains of errors.

use std::error::Error;
use std::fmt;

use super::boxed::BoxError;
use super::display::write_chain;

/// A frame that describes what failed because of its source.
#[derive(Debug)]
pub(crate) struct Framed {
    frame: String,
    source: BoxError,
}

impl Framed {
    pub(crate) fn boxed(frame: impl Into<String>, source: impl Into<BoxError>) -> BoxError {
        Box::new(Self { frame: frame.into(), source: source.into() })
    }
}

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { write_chain(f, &self.frame, self.source()) } else { f.write_str(&self.frame) }
    }
}

impl Error for Framed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The frame around the error that the code of a child context returned.
#[derive(Debug)]
pub(crate) struct ChildFnError(pub(crate) BoxError);

impl fmt::Display for ChildFnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("child function error")
    }
}

impl Error for ChildFnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
