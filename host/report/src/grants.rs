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
        Self {
            env: grants.all.variables().map(|(name, _)| &**name).collect(),
            directories: grants.all.directories().map(directory).collect(),
            scratch: grants.scratch,
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
        variables.chain(directories).chain(scratch).map(|line| super::printable(&line)).collect()
    }
}
