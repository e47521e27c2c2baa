//! The run of each operation, from its start to its recorded outcome.

pub(crate) mod batch;
mod body;
pub(crate) mod callback;
pub(crate) mod child;
pub(crate) mod combinator;
pub(crate) mod invoke;
pub(crate) mod saga;
pub(crate) mod step;
pub(crate) mod wait;
pub(crate) mod wait_for_callback;
pub(crate) mod wait_for_condition;
pub(crate) mod with_retry;
