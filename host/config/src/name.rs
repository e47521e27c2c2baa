//! Names of functions in files.

use durawasm_core::hint::short;
use serde::Deserialize;

/// The longest name.
const LONGEST: usize = 64;

/// The name of a function: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct FunctionName(String);

/// Whether a text can be the name of a function.
pub fn is_function_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(word)
}

impl TryFrom<String> for FunctionName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_function_name(&text) {
            return Ok(Self(text));
        }
        Err(format!("{:?} cannot name a function: a name is 1 to {LONGEST} of A-Z a-z 0-9 - _", short(&text)))
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}
