//! Fuzz targets: functions from bytes that panic where a promise is broken.
//!
//! `fuzz/` runs them under libFuzzer, for as long as one likes. `testing/tests/fuzz.rs` runs them in the tests, on the
//! corpora in `fuzz/corpus` and on some hundred changes of them. CONTRIBUTING.md says how.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target reports a fault"
)]
#![allow(clippy::missing_panics_doc, reason = "all of them do, on purpose")]

mod bytes;
mod files;
mod model;
mod records;
#[cfg(feature = "scenarios")]
mod scenarios;
mod server;
mod text;

pub use files::{component, history};
pub use records::{replay, wire};
#[cfg(feature = "scenarios")]
pub use scenarios::{config, conformance_case, conformance_config, scenario};
pub use server::server;
pub use text::{arguments, output};

/// A target: bytes in, a panic where a promise is broken.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its corpus, and of its program in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
}

/// All targets.
#[cfg(feature = "scenarios")]
pub const TARGETS: [Target; 11] = [
    Target { name: "arguments", run: arguments },
    Target { name: "component", run: component },
    Target { name: "config", run: config },
    Target { name: "conformance_case", run: conformance_case },
    Target { name: "conformance_config", run: conformance_config },
    Target { name: "history", run: history },
    Target { name: "output", run: output },
    Target { name: "replay", run: replay },
    Target { name: "scenario", run: scenario },
    Target { name: "server", run: server },
    Target { name: "wire", run: wire },
];
