//! Sends the HTTP requests of guests.
//!
//! Invariants:
//! - a connection goes to an address that was checked, and the name is not resolved again;
//! - a request is sent once, to the host that was checked: no redirect is followed, and nothing is added to it;
//! - every request ends by its deadline, also if its guest or its server does nothing;
//! - what a guest has not taken yet is at most one frame of the connection: the rest is left to TCP's flow control;
//! - connections have a thread and a clock of their own, so that they depend neither on the runtime of an invocation nor
//!   on skipped time.

use std::{
    error::Error as _,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use durawasm_core::invocation::{Grants, HttpHost};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response, Uri,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
    http::{response::Parts, uri::PathAndQuery},
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Handle, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, io::TokioIo};

use super::traffic::{self, BUFFER, Open, Traffic};

/// The most connections at once. Each is a file descriptor of the process; further requests wait.
const MAX_CONNECTIONS: usize = 256;

/// The most threads that resolve names: more than one invocation can have waiting.
const RESOLVERS: usize = 64;

/// The most addresses of a name to which a connection is tried.
const MAX_ADDRESSES: usize = 8;

/// The time to connect, if the guest asks for no other.
const CONNECT: Duration = Duration::from_secs(10);

/// Resolves a name.
type Lookup = fn(&str) -> io::Result<Vec<IpAddr>>;

/// Sends requests. It starts its thread with the first of them.
pub(super) struct HttpClient {
    lookup: Lookup,
    /// The trusted certificates.
    roots: fn() -> RootCertStore,
    running: OnceLock<Result<Running, String>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new(system_lookup, system_roots)
    }
}

struct Running {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    tls: TlsConnector,
    places: Arc<Semaphore>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A plain drop waits for names that are being resolved, and panics in async code.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A request that was checked.
pub(super) struct Plan {
    pub(super) grants: Arc<Grants>,
    pub(super) host: HttpHost,
    pub(super) port: u16,
    pub(super) method: String,
    pub(super) tls: bool,
    /// The time until the last byte of the response.
    pub(super) time: Duration,
    pub(super) open: Open,
}

/// A response, and what remains to be done for it, which is nothing.
pub(super) type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// A frame of a response, and its charge.
type Charged = (Frame<Bytes>, traffic::Frame);

/// The head of a response, and the frames of its body.
type Head = Result<(Parts, mpsc::Receiver<Result<Charged, Error>>), Error>;

impl HttpClient {
    fn new(lookup: Lookup, roots: fn() -> RootCertStore) -> Self {
        Self { lookup, roots, running: OnceLock::new() }
    }

    /// Begins to send a request. Dropping the future, or the body of the response, ends the connection.
    pub(super) fn send(
        &self,
        plan: Plan,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let running = self.running.get_or_init(|| self.start());
        let (runtime, tls, places) = match running {
            Ok(Running { runtime: Some(runtime), tls, places }) => (runtime, tls.clone(), places.clone()),
            Ok(Running { runtime: None, .. }) => return Box::new(async { Err(Error::ConfigurationError) }),
            Err(why) => {
                let why = format!("HTTP requests cannot be sent: {why}");
                return Box::new(async { Err(Error::InternalError(Some(why))) });
            }
        };
        let (tell, told) = oneshot::channel();
        let lookup = self.lookup;
        let exchange = Exchange { plan, lookup, options: options.unwrap_or_default(), tls, places };
        let task = AbortOnDropJoinHandle::from(runtime.spawn(exchange.run(request, tell)));
        Box::new(async move {
            // The other end is dropped only with the client.
            let (head, frames) = told.await.unwrap_or(Err(Error::ConnectionTerminated))?;
            let body = Received { frames, last: None, _task: task };
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((Response::from_parts(head, body.boxed_unsync()), done))
        })
    }

    /// The number of connections now.
    pub(super) fn connections(&self) -> usize {
        match self.running.get() {
            Some(Ok(running)) => MAX_CONNECTIONS - running.places.available_permits(),
            Some(Err(_)) | None => 0,
        }
    }

    fn start(&self) -> Result<Running, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(RESOLVERS)
            .thread_name("durawasm-http")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates((self.roots)())
            .with_no_client_auth();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Ok(Running { runtime: Some(runtime), tls: Arc::new(config).into(), places })
    }
}

fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    // The port has no influence on the addresses.
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// The certificates that the machine trusts. Without any, every connection with TLS fails.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A request on its way.
struct Exchange {
    plan: Plan,
    lookup: Lookup,
    options: RequestOptions,
    tls: TlsConnector,
    places: Arc<Semaphore>,
}

impl Exchange {
    async fn run(self, request: Request<WasiBody>, tell: oneshot::Sender<Head>) {
        let now = Instant::now();
        // A deadline beyond the clock's end is a day away.
        let deadline = now.checked_add(self.plan.time).unwrap_or_else(|| now + Duration::from_hours(24));
        let answered = timeout_at(deadline, self.exchange(request, deadline)).await;
        let (response, connection) = match answered.unwrap_or(Err(Error::HttpResponseTimeout)) {
            Ok(answered) => answered,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        let (head, body) = response.into_parts();
        let (frames, taken) = mpsc::channel(1);
        if tell.send(Ok((head, taken))).is_err() {
            return;
        }
        let between = self.options.between_bytes_timeout.unwrap_or(Duration::MAX);
        let pumped = timeout_at(deadline, pump(body, &frames, between, self.plan.open.traffic())).await;
        // The guest may take its time to see the end.
        drop((connection, self));
        if let Err(error) = pumped.unwrap_or(Err(Error::HttpResponseTimeout)) {
            let _ = frames.send(Err(error)).await;
        }
    }

    /// Connects, sends the request, and waits for the head of the response. The connection ends when the returned
    /// handle is dropped.
    async fn exchange(
        &self,
        request: Request<WasiBody>,
        deadline: Instant,
    ) -> Result<(Response<Incoming>, Connection), Error> {
        let traffic = self.plan.open.traffic();
        let place = self.places.clone().acquire_owned().await.map_err(|_| Error::ConnectionTerminated)?;
        let connect = self.options.connect_timeout.unwrap_or(CONNECT);
        let request = as_sent(request, traffic, deadline)?;
        let addresses = timeout(connect, self.addresses()).await.map_err(|_| Error::DnsTimeout)??;
        let stream = timeout(connect, self.connect(&addresses)).await;
        let stream = stream.map_err(|_| Error::ConnectionTimeout)??;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let connection = tokio::spawn(async move {
            // The request and the body of its response report the error as well.
            let _ = connection.await;
        });
        let connection = AbortOnDropJoinHandle::from(connection);
        let first_byte = self.options.first_byte_timeout.unwrap_or(Duration::MAX);
        let response = timeout(first_byte, sender.send_request(request)).await;
        let response = response.map_err(|_| Error::ConnectionReadTimeout)?.map_err(|error| failed(&error))?;
        let head = traffic.head(size(response.headers()));
        head.map_err(|total| Error::HttpResponseBodySize(Some(total)))?;
        Ok((response, (connection, place)))
    }

    /// The addresses of the host that may be connected to, at least one.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let Plan { grants, host, port, .. } = &self.plan;
        let found: Vec<IpAddr> = match host {
            HttpHost::Address(address) => vec![*address],
            HttpHost::Name(name) => {
                let (lookup, name) = (self.lookup, name.clone());
                let found = match tokio::task::spawn_blocking(move || lookup(&name)).await {
                    Ok(found) => found,
                    Err(error) => Err(io::Error::other(error)),
                };
                found.map_err(|error| Error::DnsError { rcode: Some(error.to_string()), info_code: None })?
            }
        };
        let Some(_) = found.first() else { return Err(Error::DestinationNotFound) };
        let method = &self.plan.method;
        let reached =
            found.into_iter().filter(|address| grants.http().reaches(host, *address, *port, method));
        let reached: Vec<_> =
            reached.take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, *port)).collect();
        if reached.is_empty() { Err(Error::DestinationIpProhibited) } else { Ok(reached) }
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<Box<dyn Stream>, Error> {
        let mut stream = Err(Error::DestinationNotFound);
        for address in addresses {
            stream = TcpStream::connect(address).await.map_err(unreachable);
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        // A request is written in few parts, and each is to leave at once.
        let _ = stream.set_nodelay(true);
        if !self.plan.tls {
            return Ok(Box::new(stream));
        }
        let name = match &self.plan.host {
            HttpHost::Address(address) => ServerName::from(*address),
            HttpHost::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?
            }
        };
        let stream = self.tls.connect(name, stream).await.map_err(|error| refused(&error))?;
        Ok(Box::new(stream))
    }
}

/// What a response needs until it has been read: the connection and its place.
type Connection = (AbortOnDropJoinHandle<()>, OwnedSemaphorePermit);

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The request as it is sent to its host, with its head charged, and its body as it is sent until then.
fn as_sent(
    request: Request<WasiBody>,
    traffic: &Arc<Traffic>,
    deadline: Instant,
) -> Result<Request<WasiBody>, Error> {
    let (mut head, body) = request.into_parts();
    let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let bytes = head.method.as_str().len() + target.as_str().len() + size(&head.headers);
    let body = Counted { body: Some(body), traffic: traffic.clone(), deadline };
    traffic.head(bytes).map_err(|total| Error::HttpRequestBodySize(Some(total)))?;
    head.uri = Uri::from(target);
    Ok(Request::from_parts(head, body.boxed_unsync()))
}

/// The bytes of header fields or trailers.
fn size(fields: &HeaderMap) -> usize {
    // A colon, a space and a line end.
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

fn size_of_frame(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len) + frame.trailers_ref().map_or(0, size)
}

/// Passes the body of a response on, frame by frame.
async fn pump(
    mut body: Incoming,
    frames: &mpsc::Sender<Result<Charged, Error>>,
    between: Duration,
    traffic: &Arc<Traffic>,
) -> Result<(), Error> {
    loop {
        let next = timeout(between, body.frame()).await.map_err(|_| Error::ConnectionReadTimeout)?;
        let Some(frame) = next else { return Ok(()) };
        let frame = frame.map_err(|error| failed(&error))?;
        let charged = traffic.frame(size_of_frame(&frame));
        let charge = charged.map_err(|total| Error::HttpResponseBodySize(Some(total)))?;
        if frames.send(Ok((frame, charge))).await.is_err() {
            // The guest has dropped the body.
            return Ok(());
        }
    }
}

/// The body of a request, with its bytes charged.
///
/// Clients write a body for every request, also one that stays empty. hyper drops it where it is not sent: if the method
/// is GET, or the connection fails. Then the guest would see that its body cannot be written, instead of the response or
/// its error, so the rest is read here.
struct Counted {
    body: Option<WasiBody>,
    traffic: Arc<Traffic>,
    deadline: Instant,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (traffic, deadline) = (self.traffic.clone(), self.deadline);
        runtime.spawn(timeout_at(deadline, async move {
            while let Some(Ok(frame)) = body.frame().await {
                if traffic.count(size_of_frame(&frame)).is_err() {
                    return;
                }
            }
        }));
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else { return Poll::Pending };
        let frame = frame.map(|frame| {
            let frame = frame?;
            let charged = self.traffic.count(size_of_frame(&frame));
            charged.map_err(|total| Error::HttpRequestBodySize(Some(total)))?;
            Ok(frame)
        });
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The body of a response.
struct Received {
    frames: mpsc::Receiver<Result<Charged, Error>>,
    /// The charge of the last frame. The guest's stream has taken all of it when it asks for the next one.
    last: Option<traffic::Frame>,
    _task: AbortOnDropJoinHandle<()>,
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(next) = self.frames.poll_recv(context) else { return Poll::Pending };
        let (frame, charge) = match next {
            Some(Ok((frame, charge))) => (Some(Ok(frame)), Some(charge)),
            Some(Err(error)) => (Some(Err(error)), None),
            None => (None, None),
        };
        self.last = charge;
        Poll::Ready(frame)
    }
}

/// The error of a request or a response.
fn failed(error: &hyper::Error) -> Error {
    // The error of a request's body.
    if let Some(Error::HttpRequestBodySize(total)) = error.source().and_then(|cause| cause.downcast_ref()) {
        return Error::HttpRequestBodySize(*total);
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let is_cut = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if is_cut || error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else {
        Error::HttpProtocolError
    }
}

/// The error of a connection that cannot be made.
fn unreachable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationUnavailable,
        _ => Error::Connect(error),
    }
}

/// The error of a handshake of TLS.
fn refused(error: &io::Error) -> Error {
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: None }
        }
        _ => Error::TlsProtocolError,
    }
}

#[cfg(test)]
mod tests;
