//! The configuration of a run: the environment variables of handlers.
//!
//! ```yaml
//! '*': {REGION: north}          # every handler
//! 5-1: {TARGET: echo-target}    # one handler, overriding the values of '*'
//! ```

use std::path::Path;

use durawasm_core::{
    invocation::{GrantError, Grants},
    orchestrator::FunctionGrants,
};
use serde_json::Value;

use super::{ConformanceError, yaml};

/// Environment variables for handlers, by handler name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(FunctionGrants);

impl Config {
    /// Reads a configuration from a YAML or JSON file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is not a mapping from handler names (or `*`) to mappings from
    /// names to texts.
    pub fn load(path: &Path) -> Result<Self, ConformanceError> {
        let text =
            yaml::text(path).map_err(|source| ConformanceError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|reason| {
            let reason = durawasm_report::shortened(&reason, durawasm_report::LONGEST_MESSAGE);
            ConformanceError::Config { path: path.to_owned(), reason }
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let handlers = match yaml::read(text)? {
            Value::Null => return Ok(Self::default()),
            Value::Object(handlers) => handlers,
            _ => return Err("it is not a mapping from handler names to environment variables".to_owned()),
        };
        let mut config = FunctionGrants::default();
        for (handler, variables) in handlers {
            let grants = grants(&variables).map_err(|why| format!("{handler}: {why}"))?;
            if handler == "*" {
                config.all = grants;
            } else {
                config.by_function.insert(handler, grants.into());
            }
        }
        Ok(Self(config))
    }

    /// The names of the handlers in the configuration.
    pub fn handlers(&self) -> impl Iterator<Item = &str> {
        self.0.by_function.keys().map(String::as_str)
    }

    /// The grants of executions: the variables, and a scratch directory.
    pub fn grants(&self) -> FunctionGrants {
        FunctionGrants { scratch: true, ..self.0.clone() }
    }
}

fn grants(variables: &Value) -> Result<Grants, String> {
    let mut grants = Grants::default();
    let variables = match variables {
        Value::Null => return Ok(grants),
        Value::Object(variables) => variables,
        _ => return Err("the environment variables are not a mapping from names to texts".to_owned()),
    };
    for (name, value) in variables {
        let value = value
            .as_str()
            .ok_or_else(|| format!("the value of {name} is not a text: put quotes around {value}"))?;
        grants.variable(name, value).map_err(|error: GrantError| error.to_string())?;
    }
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let config = Config::parse("'*': {A: '1'}\n5-1:\n  TARGET: echo\n  A: '2'\n5-2:\n").unwrap();
        assert_eq!(config.handlers().collect::<Vec<_>>(), ["5-1", "5-2"]);
        let grants = config.grants();
        assert!(grants.scratch);
        let variables =
            |grants: &Grants| grants.variables().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        assert_eq!(variables(&grants.all), ["A=1"]);
        assert_eq!(variables(&grants.by_function["5-1"].grants), ["A=2", "TARGET=echo"]);
        assert_eq!(Config::parse(r#"{"*": {"A": "1"}}"#).unwrap().handlers().count(), 0);
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn refusals() {
        for (text, says) in [
            ("a: [", ""),
            ("[a]", "it is not a mapping"),
            ("f: [A]", "f: the environment variables are not"),
            ("f: {PORT: 80}", "f: the value of PORT is not a text: put quotes around 80"),
            ("f: {A=B: x}", "f: \"A=B\" cannot name"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
