//! The exit codes in the help, and the exit codes of errors. The codes are part of the interface; `docs/cli.md` lists
//! them.

pub(super) use durawasm_report::Exit;

pub(super) const HELP: &str = "Exit codes:
  0  done; of `run`: the execution SUCCEEDED; of `test`: all scenarios passed; of `check`: the handler replays
  1  the execution ended otherwise: FAILED, TIMED_OUT or STOPPED; of `test`: a scenario failed; of `check`: the
     handler does not replay, or a body's effect was doubled; of `store check`: the store is damaged
  2  the command line or one of its inputs is wrong
  3  the handler crate does not build
  4  the file is not a component with durable handlers
  5  the execution waits for an external answer that cannot arrive
  6  the host itself failed: no execution was judged, or its report could not be written; of `execution`,
     `callback` and `clock`: the endpoint cannot be reached, or failed
  7  of `execution wait --timeout`: the execution has not ended, or was not found, by then; it goes on
  130  interrupted: Ctrl-C or SIGTERM";

/// An error that ends a command, with the exit code to report it with.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) error: anyhow::Error,
}

impl Failure {
    /// The error and its causes in one line, outermost first. A cause whose text is already part of the line is omitted.
    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        for cause in self.error.chain().map(|cause| cause.to_string().replace('\n', " ")) {
            if line.is_empty() {
                line = cause;
            } else if !line.contains(&cause) {
                line += &format!(": {cause}");
            }
        }
        line
    }
}

/// Attaches an exit code to the error of a result.
pub(super) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}
