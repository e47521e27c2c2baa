//! The AWS Lambda durable execution API over HTTP: the 13 operations of the service model, for the functions of an
//! [`Environment`](durawasm_core::orchestrator::Environment).
//!
//! [`Api`] answers requests, [`Server`] is its connections, [`Bounds`] limits both. Any client of AWS Lambda can use it by
//! its endpoint: AWS's SDKs, AWS CLI, curl.
//!
//! Invariants:
//! - every request that can be read gets an answer, and an error has the service model's name, status and shape; no
//!   request, however malformed, causes a panic;
//! - everything that a client can make the process keep, or wait for, has a bound;
//! - an execution does not depend on the request that started it: a client that goes away ends nothing.

mod api;
mod body;
mod bounds;
mod callbacks;
mod checkpoints;
mod clock;
mod control;
mod counted;
mod dispatcher;
mod error;
mod failures;
mod function_meter;
mod gate;
mod history;
mod invoke;
mod keys;
mod labels;
mod listing;
mod marker;
mod metered_store;
mod metrics;
mod names;
mod once;
mod query;
mod read;
mod reply;
mod request;
mod route;
mod server;
mod signature;
mod slow;
mod sweep;
mod tail;
mod tls;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail in any way")]
mod tests;

pub use self::{
    api::{Api, ApiOptions, FunctionSettings},
    bounds::Bounds,
    failures::{Failure, Failures},
    keys::{AccessKeys, KeyError},
    metrics::Metrics,
    server::{Server, Stopping},
    tail::LogTails,
    tls::{Tls, TlsError},
};
