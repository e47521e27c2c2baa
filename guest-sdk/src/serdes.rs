//! How values become the text that is on record, and values again.
//!
//! Always true here: what an operation returns went through its serdes both ways, on the first run as on each replay.

use std::fmt;
use std::future::{Future, ready};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::engine::Engine;
use crate::error::Framed;
use crate::runtime::Operation;

mod file_system;
pub(crate) mod json;

pub use self::file_system::{
    FileSystemPathEncoding, FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesConfigBuilder,
    FileSystemSerdesError, FileSystemSerdesMode,
};

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
    /// An error fails the operation for good, and is recorded. What is written is read back before it is recorded, as a part of
    /// the body too: a text that [`deserialize`](Self::deserialize) does not accept fails the operation in the same way.
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

/// The default: compact JSON, for everything that serde can write and read.
///
/// NaN and infinities are refused, wherever in a value they are: JSON has only `null` for them, which is read as another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonSerdes;

impl<T: Serialize + DeserializeOwned + Send + 'static> Serdes<T> for JsonSerdes {
    fn serialize(
        &self,
        value: T,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(json::text(&value))
    }

    fn deserialize(
        &self,
        wire: String,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        ready(serde_json::from_str(&wire).map_err(Into::into))
    }

    // The text is read where it is: neither it nor the context is cloned.
    fn written(
        &self,
        value: T,
        _context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(json::readable(&value))
    }
}

/// The error of a text that its own serdes does not accept.
fn unreadable(error: impl Into<BoxError>) -> BoxError {
    Framed::boxed("what was written cannot be read back", error)
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadOrigin {
    /// This handler's serdes wrote it.
    SdkRecord,
    /// Somebody else wrote it: an external system's answer to a callback, another function's result. A serdes that records
    /// references must not follow one here.
    External,
}

/// What a serdes may know of the operation that it works for.
#[derive(Clone)]
#[non_exhaustive]
pub struct SerdesContext {
    owner: Owner,
    operation_id: OnceLock<String>,
    origin: PayloadOrigin,
}

/// Ids are asked for when they are used: most serdes never do.
#[derive(Clone)]
enum Owner {
    Named {
        arn: String,
    },
    Operation {
        operation: Arc<dyn Operation>,
        engine: Arc<Engine>,
    },
    /// An item, in the result of its batch.
    Item {
        batch: Arc<dyn Operation>,
        index: usize,
        engine: Arc<Engine>,
    },
}

impl SerdesContext {
    /// A context of one's own making, for tests of a serdes. Its origin is [`PayloadOrigin::SdkRecord`].
    #[must_use]
    pub fn new(operation_id: impl Into<String>, durable_execution_arn: impl Into<String>) -> Self {
        Self {
            owner: Owner::Named { arn: durable_execution_arn.into() },
            operation_id: OnceLock::from(operation_id.into()),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    pub(crate) fn of(operation: Arc<dyn Operation>, engine: Arc<Engine>) -> Self {
        Self {
            owner: Owner::Operation { operation, engine },
            operation_id: OnceLock::new(),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    pub(crate) fn of_item(batch: Arc<dyn Operation>, index: usize, engine: Arc<Engine>) -> Self {
        Self {
            owner: Owner::Item { batch, index, engine },
            operation_id: OnceLock::new(),
            origin: PayloadOrigin::SdkRecord,
        }
    }

    /// The operation's id, the same on every replay. Of an item in the result of a batch: the batch's id, `/item-` and the index.
    #[must_use]
    pub fn operation_id(&self) -> &str {
        self.operation_id.get_or_init(|| match &self.owner {
            Owner::Named { .. } => String::new(),
            Owner::Operation { operation, .. } => operation.id(),
            Owner::Item { batch, index, .. } => format!("{}/item-{index}", batch.id()),
        })
    }

    /// The execution's ARN.
    #[must_use]
    pub fn durable_execution_arn(&self) -> &str {
        match &self.owner {
            Owner::Named { arn } => arn,
            Owner::Operation { engine, .. } | Owner::Item { engine, .. } => engine.execution_arn(),
        }
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self) -> PayloadOrigin {
        self.origin
    }

    /// The same with another origin.
    #[must_use]
    pub fn with_origin(mut self, origin: PayloadOrigin) -> Self {
        self.origin = origin;
        self
    }
}

impl fmt::Debug for SerdesContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdesContext")
            .field("operation_id", &self.operation_id())
            .field("durable_execution_arn", &self.durable_execution_arn())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
