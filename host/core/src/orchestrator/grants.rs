//! Grants of executions: by function, and a scratch directory for each.
//!
//! Invariants: an execution's scratch directory is empty when the execution starts, is the same in all its invocations,
//! and is removed when the execution has ended.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::scratch::{Scratch, ScratchRoot};
use crate::{
    invocation::{Access, Disk, DiskQuota, Grants},
    protocol::{ErrorObject, ExecutionArn, error_types},
};

/// The path of the scratch directory in the guest.
pub const SCRATCH: &str = "/scratch";

/// The grants of an environment's functions. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionGrants {
    /// Grants for every function.
    pub all: Grants,
    /// Grants of single functions, by name.
    pub by_function: BTreeMap<String, OwnGrants>,
    /// Whether each execution, and each run of a plain function, gets its own directory at [`SCRATCH`], with write
    /// access. It is in the host's temporary folder.
    pub scratch: bool,
    /// How much each execution, and each run of a plain function, may add to all its directories.
    pub disk: DiskQuota,
}

/// What a single function is granted, beside what every function is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnGrants {
    /// Additional grants. They take precedence over those of every function.
    pub grants: Grants,
    /// Whether its executions get a directory at [`SCRATCH`]; `None` is as for every function.
    pub scratch: Option<bool>,
    /// How much each of its executions may add to all its directories; `None` is as for every function.
    pub disk: Option<DiskQuota>,
}

impl From<Grants> for OwnGrants {
    fn from(grants: Grants) -> Self {
        Self { grants, ..Self::default() }
    }
}

impl FunctionGrants {
    /// All grants of a function, without its scratch directory and its quota.
    pub fn of(&self, function: &str) -> Grants {
        let mut grants = self.all.clone();
        if let Some(own) = self.by_function.get(function) {
            grants.extend(&own.grants);
        }
        grants
    }

    /// Whether executions of this function get a directory at [`SCRATCH`].
    pub fn scratch_of(&self, function: &str) -> bool {
        self.by_function.get(function).and_then(|own| own.scratch).unwrap_or(self.scratch)
    }

    /// How much each execution of this function may add to its directories.
    pub fn disk_of(&self, function: &str) -> DiskQuota {
        self.by_function.get(function).and_then(|own| own.disk).unwrap_or(self.disk)
    }
}

/// Provides the grants of executions, and owns their scratch directories.
pub struct GrantProvider {
    rules: FunctionGrants,
    nothing: Arc<Grants>,
    root: ScratchRoot,
    scratch: Mutex<HashMap<ExecutionArn, Scratch>>,
    disks: Mutex<HashMap<ExecutionArn, Disk>>,
}

impl GrantProvider {
    /// Creates a provider for these grants.
    pub fn new(rules: FunctionGrants) -> Self {
        Self {
            rules,
            nothing: Arc::default(),
            root: ScratchRoot::default(),
            scratch: Mutex::default(),
            disks: Mutex::default(),
        }
    }

    fn scratches(&self) -> MutexGuard<'_, HashMap<ExecutionArn, Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The grants for an invocation of an execution.
    pub(super) fn execution(&self, function: &str, arn: &ExecutionArn) -> Result<Arc<Grants>, ErrorObject> {
        let disk = || {
            let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
            disks.entry(arn.clone()).or_insert_with(|| Disk::new(self.rules.disk_of(function))).clone()
        };
        if !self.rules.scratch_of(function) {
            return self.of(function, None, disk);
        }
        let mut all = self.scratches();
        if !all.contains_key(arn) {
            all.insert(arn.clone(), self.make()?);
        }
        self.of(function, all.get(arn), disk)
    }

    /// The grants for a run of a plain function, and its scratch directory.
    pub(super) fn plain(&self, function: &str) -> Result<(Arc<Grants>, Option<Scratch>), ErrorObject> {
        let scratch = if self.rules.scratch_of(function) { Some(self.make()?) } else { None };
        Ok((self.of(function, scratch.as_ref(), || Disk::new(self.rules.disk_of(function)))?, scratch))
    }

    /// Removes the scratch directory of an execution that has ended.
    pub(super) fn over(&self, arn: &ExecutionArn) {
        let scratch = self.scratches().remove(arn);
        self.disks.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
        // Removal may take long, so it happens outside of the lock.
        drop(scratch);
    }

    fn make(&self) -> Result<Scratch, ErrorObject> {
        self.root.make().map_err(|error| {
            failed(format!(
                "a scratch directory cannot be made in {}: {error}",
                std::env::temp_dir().display()
            ))
        })
    }

    fn of(
        &self,
        function: &str,
        scratch: Option<&Scratch>,
        disk: impl FnOnce() -> Disk,
    ) -> Result<Arc<Grants>, ErrorObject> {
        if self.rules == FunctionGrants::default() {
            return Ok(self.nothing.clone());
        }
        let mut grants = self.rules.of(function);
        if let Some(scratch) = scratch {
            let granted = grants.directory(scratch.path(), SCRATCH, Access::ReadWrite);
            granted.map_err(|error| failed(error.to_string()))?;
        }
        if grants.has_directories() {
            grants.limit_disk(disk());
        }
        Ok(Arc::new(grants))
    }
}

fn failed(why: String) -> ErrorObject {
    ErrorObject::new(error_types::GRANT_FAILED, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(scratch: bool) -> FunctionGrants {
        let mut rules = FunctionGrants { scratch, ..FunctionGrants::default() };
        rules.all.variable("A", "all").unwrap().variable("B", "all").unwrap();
        let mut own = Grants::default();
        own.variable("B", "own").unwrap();
        rules.by_function.insert("f".into(), own.into());
        rules
    }

    #[test]
    fn by_default_nothing_is_granted() {
        let provider = GrantProvider::new(FunctionGrants::default());
        assert_eq!(*provider.execution("f", &"arn:1".into()).unwrap(), Grants::default());
    }

    #[test]
    fn a_function_s_own_variables_count() {
        let provider = GrantProvider::new(rules(false));
        for (function, expected) in [("f", [("A", "all"), ("B", "own")]), ("g", [("A", "all"), ("B", "all")])]
        {
            let grants = provider.execution(function, &"arn:1".into()).unwrap();
            let variables: Vec<_> =
                grants.variables().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(variables, expected);
        }
    }

    #[test]
    fn a_function_s_own_scratch_directory_and_quota_count() {
        let mut rules = rules(false);
        let disk = DiskQuota { bytes: 7, files: 7 };
        let own = OwnGrants { scratch: Some(true), disk: Some(disk), ..OwnGrants::default() };
        rules.by_function.insert("h".into(), own);
        assert_eq!((rules.disk_of("h"), rules.disk_of("f")), (disk, rules.disk));
        let provider = GrantProvider::new(rules);
        let scratch = |function: &str| provider.plain(function).unwrap().1.is_some();
        assert_eq!((scratch("h"), scratch("f"), scratch("g")), (true, false, false));
        for (function, has) in [("h", true), ("f", false)] {
            let grants = provider.execution(function, &format!("arn:{function}").into()).unwrap();
            assert_eq!(grants.has_directories(), has, "{function}");
        }
    }

    #[test]
    fn scratch_is_an_execution_s_own_and_stays_until_it_is_over() {
        let provider = GrantProvider::new(rules(true));
        let (one, two) = ("arn:1".into(), "arn:2".into());
        let open = |arn| {
            let grants = provider.execution("f", arn).unwrap();
            let path = provider.scratches().get(arn).unwrap().path().to_owned();
            let mut expected = (*provider.of("f", None, Disk::default).unwrap()).clone();
            expected.directory(&path, SCRATCH, Access::ReadWrite).unwrap();
            assert_eq!(*grants, expected);
            path
        };
        let path = open(&one);
        assert_ne!(open(&two), path);
        std::fs::write(path.join("f"), "x").unwrap();
        assert_eq!(open(&one), path);
        assert!(path.join("f").exists());
        provider.over(&one);
        assert!(!path.exists());
        let (_, scratch) = provider.plain("f").unwrap();
        let path = scratch.as_ref().unwrap().path().to_owned();
        assert!(path.exists());
        drop(scratch);
        assert!(!path.exists());
    }
}
