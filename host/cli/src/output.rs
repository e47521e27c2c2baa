//! Lines on standard output and on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use super::exit::Exit;

/// Writes a line to standard output. A closed pipe is not an error: the reader has read enough. Any other failure loses
/// a result, so it ends the command.
pub(super) fn say(line: impl Display) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
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
