//! Nothing. The manifest of this crate turns features of shared dependencies on, so that the tests compile no dependency
//! of the command line again.
