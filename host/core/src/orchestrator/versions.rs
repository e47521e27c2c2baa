//! Which code an execution runs, where functions change while executions of them are open.
//!
//! Invariants: an execution runs the code that it started with. What identifies that code is kept with the execution as its
//! [`origin`](crate::server::StartExecution::origin), which only the source of the code reads.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use super::{Function, Functions, UnknownFunction, bare_name};
use crate::protocol::LATEST;

/// How long an execution whose code cannot be loaded waits until that is tried again, in seconds.
pub const CODE_RETRY_SECONDS: u64 = 60;

/// A version of a function.
#[derive(Clone)]
pub struct Version {
    /// The function. Its name has no qualifier.
    pub function: Function,
    /// What the ARNs of its executions have for the version: `$LATEST` or a number.
    pub version: Arc<str>,
    /// Identifies the code for executions that start now.
    pub origin: Option<Arc<str>>,
}

/// Why there is no code for an execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The function does not exist.
    #[error(transparent)]
    Function(#[from] UnknownFunction),
    /// The function has no version or alias of this name.
    #[error("there is no version or alias {function}:{qualifier}; the function has {known}")]
    Qualifier {
        /// The function.
        function: Arc<str>,
        /// What was asked for.
        qualifier: String,
        /// What there is.
        known: String,
    },
    /// The code cannot be loaded.
    #[error("the code of {function} cannot be loaded: {why}")]
    Code {
        /// The function.
        function: Arc<str>,
        /// Why.
        why: String,
    },
}

/// The future of a version, which may have to be loaded.
pub type Loading<'a, T> = Pin<Box<dyn Future<Output = Result<T, VersionError>> + Send + 'a>>;

/// A source of functions whose code changes.
pub trait Versions: Send + Sync {
    /// The names of the functions.
    fn functions(&self) -> Vec<Arc<str>>;

    /// What the ARNs of executions have for the version of a function. `name` is a function's name, a name with a version or
    /// an alias, or an ARN.
    ///
    /// # Errors
    /// When there is no such function or version.
    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError>;

    /// The version of a function that a new execution runs; `name` as for [`Self::resolve`].
    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version>;

    /// The code that an execution of a function started with. `origin` is that of its [`Version`].
    fn started_with<'a>(&'a self, function: &'a str, origin: Option<&'a str>) -> Loading<'a, Function>;
}

impl Functions {
    /// The only version of a function, whatever its qualifier.
    pub(super) fn latest(&self, name: &str) -> Result<Version, UnknownFunction> {
        let function = self.find(name)?.clone();
        Ok(Version { function, version: LATEST.into(), origin: None })
    }

    /// The only version of a function, if the name has no other qualifier.
    fn unless_qualified(&self, name: &str) -> Result<Version, VersionError> {
        let latest = self.latest(name)?;
        match qualifier(name) {
            None | Some(LATEST) => Ok(latest),
            Some(other) => Err(VersionError::Qualifier {
                function: latest.function.name,
                qualifier: other.to_owned(),
                known: format!("{LATEST} only"),
            }),
        }
    }
}

/// Functions whose code does not change have one version, `$LATEST`, and no aliases.
impl Versions for Functions {
    fn functions(&self) -> Vec<Arc<str>> {
        self.iter().map(|function| function.name.clone()).collect()
    }

    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        Ok(self.unless_qualified(name)?.version)
    }

    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version> {
        Box::pin(ready(self.unless_qualified(name)))
    }

    fn started_with<'a>(&'a self, function: &'a str, _: Option<&'a str>) -> Loading<'a, Function> {
        let found = self.latest(function).map(|latest| latest.function);
        Box::pin(ready(found.map_err(VersionError::from)))
    }
}

/// The qualifier of a function's name or ARN: a version or an alias.
pub fn qualifier(name: &str) -> Option<&str> {
    let named = name.rsplit_once(":function:").map_or(name, |(_, rest)| rest);
    named.get(bare_name(name).len()..)?.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::{Invocable, Invocation, Invoked};

    struct Nothing;

    impl Invocable for Nothing {
        fn invoke<'a>(&'a self, _: Invocation<'a>) -> Invoked<'a> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn functions_whose_code_does_not_change_have_one_version() {
        let mut functions = Functions::default();
        functions.insert(Function { name: "order".into(), durable: true, handler: Arc::new(Nothing) });
        let versions: &dyn Versions = &functions;
        assert_eq!(versions.functions(), [Arc::<str>::from("order")]);
        for name in ["order", "order:$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:order:$LATEST"]
        {
            assert_eq!(versions.resolve(name).as_deref(), Ok(LATEST), "{name}");
            let found = versions.find(name).await;
            assert!(found.is_ok_and(|found| &*found.version == LATEST && found.origin.is_none()), "{name}");
        }
        for (name, why) in [
            ("order:1", "there is no version or alias order:1; the function has $LATEST only"),
            ("orders", "there is no function \"orders\"; did you mean `order`?; there is order"),
        ] {
            let (resolved, found) = (versions.resolve(name), versions.find(name).await);
            assert_eq!(resolved.map_err(|error| error.to_string()), Err(why.to_owned()));
            assert_eq!(found.map(drop).map_err(|error| error.to_string()), Err(why.to_owned()));
        }
        assert!(versions.started_with("order", Some("what another source keeps")).await.is_ok());
        assert!(versions.started_with("orders", None).await.is_err());
    }

    #[test]
    fn qualifiers_of_names() {
        for (name, expected) in [
            ("order", None),
            ("order:3", Some("3")),
            ("order:$LATEST", Some(LATEST)),
            ("arn:aws:lambda:us-east-1:123456789012:function:order", None),
            ("arn:aws:lambda:us-east-1:123456789012:function:order:prod", Some("prod")),
            ("", None),
            (":", Some("")),
        ] {
            assert_eq!(qualifier(name), expected, "{name}");
        }
    }
}
