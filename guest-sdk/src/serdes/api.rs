//! The trait `Serdes`.

use std::future::Future;
use std::sync::Arc;

use super::context::SerdesContext;
use super::json::unreadable;
use crate::error::BoxError;

/// Converts an operation's value into a text, its payload, and back.
///
/// Implement it for one type, or for all types that the format supports. Every builder with a value has a `serdes`
/// method. To share one instance among several operations, give each a clone of an [`Arc`] of it.
///
/// `serialize` runs as part of the body of the operation, where clocks and random numbers are live. `deserialize` runs
/// on every replay, so its result must depend on its arguments alone.
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
///     async fn deserialize(&self, payload: String, _context: SerdesContext) -> Result<f64, BoxError> {
///         Ok(payload.parse::<f64>()? / 100.0)
///     }
/// }
/// ```
pub trait Serdes<T>: Send + Sync + 'static {
    /// Returns the payload of a value.
    ///
    /// An error is recorded, and fails the operation without retries. Before a payload is recorded it is deserialized
    /// again, also as part of the body: a payload that [`deserialize`](Self::deserialize) does not accept fails the
    /// operation in the same way.
    fn serialize(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send;

    /// Returns the value of a payload: one that `serialize` created or, for callbacks and invokes, one from outside.
    ///
    /// An error is returned from the operation. It is not recorded: each replay fails with it again.
    fn deserialize(
        &self,
        payload: String,
        context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send;

    /// Returns the payload of a value, after checking that it can be deserialized.
    ///
    /// The deserialized value is dropped: the result of the operation is deserialized outside of the body, as on a
    /// replay.
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
            let payload = self.serialize(value, context.clone()).await?;
            drop(self.deserialize(payload.clone(), context).await.map_err(unreadable)?);
            Ok(payload)
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
        payload: String,
        context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        (**self).deserialize(payload, context)
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
