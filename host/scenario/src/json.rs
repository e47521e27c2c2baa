//! Compares expected with actual JSON.
//!
//! Invariants: numbers are compared by value, to the last digit: 1 and 1.0 are equal, 2^64 and 2^64 + 1 are not. The
//! order of keys is ignored, the order of arrays is not.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::exact::{Json, same_number};
use durawasm_core::hint::short;

/// The maximum number of lines of a diff.
const MAX_LINES: usize = 80;

/// The maximum time to search for a short diff.
const SEARCH: Duration = Duration::from_millis(500);

/// Parses JSON text. Text that is not JSON becomes a string.
pub(super) fn parsed(text: Option<&str>) -> Json {
    let text = text.unwrap_or("null");
    Json::parse(text).unwrap_or_else(|_| Json::String(text.to_owned()))
}

/// The parts of `expected` that `found` lacks, one line each, with their paths. An object must contain all expected
/// keys and may contain others; an array must have the expected length.
pub(super) fn lacking(path: &str, expected: &Json, found: &Json) -> Vec<String> {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => expected
            .iter()
            .flat_map(|(key, expected)| {
                let path = format!("{path}.{key}");
                match found.get(key) {
                    Some(found) => lacking(&path, expected, found),
                    None => vec![format!("{path}: expected {}, found nothing", shown(expected))],
                }
            })
            .collect(),
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .flat_map(|(index, (expected, found))| lacking(&format!("{path}[{index}]"), expected, found))
            .collect(),
        (Json::Array(expected), Json::Array(found)) => {
            vec![format!("{path}: expected {} items, found {}", expected.len(), found.len())]
        }
        _ if expected.same(found) => Vec::new(),
        _ => vec![format!("{path}: expected {}, found {}", shown(expected), shown(found))],
    }
}

/// A value in one line, possibly truncated.
pub(super) fn shown(value: &Json) -> String {
    short(&value.to_string())
}

/// A diff with some context: `-` marks expected lines, `+` actual ones.
pub(super) fn difference(expected: &Json, found: &Json) -> Vec<String> {
    let mut found = found.clone();
    adopt(expected, &mut found);
    let pretty = |value: &Json| serde_json::to_string_pretty(value).unwrap_or_default();
    text_difference(&pretty(expected), &pretty(&found))
}

/// Rewrites numbers of `found` that equal the expected ones to the expected notation.
fn adopt(expected: &Json, found: &mut Json) {
    match (expected, found) {
        (Json::Number(a), Json::Number(b)) if same_number(a, b) => b.clone_from(a),
        (Json::Array(a), Json::Array(b)) => a.iter().zip(b).for_each(|(a, b)| adopt(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            for (key, a) in a {
                if let Some(b) = b.get_mut(key) {
                    adopt(a, b);
                }
            }
        }
        _ => {}
    }
}

fn text_difference(expected: &str, found: &str) -> Vec<String> {
    let diff = TextDiff::configure().timeout(SEARCH).diff_lines(expected, found);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(3).iter().enumerate() {
        if index > 0 {
            lines.push("  ...".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(format!("{sign} {}", cut(change.value().trim_end_matches('\n'))));
        }
    }
    bounded(lines)
}

/// The first lines, and the number of omitted lines.
pub(super) fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.truncate(MAX_LINES);
        lines.push(format!("... and {more} more lines"));
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(2000) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    macro_rules! json {
        ($($json:tt)*) => { Json::from(serde_json::json!($($json)*)) };
    }

    #[test]
    fn sameness() {
        for (a, b, is) in [
            (json!(1), json!(1.0), true),
            (json!(1), json!(2), false),
            (json!(u64::MAX), json!(-1), false),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), false),
            (json!(0.1), json!(0.1), true),
            (json!("1"), json!(1), false),
            (json!(null), json!(false), false),
            (json!({"a": 1, "b": [1, {"c": 2}]}), json!({"b": [1.0, {"c": 2}], "a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": null}), false),
            (json!([1, 2]), json!([2, 1]), false),
            (json!([1]), json!([1, 1]), false),
        ] {
            assert_eq!(a.same(&b), is, "{a} {b}");
            assert_eq!(b.same(&a), is, "{b} {a}");
        }
    }

    #[test]
    fn what_is_lacking() {
        let found = json!({"a": 1, "b": {"c": [1, {"d": 2, "e": 3}]}, "n": null});
        for (expected, lines) in [
            (json!({}), vec![]),
            (json!({"a": 1.0, "b": {"c": [1, {"e": 3}]}}), vec![]),
            (json!({"a": 2}), vec!["result.a: expected 2, found 1"]),
            (json!({"x": {"y": 1}}), vec!["result.x: expected {\"y\":1}, found nothing"]),
            (json!({"n": null}), vec![]),
            (json!({"b": {"c": [1]}}), vec!["result.b.c: expected 1 items, found 2"]),
            (
                json!({"b": {"c": [0, {"d": 9}]}}),
                vec!["result.b.c[0]: expected 0, found 1", "result.b.c[1].d: expected 9, found 2"],
            ),
            (
                json!([]),
                vec!["result: expected [], found {\"a\":1,\"b\":{\"c\":[1,{\"d\":2,\"e\":3}]},\"n\":null}"],
            ),
        ] {
            assert_eq!(lacking("result", &expected, &found), lines, "{expected}");
        }
    }

    #[test]
    fn a_difference_shows_what_differs_and_no_more() {
        let list: Vec<u32> = (0..100).collect();
        let mut other = list.clone();
        other[50] = 7;
        let lines = difference(&json!({"same": 1, "list": list}), &json!({"list": other, "same": 1.0}));
        assert!(
            lines.contains(&"-     50,".to_owned()) && lines.contains(&"+     7,".to_owned()),
            "{lines:#?}"
        );
        assert_eq!(lines.len(), 8, "{lines:#?}");
        let all = difference(&json!(vec![1; 1000]), &json!(vec![2; 1000]));
        assert_eq!(all.len(), MAX_LINES + 1);
        assert!(all.last().unwrap().contains("more lines"));
    }
}
