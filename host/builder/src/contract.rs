//! Whether a component is a durable handler that this host can run.
//!
//! The contract is the WIT package `durawasm:durable`. Patch versions are interchangeable; in 0.x the minor version is
//! what changes when the contract does.

use super::inspect::{ComponentSummary, Interface};

/// The WIT package of the contract.
pub const CONTRACT_PACKAGE: &str = "durawasm:durable";

/// The prefix of the supported versions.
const SERIES: &str = "0.1.";

/// The interface that a handler exports, and its functions (`wit/world.wit`).
const EXPORT: &str = "functions";
const FUNCTIONS: [&str; 2] = ["registered", "handle"];

/// Why a component is not a durable handler for this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It does not export the contract's interface.
    #[error(
        "this component is no durable handler: it does not export {CONTRACT_PACKAGE}/{EXPORT}@{SERIES}x; mark a function \
         with #[durable_execution] (it exports: {exports})"
    )]
    NotExported {
        /// The exported names.
        exports: String,
    },

    /// It was built for another version of the contract.
    #[error(
        "this component was built for version {found} of {interface}, and this durawasm runs {SERIES}x; build it with a \
         guest SDK of the same version as durawasm"
    )]
    OtherVersion {
        /// The interface.
        interface: String,
        /// The version.
        found: String,
    },

    /// The interface that it exports lacks a function.
    #[error(
        "this component exports {CONTRACT_PACKAGE}/{EXPORT} without the function `{function}`; see wit/world.wit"
    )]
    MissingFunction {
        /// The function.
        function: &'static str,
    },
}

impl ComponentSummary {
    /// Returns the version of the contract that this handler was built for.
    ///
    /// # Errors
    /// When this host does not support the component.
    pub fn contract_version(&self) -> Result<&str, ContractError> {
        let of_contract = |interface: &&Interface| interface.package() == CONTRACT_PACKAGE;
        for interface in self.imports.interfaces.iter().filter(of_contract) {
            version_of(interface)?;
        }
        let mut exported = self.exports.interfaces.iter().filter(of_contract);
        let Some(functions) = exported.find(|interface| interface.short_name() == EXPORT) else {
            return Err(ContractError::NotExported { exports: self.exported_names() });
        };
        let version = version_of(functions)?;
        match FUNCTIONS.into_iter().find(|function| !functions.functions.iter().any(|name| name == function))
        {
            Some(function) => Err(ContractError::MissingFunction { function }),
            None => Ok(version),
        }
    }

    /// The first exported names, for messages.
    fn exported_names(&self) -> String {
        let interfaces = self.exports.interfaces.iter().map(|interface| interface.name.as_str());
        let mut names: Vec<_> = interfaces.chain(self.exports.others.iter().map(String::as_str)).collect();
        if names.is_empty() {
            return "nothing".to_owned();
        }
        if names.len() > 5 {
            names.truncate(5);
            names.push("...");
        }
        names.join(", ")
    }
}

/// Returns the interface's version, if this host supports it.
fn version_of(interface: &Interface) -> Result<&str, ContractError> {
    match interface.version.as_deref() {
        Some(version) if version.starts_with(SERIES) => Ok(version),
        other => Err(ContractError::OtherVersion {
            interface: interface.name.clone(),
            found: other.unwrap_or("(none)").to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Surface;

    fn interface(name: &str, version: &str, functions: &[&str]) -> Interface {
        Interface {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            functions: functions.iter().map(ToString::to_string).collect(),
        }
    }

    fn handler(imported: &str, exported: &str, functions: &[&str]) -> ComponentSummary {
        let imports = vec![interface("durawasm:durable/operations", imported, &[])];
        let exports = vec![interface("durawasm:durable/functions", exported, functions)];
        ComponentSummary {
            size: 0,
            imports: Surface { interfaces: imports, others: Vec::new() },
            exports: Surface { interfaces: exports, others: Vec::new() },
        }
    }

    #[test]
    fn any_patch_version_will_do() {
        assert_eq!(handler("0.1.0", "0.1.7", &FUNCTIONS).contract_version(), Ok("0.1.7"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |summary: ComponentSummary| summary.contract_version().unwrap_err().to_string();
        assert!(
            said(handler("0.1.0", "0.2.0", &FUNCTIONS))
                .contains("version 0.2.0 of durawasm:durable/functions")
        );
        assert!(
            said(handler("0.2.0", "0.1.0", &FUNCTIONS))
                .contains("version 0.2.0 of durawasm:durable/operations")
        );
        assert!(said(handler("0.1.0", "0.1.0", &["handle"])).contains("without the function `registered`"));
        let mut other = handler("0.1.0", "0.1.0", &FUNCTIONS);
        other.exports.interfaces = vec![interface("wasi:cli/run", "0.2.0", &["run"])];
        assert!(said(other.clone()).contains("it exports: wasi:cli/run)"));
        other.exports.interfaces.clear();
        assert!(said(other).contains("it exports: nothing)"));
    }
}
