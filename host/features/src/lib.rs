//! Nothing. The manifest of this crate turns features of shared dependencies on, so that the command line and the tests
//! ask for the same ones.
