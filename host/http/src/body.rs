//! Bodies of requests: read as they arrive.
//!
//! Invariants: a body has bounds in size and time; what all bodies hold has a bound, and what has not arrived takes nothing
//! of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    counted::Counted,
    error::{ApiError, Exception, Scarce, invalid},
    route::Operation,
};

/// The largest body that is read although it is not wanted, in bytes.
const DISCARDED: usize = 64 << 20;

/// How long a body is read whose request is refused by its head.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// What all bodies may hold.
pub(crate) struct Bodies {
    kibibytes: Arc<Semaphore>,
    /// The bytes that they hold.
    held: Gauge,
    /// How long a body may take to arrive.
    time: Duration,
}

/// The share of a body in what all bodies may hold.
pub(crate) struct Room {
    kibibytes: OwnedSemaphorePermit,
    counted: Counted,
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    NoRoom,
    Broken(hyper::Error),
}

/// Reads a body that is not wanted. Many clients look for an answer only after they have sent everything.
async fn read_all(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Reads the body of a request that is refused by its head.
pub(crate) async fn discard(body: Incoming) {
    drop(timeout(DISCARD_TIME, read_all(body)).await);
}

impl Bodies {
    /// Bodies that may hold this many bytes together. `held` shows how many they do.
    pub(crate) fn new(bytes: usize, held: Gauge, time: Duration) -> Self {
        let kibibytes = (bytes / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self { kibibytes: Arc::new(Semaphore::new(kibibytes)), held, time }
    }

    /// Reads a body of at most `limit` bytes. The second value is its share of what all bodies may hold.
    pub(crate) async fn read(
        &self,
        operation: Operation,
        body: Incoming,
        limit: usize,
    ) -> Result<(Bytes, Room), ApiError> {
        let too_large = || {
            let message = format!("the body has more than {limit} bytes");
            let exception = match operation {
                Operation::Invoke => Exception::RequestTooLarge,
                _ => Exception::InvalidParameterValue,
            };
            Err(ApiError::new(exception, message))
        };
        let announced = body.size_hint();
        let least = usize::try_from(announced.lower()).unwrap_or(usize::MAX);
        if least > limit {
            if least <= DISCARDED {
                drop(timeout(self.time, read_all(body)).await);
            }
            return too_large();
        }
        match timeout(self.time, self.collect(body, limit)).await {
            Ok(Ok(collected)) => Ok(collected),
            Ok(Err(Unread::TooLarge)) => too_large(),
            Ok(Err(Unread::NoRoom)) => {
                let message = "requests with large bodies are under way: try again when some have ended";
                Err(ApiError::new(Exception::TooManyRequests(Scarce::Bodies), message))
            }
            Ok(Err(Unread::Broken(error))) => invalid(format!("the body cannot be read: {error}")),
            Err(_) => {
                let message = format!("the body did not arrive within {} s", self.time.as_secs());
                Err(ApiError::new(Exception::RequestTimeout, message))
            }
        }
    }

    async fn collect(&self, mut body: Incoming, limit: usize) -> Result<(Bytes, Room), Unread> {
        let (mut room, mut bytes) = (self.no_room()?, Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
            if data.len() > limit - bytes.len() {
                return Err(Unread::TooLarge);
            }
            bytes.extend_from_slice(&data);
            self.grow(&mut room, data.len(), bytes.len())?;
        }
        Ok((bytes.into(), room))
    }

    fn no_room(&self) -> Result<Room, Unread> {
        Ok(Room { kibibytes: self.take(0)?, counted: Counted::nothing(&self.held) })
    }

    fn take(&self, kibibytes: usize) -> Result<OwnedSemaphorePermit, Unread> {
        let kibibytes = u32::try_from(kibibytes).unwrap_or(u32::MAX);
        self.kibibytes.clone().try_acquire_many_owned(kibibytes).map_err(|_| Unread::NoRoom)
    }

    /// Makes room for `more` bytes, so that it is one for `all`.
    fn grow(&self, room: &mut Room, more: usize, all: usize) -> Result<(), Unread> {
        room.kibibytes.merge(self.take(all.div_ceil(1024) - room.kibibytes.num_permits())?);
        room.counted.add(more);
        Ok(())
    }
}
