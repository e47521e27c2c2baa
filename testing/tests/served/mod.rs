//! The durable execution API over HTTP, as AWS's client sees it, and as a client of no manners does.

mod checkpoints;
mod control;
mod invokes;
mod malformed;
mod metrics;
mod reads;
mod signed;
mod stopping;
mod tls;
mod typed;
mod versions;

use std::{fmt::Display, net::SocketAddr, sync::Arc, time::Duration};

use aws_sdk_lambda::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    primitives::Blob,
    types::InvocationType,
};
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, Functions, Versions},
    protocol::{ExecutionArn, ServiceError},
};
use durawasm_http::{AccessKeys, Api, ApiOptions, Bounds, LogTails, Server, Stopping, Tls};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::cloud::guests;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks again and again until there is something.
///
/// # Panics
/// When there is not in the time that a test waits.
pub async fn until<T>(what: impl Display, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Makes what is served of the test handlers.
pub type MakeVersions = fn(&Functions) -> Arc<dyn Versions>;

/// How a server is set up.
#[derive(Default)]
pub struct Setup {
    pub bounds: Bounds,
    pub keys: Option<AccessKeys>,
    pub tls: Option<Tls>,
    /// What is served in place of the test handlers.
    pub versions: Option<MakeVersions>,
}

/// A server on a port that the system chooses, with the test handlers, in virtual time. It stops when it is dropped.
pub struct Served {
    pub address: SocketAddr,
    pub api: Arc<Api>,
    stop: Option<oneshot::Sender<Stopping>>,
    pub serving: Option<JoinHandle<Result<(), ServiceError>>>,
}

impl Served {
    pub async fn start() -> Self {
        Self::set_up(Setup::default()).await
    }

    pub async fn with(bounds: Bounds, keys: Option<AccessKeys>) -> Self {
        Self::set_up(Setup { bounds, keys, ..Setup::default() }).await
    }

    pub async fn set_up(Setup { bounds, keys, tls, versions }: Setup) -> Self {
        let tails = LogTails::new(Arc::new(LogBuffer::default()));
        let options = EnvironmentOptions { answers_from_outside: true, ..EnvironmentOptions::default() };
        let mut environment = Environment::new(options, &[guests()], tails.clone()).await.unwrap();
        if let Some(versions) = versions {
            let versions = versions(environment.functions());
            environment.set_versions(versions);
        }
        let api = Api::new(environment, tails, ApiOptions { bounds, ..ApiOptions::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut server = Server::new(listener, api.clone(), keys);
        if let Some(tls) = tls {
            server = server.with_tls(tls);
        }
        let (stop, stopped) = oneshot::channel();
        let address = server.address().unwrap();
        let serving = tokio::spawn(server.run(async {
            match stopped.await {
                Ok(stopping) => stopping,
                Err(_) => std::future::pending().await,
            }
        }));
        Self { address, api, stop: Some(stop), serving: Some(serving) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn client(&self) -> Client {
        self.client_with("AKIDEXAMPLE00001", "a secret of tests")
    }

    pub fn client_with(&self, key: &str, secret: &str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-north-1"))
            .credentials_provider(Credentials::new(key, secret, None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        Client::from_conf(config.build())
    }

    pub fn stop(&mut self, grace: Duration) {
        let _ = self.stop.take().unwrap().send(Stopping { grace });
    }

    /// Starts an execution, and returns its ARN.
    pub async fn started(&self, function: &str, event: &Value) -> String {
        let invoke = self.client().invoke().function_name(function).qualifier("$LATEST");
        let invoke = invoke.invocation_type(InvocationType::Event);
        let answer = invoke.payload(Blob::new(event.to_string())).send().await.unwrap();
        answer.durable_execution_arn.unwrap()
    }

    /// Waits until the execution has an open callback, and returns its id.
    pub async fn callback(&self, arn: &str) -> String {
        let execution = ExecutionArn::from(arn);
        until(format_args!("a callback of {arn}"), async || {
            let view = self.api.server().view(&execution).await.unwrap();
            let mut open = view.operations.iter().filter(|operation| !operation.status.is_terminal());
            let id = open.find_map(|operation| operation.callback_details.as_ref()?.callback_id.clone())?;
            // The handler has returned, so that nothing of it runs while the test acts.
            let suspended = view.invocations.last().is_some_and(|invocation| invocation.end.is_some());
            suspended.then(|| id.to_string())
        })
        .await
    }

    /// Waits until the function has an execution beside this one, and returns its ARN.
    pub async fn execution_of(&self, function: &str, beside: Option<&str>) -> String {
        let client = self.client();
        until(format_args!("an execution of {function}"), async || {
            let list = client.list_durable_executions_by_function().function_name(function);
            let list = list.send().await.unwrap();
            let arns = list.durable_executions().iter().map(|listed| &listed.durable_execution_arn);
            let mut others = arns.filter(|arn| Some(arn.as_str()) != beside);
            others.next().cloned()
        })
        .await
    }

    /// Waits until the execution has this status.
    pub async fn until(&self, arn: &str, status: &str) {
        let client = self.client();
        until(format_args!("{status} of {arn}"), async || {
            let answer = client.get_durable_execution().durable_execution_arn(arn).send().await.unwrap();
            (answer.status.as_str() == status).then_some(())
        })
        .await;
    }

    /// Sends a request as it is, and returns the answer.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Raw {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        self.bytes(&[head.as_bytes(), body].concat()).await
    }

    pub async fn bytes(&self, bytes: &[u8]) -> Raw {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read all.
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        Raw::read(&answer)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub text: String,
    /// The text as JSON; null if it is something else.
    pub body: Value,
}

impl Raw {
    fn read(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let json = serde_json::from_str(body).unwrap_or_default();
        Self { status, head: head.to_lowercase(), text: body.to_owned(), body: json }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

/// The path of an execution.
pub fn path(arn: &str, action: &str) -> String {
    let encoded = arn.replace(':', "%3A").replace('/', "%2F").replace('$', "%24");
    format!("/2025-12-01/durable-executions/{encoded}{action}")
}

/// The status, the name and the message of an error, as the client understands it.
pub fn refused<T: std::fmt::Debug, E>(answer: Result<T, SdkError<E>>) -> (u16, String, String)
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let error = answer.unwrap_err();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    assert!(error.request_id().is_some(), "{error:?}");
    let service = error.as_service_error();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    (status, text(service.and_then(E::code)), text(service.and_then(E::message)))
}
