//! Sends the `tracing` events of handlers to the host.
//!
//! Invariants: a line carries the operation whose code wrote it. Lines that the host drops, such as those that a replay
//! repeats, are not formatted. Spans are ignored: the operation identifies the origin of a line.

use std::error::Error;
use std::fmt::Debug;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::{Interest, Subscriber};
use tracing_core::{Dispatch, Event, Level, Metadata, dispatcher};

use super::log_scope::LogScope;
use crate::component::bindings::durawasm::durable::log;
use crate::error::Chain;

/// Makes the host's log the default subscriber of `tracing`. A subscriber that the handler installed stays.
pub(crate) fn install() {
    if !dispatcher::has_been_set() {
        dispatcher::set_global_default(Dispatch::new(HostLog)).unwrap_or_default();
    }
}

struct HostLog;

fn level(level: Level) -> log::Level {
    match level {
        Level::TRACE => log::Level::Trace,
        Level::DEBUG => log::Level::Debug,
        Level::INFO => log::Level::Info,
        Level::WARN => log::Level::Warn,
        Level::ERROR => log::Level::Error,
    }
}

impl Subscriber for HostLog {
    /// What the host keeps changes when a replay ends, so it is asked for each event.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() { Interest::never() } else { Interest::sometimes() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && log::enabled(level(*metadata.level()))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let scope = LogScope::current();
        if let Some(scope) = &scope {
            if let Some(name) = &scope.name {
                line.fields.push(("operation-name".to_owned(), name.to_string()));
            }
            if let Some(attempt) = scope.attempt {
                line.fields.push(("attempt".to_owned(), attempt.to_string()));
            }
        }
        log::write(&log::Entry {
            level: level(*event.metadata().level()),
            message: line.message,
            fields: line.fields,
            operation: scope.map(|scope| scope.id().to_owned()),
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<(String, String)>,
}

impl Line {
    fn add(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((field.name().to_owned(), value));
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, Chain(value).to_string());
    }
}
