//! Which execution a command is for.
//!
//! Invariants: an ARN is not looked up; a name in full means the execution of that name, and the beginning of a name
//! the only one that begins so, which is told before anything is done to it.

use anyhow::anyhow;
use clap::builder::NonEmptyStringValueParser;
use durawasm_client::{Client, ListQuery, Rest};
use durawasm_core::protocol::{ExecutionArn, check_execution_name};

use super::endpoint::failed;
use crate::{
    exit::{Exit, Failure, OrExit},
    output::note,
};

/// The most executions that a message names.
const NAMED: usize = 10;

/// The argument that names an execution.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The execution: its ARN, or FUNCTION/NAME, or with --function its name or the beginning of its name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    execution: String,
    /// The function whose execution is meant
    #[arg(long, short, value_name = "NAME")]
    function: Option<String>,
}

/// What names an execution.
#[derive(Debug, PartialEq, Eq)]
enum Meant<'a> {
    Arn(ExecutionArn),
    Named { function: &'a str, name: &'a str, may_begin: bool },
}

impl Which {
    fn meant(&self) -> Result<Meant<'_>, Failure> {
        let arn = ExecutionArn::from(&*self.execution);
        if arn.parts().is_some() {
            return Ok(Meant::Arn(arn));
        }
        let error = match (&self.function, self.execution.rsplit_once('/')) {
            (None, Some((function, name))) if !function.is_empty() => {
                check_execution_name(name).or_exit(Exit::Usage)?;
                return Ok(Meant::Named { function, name, may_begin: false });
            }
            (Some(function), None) => {
                check_execution_name(&self.execution).or_exit(Exit::Usage)?;
                return Ok(Meant::Named { function, name: &self.execution, may_begin: true });
            }
            (Some(_), Some(_)) => {
                anyhow!("{:?} names a function, and --function another one: give one of them", self.execution)
            }
            (None, _) => anyhow!(
                "{:?} is neither an ARN nor FUNCTION/NAME: state its function with --function",
                self.execution
            ),
        };
        Err(Failure { exit: Exit::Usage, error })
    }

    /// The execution as the command line names it.
    pub(crate) fn text(&self) -> &str {
        &self.execution
    }

    /// The ARN of the execution. If it was found by the beginning of its name, a line on standard error says which it
    /// is.
    pub(crate) async fn find(&self, client: &Client) -> Result<ExecutionArn, Failure> {
        let (function, name, may_begin) = match self.meant()? {
            Meant::Arn(arn) => return Ok(arn),
            Meant::Named { function, name, may_begin } => (function, name, may_begin),
        };
        let mut query =
            ListQuery { function: function.to_owned(), name: Some(name.to_owned()), ..ListQuery::default() };
        let (mut found, mut rest) = client.list(&query, "", NAMED).await.map_err(failed)?;
        let is_name = !found.is_empty();
        if !is_name && may_begin {
            query.name = None;
            (found, rest) = client.list(&query, name, NAMED).await.map_err(failed)?;
        }
        let error = match &*found {
            [one] if rest == Rest::Nothing => {
                let (whole, arn) = (&one.durable_execution_name, &one.durable_execution_arn);
                if !is_name {
                    note(format_args!("{name} means {whole}: {arn}"));
                }
                return Ok(arn.clone());
            }
            [] => anyhow!(
                "{function} has no execution {name} at {}; `durawasm execution list` shows all",
                client.endpoint()
            ),
            several => {
                // Executions of one name differ in their ARNs alone.
                let shown = several.iter().map(|listed| {
                    if is_name {
                        listed.durable_execution_arn.as_str()
                    } else {
                        &*listed.durable_execution_name
                    }
                });
                let shown: Vec<&str> = shown.collect();
                let more = match rest {
                    Rest::Nothing => String::new(),
                    Rest::Exactly(more) => format!(", and {more} more"),
                    Rest::AtLeast(0) | Rest::TooLarge => ", and perhaps more".to_owned(),
                    Rest::AtLeast(more) => format!(", and at least {more} more"),
                };
                anyhow!("{name} may mean several executions of {function}: {}{more}", shown.join(", "))
            }
        };
        Err(Failure { exit: Exit::Usage, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(execution: &str, function: Option<&str>) -> Result<String, String> {
        let which = Which { execution: execution.to_owned(), function: function.map(str::to_owned) };
        let meant = which.meant().map(|meant| format!("{meant:?}"));
        meant.map_err(|Failure { exit, error }| {
            assert_eq!(exit, Exit::Usage);
            error.to_string()
        })
    }

    #[test]
    fn forms() {
        let arn = "arn:aws:lambda:r:000000000000:function:f:$LATEST/durable-execution/n/0-1";
        assert_eq!(meant(arn, None).unwrap(), format!("Arn({arn:?})"));
        let named = |function: &str, name: &str, may_begin: bool| {
            format!("{:?}", Meant::Named { function, name, may_begin })
        };
        assert_eq!(meant("f/n", None), Ok(named("f", "n", false)));
        assert_eq!(meant("f:prod/n", None), Ok(named("f:prod", "n", false)));
        assert_eq!(meant("n", Some("f")), Ok(named("f", "n", true)));
        for (execution, function, says) in [
            ("n", None, "state its function with --function"),
            ("/n", None, "state its function"),
            ("f/n", Some("g"), "give one of them"),
            ("f/", None, "1 to 64 are allowed"),
            ("a b", Some("f"), "is not one of A-Z"),
        ] {
            let error = meant(execution, function).unwrap_err();
            assert!(error.contains(says), "{execution}: {error}");
        }
    }
}
