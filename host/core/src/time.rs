//! Points in time, as the service writes them: seconds since the Unix epoch, with a fraction.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time in whole milliseconds since the Unix epoch. On the wire: a JSON number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest representable point. As a deadline it is never reached.
    pub const MAX: Self = Self(DateTime::<Utc>::MAX_UTC.timestamp_millis());

    /// 2025-01-01T00:00:00Z.
    pub const Y2025: Self = Self(1_735_689_600_000);

    /// Converts milliseconds since the Unix epoch. Values outside the range of a calendar date are clamped.
    pub fn from_millis(millis: i64) -> Self {
        let (min, max) = (DateTime::<Utc>::MIN_UTC.timestamp_millis(), Self::MAX.0);
        Self(millis.clamp(min, max))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Adds seconds. Saturates at [`Timestamp::MAX`], because delays can come from a guest.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// Adds milliseconds. Saturates at [`Timestamp::MAX`], because delays can come from a guest.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this point; zero if this point is not later.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Converts to a calendar date and time.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::<Utc>::UNIX_EPOCH
            .checked_add_signed(TimeDelta::try_milliseconds(self.0).unwrap_or_default())
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(value: DateTime<Utc>) -> Self {
        Self(value.timestamp_millis())
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            return serializer.serialize_i64(self.0 / 1000);
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any calendar date fit 53 bits")]
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

/// A timestamp as it is written: the service's protocol has seconds, tools of the service export text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Seconds(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => seconds,
            Written::Text(text) => {
                let time = DateTime::parse_from_rfc3339(&text).map_err(|_| {
                    D::Error::custom(format_args!(
                        "{text:?} is no timestamp: seconds since 1970, or a time such as 2025-01-31T09:00:00Z"
                    ))
                })?;
                return Ok(time.to_utc().into());
            }
        };
        if !seconds.is_finite() || seconds.abs() > 8.0e12 {
            return Err(D::Error::custom("a timestamp is a number of seconds since 1970"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        Ok(Self::from_millis((seconds * 1000.0).round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wire_round_trip(millis in -62_000_000_000_000_i64..=253_000_000_000_000) {
            let t = Timestamp::from_millis(millis);
            let text = serde_json::to_string(&t).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), t, "{}", text);
        }
    }

    #[test]
    fn exported_times_are_text() {
        for text in ["\"2025-01-01T00:00:00.123Z\"", "\"2025-01-01T01:00:00.123+01:00\"", "1735689600.123"] {
            assert_eq!(
                serde_json::from_str::<Timestamp>(text).unwrap(),
                Timestamp::from_millis(1_735_689_600_123)
            );
        }
        assert!(
            serde_json::from_str::<Timestamp>("\"soon\"").unwrap_err().to_string().contains("no timestamp")
        );
    }

    #[test]
    fn arithmetic_never_overflows() {
        assert_eq!(Timestamp::MAX.plus_seconds(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)).as_millis(), 0);
        assert_eq!(Timestamp::from_millis(1_735_689_600_123).to_string(), "2025-01-01T00:00:00.123Z");
    }
}
