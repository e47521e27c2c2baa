//! What is counted of the invocations of one function.
//!
//! Invariants: an invocation is waiting, then running, then has one outcome; also if its future is dropped.

use durawasm_core::{
    invocation::InvocationReport,
    protocol::{InvocationResult, InvocationStatus},
    server::InvokeOutcome,
};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use tokio::time::Instant;

use super::{
    counted::Counted,
    labels::{FunctionName, Outcome},
};

/// The counters of one function.
pub(crate) struct FunctionMeter {
    pub(crate) name: FunctionName,
    pub(crate) waiting: Gauge,
    pub(crate) running: Gauge,
    /// In seconds.
    pub(crate) durations: Histogram,
    pub(crate) checkpoints: Counter,
    pub(crate) outcomes: Family<Outcome, Counter>,
}

impl FunctionMeter {
    /// The function.
    pub(crate) fn name(&self) -> &str {
        &self.name.0
    }

    /// Counts an invocation that waits, until the value is dropped.
    pub(crate) fn waits(&self) -> Counted {
        Counted::one(&self.waiting)
    }

    /// Counts and measures an invocation that runs, until the value is dropped.
    pub(crate) fn runs(&self) -> RunningMeter<'_> {
        RunningMeter {
            meter: self,
            began: Instant::now(),
            outcome: "dropped",
            _counted: Counted::one(&self.running),
        }
    }
}

/// An invocation that runs.
pub(crate) struct RunningMeter<'a> {
    meter: &'a FunctionMeter,
    began: Instant,
    outcome: &'static str,
    _counted: Counted,
}

impl RunningMeter<'_> {
    pub(crate) fn reported(&mut self, report: &InvocationReport) {
        self.meter.checkpoints.inc_by(u64::from(report.checkpoints));
        self.outcome = match &report.result {
            InvocationResult::Crashed(_) => "crashed",
            InvocationResult::Output(output) => match output.status {
                InvocationStatus::Succeeded => "succeeded",
                InvocationStatus::Failed => "failed",
                InvocationStatus::Pending => "pending",
            },
        };
    }

    pub(crate) fn returned(&mut self, outcome: &InvokeOutcome) {
        self.outcome = match outcome {
            InvokeOutcome::Succeeded(_) => "succeeded",
            InvokeOutcome::Failed(_) | InvokeOutcome::TimedOut(_) | InvokeOutcome::Stopped(_) => "failed",
        };
    }

    /// How it ended.
    pub(crate) fn outcome(&self) -> &'static str {
        self.outcome
    }

    /// How long it has run.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

impl Drop for RunningMeter<'_> {
    fn drop(&mut self) {
        self.meter.durations.observe(self.seconds());
        let outcome = Outcome { function: self.meter.name.clone(), outcome: self.outcome };
        self.meter.outcomes.get_or_create(&outcome).inc();
    }
}
