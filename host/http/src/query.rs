//! Parameters in the query of a request.
//!
//! Invariants: a parameter that is read is valid; one that may occur once occurs once.

use durawasm_core::protocol::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    error::{ApiError, invalid},
    names::shortened,
};

/// The most parameters of a query.
const MOST_PARAMETERS: usize = 64;

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a URI, without the question mark.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        if pairs.clone().nth(MOST_PARAMETERS).is_some() {
            return invalid(format!("the query has more than {MOST_PARAMETERS} parameters"));
        }
        let decoded = |text: &str| match percent_decode_str(&text.replace('+', " ")).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => invalid("the query is not UTF-8"),
        };
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value);
        let value = values.next();
        if values.next().is_some() {
            return invalid(format!("{name} is given more than once"));
        }
        Ok(value)
    }

    /// The value of a parameter that is true or false.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.one(name)? {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => invalid(format!("{name} is {:?}: true or false is expected", shortened(other))),
        }
    }

    /// `MaxItems`: 100 by default and for 0, at most 1000 (service model: `ItemCount`).
    pub(crate) fn max_items(&self) -> Result<usize, ApiError> {
        const DEFAULT: usize = 100;
        const MOST: usize = 1000;
        let Some(text) = self.one("MaxItems")? else { return Ok(DEFAULT) };
        match text.parse() {
            Ok(0) => Ok(DEFAULT),
            Ok(items) if items <= MOST => Ok(items),
            _ => {
                let text = shortened(text);
                invalid(format!("MaxItems is {text:?}: a number from 0 to {MOST} is expected"))
            }
        }
    }

    /// A point in time: ISO 8601, or seconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
        let written = number.unwrap_or_else(|| Value::String(text.to_owned()));
        match serde_json::from_value(written) {
            Ok(time) => Ok(Some(time)),
            Err(_) => invalid(format!(
                "{name} is {:?}: a time such as 2025-01-31T09:00:00Z is expected",
                shortened(text)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(Some(text)).unwrap()
    }

    #[test]
    fn values_are_decoded_and_checked() {
        let read = query("a=1%2F2&b=x+y&b=z&c&MaxItems=7&f=true");
        assert_eq!(read.one("a"), Ok(Some("1/2")));
        assert_eq!(read.all("b").collect::<Vec<_>>(), ["x y", "z"]);
        assert!(read.one("b").is_err());
        assert_eq!((read.one("c"), read.one("d")), (Ok(Some("")), Ok(None)));
        assert_eq!((read.max_items(), query("").max_items()), (Ok(7), Ok(100)));
        assert_eq!(query("MaxItems=0").max_items(), Ok(100));
        for bad in ["-1", "1001", "x", ""] {
            assert!(query(&format!("MaxItems={bad}")).max_items().is_err(), "{bad}");
        }
        assert_eq!((read.flag("f", false), read.flag("g", true)), (Ok(true), Ok(true)));
        assert!(query("f=yes").flag("f", true).is_err());
        assert!(Query::parse(Some("a=%ff")).is_err());
        assert!(Query::parse(Some(&"a&".repeat(65))).is_err());
    }

    #[test]
    fn times_are_text_or_numbers() {
        let time = Ok(Some(Timestamp::Y2025));
        for text in ["2025-01-01T00:00:00Z", "2025-01-01T00%3A00%3A00Z", "1735689600", "1735689600.0"] {
            assert_eq!(query(&format!("t={text}")).time("t"), time, "{text}");
        }
        for text in ["soon", "NaN", "inf", "1e300"] {
            assert!(query(&format!("t={text}")).time("t").is_err(), "{text}");
        }
    }
}
