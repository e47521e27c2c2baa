//! Builders of the durable operations, one module per operation.
//!
//! Invariants: builders are created by the methods of [`DurableContext`](crate::DurableContext), which claim the
//! position of the operation. Every builder has `name`, `future`, `spawn` and `.await`; all but the wait's have
//! `serdes`. Nothing starts before the future is polled or spawned.

pub mod callback;
pub mod child;
pub mod combinator;
mod compensation;
mod context;
pub mod invoke;
pub mod map_parallel;
pub mod step;
pub mod wait;
pub mod wait_for_condition;
pub mod with_retry;

pub use self::callback::{CreateCallbackBuilder, WaitForCallbackBuilder};
pub use self::child::ChildBuilder;
pub use self::combinator::{JoinAllBuilder, RaceBuilder, SelectOkBuilder, TryJoinAllBuilder};
pub use self::compensation::RunCompensationsBuilder;
pub use self::invoke::InvokeBuilder;
pub use self::map_parallel::{MapBuilder, ParallelBuilder};
pub use self::step::StepBuilder;
pub use self::wait::WaitBuilder;
pub use self::wait_for_condition::WaitForConditionBuilder;
pub use self::with_retry::WithRetryBuilder;
pub use crate::policy::{
    JitterStrategy, RetryPresets, RetryStrategyConfig, RetryStrategyConfigBuilder, StepOptions,
};
