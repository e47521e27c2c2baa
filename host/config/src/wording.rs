//! Rewords messages of the TOML and YAML parsers in the terms of the files.
//!
//! Invariants: an unknown message stays unchanged.

use durawasm_core::hint::{did_you_mean, short};

/// The message for an unknown key.
pub fn unknown_key(key: &str, known: &[&str]) -> String {
    let hint = did_you_mean(key, known.iter().copied());
    format!("there is no key `{}` here{hint} (keys: {})", short(key), known.join(", "))
}

/// The message for an unknown value of an enumeration.
pub fn unknown_word(word: &str, known: &[&str]) -> String {
    let hint = did_you_mean(word, known.iter().copied());
    format!("`{}` is none of {}{hint}", short(word), known.join(", "))
}

/// The message for a value at this path.
pub fn at(path: &str, message: &str) -> String {
    // The message already contains the name of an unknown or missing key.
    let named = ["unknown field `", "unknown variant `"].iter().any(|start| message.starts_with(start));
    let message = explain(message);
    let known = !["", ".", "?"].contains(&path) && path.len() <= 100;
    if named || !known { message } else { format!("{path}: {message}") }
}

/// Rewords a message of serde or of a parser.
pub fn explain(message: &str) -> String {
    for (start, explain) in
        [("unknown field `", unknown_key as fn(&str, &[&str]) -> String), ("unknown variant `", unknown_word)]
    {
        // The unknown name is untrusted text; the list of known names after it is not.
        let parts = message.strip_prefix(start).and_then(|rest| rest.rsplit_once("`, expected "));
        if let Some((unknown, list)) = parts {
            let known: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
            return explain(unknown, &known);
        }
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    let types = ["invalid type: ", "invalid value: "].iter().find_map(|start| message.strip_prefix(start));
    if let Some((found, expected)) = types.and_then(|types| types.rsplit_once(", expected ")) {
        return format!("{} is expected, not {}", expectation(expected), kind(found));
    }
    match message {
        "expected mapping start" => "a table is expected".to_owned(),
        "expected sequence start" => "a list is expected".to_owned(),
        other => short(other),
    }
}

fn expectation(expected: &str) -> String {
    let known = match expected {
        "a string" | "string" | "path string" => "a text",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "a table",
        "a boolean" | "boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative,",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    short(known)
}

fn kind(found: &str) -> String {
    for (word, article) in
        [("string ", "the text "), ("integer ", "the number "), ("floating point ", "the number ")]
    {
        if let Some(value) = found.strip_prefix(word) {
            return short(&format!("{article}{}", value.trim_matches('`')));
        }
    }
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit value" | "Option value" | "null" => "nothing".to_owned(),
        other => short(other.strip_prefix("boolean ").unwrap_or(other).trim_matches('`')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        for (message, said) in [
            (
                "unknown field `nme`, expected one of `name`, `event`",
                "there is no key `nme` here; did you mean `name`? (keys: name, event)",
            ),
            ("unknown field `x`, expected `name` or `event`", "there is no key `x` here (keys: name, event)"),
            ("unknown variant `RUN`, expected `RUNNING` or `FAILED`", "`RUN` is none of RUNNING, FAILED"),
            (
                "unknown field `a`, expected `b`, expected `name`",
                "there is no key `a`, expected `b` here (keys: name)",
            ),
            ("missing field `name`", "the key `name` is missing"),
            ("invalid type: map, expected a sequence", "a list is expected, not a table"),
            ("invalid type: integer `5`, expected a string", "a text is expected, not the number 5"),
            ("invalid type: string \"x\", expected struct Limits", "a table is expected, not the text \"x\""),
            (
                "invalid value: integer `-1`, expected u32",
                "a whole number, not negative, is expected, not the number -1",
            ),
            ("expected sequence start", "a list is expected"),
            ("something\nelse", "something else"),
        ] {
            assert_eq!(explain(message), said);
        }
        assert!(explain(&"x".repeat(100_000)).len() < 1000);
    }

    #[test]
    fn paths_are_told_where_nothing_else_names_the_place() {
        assert_eq!(at("scenarios[1].after", "bad"), "scenarios[1].after: bad");
        for path in [".", "?", "", &"x".repeat(101)] {
            assert_eq!(at(path, "bad"), "bad");
        }
        assert!(at("scenarios[1].x", "unknown field `x`, expected `y`").starts_with("there is no key `x`"));
    }
}
