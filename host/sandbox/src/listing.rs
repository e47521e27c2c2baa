//! The rules for the functions that a component lists.
//!
//! Names of functions get into ARNs, histories, messages and reports. So what a component lists is checked before
//! anything else sees it: `wit/world.wit` says what a name is.

use std::collections::HashSet;

use durawasm_core::{
    invocation::FunctionInfo,
    protocol::{ErrorObject, LONGEST_COMPONENT_FUNCTION_NAME, error_types, is_component_function_name},
};
use durawasm_text::shortened;

/// The most functions that a component may list.
const MAX_FUNCTIONS: usize = 1_000;

/// How many characters of a wrong name a message shows.
const SHOWN: usize = 80;

/// Checks the number of the functions, and their names.
pub(super) fn checked(functions: Vec<FunctionInfo>) -> Result<Vec<FunctionInfo>, ErrorObject> {
    if functions.len() > MAX_FUNCTIONS {
        let count = functions.len();
        return Err(violation(format!(
            "the component lists {count} functions, and a component may have {MAX_FUNCTIONS}"
        )));
    }
    let mut names = HashSet::with_capacity(functions.len());
    for FunctionInfo { name, .. } in &functions {
        if !is_component_function_name(name) {
            return Err(violation(format!(
                "the component lists a function with the name \"{}\" of {} bytes; a name is 1 to \
                 {LONGEST_COMPONENT_FUNCTION_NAME} of A-Z a-z 0-9 - _",
                shortened(name, SHOWN),
                name.len()
            )));
        }
        if !names.insert(name.as_str()) {
            return Err(violation(format!("the component lists two functions with the name {name}")));
        }
    }
    Ok(functions)
}

fn violation(message: String) -> ErrorObject {
    ErrorObject::new(error_types::CONTRACT_VIOLATION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: impl IntoIterator<Item = String>) -> Result<Vec<FunctionInfo>, ErrorObject> {
        checked(names.into_iter().map(|name| FunctionInfo { name, durable: true }).collect())
    }

    #[test]
    fn names_are_words_of_a_bounded_length() {
        let good = ["a".to_owned(), "Z-_9".to_owned(), "x".repeat(LONGEST_COMPONENT_FUNCTION_NAME)];
        assert_eq!(list(good).unwrap().len(), 3);
        let wrong = [
            (String::new(), "the name \"\" of 0 bytes"),
            ("x".repeat(LONGEST_COMPONENT_FUNCTION_NAME + 1), "of 65 bytes"),
            ("\u{1b}[2J".to_owned(), "the name \"\u{fffd}[2J\" of 4 bytes"),
            ("a\nb".to_owned(), "a\u{fffd}b"),
            ("\u{202e}a".to_owned(), "\u{fffd}a"),
            ("a:b".to_owned(), "\"a:b\""),
            ("é".to_owned(), "of 2 bytes"),
            ("n".repeat(20 << 20), "of 20971520 bytes"),
        ];
        for (name, says) in wrong {
            let error = list(["good".to_owned(), name]).unwrap_err();
            assert_eq!(error.error_type.as_deref(), Some("Durable.ContractViolation"));
            let message = error.error_message.unwrap();
            assert!(message.contains(says) && message.len() < 300, "{message}");
        }
    }

    #[test]
    fn each_name_is_listed_once_and_the_list_is_bounded() {
        let names = |count: usize| (0..count).map(|number| format!("f{number}"));
        assert_eq!(list(names(MAX_FUNCTIONS)).unwrap().len(), MAX_FUNCTIONS);
        let error = list(names(MAX_FUNCTIONS + 1)).unwrap_err().error_message.unwrap();
        assert_eq!(error, "the component lists 1001 functions, and a component may have 1000");
        let error = list(names(3).chain(names(1))).unwrap_err().error_message.unwrap();
        assert_eq!(error, "the component lists two functions with the name f0");
    }
}
