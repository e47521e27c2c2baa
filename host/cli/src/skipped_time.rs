//! `--skip-time` and `--start-time`.

use chrono::{DateTime, Utc};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    durations::parse_start_time,
    orchestrator::TimeMode,
};

/// Reads `--start-time`.
pub(super) fn start_time(text: &str) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        return Ok(SystemClock::new().now().to_utc());
    }
    parse_start_time(text).map_err(|error| format!("{error}; or `now`"))
}

/// How time passes with these options.
pub(super) fn time_mode(skip_time: bool, start_time: Option<DateTime<Utc>>) -> TimeMode {
    match (skip_time, start_time) {
        (false, _) => TimeMode::Real,
        (true, None) => TimeMode::SKIP,
        (true, Some(start)) => TimeMode::Skip { start: start.into() },
    }
}
