//! Nothing. The manifest of this crate turns features of shared dependencies on, so that the command line and the tests
//! are built with the same ones, and no dependency is compiled twice.
