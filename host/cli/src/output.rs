//! Lines on standard output and on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

use super::exit::Exit;

/// Writes a line to standard output. A closed pipe is not an error: the reader has read enough. Any other failure loses
/// a result, so it ends the command.
pub(super) fn say(line: impl Display) {
    written(writeln!(io::stdout().lock(), "{line}"));
}

/// Writes a report to standard output as JSON, without making its text in memory first: it may have hundreds of
/// megabytes of payloads.
pub(super) fn say_json(report: &impl Serialize) {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let report = serde_json::to_writer_pretty(&mut out, report).map_err(io::Error::from);
    written(report.and_then(|()| writeln!(out)).and_then(|()| out.flush()));
}

/// Ends the process if standard output cannot be written, unless nobody reads it any more.
fn written(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        note(format_args!("error: cannot write to standard output: {error}"));
        std::process::exit(Exit::Host as i32);
    }
}

/// Writes a line to standard error.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
