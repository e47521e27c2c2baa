//! The settings of a run.

use std::{collections::HashMap, sync::Arc, time::Duration};

use durawasm_core::{
    budget::HOST_BYTES,
    invocation::{Disturbance, Isolation},
    orchestrator::{FunctionGrants, Scheduler},
    protocol::Limits,
    server::{InvocationRetry, ScriptedAnswer},
};

use super::TestEnvironmentConfig;
use crate::orchestrator::DEFAULT_ANSWER_TIMEOUT;

/// Makes a scheduler for a run.
type MakeScheduler = Arc<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>;

/// The settings of a run.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: TestEnvironmentConfig,
    pub(super) seed: Option<u64>,
    pub(super) disturbances: Vec<Disturbance>,
    pub(super) isolation: Isolation,
    pub(super) grants: FunctionGrants,
    pub(super) answers: Vec<ScriptedAnswer>,
    pub(super) retry: InvocationRetry,
    pub(super) timeout: Option<Duration>,
    pub(super) target_timeouts: HashMap<String, u64>,
    pub(super) scheduler: Option<MakeScheduler>,
    pub(super) tokio_time: bool,
    pub(super) answer_timeout: Duration,
    /// In bytes.
    pub(super) execution_bytes: usize,
    pub(super) host_bytes: usize,
    pub(super) invokes: usize,
    pub(super) invoke_depth: usize,
}

impl Settings {
    pub(super) fn new(config: TestEnvironmentConfig) -> Self {
        let Limits { execution_bytes, invokes, invoke_depth, .. } = Limits::default();
        Self {
            config,
            seed: Some(0),
            disturbances: Vec::new(),
            isolation: Isolation::default(),
            grants: FunctionGrants::default(),
            answers: Vec::new(),
            retry: InvocationRetry::default(),
            timeout: None,
            target_timeouts: HashMap::new(),
            scheduler: None,
            tokio_time: false,
            answer_timeout: DEFAULT_ANSWER_TIMEOUT,
            execution_bytes,
            host_bytes: HOST_BYTES,
            invokes,
            invoke_depth,
        }
    }
}
