//! One invocation of a function: when it sends updates, waits, restarts, is suspended and ends.
//!
//! The [`Driver`] is a state machine without I/O. A host calls it for every durable call of the guest, sends the
//! checkpoints that it returns, and passes the answers back: the sandbox does so for components, the testing crate for
//! functions that are compiled natively. Both produce the same histories because they share the driver. See [`load`]
//! for an example.

mod addresses;
mod bounds;
mod disk;
mod driver;
#[cfg(test)]
mod driver_tests;
mod ended;
mod faults;
mod grants;
mod http;
mod isolation;
mod loading;
mod log;
mod observation;
mod operations;
mod report;
#[cfg(test)]
mod service_tests;
mod surroundings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_tests;
mod waiting;

pub use bounds::InvocationBounds;
pub use disk::{Disk, DiskQuota, Space};
pub use driver::{CheckpointRequest, Driver, Facts, Need, log_limit};
pub use ended::Ended;
pub use faults::{CheckpointFault, Disturbance, Failure, Faults};
pub use grants::{Access, GrantError, Grants};
pub use http::{HttpGrant, HttpGrantError, HttpGrants, HttpHost, only_reads};
pub use isolation::Isolation;
pub use loading::load;
pub use log::{LogBuffer, LogLevel, LogLine, LogSink, LogSource};
pub use observation::{Observation, ObservedChanges};
pub use operations::InvalidArgument;
pub use report::{FunctionInfo, InvocationReport, Returned};
pub use surroundings::Surroundings;
