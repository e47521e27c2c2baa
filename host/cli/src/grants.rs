//! `--env`, `--dir`, `--scratch`, `--allow-http`: the grants of a handler.

use durawasm_config::StatedGrants;
use durawasm_core::{
    invocation::HttpGrant,
    orchestrator::{DirectoryRequest, VariableRequest},
};

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
    /// Grant HTTP requests inside steps, to the ports 80 and 443 or the one given, with every method or those given;
    /// may be given several times
    #[arg(long, value_name = "HOST[:PORT][=METHOD,..]")]
    allow_http: Vec<HttpGrant>,
}

impl GrantArgs {
    /// The grants that the command line states.
    pub(super) fn stated(&self) -> StatedGrants {
        StatedGrants {
            env: self.env.clone(),
            dir: self.dir.clone(),
            scratch: self.scratch.then_some(true),
            allow_http: self.allow_http.clone(),
        }
    }
}
