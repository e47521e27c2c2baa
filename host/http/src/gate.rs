//! The gate that every invocation of a function passes.
//!
//! Invariants: at most a number of invocations run at once, and the others wait in the order in which they came; after
//! the gate is closed, none begins.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use durawasm_core::orchestrator::{
    Function, Invocable, Invocation, Invoked, Loading, PlainInvoked, Version, VersionError, Versions,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, Span, debug, info_span};

use super::{function_meter::FunctionMeter, metrics::Metrics};

/// Bounds the invocations that run at once.
#[derive(Clone)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    running: Arc<Running>,
}

/// The invocations that have passed the gate and not ended.
#[derive(Default)]
struct Running {
    number: AtomicUsize,
    ended: Notify,
}

/// A place of a running invocation.
struct Place {
    running: Arc<Running>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.number.fetch_sub(1, Ordering::AcqRel);
        self.running.ended.notify_one();
    }
}

impl Gate {
    /// A gate for this number of invocations at once, at least one.
    pub(crate) fn new(number: usize) -> Self {
        let places = Semaphore::new(number.clamp(1, Semaphore::MAX_PERMITS));
        Self { places: Arc::new(places), running: Arc::default() }
    }

    /// The same function, whose invocations pass this gate.
    fn around(&self, function: &Function, metrics: &Metrics) -> Function {
        let meter = metrics.function(&function.name);
        let handler = Gated { gate: self.clone(), handler: function.handler.clone(), meter };
        Function { name: function.name.clone(), durable: function.durable, handler: Arc::new(handler) }
    }

    /// The same functions, whose invocations pass this gate.
    pub(crate) fn around_all(&self, versions: Arc<dyn Versions>, metrics: &Metrics) -> Arc<dyn Versions> {
        Arc::new(GatedVersions { gate: self.clone(), versions, metrics: metrics.clone() })
    }

    /// Waits for a place. Never returns if the gate is closed.
    async fn enter(&self) -> Place {
        let Ok(permit) = self.places.clone().acquire_owned().await else {
            return std::future::pending().await;
        };
        self.running.number.fetch_add(1, Ordering::AcqRel);
        Place { running: self.running.clone(), _permit: permit }
    }

    /// Closes the gate, and waits until no invocation runs.
    pub(crate) async fn close(&self) {
        self.places.close();
        while self.running.number.load(Ordering::Acquire) > 0 {
            self.running.ended.notified().await;
        }
    }
}

/// Functions behind the gate.
struct GatedVersions {
    gate: Gate,
    versions: Arc<dyn Versions>,
    metrics: Metrics,
}

impl Versions for GatedVersions {
    fn functions(&self) -> Vec<Arc<str>> {
        self.versions.functions()
    }

    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        self.versions.resolve(name)
    }

    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version> {
        Box::pin(async {
            let version = self.versions.find(name).await?;
            Ok(Version { function: self.gate.around(&version.function, &self.metrics), ..version })
        })
    }

    fn started_with<'a>(&'a self, function: &'a str, origin: Option<&'a str>) -> Loading<'a, Function> {
        Box::pin(async move {
            let function = self.versions.started_with(function, origin).await?;
            Ok(self.gate.around(&function, &self.metrics))
        })
    }
}

/// A function behind the gate.
struct Gated {
    gate: Gate,
    handler: Arc<dyn Invocable>,
    meter: FunctionMeter,
}

impl Gated {
    async fn enter(&self) -> Place {
        let _waits = self.meter.waits();
        self.gate.enter().await
    }

    fn span(&self, invocation: &Invocation<'_>) -> Span {
        info_span!("invocation", function = self.meter.name(), id = &*invocation.id)
    }
}

impl Invocable for Gated {
    fn invoke<'a>(&'a self, invocation: Invocation<'a>) -> Invoked<'a> {
        let span = self.span(&invocation);
        let invoked = async move {
            let _place = self.enter().await;
            let mut running = self.meter.runs();
            let report = self.handler.invoke(invocation).await;
            running.reported(&report);
            debug!(outcome = running.outcome(), seconds = running.seconds(), "the invocation has ended");
            report
        };
        Box::pin(invoked.instrument(span))
    }

    fn invoke_plain<'a>(&'a self, invocation: Invocation<'a>) -> PlainInvoked<'a> {
        let span = self.span(&invocation);
        let invoked = async move {
            let _place = self.enter().await;
            let mut running = self.meter.runs();
            let outcome = self.handler.invoke_plain(invocation).await;
            running.returned(&outcome);
            debug!(outcome = running.outcome(), seconds = running.seconds(), "the invocation has ended");
            outcome
        };
        Box::pin(invoked.instrument(span))
    }
}
