//! The run of the handler's code: tasks, what they wait for, and the sections in which they run.

mod executor;
mod group;
mod reactor;
mod section;
mod shared;

pub(crate) use self::executor::Spawned;
pub(crate) use self::group::Group;
pub(crate) use self::reactor::ParkedBody;
#[cfg(target_family = "wasm")]
pub(crate) use self::section::install;
pub(crate) use self::section::{Section, in_observer_section, select_random_stream};
pub(crate) use self::shared::Engine;
