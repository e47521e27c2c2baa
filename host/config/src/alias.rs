//! Aliases: names of versions of a function (service model: `Alias`, `Version`).

use std::{borrow::Borrow, fmt, str::FromStr};

use durawasm_core::{hint::short, protocol::LATEST};
use serde::{Deserialize, Deserializer, de::Error};

/// The longest name of an alias.
const LONGEST: usize = 128;

/// The name of an alias: 1 to 128 of `A-Z a-z 0-9 - _`, not only digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct AliasName(String);

impl AliasName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AliasName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AliasName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let good = matches!(text.len(), 1..=LONGEST)
            && text.bytes().all(allowed)
            && !text.bytes().all(|byte| byte.is_ascii_digit());
        if good {
            return Ok(Self(text));
        }
        Err(format!(
            "{:?} cannot name an alias: a name is 1 to {LONGEST} of A-Z a-z 0-9 - _, and not only digits",
            short(&text)
        ))
    }
}

/// What an alias stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasTarget {
    /// The function as it is served: `$LATEST`.
    Latest,
    /// A version, by its number.
    Version(u32),
}

impl fmt::Display for AliasTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(LATEST),
            Self::Version(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for AliasTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(Self::Version(number)),
            _ if text == LATEST => Ok(Self::Latest),
            _ => Err(format!("{:?} is no version: use a number from 1, or {LATEST}", short(text))),
        }
    }
}

impl<'de> Deserialize<'de> for AliasTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        let written = Written::deserialize(deserializer)
            .map_err(|_| D::Error::custom(format!("a version is a number from 1, or \"{LATEST}\"")))?;
        let text = match written {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// An alias that a flag states: `FUNCTION:ALIAS=VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagAlias {
    /// The function.
    pub function: String,
    /// The alias.
    pub alias: AliasName,
    /// What it stands for.
    pub target: AliasTarget,
}

impl FromStr for FlagAlias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (name, target) = text.split_once('=')?;
            let (function, alias) = name.split_once(':')?;
            Some((function, alias, target))
        };
        let (function, alias, target) = parts().ok_or("it is not FUNCTION:ALIAS=VERSION")?;
        Ok(Self {
            function: function.to_owned(),
            alias: alias.to_owned().try_into()?,
            target: target.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_of_flags() {
        let read = |text: &str| text.parse::<FlagAlias>();
        let prod = read("order:prod=2").unwrap();
        assert_eq!(
            (&*prod.function, prod.alias.as_str(), prod.target),
            ("order", "prod", AliasTarget::Version(2))
        );
        assert_eq!(read("order:next=$LATEST").unwrap().target, AliasTarget::Latest);
        for text in [
            "order",
            "order:prod",
            "order=2",
            "order:7=2",
            "order:=2",
            "order:a b=2",
            "order:prod=0",
            "order:prod=new",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
