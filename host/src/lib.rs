//! The durawasm host.

pub mod ambient;
pub mod protocol;
pub mod replay;
pub mod sandbox;
