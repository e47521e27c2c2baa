//! Names of functions in files.

use durawasm_core::{
    hint::short,
    protocol::{LONGEST_COMPONENT_FUNCTION_NAME, is_component_function_name},
};
use serde::Deserialize;

/// The name of a function: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct FunctionName(String);

impl TryFrom<String> for FunctionName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_component_function_name(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "{:?} cannot name a function: a name is 1 to {LONGEST_COMPONENT_FUNCTION_NAME} of A-Z a-z 0-9 - _",
            short(&text)
        ))
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}
