//! The environment of one invocation.

use std::sync::Arc;

use super::{Faults, Grants, Isolation, LogSink};
use crate::{
    ambient::{Clock, Entropy},
    protocol::DurableServiceClient,
    replay::Probed,
};

/// Everything that one invocation can access besides its input.
#[derive(Clone)]
pub struct Surroundings {
    /// The service that holds the record.
    pub client: Arc<dyn DurableServiceClient>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
    /// The receiver of the guest's output.
    pub log: Arc<dyn LogSink>,
    /// The faults to inject.
    pub faults: Faults,
    /// Which code shares an instance.
    pub isolation: Isolation,
    /// What observes and perturbs the invocation. By default nothing.
    pub probe: Probed,
    /// Environment variables and directories for the guest.
    pub grants: Arc<Grants>,
}
