//! The imports of `wasi:http`, without a client.

use serde_json::{Value, json};
use wasip2::http::{
    outgoing_handler,
    types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
};
use wasip2::io::streams::StreamError;

fn request(
    authority: &str,
    scheme: &Scheme,
    method: &Method,
    path: &str,
) -> Result<OutgoingRequest, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_method(method).map_err(invalid)?;
    request.set_scheme(Some(scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    Ok(request)
}

/// The parts of `http://AUTHORITY/PATH`.
fn parts(url: &str) -> (&str, String) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    (authority, format!("/{path}"))
}

fn answer(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    let response = outgoing_handler::handle(request, None)?;
    response.subscribe().block();
    match response.get() {
        Some(Ok(answered)) => answered,
        _ => Err(ErrorCode::InternalError(None)),
    }
}

pub(crate) fn open(url: &str, count: usize) -> Value {
    let (authority, path) = parts(url);
    let mut open = Vec::new();
    for _ in 0..count {
        let answered = request(authority, &Scheme::Http, &Method::Get, &path).and_then(answer);
        match answered {
            Ok(response) => open.push(response),
            Err(error) => return json!({ "open": open.len(), "error": format!("{error:?}") }),
        }
    }
    json!(open.len())
}

pub(crate) fn ask(authority: &str, tls: bool) -> Value {
    let scheme = if tls { Scheme::Https } else { Scheme::Http };
    match request(authority, &scheme, &Method::Get, "/").and_then(answer) {
        Ok(response) => json!(response.status()),
        Err(error) => json!(format!("{error:?}")),
    }
}

pub(crate) fn upload(url: &str, bytes: usize) -> Value {
    let (authority, path) = parts(url);
    let sent = || -> Result<(usize, u16), (usize, ErrorCode)> {
        let request = request(authority, &Scheme::Http, &Method::Post, &path).map_err(|error| (0, error))?;
        let body = request.body().map_err(|()| (0, ErrorCode::InternalError(None)))?;
        let response = outgoing_handler::handle(request, None).map_err(|error| (0, error))?;
        let written = write(&body, bytes);
        let _ = OutgoingBody::finish(body, None);
        response.subscribe().block();
        match response.get() {
            Some(Ok(Ok(answered))) => Ok((written, answered.status())),
            Some(Ok(Err(error))) => Err((written, error)),
            _ => Err((written, ErrorCode::InternalError(None))),
        }
    };
    match sent() {
        Ok((written, status)) => json!({ "written": written, "status": status }),
        Err((written, error)) => json!({ "written": written, "error": format!("{error:?}") }),
    }
}

/// How many bytes of the body could be written.
fn write(body: &OutgoingBody, bytes: usize) -> usize {
    let Ok(stream) = body.write() else { return 0 };
    let mut written = 0;
    while written < bytes {
        stream.subscribe().block();
        let permitted = match stream.check_write() {
            Ok(permitted) => usize::try_from(permitted).unwrap_or(usize::MAX),
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => break,
        };
        let chunk = vec![b'x'; permitted.min(bytes - written)];
        if stream.write(&chunk).is_err() {
            break;
        }
        written += chunk.len();
    }
    written
}

pub(crate) fn make_fields(count: usize) -> usize {
    let fields: Vec<Fields> = (0..count).map(|_| Fields::new()).collect();
    fields.len()
}
