//! Clients of AWS, with the standard configuration, and clients of other endpoints that implement the same API.
//!
//! Invariants: a client created here retries retryable errors, as AWS's SDKs do by default; no other code retries.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_lambda::{
    Client, Config,
    config::{Credentials, ProvideCredentials, Region, SharedHttpClient},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use super::errors::{NO_CREDENTIALS, chain};
use crate::TestError;

/// The credentials for an endpoint that does not check signatures.
const DUMMY: &str = "durawasm";
const DEFAULT_REGION: &str = "us-east-1";

fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// A client with the standard configuration: environment variables, profiles and the role of the machine.
pub(super) async fn of_aws() -> Result<Client, TestError> {
    checked(&aws_config::defaults(behavior()).http_client(https()).load().await).await
}

/// A client, after a check that a region and credentials are available.
async fn checked(config: &SdkConfig) -> Result<Client, TestError> {
    if config.region().is_none() {
        return Err(TestError::AwsError(
            "no region is configured: set AWS_REGION, or `region` in the profile that AWS_PROFILE names"
                .into(),
        ));
    }
    let given = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map(drop).map_err(|error| chain(&error)),
        None => Err("no source of credentials is configured".to_owned()),
    };
    match given {
        Ok(()) => Ok(Client::new(config)),
        Err(why) => {
            Err(TestError::AwsError(format!("there are no AWS credentials: {why}; {NO_CREDENTIALS}")))
        }
    }
}

/// A client of this endpoint. `variable` looks up an environment variable.
pub(super) fn of_endpoint(url: &str, variable: impl Fn(&str) -> Option<String>) -> Client {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let credentials = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => {
            Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment")
        }
        _ => Credentials::new(DUMMY, DUMMY, None, None, "dummy"),
    };
    // Without TLS the client does not load the system's certificates, which takes longer than a test.
    let http_client = if url.starts_with("https:") { https() } else { Builder::new().build_http() };
    let config = Config::builder()
        .behavior_version(behavior())
        .region(Region::new(region.unwrap_or_else(|| DEFAULT_REGION.to_owned())))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .http_client(http_client)
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::{
        SharedCredentialsProvider, error::CredentialsError, future::ProvideCredentials as Provided,
    };

    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl ProvideCredentials for Nowhere {
        fn provide_credentials<'a>(&'a self) -> Provided<'a>
        where
            Self: 'a,
        {
            Provided::ready(Err(CredentialsError::not_loaded("looked everywhere")))
        }
    }

    fn config(credentials: Option<SharedCredentialsProvider>) -> SdkConfig {
        let mut config = SdkConfig::builder()
            .behavior_version(behavior())
            .region(Region::new("eu-north-1"))
            .http_client(Builder::new().build_http());
        config.set_credentials_provider(credentials);
        config.build()
    }

    async fn refusal(config: SdkConfig) -> String {
        checked(&config).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_not_configured_is_said() {
        let provider = || SharedCredentialsProvider::new(Nowhere);
        let nowhere = refusal(config(Some(provider()))).await;
        assert!(nowhere.contains("no AWS credentials") && nowhere.contains("looked everywhere"), "{nowhere}");
        assert!(nowhere.contains("AWS_ACCESS_KEY_ID"), "{nowhere}");
        let none = refusal(config(None)).await;
        assert!(none.contains("no source of credentials is configured"), "{none}");
        let placeless = refusal(SdkConfig::builder().credentials_provider(provider()).build()).await;
        assert!(placeless.contains("AWS_REGION"), "{placeless}");
        let keys = Credentials::new("id", "secret", None, None, "test");
        let keys = SharedCredentialsProvider::new(keys);
        checked(&config(Some(keys))).await.unwrap();
    }

    #[tokio::test]
    async fn an_endpoint_gets_the_region_of_the_environment_or_a_default() {
        let region = |client: Client| client.config().region().unwrap().to_string();
        assert_eq!(region(of_endpoint("http://127.0.0.1:1", |_| None)), "us-east-1");
        let set = |name: &str| (name == "AWS_REGION").then(|| "eu-north-1".to_owned());
        assert_eq!(region(of_endpoint("http://127.0.0.1:1", set)), "eu-north-1");
        let empty = |_: &str| Some(String::new());
        assert_eq!(region(of_endpoint("http://127.0.0.1:1", empty)), "us-east-1");
    }
}
