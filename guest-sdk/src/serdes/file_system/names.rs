//! Names of folders and files.

/// The function, the name of the execution and its id: `arn:...:function:NAME:VERSION/durable-execution/EXECUTION/ID`.
pub(super) fn arn_parts(arn: &str) -> Option<[&str; 3]> {
    let (function, execution) = arn.split_once("/durable-execution/")?;
    let (execution, id) = execution.split_once('/')?;
    let function = function.rsplit(':').nth(1)?;
    Some([function, execution, id])
}

pub(super) fn percent_encoded(name: &str) -> String {
    // As path components, `.` and `..` would be the folder itself and its parent.
    let dots = matches!(name, "." | "..");
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || byte == b'.' && !dots {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    if encoded.is_empty() { "%".to_owned() } else { encoded }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_name_is_empty_or_a_parent_component() {
        let encoded = ["", ".", "..", "...", "a/b", "ü %", "op-1/item-0"].map(percent_encoded);
        assert_eq!(encoded, ["%", "%2E", "%2E%2E", "...", "a%2Fb", "%C3%BC%20%25", "op-1%2Fitem-0"]);
    }

    proptest! {
        #[test]
        fn different_names_are_different_segments(a in ".{0,20}", b in ".{0,20}") {
            prop_assert_eq!(a == b, percent_encoded(&a) == percent_encoded(&b));
        }
    }
}
