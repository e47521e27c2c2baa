//! Exit codes of the commands: part of their interface, documented in their help, in `docs/cli.md` and
//! `docs/conformance.md`.
//!
//! Invariants: one meaning per number for all commands; a command that has no use for a code leaves it out.

use std::process::ExitCode;

/// The result of a command, for the program that called it. The discriminant is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did its work: the execution succeeded, or all scenarios or required cases passed.
    Done = 0,
    /// The execution ended without success, or a scenario or a required case failed.
    Failed = 1,
    /// The command line or one of its inputs is wrong.
    Usage = 2,
    /// The handler crate does not build.
    Build = 3,
    /// The file is not a component with durable handlers.
    Component = 4,
    /// The execution waits for an external answer that cannot arrive.
    Stalled = 5,
    /// The host itself failed: nothing was judged, or its report could not be written.
    Host = 6,
    /// The execution had not ended when the time to wait for it was over. It goes on.
    NotOver = 7,
    /// A signal interrupted the command: Ctrl-C or SIGTERM (128 + 2, as shells report an interrupt).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
