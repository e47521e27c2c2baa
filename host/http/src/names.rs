//! Names of functions and executions as requests give them.
//!
//! Invariants: what is accepted has the form that the service model describes. Region and account are not compared: this
//! process has one of each.

use std::fmt;

use durawasm_core::protocol::{
    CallbackId, ExecutionArn, LATEST, LATEST_PUBLISHED, check_execution_name, is_tenant_id,
};

use super::error::{ApiError, invalid};

/// A function, and the version or alias of it that is meant (service model: `NamespacedFunctionName`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionRef {
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.qualifier {
            Some(qualifier) => write!(f, "{}:{qualifier}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl FunctionRef {
    /// Reads a name, a partial ARN or an ARN.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        match (text.len() <= 256).then(|| split(text)).flatten() {
            Some((name, qualifier)) => {
                Ok(Self { name: name.to_owned(), qualifier: qualifier.map(ToOwned::to_owned) })
            }
            None => invalid(format!(
                "{text:?} is no function: give its name, NAME:QUALIFIER, ACCOUNT:function:NAME, or its ARN"
            )),
        }
    }

    /// Adds the qualifier that a request gives beside the name.
    pub(crate) fn qualified(self, beside: Option<String>) -> Result<Self, ApiError> {
        let Some(beside) = beside else { return Ok(self) };
        if !is_qualifier(&beside) {
            return invalid(format!("{beside:?} is no qualifier: a version, an alias, or {LATEST}"));
        }
        match &self.qualifier {
            Some(within) if *within != beside => invalid(format!(
                "the qualifier {beside:?} differs from the one of the function's name, {within:?}; give one of them"
            )),
            _ => Ok(Self { qualifier: Some(beside), ..self }),
        }
    }
}

fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = text.split(':').peekable();
    let is_arn = parts.peek() == Some(&"arn");
    if is_arn {
        let good = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some("lambda")
            && parts.next().is_some_and(is_region)
            && parts.next().is_some_and(is_account)
            && parts.next() == Some("function");
        if !good {
            return None;
        }
    } else {
        let rest: Vec<&str> = parts.clone().collect();
        let prefixes = [
            rest.first().is_some_and(|first| is_region(first)),
            rest.iter().take(2).any(|part| is_account(part)),
            rest.iter().take(3).any(|part| *part == "function"),
        ];
        // A name alone is one, whatever it looks like.
        for (place, is_prefix) in
            [is_region as fn(&str) -> bool, is_account, |part| part == "function"].into_iter().enumerate()
        {
            let more = parts.clone().count() > 1;
            if more && prefixes.get(place) == Some(&true) && parts.peek().is_some_and(|part| is_prefix(part))
            {
                parts.next();
            }
        }
    }
    let name = parts.next().filter(|name| is_name(name))?;
    let qualifier = parts.next();
    let ends = parts.next().is_none() && qualifier.is_none_or(is_qualifier);
    ends.then_some((name, qualifier))
}

fn is_region(text: &str) -> bool {
    let number = text.rsplit('-').next().unwrap_or_default();
    text.matches('-').count() >= 2
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && matches!(number.as_bytes(), [digit] if digit.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_qualifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    matches!(text, LATEST | LATEST_PUBLISHED) || (matches!(text.len(), 1..=128) && text.bytes().all(allowed))
}

/// Reads the ARN of an execution.
pub(crate) fn execution_arn(text: &str) -> Result<ExecutionArn, ApiError> {
    let arn = ExecutionArn::from(text);
    let good = || {
        let (head, rest) = text.split_once(":function:")?;
        let (_, id) = rest.rsplit_once('/')?;
        let (function, version, name) = arn.parts()?;
        let [arn, partition, "lambda", region, account] = *head.split(':').collect::<Vec<_>>() else {
            return None;
        };
        let word = |text: &str| !text.is_empty() && check_word(text);
        (arn == "arn" && partition.starts_with("aws") && !region.is_empty() && is_account(account))
            .then_some(())?;
        let version_good = matches!(version, LATEST | LATEST_PUBLISHED) || check_digits(version);
        (is_name(function) && version_good && word(name) && word(id)).then_some(())
    };
    if text.len() > 1024 || good().is_none() {
        return invalid(format!("{:?} is no ARN of a durable execution", shortened(text)));
    }
    Ok(arn)
}

fn check_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn check_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the id of a callback.
pub(crate) fn callback_id(text: &str) -> Result<CallbackId, ApiError> {
    let data = text.trim_end_matches('=');
    let good = matches!(text.len(), 1..=1024)
        && text.len() - data.len() <= 2
        && !data.is_empty()
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if good { Ok(text.into()) } else { invalid(format!("{:?} is no callback id", shortened(text))) }
}

/// Reads the name of an execution.
pub(crate) fn execution_name(text: &str) -> Result<String, ApiError> {
    match check_execution_name(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => invalid(error.to_string()),
    }
}

/// Refuses a tenant: no function here is set up for tenants.
pub(crate) fn refuse_tenant(text: &str) -> Result<(), ApiError> {
    if !is_tenant_id(text) {
        return invalid("the tenant id is not 1 to 256 of A-Z a-z 0-9 . _ : / = + - @ and spaces");
    }
    invalid("the function is not enabled with tenancy configuration: remove the tenant id")
}

/// The ARN of a function's version.
pub(crate) fn function_arn(execution: &ExecutionArn) -> String {
    execution.as_str().split("/durable-execution/").next().unwrap_or_default().to_owned()
}

/// The beginning of a text that a client gave, for a message.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;

    #[test]
    fn functions_by_all_their_names() {
        for (text, name, qualifier) in [
            ("order", "order", None),
            ("order:prod", "order", Some("prod")),
            ("order:$LATEST", "order", Some("$LATEST")),
            ("order:7", "order", Some("7")),
            ("123456789012:order", "order", None),
            ("function:order", "order", None),
            ("function", "function", None),
            ("123456789012", "123456789012", None),
            ("123456789012:function:order", "order", None),
            ("123456789012:function:order:7", "order", Some("7")),
            ("us-east-1:123456789012:function:order", "order", None),
            ("arn:aws:lambda:us-east-1:123456789012:function:order", "order", None),
            ("arn:aws-cn:lambda:cn-north-1:123456789012:function:order:prod", "order", Some("prod")),
        ] {
            let expected = FunctionRef { name: name.into(), qualifier: qualifier.map(Into::into) };
            assert_eq!(FunctionRef::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ":",
            "a b",
            "order:",
            "order:a:b",
            "arn:aws:s3:us-east-1:123456789012:function:order",
            "arn:aws:lambda:us-east-1:12:function:order",
            "arn:aws:lambda:us-east-1:123456789012:order",
            "order:$OLDEST",
            &"x".repeat(257),
        ] {
            let refused = FunctionRef::parse(text).unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue, "{text}");
        }
    }

    #[test]
    fn qualifiers_beside_a_name() {
        let order = || FunctionRef::parse("order").unwrap();
        let prod = FunctionRef { name: "order".into(), qualifier: Some("prod".into()) };
        assert_eq!(order().qualified(None), Ok(order()));
        assert_eq!(order().qualified(Some("prod".into())), Ok(prod.clone()));
        assert_eq!(prod.clone().qualified(Some("prod".into())), Ok(prod.clone()));
        assert!(prod.qualified(Some("test".into())).is_err());
        assert!(order().qualified(Some("$".into())).is_err());
    }

    #[test]
    fn arns_and_callback_ids() {
        let arn = ExecutionArn::new("order", LATEST, "n-1", "0a-1b");
        assert_eq!(execution_arn(arn.as_str()), Ok(arn.clone()));
        assert_eq!(function_arn(&arn), "arn:aws:lambda:us-east-1:000000000000:function:order:$LATEST");
        for text in ["", "order", "arn:aws:lambda:us-east-1:000000000000:function:order:$LATEST"] {
            assert!(execution_arn(text).is_err(), "{text}");
        }
        let long = format!("{arn}{}", "x".repeat(1024));
        assert!(execution_arn(&long).unwrap_err().message.len() < 300);
        assert!(execution_arn(&arn.as_str().replace("n-1", "n 1")).is_err());
        for (text, good) in [
            ("aGk=", true),
            ("aGk", true),
            ("a+/9==", true),
            ("", false),
            ("=", false),
            ("a===", false),
            ("a b", false),
        ] {
            assert_eq!(callback_id(text).is_ok(), good, "{text:?}");
        }
    }
}
