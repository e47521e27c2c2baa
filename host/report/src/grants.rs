//! The grants of functions as text and as JSON.
//!
//! Invariants: only the names of environment variables are shown, because their values may be secrets.

use std::path::PathBuf;

use serde::Serialize;

use durawasm_core::{
    invocation::Access,
    orchestrator::{FunctionGrants, SCRATCH},
};

/// The grants of a function.
#[derive(Debug, Serialize)]
pub struct Granted {
    /// The names of the granted environment variables.
    env: Vec<String>,
    directories: Vec<GrantedDirectory>,
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
struct GrantedDirectory {
    host: PathBuf,
    guest: String,
    access: Access,
}

/// A grant in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant<'a> {
    /// An environment variable, by its name.
    Variable(&'a str),
    /// A directory, by its path in the guest.
    Directory(&'a str),
    /// A directory of its own for each execution.
    Scratch,
    /// What may be added to directories.
    Disk,
    /// HTTP requests, as they are granted.
    Http(&'a str),
}

impl Granted {
    /// The report of the grants of this function.
    pub fn of(grants: &FunctionGrants, function: &str) -> Self {
        let all = grants.of(function);
        let (scratch, quota) = (grants.scratch_of(function), grants.disk_of(function));
        let directory = |(guest, host, access): (&str, &std::path::Path, Access)| GrantedDirectory {
            host: host.to_owned(),
            guest: guest.to_owned(),
            access,
        };
        let writable = scratch || all.directories().any(|(.., access)| access == Access::ReadWrite);
        let disk = GrantedDisk { bytes: quota.bytes, files: quota.files };
        Self {
            env: all.variables().map(|(name, _)| name.clone()).collect(),
            directories: all.directories().map(directory).collect(),
            scratch,
            disk: writable.then_some(disk),
            http: all.http().iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        let Self { env, directories, scratch, http, disk: _ } = self;
        env.is_empty() && directories.is_empty() && !scratch && http.is_empty()
    }

    /// One line per grant. Empty if nothing is granted.
    pub fn lines(&self) -> Vec<(Grant<'_>, String)> {
        let variables =
            self.env.iter().map(|name| (Grant::Variable(name), format!("the environment variable {name}")));
        let directories = self.directories.iter().map(|GrantedDirectory { host, guest, access }| {
            let how = match access {
                Access::ReadOnly => "to read",
                Access::ReadWrite => "to read and to write",
            };
            (Grant::Directory(guest), format!("{guest}, which is {} here, {how}", host.display()))
        });
        let scratch = self
            .scratch
            .then(|| (Grant::Scratch, format!("{SCRATCH}, a directory of its own for each execution")));
        let disk = self.disk.as_ref().map(|GrantedDisk { bytes, files }| {
            let line =
                format!("{} MiB and {files} files in all for what it adds to directories", bytes >> 20);
            (Grant::Disk, line)
        });
        let http = self.http.iter().map(|grant| (Grant::Http(grant), format!("HTTP requests: {grant}")));
        variables
            .chain(directories)
            .chain(scratch)
            .chain(disk)
            .chain(http)
            .map(|(grant, line)| (grant, super::printable(&line)))
            .collect()
    }
}
