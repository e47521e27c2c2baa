//! Requests for grants, on the command line and in scenario files.
//!
//! | written | grants |
//! |---|---|
//! | `NAME=VALUE` | an environment variable with this value |
//! | `NAME` | the variable of this process, with its current value |
//! | `HOST::GUEST` | a directory of the host under a path in the guest, with write access |
//! | `HOST::GUEST:ro` | the same, read-only |
//! | `HOST[:PORT][=METHOD,..]` | HTTP requests: [`HttpGrant`] |
//!
//! Invariants: a request that was converted to grants can be satisfied. A variable that is not set or a directory that
//! does not exist is refused here, before an invocation starts.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{FunctionGrants, SCRATCH, scratch::ScratchRoot};
use crate::invocation::{Access, DiskQuota, GrantError, Grants, HttpGrant};

/// The total size of a handler's environment variables, in bytes: names, values and [`EACH_VARIABLE`]. The C runtime of
/// a guest copies all of them into a part of its memory that is not much larger.
const MOST_ENVIRONMENT: usize = 24 * 1024;

/// The overhead of a variable besides its name and value: two pointers and two lengths.
const EACH_VARIABLE: usize = 16;

/// A request for an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableRequest {
    name: String,
    /// `None` takes the value from this process.
    value: Option<String>,
}

/// A request for a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRequest {
    host: PathBuf,
    guest: String,
    access: Access,
}

/// Why a request cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The grant is invalid.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The text is not `HOST::GUEST`.
    #[error(
        "{0:?} is not HOST::GUEST, with :ro at its end for one that is only read, such as data::/data:ro"
    )]
    Form(String),
    /// The variable is to be taken from this process, which does not have it.
    #[error("the environment variable {0} is not set here; give it a value: {0}=VALUE")]
    NotSet(String),
    /// The variable of this process is not valid UTF-8.
    #[error("the value of the environment variable {0} is not UTF-8 text")]
    NotText(String),
    /// The total size of all environment variables exceeds the limit.
    #[error(
        "the environment variables are {0} bytes in all, with their names and {EACH_VARIABLE} bytes for each, and a handler's take {MOST_ENVIRONMENT} at most; \
             grant a directory for what is larger"
    )]
    Large(usize),
    /// Another directory is requested at the path of scratch directories.
    #[error("the guest's {SCRATCH} cannot be both a granted directory and the scratch directory")]
    Scratch,
    /// Scratch directories cannot be created.
    #[error("a scratch directory cannot be made in {}, the folder for temporary files: {reason}", folder.display())]
    NoScratch {
        /// The host's folder for temporary files.
        folder: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The directory cannot be granted.
    #[error("{}, which is to be the guest's {guest}, cannot be granted: {reason}", host.display())]
    Directory {
        /// The path in the host.
        host: PathBuf,
        /// The path in the guest.
        guest: String,
        /// The reason.
        reason: String,
    },
}

impl FromStr for VariableRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        // `Grants` validates names and values.
        Grants::default().variable(name, value.unwrap_or_default())?;
        Ok(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }
}

impl VariableRequest {
    /// Requests a variable with a value.
    ///
    /// # Errors
    /// When the name or the value is invalid.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, RequestError> {
        let (name, value) = (name.into(), value.into());
        Grants::default().variable(&*name, &*value)?;
        Ok(Self { name, value: Some(value) })
    }

    /// The name of the variable.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for DirectoryRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let form = || RequestError::Form(text.to_owned());
        let (host, guest) = text.split_once("::").filter(|(host, _)| !host.is_empty()).ok_or_else(form)?;
        let (guest, access) = match guest.strip_suffix(":ro") {
            Some(guest) => (guest, Access::ReadOnly),
            None => (guest, Access::ReadWrite),
        };
        if guest.contains(':') {
            return Err(form());
        }
        let mut grants = Grants::default();
        grants.directory(host, guest, access)?;
        // As `Grants` spells it, so that a path is one path however it is written.
        let guest = grants.directories().next().map_or(guest, |(guest, ..)| guest).to_owned();
        Ok(Self { host: host.into(), guest, access })
    }
}

impl DirectoryRequest {
    /// The path in the guest, in its one spelling.
    pub fn guest(&self) -> &str {
        &self.guest
    }
}

/// Requests for grants. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantRequests {
    /// Environment variables. The last of several with one name takes precedence.
    pub env: Vec<VariableRequest>,
    /// Directories. The last of several with one guest path takes precedence.
    pub dir: Vec<DirectoryRequest>,
    /// Whether each execution gets its own directory at [`SCRATCH`](super::SCRATCH).
    pub scratch: bool,
    /// HTTP requests. The last of several with one host and port takes precedence.
    pub http: Vec<HttpGrant>,
    /// How many bytes an execution may add to its directories; `None` for the default.
    pub disk_bytes: Option<u64>,
    /// How many files, directories and links an execution may add to its directories; `None` for the default.
    pub disk_files: Option<u64>,
}

impl GrantRequests {
    /// Adds other requests. They take precedence over those with the same name or path.
    pub fn extend(&mut self, others: Self) {
        self.env.extend(others.env);
        self.dir.extend(others.dir);
        self.scratch |= others.scratch;
        self.http.extend(others.http);
        self.disk_bytes = others.disk_bytes.or(self.disk_bytes);
        self.disk_files = others.disk_files.or(self.disk_files);
    }

    /// Resolves relative paths of directories against a folder.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        for directory in &mut self.dir {
            directory.host = folder.join(&directory.host);
        }
        self
    }

    /// Converts the requests to grants for every function. `environment` returns the variables of this process.
    ///
    /// # Errors
    /// When one of them cannot be granted.
    pub fn grants(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<FunctionGrants, RequestError> {
        let mut all = Grants::default();
        let last: BTreeMap<&str, &Option<String>> =
            self.env.iter().map(|VariableRequest { name, value }| (&**name, value)).collect();
        for (name, value) in last {
            let value = match value {
                Some(value) => value.clone(),
                None => environment(name)
                    .ok_or_else(|| RequestError::NotSet(name.to_owned()))?
                    .into_string()
                    .map_err(|_| RequestError::NotText(name.to_owned()))?,
            };
            all.variable(name, value)?;
        }
        let size = all.variables().map(|(name, value)| name.len() + value.len() + EACH_VARIABLE).sum();
        if size > MOST_ENVIRONMENT {
            return Err(RequestError::Large(size));
        }
        let mut last = Grants::default();
        for DirectoryRequest { host, guest, access } in &self.dir {
            last.directory(host, guest, *access)?;
        }
        for (guest, host, access) in last.directories() {
            let refused = |reason: String| {
                let (host, guest) = (host.to_owned(), guest.to_owned());
                RequestError::Directory { host, guest, reason }
            };
            let found = std::fs::metadata(host).map_err(|error| refused(error.to_string()))?;
            if !found.is_dir() {
                return Err(refused("it is not a directory".to_owned()));
            }
            all.directory(host, guest, access)?;
        }
        if self.scratch {
            if all.directories().any(|(guest, ..)| guest == SCRATCH) {
                return Err(RequestError::Scratch);
            }
            // A failure is reported here instead of in the first execution.
            ScratchRoot::default().make().map_err(|error| {
                let (folder, reason) = (std::env::temp_dir(), error.to_string());
                RequestError::NoScratch { folder, reason }
            })?;
        }
        for grant in &self.http {
            all.http_request(grant.clone());
        }
        let usual = DiskQuota::default();
        let disk = DiskQuota {
            bytes: self.disk_bytes.unwrap_or(usual.bytes),
            files: self.disk_files.unwrap_or(usual.files),
        };
        Ok(FunctionGrants { all, scratch: self.scratch, disk, ..FunctionGrants::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(env: &[&str], dir: &[&str]) -> Result<GrantRequests, RequestError> {
        Ok(GrantRequests {
            env: env.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            dir: dir.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            ..GrantRequests::default()
        })
    }

    #[test]
    fn what_is_asked_for_is_granted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let requests = requests(
            &["A=1", "B", "C=x=y", "A=", "D", "D= "],
            &["no-such::/data/", "data::/data:ro", "data::/w"],
        )
        .unwrap();
        let grants =
            requests.below(folder.path()).grants(|name| (name == "B").then(|| "here".into())).unwrap();
        let mut expected = Grants::default();
        expected.variable("A", "").unwrap().variable("B", "here").unwrap();
        expected.variable("C", "x=y").unwrap().variable("D", " ").unwrap();
        let host = folder.path().join("data");
        expected.directory(&host, "/data", Access::ReadOnly).unwrap();
        expected.directory(&host, "/w", Access::ReadWrite).unwrap();
        assert_eq!(grants, FunctionGrants { all: expected, ..FunctionGrants::default() });
    }

    #[test]
    fn what_cannot_be_granted_is_refused_with_a_reason() {
        for (env, dir, says) in [
            (&["=x"][..], &[][..], "cannot name an environment variable"),
            (&[""], &[], "cannot name an environment variable"),
            (&["NOT_SET"], &[], "NOT_SET is not set here; give it a value: NOT_SET=VALUE"),
            (&[], &["data"], "is not HOST::GUEST"),
            (&[], &["::/data"], "is not HOST::GUEST"),
            (&[], &["data:/data"], "is not HOST::GUEST"),
            (&[], &["data::/data:rw"], "is not HOST::GUEST"),
            (&[], &["data::data"], "begins with /"),
            (&[], &["data::/../x"], "`..`"),
            (
                &[],
                &["no-such-folder::/data"],
                "no-such-folder, which is to be the guest's /data, cannot be granted",
            ),
            (&[], &["Cargo.toml::/data"], "it is not a directory"),
        ] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
            let refused = requests(env, dir).and_then(|requests| requests.below(folder).grants(|_| None));
            let said = refused.unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
        let many: Vec<String> = (0..1_500).map(|number| format!("V{number}=")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = requests(&many, &[]).unwrap().grants(|_| None).unwrap_err();
        assert!(matches!(refused, RequestError::Large(_)), "{refused}");
        let large = format!("A={}", "x".repeat(MOST_ENVIRONMENT));
        let refused = requests(&[&large], &[]).unwrap().grants(|_| None).unwrap_err();
        assert_eq!(refused, RequestError::Large(MOST_ENVIRONMENT + 1 + EACH_VARIABLE));
        let folder = tempfile::tempdir().unwrap();
        let scratch = |guest: &str| {
            let requests = requests(&[], &[&format!("{}::{guest}", folder.path().display())]).unwrap();
            GrantRequests { scratch: true, ..requests }.grants(|_| None)
        };
        for guest in ["/scratch", "/scratch/", "//scratch"] {
            assert_eq!(scratch(guest), Err(RequestError::Scratch), "{guest}");
        }
        assert!(scratch("/scratch/more").is_ok_and(|grants| grants.scratch));
    }
}
