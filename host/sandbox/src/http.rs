//! `wasi:http/outgoing-handler`: the HTTP requests that are granted, in the bodies of steps.
//!
//! Invariants:
//! - a request is sent only if its host, port and method are granted, whichever request or response came before it;
//! - code that a replay repeats sends nothing;
//! - the number and the bytes of an invocation's requests are limited, also over several instances.

use std::time::Duration;

use durawasm_core::{
    invocation::{Ended, HttpHost, LogLevel, LogSource, only_reads},
    protocol::error_types,
};
use wasmtime::{
    StoreContextMut,
    component::{HasData, Linker, Resource},
};
use wasmtime_wasi_http::{
    RequestOptions, WasiHttpCtxView,
    p2::{
        bindings::http::{
            outgoing_handler::Host as _,
            types::{self, ErrorCode, Method, Scheme},
        },
        types::{HostFutureIncomingResponse, HostOutgoingRequest},
    },
};

use super::{
    http_client::Plan,
    requests::Http,
    state::{Durable, State},
    traffic::{Exceeded, Traffic},
};

/// The name of the import, for a probe.
const HANDLE: &str = "wasi:http/outgoing-handler.handle";

/// Why a request between operations is refused.
const REPEATED: &str = "HTTP requests are sent inside the bodies of steps only: between operations, every replay would send this one again";

struct HasHttp;

impl HasData for HasHttp {
    type Data<'a> = WasiHttpCtxView<'a>;
}

/// Adds `wasi:http` to the imports of guests.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = &types::LinkOptions::default();
    types::add_to_linker::<_, HasHttp>(linker, options, State::http)?;
    let mut interface = linker.instance("wasi:http/outgoing-handler@0.2.12")?;
    interface.func_wrap("handle", |mut store: StoreContextMut<'_, State>, (request, options)| {
        Ok((handle(store.data_mut(), request, options)?,))
    })
}

impl State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Http { context, next, .. } = &mut self.http;
        WasiHttpCtxView { hooks: next, table: &mut self.table, ctx: context }
    }
}

/// A request, as far as grants are about it.
struct Asked {
    method: String,
    host: HttpHost,
    port: u16,
    tls: bool,
}

impl Asked {
    fn of(request: &HostOutgoingRequest) -> Result<Self, ErrorCode> {
        let tls = match &request.scheme {
            Some(Scheme::Https) | None => true,
            Some(Scheme::Http) => false,
            Some(Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
        };
        let invalid = || ErrorCode::HttpRequestUriInvalid;
        let authority = request.authority.as_deref().ok_or_else(invalid)?;
        let authority: hyper::http::uri::Authority = authority.parse().map_err(|_| invalid())?;
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if tls => 443,
            None => 80,
        };
        let host: HttpHost = authority.host().parse().map_err(|_| invalid())?;
        // A user, an empty port or another spelling would reach the server in the header `host`.
        let plain = authority.as_str().eq_ignore_ascii_case(authority.host())
            || authority
                .as_str()
                .strip_prefix(authority.host())
                .is_some_and(|rest| rest == format!(":{port}"));
        if port == 0 || !plain {
            return Err(invalid());
        }
        let method = match &request.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other(other) => other,
        };
        Ok(Self { method: method.to_owned(), host, port, tls })
    }

    fn shown(&self) -> String {
        let Self { method, host, port, tls } = self;
        format!("{method} {}://{host}:{port}", if *tls { "https" } else { "http" })
    }
}

/// What `handle` returns: the response to come, or why the request is not sent.
type Handled = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

fn handle(
    state: &mut State,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Handled> {
    state.durable.point_in_body()?;
    state.durable.check_traffic()?;
    let asked = Asked::of(state.table.get(&request)?);
    let allowed = match &asked {
        Ok(asked) => plan(state, asked)?,
        Err(error) => Err(error.clone()),
    };
    let shown = asked.as_ref().map_or_else(|_| String::new(), Asked::shown);
    let handled = match allowed {
        Ok(plan) => {
            if let (Some((probe, _)), Ok(asked)) = (state.durable.probe(), &asked)
                && !only_reads(&asked.method)
            {
                probe.sends();
            }
            state.http.next.0 = Some((state.http.client.clone(), plan));
            let used = options.as_ref().map(|options| Resource::<RequestOptions>::new_own(options.rep()));
            let handled = state.http().handle(request, options);
            if let Some(used) = used {
                // `wasmtime-wasi-http` leaves them in the table, which then is full after some requests.
                state.table.delete(used)?;
            }
            // The host may have refused the request before it sent it.
            state.http.next.0 = None;
            match handled {
                Ok(response) => Ok(response),
                Err(error) => Err(error.downcast()?),
            }
        }
        Err(error) => {
            state.table.delete(request)?;
            if let Some(options) = options {
                state.table.delete(options)?;
            }
            Err(error)
        }
    };
    state
        .durable
        .imported(HANDLE, || (shown, handled.as_ref().map_or_else(ToString::to_string, |_| "sent".into())));
    Ok(handled)
}

/// Checks a request, and counts it. An inner error is told to the guest.
fn plan(state: &mut State, asked: &Asked) -> wasmtime::Result<Result<Plan, ErrorCode>> {
    let State { durable, http, .. } = state;
    let limits = &http.limits;
    let Asked { method, host, port, tls } = asked;
    let grants = durable.around.grants.clone();
    if !grants.http().allows(host, *port, method) {
        let granted: Vec<String> = grants.http().iter().map(ToString::to_string).collect();
        let granted = if granted.is_empty() { "nothing".to_owned() } else { granted.join(" ") };
        durable
            .refused(asked, &format!("it is not granted; HTTP requests to {granted} are (--allow-http)"))?;
        return Ok(Err(ErrorCode::HttpRequestDenied));
    }
    if durable.driver.body().is_none() {
        durable.refused(asked, REPEATED)?;
        return Ok(Err(ErrorCode::InternalError(Some(REPEATED.to_owned()))));
    }
    let number = durable.sent.number.saturating_add(1);
    if number > limits.requests {
        let reason =
            format!("the handler sent {number} HTTP requests; an invocation may {}", limits.requests);
        return Err(durable.end(Ended::Limit(error_types::HTTP_LIMIT, reason)));
    }
    durable.sent.number = number;
    let budget = durable.driver.engine().budget();
    let traffic = durable.sent.traffic.get_or_insert_with(|| Traffic::new(limits.bytes, budget));
    let opened = traffic.open();
    let Some(open) = durable.trap(opened)? else { return Ok(Err(ErrorCode::ConnectionLimitReached)) };
    let time = limits.time.min(durable.time_of_body());
    let (host, method) = (host.clone(), method.clone());
    Ok(Ok(Plan { grants, host, port: *port, method, tls: *tls, time, open }))
}

impl Durable {
    /// Ends the run if its requests have exceeded the limit of bytes, or a budget.
    pub(super) fn check_traffic(&mut self) -> wasmtime::Result<()> {
        let Some(traffic) = &self.sent.traffic else { return Ok(()) };
        let why = match traffic.exceeded() {
            None => return Ok(()),
            Some(Exceeded::Kept(exceeded)) => exceeded.into(),
            Some(Exceeded::Traffic(bytes)) => {
                let limit = traffic.limit();
                let reason =
                    format!("the handler sent and received {bytes} bytes by HTTP; an invocation may {limit}");
                Ended::Limit(error_types::HTTP_LIMIT, reason)
            }
        };
        Err(self.end(why))
    }

    /// Logs why a request is not sent: an error code has no place for it.
    fn refused(&mut self, asked: &Asked, why: &str) -> wasmtime::Result<()> {
        self.drain_output()?;
        let operation = self.driver.body_operation();
        let message = format!("the HTTP request {} was refused: {why}", asked.shown());
        let line = (LogLevel::Warn, LogSource::Log);
        let logged = self.driver.log(&*self.around.clock, line, message, Vec::new(), operation);
        self.trap(logged)
    }

    /// How long a request of the running body may go on: a little longer than the body, so that the step times out
    /// before its request does.
    fn time_of_body(&self) -> Duration {
        let more = Duration::from_secs(1);
        let left = |deadline: Duration| {
            deadline.saturating_sub(self.around.clock.precise_now()).saturating_add(more)
        };
        self.body_deadline().map_or(Duration::MAX, left)
    }
}
