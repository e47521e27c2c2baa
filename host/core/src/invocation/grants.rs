//! Grants: the environment variables, directories and HTTP requests of a function. By default there are none.
//!
//! Invariants:
//! - a guest sees only what is granted;
//! - a path that a guest opens cannot leave a granted directory, whatever `..` or links it contains;
//! - while a guest waits for a file, its invocation stays alive, and virtual time does not advance.
//!
//! A replay reads the environment and files again. So between operations a handler may rely only on files that do not
//! change; files that change must be read in steps.

use std::{
    collections::{BTreeMap, btree_map},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    disk::Disk,
    http::{HttpGrant, HttpGrants},
};

/// Environment variables, directories and HTTP requests for a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    variables: BTreeMap<String, String>,
    /// Keyed by the path in the guest.
    directories: BTreeMap<String, Directory>,
    http: HttpGrants,
    disk: Disk,
}

/// The access that a guest has to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Listing it and reading its files, and those of the directories below.
    ReadOnly,
    /// Also creating, writing, renaming and removing them.
    ReadWrite,
}

/// A directory of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Directory {
    host: PathBuf,
    access: Access,
}

/// Why a grant is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The name of an environment variable is invalid.
    #[error(
        "{0:?} cannot name an environment variable: a name is not empty and has neither `=` nor a NUL character"
    )]
    Name(String),
    /// The value of an environment variable is invalid.
    #[error("the value of the environment variable {0} has a NUL character")]
    Value(String),
    /// The path of a directory in the guest is invalid.
    #[error(
        "{0:?} cannot be a directory's path in the guest: it begins with / and has neither `..` nor a NUL character"
    )]
    GuestPath(String),
}

impl Grants {
    /// Grants an environment variable. It replaces an earlier value.
    pub fn variable(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<&mut Self, GrantError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(GrantError::Name(name));
        }
        if value.contains('\0') {
            return Err(GrantError::Value(name));
        }
        self.variables.insert(name, value);
        Ok(self)
    }

    /// Grants a directory of the host under a path in the guest. It replaces an earlier grant of this path, also if
    /// that was spelled differently: `/data/` and `//data/.` are `/data`. The directory must exist when an invocation
    /// starts.
    pub fn directory(
        &mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Result<&mut Self, GrantError> {
        let guest = guest.into();
        if !guest.starts_with('/') || guest.contains('\0') || guest.split('/').any(|part| part == "..") {
            return Err(GrantError::GuestPath(guest));
        }
        let guest = plain_path(&guest);
        self.directories.insert(guest, Directory { host: host.into(), access });
        Ok(self)
    }

    /// Grants HTTP requests. It replaces an earlier grant of the same host and port.
    pub fn http_request(&mut self, grant: HttpGrant) -> &mut Self {
        self.http.add(grant);
        self
    }

    /// Revokes all HTTP requests.
    pub fn revoke_http(&mut self) {
        self.http = HttpGrants::default();
    }

    /// Adds other grants. They replace variables, directories and HTTP requests of the same name, path or host and port.
    pub fn extend(&mut self, others: &Self) {
        self.variables.extend(others.variables.clone());
        self.directories.extend(others.directories.clone());
        for grant in &others.http {
            self.http.add(grant.clone());
        }
    }

    /// Sets the quota for what is added to directories, and what it is charged to.
    pub fn limit_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    /// The quota for what is added to directories.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The HTTP requests, in the order in which they were granted.
    pub fn http(&self) -> &HttpGrants {
        &self.http
    }

    /// The environment variables, ordered by name.
    pub fn variables(&self) -> btree_map::Iter<'_, String, String> {
        self.variables.iter()
    }

    /// The directories, ordered by the path in the guest: that path, the path in the host, and the access.
    pub fn directories(&self) -> impl Iterator<Item = (&str, &Path, Access)> {
        self.directories.iter().map(|(guest, directory)| (&**guest, &*directory.host, directory.access))
    }

    /// Whether a directory is granted.
    pub fn has_directories(&self) -> bool {
        !self.directories.is_empty()
    }
}

/// Normalizes an absolute path: no empty components and no `.`. Without this, two directories could be granted under
/// one path, and the order of their spellings would decide which one a guest opens.
fn plain_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_path_however_it_is_written() {
        let mut grants = Grants::default();
        for (number, path) in ["/data", "/data/", "//data", "/./data/.", "/data//"].into_iter().enumerate() {
            grants.directory(number.to_string(), path, Access::ReadOnly).unwrap();
            let granted: Vec<_> = grants.directories().map(|(guest, host, _)| (guest, host)).collect();
            assert_eq!(granted, [("/data", Path::new(&number.to_string()))], "{path}");
        }
        grants.directory("root", "//", Access::ReadOnly).unwrap();
        assert_eq!(grants.directories().next().unwrap().0, "/");
    }

    #[test]
    fn names_values_and_paths_are_checked() {
        let mut grants = Grants::default();
        for name in ["", "A=B", "A\0"] {
            assert_eq!(grants.variable(name, "x").unwrap_err(), GrantError::Name(name.to_owned()));
        }
        assert_eq!(grants.variable("A", "\0").unwrap_err(), GrantError::Value("A".to_owned()));
        for path in ["", "data", "./data", "/data/../etc", "/\0"] {
            let refused = grants.directory("/tmp", path, Access::ReadOnly).unwrap_err();
            assert_eq!(refused, GrantError::GuestPath(path.to_owned()));
        }
        assert_eq!(grants, Grants::default());
    }

    #[test]
    fn the_later_grant_counts() {
        let mut all = Grants::default();
        all.variable("A", "1").unwrap().variable("B", "1").unwrap();
        all.directory("/here", "/data", Access::ReadWrite).unwrap();
        let mut one = Grants::default();
        one.variable("B", "2").unwrap().directory("/there", "/data", Access::ReadOnly).unwrap();
        all.extend(&one);
        let variables: Vec<_> =
            all.variables().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(variables, [("A", "1"), ("B", "2")]);
        let data = Directory { host: "/there".into(), access: Access::ReadOnly };
        assert_eq!(all.directories.into_iter().collect::<Vec<_>>(), [("/data".to_owned(), data)]);
    }
}
