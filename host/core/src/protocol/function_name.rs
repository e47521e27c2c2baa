//! The name of a function in a request to the service.

/// A function as a caller wrote it: a name, a partial ARN or an ARN, with or without a version or alias (service model:
/// `NamespacedFunctionName`). The service checks its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName(String);

/// The version of a function that changes with its code (service model: `$LATEST`).
pub const LATEST: &str = "$LATEST";

/// The newest version of a function that has a number (service model: `$LATEST.PUBLISHED`).
pub const LATEST_PUBLISHED: &str = "$LATEST.PUBLISHED";

impl FunctionName {
    /// The function with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The text as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The qualifier to send besides the name to invoke it; `None` if the name contains one. A durable execution requires a
    /// qualifier.
    pub fn qualifier(&self) -> Option<&'static str> {
        let bare = match self.0.rsplit_once("function:") {
            Some((_, bare)) => bare,
            // A partial ARN begins with an account number.
            None => match self.0.split_once(':') {
                Some((first, rest)) if is_account(first) => rest,
                _ => &self.0,
            },
        };
        (!bare.contains(':')).then_some(LATEST)
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_version_is_of_the_latest() {
        for (name, qualified) in [
            ("order", false),
            ("order:prod", true),
            ("order:$LATEST", true),
            ("order:$LATEST.PUBLISHED", true),
            ("order:7", true),
            ("123456789012:order", false),
            ("123456789012:function:order", false),
            ("123456789012:function:order:7", true),
            ("arn:aws:lambda:us-east-1:123456789012:function:order", false),
            ("arn:aws:lambda:us-east-1:123456789012:function:order:prod", true),
        ] {
            let expected = if qualified { None } else { Some("$LATEST") };
            assert_eq!(FunctionName::new(name).qualifier(), expected, "{name}");
        }
    }
}
