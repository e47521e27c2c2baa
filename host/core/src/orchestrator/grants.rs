//! What executions are granted: by function, and a scratch directory for each.
//!
//! Always true: an execution's scratch directory is empty when the execution starts, is the same in all its
//! invocations, and is gone when the execution is over.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::scratch::{Scratch, ScratchRoot};
use crate::{
    invocation::{Access, Grants},
    protocol::{ErrorObject, ExecutionArn, error_types},
};

/// Where a guest finds its execution's scratch directory.
pub const SCRATCH: &str = "/scratch";

/// What the functions of an environment are granted. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionGrants {
    /// For every function.
    pub all: Grants,
    /// For single functions, by name; these come on top, and count where both say something.
    pub by_function: BTreeMap<String, Grants>,
    /// Whether each execution, and each run of a plain function, has a directory of its own at [`SCRATCH`], to read and
    /// to write. It is in the host's temporary folder, and nothing but the space there bounds what a guest writes.
    pub scratch: bool,
}

/// Gives out grants, and keeps the scratch directories.
pub struct Granter {
    rules: FunctionGrants,
    nothing: Arc<Grants>,
    root: ScratchRoot,
    scratch: Mutex<HashMap<ExecutionArn, Scratch>>,
}

impl Granter {
    /// One that goes by these rules.
    pub fn new(rules: FunctionGrants) -> Self {
        Self { rules, nothing: Arc::default(), root: ScratchRoot::default(), scratch: Mutex::default() }
    }

    fn scratches(&self) -> MutexGuard<'_, HashMap<ExecutionArn, Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For an invocation of an execution.
    pub(super) fn execution(&self, function: &str, arn: &ExecutionArn) -> Result<Arc<Grants>, ErrorObject> {
        if !self.rules.scratch {
            return self.of(function, None);
        }
        let mut all = self.scratches();
        if !all.contains_key(arn) {
            all.insert(arn.clone(), self.make()?);
        }
        self.of(function, all.get(arn))
    }

    /// For a plain function, until the scratch directory is dropped.
    pub(super) fn plain(&self, function: &str) -> Result<(Arc<Grants>, Option<Scratch>), ErrorObject> {
        let scratch = if self.rules.scratch { Some(self.make()?) } else { None };
        Ok((self.of(function, scratch.as_ref())?, scratch))
    }

    /// The execution is over.
    pub(super) fn over(&self, arn: &ExecutionArn) {
        let scratch = self.scratches().remove(arn);
        // Removing it may take some time: not while others wait.
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

    fn of(&self, function: &str, scratch: Option<&Scratch>) -> Result<Arc<Grants>, ErrorObject> {
        if self.rules == FunctionGrants::default() {
            return Ok(self.nothing.clone());
        }
        let mut grants = self.rules.all.clone();
        if let Some(own) = self.rules.by_function.get(function) {
            grants.extend(own);
        }
        if let Some(scratch) = scratch {
            let granted = grants.directory(scratch.path(), SCRATCH, Access::ReadWrite);
            granted.map_err(|error| failed(error.to_string()))?;
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
        rules.by_function.insert("f".into(), own);
        rules
    }

    #[test]
    fn by_default_nothing_is_granted() {
        let granter = Granter::new(FunctionGrants::default());
        assert_eq!(*granter.execution("f", &"arn:1".into()).unwrap(), Grants::default());
    }

    #[test]
    fn a_function_s_own_variables_count() {
        let granter = Granter::new(rules(false));
        for (function, expected) in [("f", [("A", "all"), ("B", "own")]), ("g", [("A", "all"), ("B", "all")])]
        {
            let grants = granter.execution(function, &"arn:1".into()).unwrap();
            let variables: Vec<_> =
                grants.variables().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(variables, expected);
        }
    }

    #[test]
    fn scratch_is_an_execution_s_own_and_stays_until_it_is_over() {
        let granter = Granter::new(rules(true));
        let (one, two) = ("arn:1".into(), "arn:2".into());
        let open = |arn| {
            let grants = granter.execution("f", arn).unwrap();
            let path = granter.scratches().get(arn).unwrap().path().to_owned();
            let mut expected = (*granter.of("f", None).unwrap()).clone();
            expected.directory(&path, SCRATCH, Access::ReadWrite).unwrap();
            assert_eq!(*grants, expected);
            path
        };
        let path = open(&one);
        assert_ne!(open(&two), path);
        std::fs::write(path.join("f"), "x").unwrap();
        assert_eq!(open(&one), path);
        assert!(path.join("f").exists());
        granter.over(&one);
        assert!(!path.exists());
        let (_, scratch) = granter.plain("f").unwrap();
        let path = scratch.as_ref().unwrap().path().to_owned();
        assert!(path.exists());
        drop(scratch);
        assert!(!path.exists());
    }
}
