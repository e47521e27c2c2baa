//! Universally unique ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The length of an id in bytes.
const LENGTH: usize = 16;

/// A universally unique id of version 4 (RFC 9562), as returned by
/// [`DurableContext::uuid`](crate::DurableContext::uuid).
///
/// It displays and serializes as 36 characters, lower case.
///
/// # Examples
///
/// ```
/// use durawasm_guest::Uuid;
///
/// let id: Uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse()?;
/// assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// assert_eq!(id.as_bytes()[0], 0x67);
/// # Ok::<(), durawasm_guest::ParseUuidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; LENGTH]);

impl Uuid {
    /// Sets the version and variant bits of an id of version 4.
    pub(crate) fn from_random(bytes: [u8; LENGTH]) -> Self {
        const VERSION: u128 = 4 << 76;
        const VARIANT: u128 = 2 << 62;
        let cleared = u128::from_be_bytes(bytes) & !(0xf << 76) & !(3 << 62);
        Self((cleared | VERSION | VARIANT).to_be_bytes())
    }

    /// The bytes of the id, in the order in which they are displayed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The bytes of the id as a number, most significant byte first.
    #[must_use]
    pub fn as_u128(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.as_u128();
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            number >> 96,
            number >> 80 & 0xffff,
            number >> 64 & 0xffff,
            number >> 48 & 0xffff,
            number & 0xffff_ffff_ffff,
        )
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Uuid> for String {
    fn from(id: Uuid) -> Self {
        id.to_string()
    }
}

/// The error of a text that is not a UUID: 8, 4, 4, 4 and 12 hexadecimal digits with `-` between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID: expected 8, 4, 4, 4 and 12 hexadecimal digits with - between them")
    }
}

impl std::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let groups = text.split('-').map(str::len);
        if !groups.eq([8, 4, 4, 4, 12]) || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        {
            return Err(ParseUuidError);
        }
        let number = u128::from_str_radix(&text.replace('-', ""), 16).map_err(|_| ParseUuidError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_is_not_a_uuid_is_an_error() {
        for text in [
            "",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e55044-10b1-426f-9247-bb680e5fe0c88",
            "67e5504-410b1-426f-9247-bb680e5fe0c8",
            "+7e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
            assert!(serde_json::from_value::<Uuid>(text.into()).is_err());
        }
    }

    proptest! {
        #[test]
        fn ids_are_of_version_4_and_can_be_parsed(bytes: [u8; 16]) {
            let id = Uuid::from_random(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 36);
            prop_assert_eq!(&text[14..15], "4");
            prop_assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{}", text);
            prop_assert_eq!(text.parse::<Uuid>(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<Uuid>(&json).unwrap(), id);
        }
    }
}
