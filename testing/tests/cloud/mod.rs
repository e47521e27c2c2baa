//! The runner for deployed functions, against a stand-in for AWS Lambda: its API over HTTP, with the real host behind
//! it.

mod errors;
pub mod http;
mod lambda;
mod operations;
mod runs;
mod waiting;

pub use lambda::guests;
