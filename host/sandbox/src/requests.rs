//! What an instance keeps for its HTTP requests.
//!
//! Invariants: a request that was not checked is not sent; what a guest holds of requests has a bounded size.

use std::sync::Arc;

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::{
    http_client::{HttpClient, Plan, Sent},
    limits::HttpLimits,
    traffic::{CHUNK, Traffic},
};

/// The most bytes of header fields in one resource of a guest.
const MAX_FIELDS: usize = 64 * 1024;

/// The HTTP side of an instance.
pub(super) struct Http {
    pub(super) context: WasiHttpCtx,
    pub(super) client: Arc<HttpClient>,
    pub(super) limits: HttpLimits,
    pub(super) next: Next,
}

/// What the instances of an invocation have sent.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) number: u32,
    pub(super) traffic: Option<Arc<Traffic>>,
}

/// The request that is being sent.
#[derive(Default)]
pub(super) struct Next(pub(super) Option<(Arc<HttpClient>, Plan)>);

impl WasiHttpHooks for Next {
    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        match self.0.take() {
            Some((client, plan)) => client.send(plan, request, options),
            None => Box::new(async { Err(Error::HttpRequestDenied) }),
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

impl Http {
    pub(super) fn new(client: Arc<HttpClient>, limits: HttpLimits) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(MAX_FIELDS);
        Self { context, client, limits, next: Next::default() }
    }
}
