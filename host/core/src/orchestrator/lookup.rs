//! Finds the code that executions run.

use std::sync::Arc;

use super::{Function, Orchestrator, Version, VersionError};

impl Orchestrator {
    /// The version of a function that a new execution runs. Without a source of versions, qualifiers make no difference.
    ///
    /// # Errors
    /// When there is no such function or version, or its code cannot be loaded.
    pub async fn find(&self, name: &str) -> Result<Version, VersionError> {
        match &self.versions {
            Some(versions) => versions.find(name).await,
            None => Ok(self.functions.latest(name)?),
        }
    }

    /// What the ARNs of executions have for the version that a name stands for.
    ///
    /// # Errors
    /// When there is no such function or version.
    pub fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        match &self.versions {
            Some(versions) => versions.resolve(name),
            None => Ok(self.functions.latest(name)?.version),
        }
    }

    /// The code of an execution that started earlier.
    pub(super) async fn started_with(
        &self,
        function: &str,
        origin: Option<&str>,
    ) -> Result<Function, VersionError> {
        match &self.versions {
            Some(versions) => versions.started_with(function, origin).await,
            None => Ok(self.functions.find(function)?.clone()),
        }
    }
}
