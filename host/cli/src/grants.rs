//! `--env`, `--dir`, `--scratch`: the grants of a handler.

use super::exit::{Exit, Failure, OrExit};
use durawasm_core::orchestrator::{DirectoryRequest, FunctionGrants, GrantRequests, VariableRequest};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Grants (by default a handler reaches nothing)")]
pub(super) struct GrantArgs {
    /// Grant an environment variable, with a value or with the one it has here; may be given several times
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<VariableRequest>,
    /// Grant a directory under a path of the handler's, :ro to read only; may be given several times
    #[arg(long, value_name = "HOST::GUEST[:ro]")]
    dir: Vec<DirectoryRequest>,
    /// Grant each execution an empty directory of its own, at /scratch
    #[arg(long)]
    scratch: bool,
}

impl GrantArgs {
    /// The requested grants.
    pub(super) fn requests(&self) -> GrantRequests {
        GrantRequests { env: self.env.clone(), dir: self.dir.clone(), scratch: self.scratch }
    }

    /// The grants, after they were checked.
    pub(super) fn grants(&self) -> Result<FunctionGrants, Failure> {
        self.requests().grants(|name| std::env::var_os(name)).or_exit(Exit::Usage)
    }
}
