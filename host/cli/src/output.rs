//! Lines on standard output and on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
};

use anyhow::anyhow;

use super::exit::{Exit, Failure, OrExit};

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
