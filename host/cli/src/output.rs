//! Lines on standard output and on standard error.
//!
//! Invariants: all text of the commands leaves through this file or through `terminal/progress.rs`, and is made safe for
//! terminals there, wherever it comes from: a caller may forget. Only reports on standard output are never shortened.
//! A test of the command line (`tests/text.rs`) finds other writers.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
};

use anyhow::anyhow;
use durawasm_report::{LONGEST_MESSAGE, json, printable, printable_lines, shortened};
use serde::Serialize;

use super::exit::{Exit, Failure, OrExit};

/// Writes a line to standard output.
pub(super) fn say(line: impl Display) {
    put(&printable(&line.to_string()));
}

/// Writes text of several lines to standard output. Each line must have been made safe by whoever broke the lines: a
/// line break in a name looks like one of ours.
pub(super) fn say_lines(text: impl Display) {
    put(&printable_lines(&text.to_string()));
}

/// Writes a value as JSON to standard output. What is unsafe on a terminal is escaped, which leaves the value as it is.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    put(&json(&serde_json::to_string_pretty(value).or_exit(Exit::Host)?));
    Ok(())
}

/// Writes a value as JSON to standard output, in one line.
pub(super) fn say_json_line(value: &impl Serialize) -> Result<(), Failure> {
    put(&json(&serde_json::to_string(value).or_exit(Exit::Host)?));
    Ok(())
}

/// Writes a list as JSON to standard output, entry by entry, as [`say_json`] writes a whole one. Until it is ended, it
/// is no JSON, so that nobody takes a part of it for all.
#[derive(Default)]
pub(super) struct JsonList {
    /// The latest entry: whether a comma follows it is not known yet.
    latest: Option<String>,
}

impl JsonList {
    /// Adds an entry.
    pub(super) fn add(&mut self, entry: &impl Serialize) -> Result<(), Failure> {
        let entry = serde_json::to_string_pretty(entry).or_exit(Exit::Host)?;
        // A string in JSON has no line breaks.
        let entry = format!("  {}", entry.replace('\n', "\n  "));
        match self.latest.replace(entry) {
            None => put("["),
            Some(before) => put(&json(&format!("{before},"))),
        }
        Ok(())
    }

    /// Ends the list.
    pub(super) fn end(self) {
        match self.latest {
            None => put("[]"),
            Some(latest) => put(&json(&format!("{latest}\n]"))),
        }
    }
}

/// Writes a line to standard error. Of a very long one the middle is left out.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", shortened(&line.to_string(), LONGEST_MESSAGE));
}

/// Writes JSON text to standard error, in one line. What is unsafe on a terminal is escaped.
pub(super) fn note_json(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", json(text));
}

/// Replaces the last line of a terminal, without a line break.
pub(super) fn show_progress(line: &str) {
    let mut out = io::stderr().lock();
    let _ = write!(out, "\r\u{1b}[K{}", shortened(line, LONGEST_MESSAGE));
    let _ = out.flush();
}

/// A closed pipe is not an error: the reader has read enough. Any other failure loses a result, so it ends the command.
fn put(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        note(format_args!("error: cannot write to standard output: {error}"));
        std::process::exit(Exit::Host as i32);
    }
}

/// Refuses a path that no report can be written to, before the command does what the report is of.
pub(super) fn report_is_writable(path: &Path) -> Result<(), Failure> {
    writable(path)
        .map_err(|error| anyhow!("cannot write the report {}: {error}", path.display()))
        .or_exit(Exit::Usage)
}

/// Whether a file can be written or created at this path. Nothing is changed. Pipes and devices are not opened, because
/// their other end could observe it.
fn writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    if path.is_file() {
        return std::fs::OpenOptions::new().write(true).open(path).map(drop);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(io::Error::other(format!("there is no folder {}", folder.display())));
    }
    tempfile::NamedTempFile::new_in(folder).map(drop)
}
