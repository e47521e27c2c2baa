//! The host of a component's invocation: each method calls one import.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bindings::durawasm::durable::{checkpointing, execution, log, operations as wit};
use super::bindings::wasi::io::poll;
use super::observing;
use super::operations::Context;
use crate::contract::{CheckpointMode, ExecutionInfo, Observing, Pollable, Runtime, Scope};

/// The host of a component.
pub(crate) struct Host {
    waits: wit::WaitSet,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { waits: wit::WaitSet::new() }
    }
}

impl Runtime for Host {
    fn execution(&self) -> ExecutionInfo {
        let execution::ExecutionInfo { arn, function_name, function_version, start_time_ms } =
            execution::info();
        ExecutionInfo { arn, function_name, function_version, start_time_ms }
    }

    fn invocation_id(&self) -> String {
        execution::invocation_id()
    }

    fn deadline_ms(&self) -> u64 {
        execution::deadline_ms()
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(execution::now_ms())
    }

    fn is_replaying(&self) -> bool {
        execution::is_replaying()
    }

    fn root(&self) -> Arc<dyn Scope> {
        Arc::new(Context::new(wit::Context::root()))
    }

    fn watch(&self, pollable: Box<dyn Pollable>, token: u64) {
        if let Ok(pollable) = (pollable as Box<dyn Any>).downcast::<poll::Pollable>() {
            self.waits.add(*pollable, token);
        }
    }

    fn unwatch(&self, token: u64) {
        self.waits.remove(token);
    }

    fn next(&self) -> Vec<u64> {
        self.waits.next()
    }

    fn next_or_idle(&self) -> Option<Vec<u64>> {
        self.waits.next_or_idle()
    }

    fn set_checkpoint_mode(&self, mode: CheckpointMode) {
        checkpointing::set_mode(match mode {
            CheckpointMode::Batched => checkpointing::Mode::Batched,
            CheckpointMode::Eager => checkpointing::Mode::Eager,
            CheckpointMode::Optimistic => checkpointing::Mode::Optimistic,
        });
    }

    fn checkpoint_mode(&self) -> CheckpointMode {
        match checkpointing::get_mode() {
            checkpointing::Mode::Batched => CheckpointMode::Batched,
            checkpointing::Mode::Eager => CheckpointMode::Eager,
            checkpointing::Mode::Optimistic => CheckpointMode::Optimistic,
        }
    }

    fn flush(&self) {
        checkpointing::flush();
    }

    fn pending_updates(&self) -> u32 {
        checkpointing::pending()
    }

    fn keep_replayed_logs(&self, keep: bool) {
        log::keep_replayed(keep);
    }

    fn observing(&self) -> Option<Arc<dyn Observing>> {
        Some(Arc::new(observing::Host))
    }
}

impl Pollable for poll::Pollable {}
