//! Connections: from a socket to requests, and from answers back.
//!
//! Invariants: handshakes, heads, bodies and answers have bounds in size and time; at most a number of connections is
//! open. After the server is told to stop, no connection is accepted and no invocation begins.

use std::{
    convert::Infallible, error::Error as _, future::Future, io, net::SocketAddr, sync::Arc, time::Duration,
};

use durawasm_core::{
    ambient::{Clock, SystemClock},
    protocol::ServiceError,
};
use hyper::{
    HeaderMap, Request,
    body::Incoming,
    header::{HOST, ORIGIN},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{Instrument as _, debug, info, info_span, warn};
use uuid::Uuid;

use super::{
    api::{Api, ApiOptions},
    body::{Bodies, discard},
    dispatcher::dispatch,
    error::{ApiError, Exception},
    failures::Failure,
    invoke::InvocationType,
    keys::AccessKeys,
    query::Query,
    reply::{HttpResponse, Reply},
    request::{ApiRequest, header},
    route::{Operation, Route, route},
    signature::Verifier,
    slow::Patient,
    sweep::sweep,
    tls::Tls,
};

/// The most headers of a request.
const MOST_HEADERS: usize = 100;

/// How long the server waits after a connection could not be accepted, for want of file handles for example.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping {
    /// How long what runs may take to end.
    pub grace: Duration,
}

/// An API on a socket.
pub struct Server {
    listener: TcpListener,
    front: Front,
}

/// What all connections share.
struct Front {
    api: Arc<Api>,
    verifier: Option<Verifier>,
    bodies: Bodies,
    tls: Option<Tls>,
}

impl Server {
    /// Serves an API on a socket. With access keys, every request but `GET /health` has to be signed with one of them;
    /// without, the socket should be one that only this machine reaches.
    pub fn new(listener: TcpListener, api: Arc<Api>, keys: Option<AccessKeys>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let verifier = keys.map(|keys| Verifier::new(keys, clock));
        let (bounds, held) = (&api.options.bounds, api.options.metrics.body_bytes().clone());
        let bodies = Bodies::new(bounds.bodies_bytes, held, bounds.body_time);
        Self { listener, front: Front { api, verifier, bodies, tls: None } }
    }

    /// Speaks TLS on all connections. A handshake may take as long as a head ([`Bounds::head_time`](super::Bounds::head_time)).
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.front.tls = Some(tls);
        self
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// When the system does not tell it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs the executions that can go on, and serves until `stop` completes, and then lets what runs end for the time that
    /// it says.
    ///
    /// # Errors
    /// When the store cannot tell which executions have not ended.
    pub async fn run(self, stop: impl Future<Output = Stopping>) -> Result<(), ServiceError> {
        let Self { listener, front } = self;
        let front = Arc::new(front);
        front.api.server().dispatch(front.api.options.bounds.open_executions).await?;
        let (closing, closed) = watch::channel(false);
        let mut connections = JoinSet::new();
        connections.spawn(until_closed(sweep(front.api.clone()), closed.clone()));
        let mut dispatching = JoinSet::new();
        dispatching.spawn(dispatch(front.api.clone()));
        let places =
            Arc::new(Semaphore::new(front.api.options.bounds.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let mut stop = std::pin::pin!(stop);
        let stopping = loop {
            tokio::select! {
                biased;
                stopping = &mut stop => break stopping,
                // Without it nothing would run.
                _ = dispatching.join_next() => {
                    let why = "nothing runs executions any more".to_owned();
                    return Err(ServiceError::Unavailable(why));
                }
                // Ended connections are forgotten.
                Some(_) = connections.join_next() => {}
                accepted = accept(&listener, &places) => {
                    if let Some((stream, place)) = accepted {
                        connections.spawn(connection(front.clone(), stream, closed.clone(), place));
                    }
                }
            }
        };
        drop(listener);
        front.api.close();
        dispatching.abort_all();
        closing.send_replace(true);
        let all = async {
            front.api.gate.close().await;
            while connections.join_next().await.is_some() {}
        };
        // What has not ended by then is dropped with the connections.
        drop(timeout(stopping.grace, all).await);
        Ok(())
    }
}

async fn until_closed(work: impl Future<Output = ()>, mut closed: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // A connection waits in the system's queue until there is a place for it.
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "no connection can be accepted");
            sleep(AFTER_FAILURE).await;
            None
        }
    }
}

async fn connection(
    front: Arc<Front>,
    stream: TcpStream,
    closed: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let ApiOptions { bounds, metrics, .. } = &front.api.options;
    let _counted = metrics.connection();
    // Answers are small, and their clients wait for them.
    drop(stream.set_nodelay(true));
    let stream = Patient::new(stream, bounds.write_time);
    let Some(tls) = &front.tls else { return requests(&front, stream, closed).await };
    let mut secured = None;
    until_closed(async { secured = tls.accept(stream, bounds.head_time).await }, closed.clone()).await;
    match secured {
        Some(stream) => requests(&front, stream, closed).await,
        None => metrics.handshake_failed(),
    }
}

/// Answers the requests of a connection.
async fn requests(
    front: &Arc<Front>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut closed: watch::Receiver<bool>,
) {
    let bounds = &front.api.options.bounds;
    let service = service_fn(|request| answer(front.clone(), request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_headers(MOST_HEADERS)
        .max_buf_size(bounds.head_bytes.max(8192));
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let closed = async { closed.wait_for(|closed| *closed).await.is_ok() };
    let mut closed = std::pin::pin!(closed);
    tokio::select! {
        ended = &mut serving => return tell_end(ended),
        _ = &mut closed => serving.as_mut().graceful_shutdown(),
    }
    tell_end(serving.await);
}

/// Traces how a connection ended, which is its client's affair.
fn tell_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
        debug!(error = %format_args!("{error}{why}"), "a connection failed");
    }
}

/// Answers a request.
async fn answer(front: Arc<Front>, request: Request<Incoming>) -> Result<HttpResponse, Infallible> {
    let id = Uuid::new_v4().to_string();
    let metrics = &front.api.options.metrics;
    let (head, body) = request.into_parts();
    let route = route(head.method.as_str(), head.uri.path());
    let mut measured = metrics.request(route.as_ref().ok().map(|route| route.operation));
    let span = info_span!("request", id, operation = measured.operation());
    let answer = async {
        match route {
            Ok(route) => front.answer(route, head, body, &id).await,
            Err(error) => Err(error),
        }
    };
    let answered = answer.instrument(span.clone()).await;
    if let Err(ApiError { exception: Exception::TooManyRequests(scarce), .. }) = &answered {
        metrics.refused(*scarce);
    }
    span.in_scope(|| tell(&answered, measured.seconds()));
    if let Err(ApiError { inside: Some(why), .. }) = &answered {
        front.api.report(Failure::Request { id: &id, why });
    }
    let reply = answered.unwrap_or_else(Reply::from);
    measured.answered(reply.status());
    drop(measured);
    Ok(reply.into_response(&id))
}

/// Traces the answer to a request.
fn tell(answered: &Result<Reply, ApiError>, seconds: f64) {
    match answered {
        Ok(reply) => info!(status = reply.status(), seconds, "answered"),
        Err(error) if error.exception.status() >= 500 => {
            warn!(status = error.exception.status(), seconds, %error, "failed");
        }
        Err(error) => info!(status = error.exception.status(), seconds, %error, "refused"),
    }
}

impl Front {
    async fn answer(&self, route: Route, head: Parts, body: Incoming, id: &str) -> Result<Reply, ApiError> {
        let query = Query::parse(head.uri.query())?;
        let asynchronous = route.operation == Operation::Invoke
            && InvocationType::of(&head.headers)? == InvocationType::Event;
        let limit = route.operation.body_limit(asynchronous);
        let verifier = self.verifier.as_ref().filter(|_| route.operation != Operation::Health);
        let passes = match verifier {
            // Strangers make the process keep nothing.
            Some(verifier) => verifier.verify_head(&head),
            None => refuse_pages(&head.headers),
        };
        if let Err(refused) = passes {
            discard(body).await;
            return Err(refused);
        }
        let (body, _room) = self.bodies.read(route.operation, body, limit).await?;
        if let Some(verifier) = verifier {
            verifier.verify(&head, &body)?;
        }
        let request = ApiRequest { of: route.of, query, headers: head.headers, body, id: id.to_owned() };
        self.api.answer(route.operation, request).await
    }
}

/// Without signatures, everybody on the machine may send requests, but no web page that somebody looks at there: browsers
/// say where a page is from, and send names that were made to lead here.
fn refuse_pages(headers: &HeaderMap) -> Result<(), ApiError> {
    let host = header(headers, HOST.as_str())?;
    let local = host.is_none_or(|host| {
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    });
    if local && !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let message =
        "without --credentials, requests are for localhost or a loopback address, and not from web pages";
    Err(ApiError::new(Exception::AccessDenied, message))
}
