//! `serve --trace LEVEL`: what the server does, on standard error.
//!
//! Invariants: each event is one line that was made safe in `output.rs`, whatever text of clients and functions it has;
//! nothing is written at the level `off`, which is the default; only durawasm's own crates are heard.

use std::io;

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    exit::{Exit, Failure, OrExit},
    output::{note, note_json},
};

/// The crates that are heard: all whose names begin like this.
const OURS: &str = "durawasm";

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Level {
    /// Nothing
    Off,
    /// What ends the server
    Error,
    /// What failed, and is tried again or lost
    Warn,
    /// Each answer to a request, and each execution that goes on or ends
    Info,
    /// Invocations, and connections and handshakes that fail, as well
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// Tells events of this level and above from now on, as text or as JSON.
pub(super) fn start(level: Level, json: bool) -> Result<(), Failure> {
    if level == Level::Off {
        return Ok(());
    }
    let heard =
        tracing_subscriber::registry().with(Targets::new().with_target(OURS, LevelFilter::from(level)));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let started = if json {
        heard.with(lines.json().with_writer(|| JsonLine)).try_init()
    } else {
        heard.with(lines.with_writer(|| TextLine)).try_init()
    };
    started.or_exit(Exit::Host)
}

/// The writer of one event as text. An event is written at once.
struct TextLine;

/// The writer of one event as JSON. An event is written at once.
struct JsonLine;

impl io::Write for TextLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        note(String::from_utf8_lossy(event).trim_end_matches('\n'));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for JsonLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        note_json(String::from_utf8_lossy(event).trim_end_matches('\n'));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
