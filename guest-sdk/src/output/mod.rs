//! The output of the handler: log lines, standard output, and the operation that each line belongs to.

#[cfg(target_family = "wasm")]
mod host_log;
mod log_scope;
pub mod logging;
pub mod observability;
#[cfg(feature = "replay-filter")]
mod replay_filter;
mod standard;

#[cfg(target_family = "wasm")]
pub(crate) use self::host_log::install;
pub(crate) use self::log_scope::LogScope;
#[cfg(feature = "replay-filter")]
pub use self::replay_filter::ReplayFilterLayer;
pub(crate) use self::standard::flush;
#[cfg(target_family = "wasm")]
pub(crate) use self::standard::flush_on_panic;
