//! Points in time for plugins.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last millisecond of the year 9999: later years have more than four digits in ISO 8601.
const LAST: u64 = 253_402_300_799_999;

/// A point in time, in whole milliseconds since the Unix epoch.
///
/// `Display` writes it as ISO 8601 in UTC, such as `2026-11-21T06:30:01.250Z`.
///
/// # Examples
///
/// ```
/// use durawasm_guest::plugin::Timestamp;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let time = Timestamp::from_millis(1_000);
/// assert_eq!(time.to_string(), "1970-01-01T00:00:01.000Z");
/// assert_eq!(time.to_system_time(), UNIX_EPOCH + Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Creates a time from milliseconds since the Unix epoch. Times after the year 9999 become its last millisecond.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(LAST))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Converts the time to the type of the standard library.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_system_time()
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before the Unix epoch become the epoch.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(u64::try_from(since.as_millis()).unwrap_or(LAST))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.to_system_time()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_displayed() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(951_782_400_001).to_string(), "2000-02-29T00:00:00.001Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::from(before), Timestamp::from_millis(0));
        let time = UNIX_EPOCH + Duration::from_micros(1_999);
        assert_eq!(Timestamp::from(time).as_millis(), 1);
    }
}
