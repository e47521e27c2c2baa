//! Parses and formats durations and times in the form that people write: `90s`, `2h 30m`, `3days`;
//! `2025-01-31T09:00:00Z`.
//!
//! Invariants: every unit has a fixed length. The longest unit is a day; months and years are refused.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};

use crate::protocol::Limits;

/// The first second that is refused as a start time. WASI clocks count nanoseconds since 1970 in 64 bits, which
/// overflow in July 2554, and an execution may take a year.
const LATEST_START: i64 = 18_397_756_800;

/// The longest duration, about a hundred years, so that the sum of a time and a duration can always be represented.
const LONGEST: Duration = Duration::from_hours(36_500 * 24);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// The text uses months or years, which have no fixed length.
    #[error(
        "{0:?} is no duration: months and years differ in length, so write days, such as 30days or 365days"
    )]
    Calendar(String),
    /// The duration is zero where a positive one is required.
    #[error("{0:?} is no time at all; give at least 1ms")]
    Nothing(String),
    /// The duration is longer than the maximum, 36500 days.
    #[error("{0:?} is too long: durations go up to 36500days")]
    Long(String),
    /// The text does not have the form of a duration.
    #[error("{0:?} is no duration: it is written as 90s, 2h 30m or 3days, or is a number of seconds")]
    Form(String),
}

/// Parses a duration: numbers with units (`ms`, `s`, `m`, `h`, `days`, `weeks` and their abbreviations), or a number of
/// seconds.
///
/// # Errors
/// When the text is not a duration, or a longer one than 36500 days.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let long = || DurationError::Long(text.to_owned());
    let bounded = |duration: Duration| if duration > LONGEST { Err(long()) } else { Ok(duration) };
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return text.parse().map_err(|_| long()).and_then(|seconds| bounded(Duration::from_secs(seconds)));
    }
    let units = text.split(|c: char| !c.is_ascii_alphabetic());
    if units.into_iter().any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "year" | "years")) {
        return Err(DurationError::Calendar(text.to_owned()));
    }
    match humantime::parse_duration(text) {
        Ok(duration) => bounded(duration),
        Err(humantime::DurationError::NumberOverflow) => Err(long()),
        Err(_) => Err(DurationError::Form(text.to_owned())),
    }
}

/// Parses a duration that is greater than zero.
///
/// # Errors
/// As for [`parse_duration`], and when the duration is zero.
pub fn parse_some_duration(text: &str) -> Result<Duration, DurationError> {
    match parse_duration(text)? {
        Duration::ZERO => Err(DurationError::Nothing(text.to_owned())),
        duration => Ok(duration),
    }
}

/// How long an execution may take on its own clock: whole seconds, or `None` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionTimeout(pub Option<u64>);

impl ExecutionTimeout {
    /// Converts a duration.
    ///
    /// # Errors
    /// When it is not a whole number of seconds within [`Limits::EXECUTION_SECONDS`].
    pub fn of(duration: Duration) -> Result<Self, String> {
        let allowed = Limits::EXECUTION_SECONDS;
        if duration.subsec_nanos() != 0 || !allowed.contains(&duration.as_secs()) {
            let (least, most) = allowed.into_inner();
            return Err(format!(
                "an execution timeout is whole seconds, {least} to {most} (366days), or `none` for any time"
            ));
        }
        Ok(Self(Some(duration.as_secs())))
    }

    /// Returns the timeout to start an execution with. A timeout of `none` also removes the default timeout from
    /// `limits`.
    pub fn apply(timeout: Option<Self>, limits: &mut Limits) -> Option<u64> {
        match timeout {
            None => None,
            Some(Self(None)) => {
                limits.longest_execution = None;
                None
            }
            Some(Self(seconds)) => seconds,
        }
    }
}

impl FromStr for ExecutionTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(None)),
            text => match parse_duration(text) {
                Ok(duration) => Self::of(duration),
                Err(DurationError::Long(_)) => Self::of(LONGEST),
                Err(error) => Err(format!("{error}, or `none` for any time")),
            },
        }
    }
}

/// Parses the time at which a virtual clock starts: `2025-01-31T09:00:00Z`, from 1970 to 2552.
///
/// # Errors
/// When the text is not an RFC 3339 time, or the time is outside that range.
pub fn parse_start_time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("{text:?} is no time: a time is written as 2025-01-31T09:00:00Z"))?;
    match time.timestamp() {
        0..LATEST_START => Ok(time.to_utc()),
        ..0 => Err("time starts in 1970".to_owned()),
        _ => {
            Err("time starts in 2552 at the latest: the clocks that WASI gives a handler end in 2554"
                .to_owned())
        }
    }
}

/// Formats a duration for people, to the millisecond: `3days 2h`, `1s 500ms`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let (days, rest) = (duration.as_secs() / DAY, duration.as_secs() % DAY);
    let rest = Duration::new(rest, duration.subsec_millis() * 1_000_000);
    let unit = if days == 1 { "day" } else { "days" };
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (_, true) => format!("{days}{unit}"),
        _ => format!("{days}{unit} {}", humantime::format_duration(rest)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        for (text, seconds) in [
            ("90", 90),
            (" 90s ", 90),
            ("2h 30m", 9000),
            ("2h30m", 9000),
            ("1day", 86_400),
            ("3days 2h", 266_400),
            ("2w", 1_209_600),
            ("365d", 31_536_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["1month", "2 months", "1M", "1y", "1year 2days", "3years"] {
            let said = parse_duration(text).unwrap_err().to_string();
            assert!(said.contains("so write days, such as 30days"), "{said}");
        }
        for text in ["", "2 d d", "x", "-1s", "1.5", "h"] {
            let said = parse_duration(text).unwrap_err().to_string();
            assert!(said.contains("it is written as 90s"), "{said}");
        }
        assert_eq!(parse_duration("36500days"), Ok(LONGEST));
        for text in
            ["99999999999999999999s", "99999999999999999999", "36501days", "3153600001", "9999999999999w"]
        {
            assert_eq!(parse_duration(text), Err(DurationError::Long(text.to_owned())));
        }
        assert!(parse_some_duration("0s").is_err() && parse_some_duration("1s").is_ok());
    }

    #[test]
    fn an_execution_has_a_timeout_or_none() {
        for (text, timeout) in
            [("none", None), ("90s", Some(90)), ("366days", Some(31_622_400)), ("7", Some(7))]
        {
            assert_eq!(text.parse(), Ok(ExecutionTimeout(timeout)), "{text}");
        }
        for (text, says) in [
            ("0s", "1 to 31622400"),
            ("367days", "1 to 31622400"),
            ("40000days", "1 to 31622400"),
            ("1500ms", "whole seconds"),
            ("1year", "months and years"),
            ("never", "is no duration"),
        ] {
            let said = text.parse::<ExecutionTimeout>().unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        let mut limits = Limits::default();
        assert_eq!(ExecutionTimeout::apply(None, &mut limits), None);
        assert_eq!(ExecutionTimeout::apply(Some(ExecutionTimeout(Some(5))), &mut limits), Some(5));
        assert_eq!(limits, Limits::default());
        assert_eq!(ExecutionTimeout::apply(Some(ExecutionTimeout(None)), &mut limits), None);
        assert_eq!(limits.longest_execution, None);
    }

    #[test]
    fn the_longest_unit_is_a_day() {
        for (millis, shown) in [
            (0, "0s"),
            (1_500, "1s 500ms"),
            (86_400_000, "1day"),
            (86_399_999, "23h 59m 59s 999ms"),
            (365 * 86_400_000, "365days"),
            (366 * 86_400_000 + 3_600_000, "366days 1h"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn time_starts_where_clocks_can_tell_it() {
        for text in ["1970-01-01T00:00:00Z", "2025-01-31T09:00:00+01:00", "2552-12-31T23:59:59Z"] {
            assert!(parse_start_time(text).is_ok(), "{text}");
        }
        for (text, says) in [
            ("1969-12-31T23:59:59Z", "starts in 1970"),
            ("2553-01-01T00:00:00Z", "2552 at the latest"),
            ("9999-01-01T00:00:00Z", "2552 at the latest"),
            ("tomorrow", "\"tomorrow\" is no time"),
        ] {
            let said = parse_start_time(text).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(millis in prop_oneof![0..100_000_u64, 0..3_153_600_000_001_u64]) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
    }
}
