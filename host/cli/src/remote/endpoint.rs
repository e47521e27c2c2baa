//! Where the requests of a command go, and how their failures end it.
//!
//! Invariants: what the endpoint refuses because of what it was asked is an error of the command line; everything else
//! that fails is one of the host; requests that others on the way can read are sent with a warning.

use std::future::Future;

use anyhow::anyhow;
use durawasm_client::{Access, Client, ClientError, Endpoint, Problem};

use crate::{
    exit::{Exit, Failure, OrExit},
    output::note,
};

/// The endpoint of `durawasm serve`.
const DEFAULT: &str = "http://127.0.0.1:9001";

/// The environment variables that state an endpoint, the first that counts first. AWS's tools read the others.
const VARIABLES: [&str; 3] = ["DURAWASM_ENDPOINT", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"];

/// The help of `--endpoint`.
const HELP: &str = "Where the functions are served, such as https://lambda.eu-north-1.amazonaws.com [default: \
                    DURAWASM_ENDPOINT, AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL of the environment, or \
                    http://127.0.0.1:9001]";

/// The options of all commands that send requests.
#[derive(Debug, clap::Args)]
pub(crate) struct EndpointArgs {
    #[arg(long, value_name = "URL", global = true, help = HELP)]
    endpoint: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl EndpointArgs {
    /// A client of the endpoint that the command line or the environment states. Requests are signed if the environment
    /// has credentials.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = self.stated(variable).or_exit(Exit::Usage)?;
        let access = Access::from_variables(&endpoint, variable).or_exit(Exit::Usage)?;
        if is_open(&endpoint) {
            note(format_args!(
                "warning: requests to {endpoint} are signed, but neither they nor the answers are encrypted: others on \
                 the way can read payloads and the token of a session; an endpoint with https:// prevents that"
            ));
        }
        Client::new(endpoint, access).or_exit(Exit::Host)
    }

    fn stated(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Endpoint> {
        if let Some(url) = &self.endpoint {
            return Endpoint::parse(url).map_err(|error| anyhow!("--endpoint: {error}"));
        }
        let set = VARIABLES.iter().find_map(|name| Some((name, variable(name)?)));
        let Some((name, url)) = set else { return Ok(Endpoint::parse(DEFAULT)?) };
        Endpoint::parse(&url).map_err(|error| anyhow!("{name}: {error}"))
    }
}

/// Whether requests go to another machine without encryption. Such requests are always signed.
fn is_open(endpoint: &Endpoint) -> bool {
    !endpoint.is_https() && !endpoint.is_loopback()
}

/// Runs the requests of a command.
pub(crate) fn send<T>(requests: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
    let done = runtime.block_on(requests);
    // A name that is being resolved must not delay the end of the command.
    runtime.shutdown_background();
    done
}

/// The end of a command whose request failed.
pub(crate) fn failed(error: ClientError) -> Failure {
    let exit = match &error.problem {
        Problem::Refused { .. } if !error.is_passing() => Exit::Usage,
        Problem::Request(_) | Problem::NotDurable => Exit::Usage,
        _ => Exit::Host,
    };
    let error = match &error.problem {
        Problem::Unreachable(_) => anyhow!("{error}; does it run? --endpoint states another one"),
        Problem::Answer(_) => anyhow!("{error}; --endpoint states another one"),
        _ => error.into(),
    };
    Failure { exit, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(endpoint: Option<&str>, set: &[(&str, &str)]) -> String {
        let arguments = EndpointArgs { endpoint: endpoint.map(str::to_owned), json: false };
        let variable =
            |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        arguments.stated(variable).map_or_else(|error| error.to_string(), |endpoint| endpoint.to_string())
    }

    #[test]
    fn the_first_that_is_stated_counts() {
        let (ours, lambda, all) = (
            ("DURAWASM_ENDPOINT", "http://ours"),
            ("AWS_ENDPOINT_URL_LAMBDA", "http://lambda"),
            ("AWS_ENDPOINT_URL", "http://all"),
        );
        for (option, set, expected) in [
            (None, &[][..], "http://127.0.0.1:9001"),
            (None, &[all], "http://all"),
            (None, &[all, lambda], "http://lambda"),
            (None, &[all, lambda, ours], "http://ours"),
            (Some("https://option/"), &[all, lambda, ours], "https://option"),
        ] {
            assert_eq!(stated(option, set), expected);
        }
        assert!(stated(Some("x"), &[]).starts_with("--endpoint: \"x\" is no endpoint"));
        assert!(stated(None, &[("AWS_ENDPOINT_URL", "x")]).starts_with("AWS_ENDPOINT_URL: \"x\""));
    }

    #[test]
    fn only_what_leaves_the_machine_without_encryption_is_open() {
        for (url, open) in [
            ("http://orders.example:9001", true),
            ("http://10.0.0.5", true),
            ("https://orders.example", false),
            ("http://127.0.0.1:9001", false),
            ("http://[::1]:9001", false),
            ("http://localhost", false),
        ] {
            assert_eq!(is_open(&Endpoint::parse(url).unwrap()), open, "{url}");
        }
    }
}
