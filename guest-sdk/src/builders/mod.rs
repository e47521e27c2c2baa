//! Builders of the durable operations, one module an operation.
//!
//! Always true here: builders are made by the methods of [`DurableContext`](crate::DurableContext), which claim the
//! operation's place. Every builder has `name`, `future`, `spawn` and `.await`; all but the wait's have `serdes`.
//! Nothing starts before the future is polled or spawned.

pub mod callback;
pub mod child;
mod retry;
pub mod step;
pub mod wait;

pub use self::callback::{CreateCallbackBuilder, WaitForCallbackBuilder};
pub use self::child::ChildBuilder;
pub use self::retry::{JitterStrategy, RetryStrategyConfig, RetryStrategyConfigBuilder};
pub use self::step::StepBuilder;
pub use self::wait::WaitBuilder;
