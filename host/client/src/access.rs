//! With which credentials requests are signed.
//!
//! Invariants: an endpoint on another machine gets no unsigned request; a secret is in no text.

use std::fmt;

use aws_credential_types::Credentials;

use super::endpoint::Endpoint;

/// The region for an endpoint on this machine, if none is stated: such an endpoint is in none.
const NO_REGION: &str = "us-east-1";

/// How requests are authorized.
#[derive(Debug, Clone)]
pub enum Access {
    /// Requests are not signed.
    Unsigned,
    /// Requests are signed with this key.
    Signed(SigningKey),
}

/// An access key, and the region that it signs for.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) credentials: Credentials,
    pub(crate) region: String,
}

impl SigningKey {
    /// A key of this id, with its secret, the token of a session, and a region such as `eu-north-1`.
    pub fn new(id: &str, secret: &str, token: Option<String>, region: &str) -> Self {
        let credentials = Credentials::new(id, secret, token, None, "durawasm");
        Self { credentials, region: region.to_owned() }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.credentials.access_key_id();
        f.debug_struct("SigningKey").field("id", &key).field("region", &self.region).finish_non_exhaustive()
    }
}

/// Why there is no access to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The endpoint is on another machine, and there are no credentials.
    #[error(
        "there are no credentials for {0}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for those of \
         a session (`aws configure export-credentials --format env` prints those of a profile)"
    )]
    NoCredentials(String),
    /// One half of an access key is missing.
    #[error("{set} is set, and {missing} is not: set both, or none for an endpoint on this machine")]
    HalfAKey {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
    /// There are credentials, and no region to sign for.
    #[error("there is no region to sign requests to {0} for: set AWS_REGION")]
    NoRegion(String),
}

impl Access {
    /// The access to an endpoint that environment variables state: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION` and `AWS_DEFAULT_REGION`. `variable` looks one up; an empty one is not set.
    ///
    /// # Errors
    /// [`AccessError`]. An endpoint on this machine needs neither credentials nor a region.
    pub fn from_variables(
        endpoint: &Endpoint,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccessError> {
        const ID: &str = "AWS_ACCESS_KEY_ID";
        const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (id, secret) = match (variable(ID), variable(SECRET)) {
            (Some(id), Some(secret)) => (id, secret),
            (Some(_), None) => return Err(AccessError::HalfAKey { set: ID, missing: SECRET }),
            (None, Some(_)) => return Err(AccessError::HalfAKey { set: SECRET, missing: ID }),
            (None, None) if endpoint.is_loopback() => return Ok(Self::Unsigned),
            (None, None) => return Err(AccessError::NoCredentials(endpoint.to_string())),
        };
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| endpoint.is_loopback().then(|| NO_REGION.to_owned()));
        let region = region.ok_or_else(|| AccessError::NoRegion(endpoint.to_string()))?;
        Ok(Self::Signed(SigningKey::new(&id, &secret, variable("AWS_SESSION_TOKEN"), &region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(url: &str, set: &[(&str, &str)]) -> Result<Access, AccessError> {
        let variable =
            |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Access::from_variables(&Endpoint::parse(url).unwrap(), variable)
    }

    const HERE: &str = "http://127.0.0.1:9001";
    const AWAY: &str = "https://lambda.example";
    const ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKID");
    const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "hidden");

    #[test]
    fn this_machine_needs_none_and_others_do() {
        assert!(matches!(access(HERE, &[]), Ok(Access::Unsigned)));
        assert!(matches!(access(HERE, &[("AWS_ACCESS_KEY_ID", "")]), Ok(Access::Unsigned)));
        for (url, set, says) in [
            (AWAY, &[][..], "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            (AWAY, &[ID, SECRET], "set AWS_REGION"),
            (HERE, &[ID], "AWS_SECRET_ACCESS_KEY is not"),
            (HERE, &[SECRET], "AWS_ACCESS_KEY_ID is not"),
        ] {
            let error = access(url, set).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_region_is_stated_or_does_not_matter() {
        for (url, more, region) in [
            (HERE, ("", ""), "us-east-1"),
            (HERE, ("AWS_REGION", "eu-north-1"), "eu-north-1"),
            (AWAY, ("AWS_DEFAULT_REGION", "eu-west-1"), "eu-west-1"),
        ] {
            let Ok(Access::Signed(key)) = access(url, &[ID, SECRET, more]) else { panic!("{url}") };
            assert_eq!(key.region, region);
            assert!(!format!("{key:?}").contains("hidden"));
        }
    }
}
