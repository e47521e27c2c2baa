//! The grants of functions as text and as JSON.
//!
//! Invariants: only the names of environment variables are shown, because their values may be secrets.

use std::path::Path;

use serde::Serialize;

use durawasm_core::{
    invocation::Access,
    orchestrator::{FunctionGrants, SCRATCH},
};

/// The grants that every function of an environment has.
#[derive(Debug, Serialize)]
pub struct Granted<'a> {
    /// The names of the granted environment variables.
    env: Vec<&'a str>,
    directories: Vec<GrantedDirectory<'a>>,
    /// Whether each execution has its own directory at `/scratch`.
    scratch: bool,
    /// The HTTP requests, as `HOST[:PORT][=METHOD,..]`.
    http: Vec<String>,
    /// What an execution may add to its directories, if there are any that it may write to.
    disk: Option<GrantedDisk>,
}

#[derive(Debug, Serialize)]
struct GrantedDisk {
    bytes: u64,
    files: u64,
}

#[derive(Debug, Serialize)]
struct GrantedDirectory<'a> {
    host: &'a Path,
    guest: &'a str,
    access: Access,
}

impl<'a> Granted<'a> {
    /// The report of these grants.
    pub fn of(grants: &'a FunctionGrants) -> Self {
        let directory = |(guest, host, access)| GrantedDirectory { host, guest, access };
        let writable =
            grants.scratch || grants.all.directories().any(|(.., access)| access == Access::ReadWrite);
        let disk = GrantedDisk { bytes: grants.disk.bytes, files: grants.disk.files };
        Self {
            env: grants.all.variables().map(|(name, _)| &**name).collect(),
            directories: grants.all.directories().map(directory).collect(),
            scratch: grants.scratch,
            disk: writable.then_some(disk),
            http: grants.all.http().iter().map(ToString::to_string).collect(),
        }
    }

    /// One line per grant. Empty if nothing is granted.
    pub fn lines(&self) -> Vec<String> {
        let variables = self.env.iter().map(|name| format!("the environment variable {name}"));
        let directories = self.directories.iter().map(|GrantedDirectory { host, guest, access }| {
            let how = match access {
                Access::ReadOnly => "to read",
                Access::ReadWrite => "to read and to write",
            };
            format!("{guest}, which is {} here, {how}", host.display())
        });
        let scratch = self.scratch.then(|| format!("{SCRATCH}, a directory of its own for each execution"));
        let disk = self.disk.as_ref().map(|GrantedDisk { bytes, files }| {
            format!("{} MiB and {files} files in all for what it adds to directories", bytes >> 20)
        });
        let http = self.http.iter().map(|grant| format!("HTTP requests: {grant}"));
        variables
            .chain(directories)
            .chain(scratch)
            .chain(disk)
            .chain(http)
            .map(|line| super::printable(&line))
            .collect()
    }
}
