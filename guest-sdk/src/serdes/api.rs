//! The conversion of an operation's values.

use std::future::Future;
use std::sync::Arc;

use super::context::SerdesContext;
use super::json::unreadable;
use crate::error::BoxError;

/// Turns an operation's value into text and back.
///
/// Implement it for one type, or for all types that have what the format needs. Every builder with a value has a
/// `serdes` method; to share one instance among several operations, give each a clone of an [`Arc`] of it.
///
/// `serialize` runs as a part of the operation's body, where clocks and random are live; `deserialize` runs on every
/// replay and must be a function of its arguments.
///
/// # Examples
///
/// ```
/// use durawasm_guest::BoxError;
/// use durawasm_guest::serdes::{Serdes, SerdesContext};
///
/// struct Cents;
///
/// impl Serdes<f64> for Cents {
///     async fn serialize(&self, value: f64, _context: SerdesContext) -> Result<String, BoxError> {
///         Ok(format!("{:.0}", value * 100.0))
///     }
///
///     async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<f64, BoxError> {
///         Ok(wire.parse::<f64>()? / 100.0)
///     }
/// }
/// ```
pub trait Serdes<T>: Send + Sync + 'static {
    /// The text to record for a value.
    ///
    /// An error fails the operation for good, and is recorded. What is written is read back before it is recorded, as a
    /// part of the body too: a text that [`deserialize`](Self::deserialize) does not accept fails the operation in the
    /// same way.
    fn serialize(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send;

    /// The value of a text: one that `serialize` made or, for callbacks, one that came from outside.
    ///
    /// An error is returned from the operation. It is not recorded: each replay finds it again.
    fn deserialize(
        &self,
        wire: String,
        context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send;

    /// The text to record for a value: one that can be read again.
    ///
    /// The value that was read back is dropped. What is delivered is read outside of the body, as on a replay.
    #[doc(hidden)]
    fn written(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send
    where
        T: Send,
    {
        async move {
            let text = self.serialize(value, context.clone()).await?;
            drop(self.deserialize(text.clone(), context).await.map_err(unreadable)?);
            Ok(text)
        }
    }
}

impl<T, S: Serdes<T> + ?Sized> Serdes<T> for Arc<S> {
    fn serialize(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        (**self).serialize(value, context)
    }

    fn deserialize(
        &self,
        wire: String,
        context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        (**self).deserialize(wire, context)
    }

    fn written(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send
    where
        T: Send,
    {
        (**self).written(value, context)
    }
}
