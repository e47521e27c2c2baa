//! The WIT interfaces `execution`, `checkpointing` and `log`.

use super::{
    bindings::durawasm::durable::{checkpointing, execution, log, types},
    state::Durable,
};
use durawasm_core::{
    invocation::{LogLevel, LogSource},
    replay::CheckpointMode,
};

impl types::Host for &mut Durable {}

impl execution::Host for &mut Durable {
    fn info(&mut self) -> wasmtime::Result<execution::ExecutionInfo> {
        self.called()?;
        let (function_name, function_version, _) = self.driver.facts().arn.parts().unwrap_or_default();
        Ok(execution::ExecutionInfo {
            arn: self.driver.facts().arn.to_string(),
            function_name: function_name.to_owned(),
            function_version: function_version.to_owned(),
            start_time_ms: u64::try_from(self.driver.facts().started.as_millis()).unwrap_or(0),
        })
    }

    fn invocation_id(&mut self) -> wasmtime::Result<String> {
        let id = self.driver.facts().invocation_id.to_string();
        self.imported("durawasm:durable/execution.invocation-id", || (String::new(), id.clone()));
        Ok(id)
    }

    fn deadline_ms(&mut self) -> wasmtime::Result<u64> {
        let deadline = u64::try_from(self.driver.facts().deadline.as_millis()).unwrap_or(u64::MAX);
        self.imported("durawasm:durable/execution.deadline-ms", || (String::new(), deadline.to_string()));
        Ok(deadline)
    }

    fn is_replaying(&mut self) -> wasmtime::Result<bool> {
        let replaying = self.driver.is_replaying();
        self.imported("durawasm:durable/execution.is-replaying", || (String::new(), replaying.to_string()));
        Ok(replaying)
    }

    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX))
    }

    fn hash_keys(&mut self) -> wasmtime::Result<Option<(u64, u64)>> {
        Ok(Durable::hash_keys(self))
    }
}

impl checkpointing::Host for &mut Durable {
    fn set_mode(&mut self, mode: checkpointing::Mode) -> wasmtime::Result<()> {
        self.driver.engine_mut().set_mode(match mode {
            checkpointing::Mode::Batched => CheckpointMode::Batched,
            checkpointing::Mode::Eager => CheckpointMode::Eager,
            checkpointing::Mode::Optimistic => CheckpointMode::Optimistic,
        });
        Ok(())
    }

    fn get_mode(&mut self) -> wasmtime::Result<checkpointing::Mode> {
        Ok(match self.driver.engine().mode() {
            CheckpointMode::Batched => checkpointing::Mode::Batched,
            CheckpointMode::Eager => checkpointing::Mode::Eager,
            CheckpointMode::Optimistic => checkpointing::Mode::Optimistic,
        })
    }

    async fn flush(&mut self) -> wasmtime::Result<()> {
        Durable::flush(self).await
    }

    fn pending(&mut self) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.driver.engine().queued()).unwrap_or(u32::MAX))
    }
}

impl log::Host for &mut Durable {
    fn write(&mut self, entry: log::Entry) -> wasmtime::Result<()> {
        self.point_in_body()?;
        self.drain_output()?;
        let operation = match entry.operation {
            Some(id) => Some(id.into()),
            None => self.driver.body_operation(),
        };
        let line = (level(entry.level), LogSource::Log);
        let logged = self.driver.log(&*self.around.clock, line, entry.message, entry.fields, operation);
        self.trap(logged)
    }

    fn keep_replayed(&mut self, keep: bool) -> wasmtime::Result<()> {
        self.drain_output()?;
        self.driver.keep_replayed_lines(keep);
        Ok(())
    }

    fn enabled(&mut self, _: log::Level) -> wasmtime::Result<bool> {
        let mut enabled = self.driver.keeps_replayed_lines() || !self.driver.is_replaying();
        if let Some((probe, code)) = self.probe() {
            enabled = probe.log_enabled(code, enabled);
        }
        self.imported("durawasm:durable/log.enabled", || (String::new(), enabled.to_string()));
        Ok(enabled)
    }
}

fn level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Trace => LogLevel::Trace,
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    }
}
