//! Sends requests over HTTP/1.1, with and without TLS.
//!
//! Invariants: an answer has a bounded size and arrives in a bounded time, unless its caller asks for no limit of time;
//! no redirect is followed. Without TLS, no certificates are read.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{HeaderMap, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};

use super::error::Problem;

/// The largest body of an answer, in bytes: a page of a history has 6 MiB and one event, which JSON may escape.
const MOST: usize = 64 * 1024 * 1024;

/// The time to connect to one address.
const CONNECT: Duration = Duration::from_secs(10);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Transport {
    /// Connections with TLS trust the certificates that the machine trusts.
    pub(crate) fn new(tls: bool) -> Result<Self, Problem> {
        let mut roots = RootCertStore::empty();
        if tls {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::Request(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        // The connector around it looks at the scheme.
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Sends a request, and reads its answer. `within` is the time for both; `None` for no limit.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        within: Option<Duration>,
    ) -> Result<Answer, Problem> {
        let Some(within) = within else { return self.exchange(request).await };
        match tokio::time::timeout(within, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::Late(within)),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Problem> {
        let answer = self.client.request(request).await;
        let (head, body) = answer.map_err(|error| Problem::Unreachable(causes(&error)))?.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Problem::Answer(format!("the answer has more than {MOST} bytes"));
            }
            Problem::Unreachable(causes(&*error))
        })?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }
}

/// An error and its causes in one line, without repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| (**error).source()) {
        let text = cause.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
