//! What functions were granted, for people and for machines. Values of environment variables may be secrets: only their
//! names are told.

use std::path::Path;

use serde::Serialize;

use durawasm_core::{
    invocation::Access,
    orchestrator::{FunctionGrants, SCRATCH},
};

/// What every function of an environment was granted.
#[derive(Debug, Serialize)]
pub struct Granted<'a> {
    /// The names of the environment variables.
    env: Vec<&'a str>,
    directories: Vec<GrantedDirectory<'a>>,
    /// Whether each execution has a directory of its own at `/scratch`.
    scratch: bool,
}

#[derive(Debug, Serialize)]
struct GrantedDirectory<'a> {
    host: &'a Path,
    guest: &'a str,
    access: Access,
}

impl<'a> Granted<'a> {
    /// Of these grants.
    pub fn of(grants: &'a FunctionGrants) -> Self {
        let directory = |(guest, host, access)| GrantedDirectory { host, guest, access };
        Self {
            env: grants.all.variables().map(|(name, _)| &**name).collect(),
            directories: grants.all.directories().map(directory).collect(),
            scratch: grants.scratch,
        }
    }

    /// A line for each, for people. None where nothing is granted.
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
