//! Exit codes: part of the interface, documented in the help and in `docs/cli.md`.

use std::process::ExitCode;

pub(super) const HELP: &str = "Exit codes:
  0  done; of `run`: the execution SUCCEEDED; of `test`: all scenarios passed
  1  the execution ended otherwise: FAILED, TIMED_OUT or STOPPED; of `test`: a scenario failed
  2  the command line or one of its inputs is wrong
  3  the handler crate does not build
  4  the file is not a component with durable handlers
  5  the execution waits for an answer that nobody will give
  6  the host itself failed: no execution was judged, or its report could not be written
  130  interrupted: Ctrl-C or SIGTERM";

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Build = 3,
    Component = 4,
    Stalled = 5,
    Host = 6,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not get to its end.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) error: anyhow::Error,
}

/// Gives an error its exit code.
pub(super) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}
