//! Grants as they are asked for: on the command line and in scenario files.
//!
//! | written | grants |
//! |---|---|
//! | `NAME=VALUE` | an environment variable with this value |
//! | `NAME` | the one of this process, with the value that it has |
//! | `HOST::GUEST` | a directory of the host under a path of the guest's, to read and to write |
//! | `HOST::GUEST:ro` | the same, to read |
//!
//! Always true: what becomes a grant can be given. A variable that is not set, and a directory that is not there, are
//! refused here, and not when an invocation starts.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{FunctionGrants, SCRATCH, scratch::ScratchRoot};
use crate::invocation::{Access, GrantError, Grants};

/// How large the environment variables of a handler may be together, in bytes: names, values and [`EACH_VARIABLE`].
/// What starts a guest copies all of them into a part of its memory that is not much larger.
const MOST_ENVIRONMENT: usize = 24 * 1024;

/// What a variable takes beside its name and its value: two pointers and two lengths.
const EACH_VARIABLE: usize = 16;

/// An environment variable that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableRequest {
    name: String,
    /// None: the value that it has in this process.
    value: Option<String>,
}

/// A directory that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRequest {
    host: PathBuf,
    guest: String,
    access: Access,
}

/// Why what is asked for cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No guest could use it.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// Not `HOST::GUEST`.
    #[error(
        "{0:?} is not HOST::GUEST, with :ro at its end for one that is only read, such as data::/data:ro"
    )]
    Form(String),
    /// The variable is to be taken from this process, and is not there.
    #[error("the environment variable {0} is not set here; give it a value: {0}=VALUE")]
    NotSet(String),
    /// It is there, and is no text.
    #[error("the value of the environment variable {0} is not UTF-8 text")]
    NotText(String),
    /// All environment variables together are too large.
    #[error(
        "the environment variables are {0} bytes in all, with their names and {EACH_VARIABLE} bytes for each, and a handler's take {MOST_ENVIRONMENT} at most; \
             grant a directory for what is larger"
    )]
    Large(usize),
    /// Something else is to be where scratch directories are.
    #[error("the guest's {SCRATCH} cannot be both a granted directory and the scratch directory")]
    Scratch,
    /// Scratch directories cannot be made.
    #[error("a scratch directory cannot be made in {}, the folder for temporary files: {reason}", folder.display())]
    NoScratch {
        /// The host's folder for temporary files.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory cannot be granted.
    #[error("{}, which is to be the guest's {guest}, cannot be granted: {reason}", host.display())]
    Directory {
        /// In the host.
        host: PathBuf,
        /// In the guest.
        guest: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FromStr for VariableRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        // Names and values are looked at by the grant.
        Grants::default().variable(name, value.unwrap_or_default())?;
        Ok(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }
}

impl VariableRequest {
    /// A variable with a value.
    ///
    /// # Errors
    /// When no guest could have it.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, RequestError> {
        let (name, value) = (name.into(), value.into());
        Grants::default().variable(&*name, &*value)?;
        Ok(Self { name, value: Some(value) })
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
        Grants::default().directory(host, guest, access)?;
        Ok(Self { host: host.into(), guest: guest.to_owned(), access })
    }
}

/// What is asked for. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantRequests {
    /// Environment variables; of two of one name the later counts.
    pub env: Vec<VariableRequest>,
    /// Directories; of two of one guest path the later counts.
    pub dir: Vec<DirectoryRequest>,
    /// A directory of its own for each execution, at [`SCRATCH`](super::SCRATCH).
    pub scratch: bool,
}

impl GrantRequests {
    /// Adds others' requests; where both ask for the same, theirs count.
    pub fn extend(&mut self, others: Self) {
        self.env.extend(others.env);
        self.dir.extend(others.dir);
        self.scratch |= others.scratch;
    }

    /// The same with relative paths of directories below a folder.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        for directory in &mut self.dir {
            directory.host = folder.join(&directory.host);
        }
        self
    }

    /// The grants, for every function. `environment` tells the variables of this process.
    ///
    /// # Errors
    /// When one of them cannot be given.
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
            // What cannot be made is found here, and not in the first execution.
            ScratchRoot::default().make().map_err(|error| {
                let (folder, reason) = (std::env::temp_dir(), error.to_string());
                RequestError::NoScratch { folder, reason }
            })?;
        }
        Ok(FunctionGrants { all, scratch: self.scratch, ..FunctionGrants::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(env: &[&str], dir: &[&str]) -> Result<GrantRequests, RequestError> {
        Ok(GrantRequests {
            env: env.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            dir: dir.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            scratch: false,
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
