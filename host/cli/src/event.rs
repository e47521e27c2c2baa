//! `--event FILE|JSON|-`

use std::{io::Read, path::Path};

use anyhow::{Context, Result, bail};

use durawasm_core::protocol::Limits;

/// The text of an event: from a file, from standard input, or the argument itself.
pub(super) fn read(argument: &str, stdin: impl Read) -> Result<String> {
    let limit = Limits::default().payload_bytes;
    let (text, from) = if argument == "-" {
        (
            read_text(stdin, limit).context("cannot read the event from standard input")?,
            "the event on standard input".to_owned(),
        )
    } else if looks_like_json(argument) {
        (argument.to_owned(), "the event on the command line".to_owned())
    } else {
        let path = Path::new(argument);
        let file = std::fs::File::open(path).with_context(|| {
            format!("the event {argument:?} is neither JSON nor a file that can be read (a text as JSON needs quotes: '\"text\"')")
        })?;
        let text = read_text(file, limit).with_context(|| format!("cannot read the event {argument}"))?;
        (text, format!("the event {argument}"))
    };
    // Some editors write a byte order mark, which is not part of the JSON text.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.len() > limit {
        bail!("{from} is larger than the {limit} bytes that an event may have");
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&text).with_context(|| format!("{from} is not JSON"))?;
    Ok(text)
}

fn looks_like_json(argument: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(argument).is_ok()
        || argument.trim_start().starts_with(['{', '[', '"'])
}

fn read_text(from: impl Read, limit: usize) -> Result<String> {
    let mut text = String::new();
    from.take(limit as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        std::fs::write(&file, "{\"a\": 1}\n").unwrap();
        let file = file.to_str().unwrap();
        let marked = dir.path().join("marked.json");
        std::fs::write(&marked, "\u{feff}[5]").unwrap();
        let marked = marked.to_str().unwrap();
        for (argument, stdin, event) in [
            ("{\"b\":2}", "", "{\"b\":2}"),
            ("3", "", "3"),
            ("null", "", "null"),
            ("-", "[4]", "[4]"),
            (file, "", "{\"a\": 1}\n"),
            (marked, "", "[5]"),
            ("-", "\u{feff}6", "6"),
        ] {
            assert_eq!(read(argument, stdin.as_bytes()).unwrap(), event);
        }
        for (argument, stdin, says) in [
            ("{\"b\":", "", "the event on the command line is not JSON"),
            ("-", "nope", "standard input is not JSON"),
            ("no-such-file", "", "neither JSON nor a file"),
        ] {
            let error = format!("{:#}", read(argument, stdin.as_bytes()).unwrap_err());
            assert!(error.contains(says), "{argument}: {error}");
        }
        let large = format!("\"{}\"", "x".repeat(7 << 20));
        assert!(format!("{:#}", read("-", large.as_bytes()).unwrap_err()).contains("larger than"));
    }
}
