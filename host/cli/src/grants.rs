//! `--env`, `--dir`, `--scratch`, `--allow-http`: the grants of a handler, and the limits of its HTTP requests.

use std::time::Duration;

use super::exit::{Exit, Failure, OrExit};
use durawasm_core::{
    durations::parse_some_duration,
    invocation::HttpGrant,
    orchestrator::{DirectoryRequest, FunctionGrants, GrantRequests, VariableRequest},
};
use durawasm_sandbox::HttpLimits;

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
    /// What an execution may add to all its directories, in MiB [default: 1024]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    disk_size: Option<u32>,
    /// How many files, directories and links an execution may add to all its directories [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    disk_files: Option<u64>,
}

impl GrantArgs {
    /// The requested grants.
    pub(super) fn requests(&self) -> GrantRequests {
        GrantRequests {
            env: self.env.clone(),
            dir: self.dir.clone(),
            scratch: self.scratch,
            http: self.allow_http.clone(),
            disk_bytes: self.disk_size.map(|mib| u64::from(mib) << 20),
            disk_files: self.disk_files,
        }
    }

    /// The grants, after they were checked.
    pub(super) fn grants(&self) -> Result<FunctionGrants, Failure> {
        self.requests().grants(|name| std::env::var_os(name)).or_exit(Exit::Usage)
    }
}

/// The limits of the HTTP requests of one invocation.
#[derive(Debug, clap::Args)]
pub(super) struct HttpLimitArgs {
    /// Real time of one HTTP request, to the end of its response
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_some_duration)]
    http_timeout: Duration,
    /// HTTP requests of one invocation
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    http_requests: u32,
    /// Bytes of all HTTP requests and responses of one invocation, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    http_size: u32,
}

impl HttpLimitArgs {
    pub(super) fn limits(&self) -> HttpLimits {
        HttpLimits {
            time: self.http_timeout,
            requests: self.http_requests,
            bytes: u64::from(self.http_size) << 20,
        }
    }
}
