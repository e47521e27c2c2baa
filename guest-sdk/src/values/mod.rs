//! Plain values that handlers and plugins get: ids and points in time.

mod callback_id;
mod timestamp;
mod uuid;

pub use self::callback_id::CallbackId;
pub use self::timestamp::Timestamp;
pub use self::uuid::{ParseUuidError, Uuid};
