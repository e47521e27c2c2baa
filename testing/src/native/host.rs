//! The SDK's `Runtime` trait: one run of a handler in its invocation.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use durawasm_guest::runtime::{CheckpointMode, ExecutionInfo, Observing, Pollable, Runtime, Scope};

use super::{
    convert,
    durable::Durable,
    handles::{AwaitedEvent, Context},
    observing::PluginObserver,
    shared_run::SharedRun,
};

/// The host of one run.
pub(super) struct Host(pub(super) Arc<SharedRun>);

impl Runtime for Host {
    fn execution(&self) -> ExecutionInfo {
        let unknown = || ExecutionInfo {
            arn: String::new(),
            function_name: String::new(),
            function_version: String::new(),
            start_time_ms: 0,
        };
        self.0.call(unknown, |durable| {
            let facts = durable.driver.facts();
            let (function_name, function_version, _) = facts.arn.parts().unwrap_or_default();
            Ok(ExecutionInfo {
                arn: facts.arn.to_string(),
                function_name: function_name.to_owned(),
                function_version: function_version.to_owned(),
                start_time_ms: u64::try_from(facts.started.as_millis()).unwrap_or(0),
            })
        })
    }

    fn invocation_id(&self) -> String {
        self.0.call(String::new, |durable| Ok(durable.driver.facts().invocation_id.to_string()))
    }

    fn deadline_ms(&self) -> u64 {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.call(|| 0, |durable| Ok(millis(durable.driver.facts().deadline)))
    }

    fn now(&self) -> SystemTime {
        self.0.call(|| UNIX_EPOCH, |durable| Ok(UNIX_EPOCH + durable.now()))
    }

    fn is_replaying(&self) -> bool {
        self.0.call(|| false, |durable| Ok(durable.driver.is_replaying()))
    }

    fn root(&self) -> Arc<dyn Scope> {
        Context::new(&self.0, self.0.root)
    }

    fn watch(&self, pollable: Box<dyn Pollable>, token: u64) {
        if let Ok(event) = (pollable as Box<dyn Any>).downcast::<AwaitedEvent>() {
            let AwaitedEvent(key, interest) = *event;
            self.0.call(
                || (),
                |durable| Ok(durable.driver.engine_mut().add_to_set(durable.set, key, interest, token)?),
            );
        }
    }

    fn unwatch(&self, token: u64) {
        // If this fails the run has ended, and the watch has ended with it.
        self.0.notify(|durable| {
            durable.driver.engine_mut().remove_from_set(durable.set, token).unwrap_or_default();
        });
    }

    fn next(&self) -> Vec<u64> {
        self.0.call(Vec::new, |durable| durable.wait_for_set()?.ok_or_else(|| durable.driver.suspension()))
    }

    fn next_or_idle(&self) -> Option<Vec<u64>> {
        self.0.call(|| None, Durable::wait_for_set)
    }

    fn set_checkpoint_mode(&self, mode: CheckpointMode) {
        self.0.call(
            || (),
            |durable| {
                durable.driver.engine_mut().set_mode(convert::mode_in(mode));
                Ok(())
            },
        );
    }

    fn checkpoint_mode(&self) -> CheckpointMode {
        self.0.call(CheckpointMode::default, |durable| Ok(convert::mode_out(durable.driver.engine().mode())))
    }

    fn flush(&self) {
        self.0.call(|| (), Durable::flush);
    }

    fn pending_updates(&self) -> u32 {
        self.0.call(|| 0, |durable| Ok(u32::try_from(durable.driver.engine().queued()).unwrap_or(u32::MAX)))
    }

    fn keep_replayed_logs(&self, keep: bool) {
        self.0.notify(|durable| durable.driver.keep_replayed_lines(keep));
    }

    fn observing(&self) -> Option<Arc<dyn Observing>> {
        Some(Arc::new(PluginObserver(Arc::clone(&self.0))))
    }
}
