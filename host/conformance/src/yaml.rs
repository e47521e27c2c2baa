//! Parses YAML into JSON values, which the rest of the runner uses. JSON is a subset of YAML, so it is accepted too.

use std::{io, path::Path};

use durawasm_config::Place;
use durawasm_core::files::read_text_file;
use durawasm_scenario::read_yaml;
use serde_json::Value;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The text of a file of cases or of a configuration.
///
/// # Errors
/// When it cannot be read, is no regular file, is too large, or is not UTF-8 text.
pub(super) fn text(path: &Path) -> io::Result<String> {
    Ok(read_text_file(path, MAX_FILE)?)
}

/// Parses a file of one document. An empty document is null.
///
/// # Errors
/// Returns what is wrong, with the position.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let read = read_yaml(text).map_err(|problem| match problem.place {
        Some(Place { line, column }) => format!("line {line}, column {column}: {}", problem.message),
        None => problem.message,
    })?;
    Ok(read.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("large.yaml");
        std::fs::File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(super::text(&file).unwrap_err().to_string().contains("larger than 4194304 bytes"));
        assert!(super::text(dir.path()).unwrap_err().to_string().contains("not a file"));
        #[cfg(unix)]
        assert!(super::text(Path::new("/dev/zero")).unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        assert_eq!(read("a: [1, true, {b: ~}]"), Ok(serde_json::json!({"a": [1, true, {"b": null}]})));
        let why = read("a: 1\nb: [\n").unwrap_err();
        assert!(why.starts_with("line "), "{why}");
    }
}
