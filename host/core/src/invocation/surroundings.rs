//! What surrounds one invocation.

use std::sync::Arc;

use super::{Faults, Grants, Isolation, LogSink};
use crate::{
    ambient::{Clock, Entropy},
    protocol::DurableServiceClient,
};

/// What one invocation is handed beside its input. Nothing else is within its reach.
#[derive(Clone)]
pub struct Surroundings {
    /// The service that holds the record.
    pub client: Arc<dyn DurableServiceClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness inside steps.
    pub entropy: Arc<dyn Entropy>,
    /// Where the guest's lines go.
    pub log: Arc<dyn LogSink>,
    /// The faults to inject.
    pub faults: Faults,
    /// Which code shares an instance.
    pub isolation: Isolation,
    /// Environment variables and directories for the guest.
    pub grants: Arc<Grants>,
}
