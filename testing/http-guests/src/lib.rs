//! Handlers that send HTTP requests through `wasi:http`, for tests of the host.
//!
//! The documentation of each handler states its event, its operations and its result. Tests rely on all of it.
#![forbid(unsafe_code)]
#![cfg(target_family = "wasm")]

mod raw;

use std::time::Duration;

use durawasm_guest::builders::RetryStrategyConfig;
use durawasm_guest::{BoxError, DurableContext, durable_handlers};
use serde::Deserialize;
use serde_json::{Value, json};
use wstd::http::{Body, Client, Request};

/// A request.
#[derive(Deserialize, Clone)]
pub struct Wanted {
    method: String,
    url: String,
    #[serde(default)]
    body: String,
}

/// Sends a request with the client of `wstd`. Result: `status` and `body` of the response, or `error`.
fn fetch(wanted: &Wanted) -> Value {
    let send = async || -> Result<Value, BoxError> {
        let request = Request::builder().method(&*wanted.method).uri(&wanted.url);
        let request = request.body(Body::from(wanted.body.clone().into_bytes()))?;
        let mut response = Client::new().send(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let body = response.body_mut().contents().await.map_err(|error| format!("{error:?}"))?;
        Ok(json!({ "status": status, "body": String::from_utf8_lossy(body) }))
    };
    wstd::runtime::block_on(send()).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Event: requests. A step for each, named by its position, sends it. Result: what each got.
async fn fetches(wanted: Vec<Wanted>, ctx: DurableContext) -> Result<Vec<Value>, BoxError> {
    let mut got = Vec::new();
    for (place, wanted) in wanted.into_iter().enumerate() {
        got.push(ctx.step(move |_| async move { Ok(fetch(&wanted)) }).name(place.to_string()).await?);
    }
    Ok(got)
}

/// Event: a request. It is sent between operations. Result: what it got, after a wait of a second.
async fn fetches_outside(wanted: Wanted, ctx: DurableContext) -> Result<Value, BoxError> {
    let got = fetch(&wanted);
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(got)
}

/// Event: a request. Step `hangs` has a timeout of a second, and sends it. Result: how the step ended.
async fn hangs(wanted: Wanted, ctx: DurableContext) -> Result<Value, BoxError> {
    let step = ctx.step(move |_| async move { Ok(fetch(&wanted)) }).name("hangs");
    let step = step.timeout(Duration::from_secs(1)).retry_strategy_config(RetryStrategyConfig::none());
    Ok(step.await.unwrap_or_else(|error| json!({ "failed": error.to_string() })))
}

/// Event: a URL and a number. Step `opens` sends so many GET requests, and keeps all responses. Result: how many there
/// are, or the error of the first that has none.
async fn opens((url, count): (String, usize), ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(raw::open(&url, count)) }).name("opens").await?)
}

/// Event: a URL and a number. Step `uploads` sends a POST request with so many bytes. Result: how many were written,
/// and the status of the response or its error.
async fn uploads((url, bytes): (String, usize), ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(raw::upload(&url, bytes)) }).name("uploads").await?)
}

/// Event: a number. Makes so many lists of header fields, and keeps them. Result: the number.
async fn makes_fields(count: usize, _ctx: DurableContext) -> Result<usize, BoxError> {
    Ok(raw::make_fields(count))
}

/// Event: an authority and whether it is https. Step `asks` sends a GET request. Result: its status or its error.
async fn asks((authority, tls): (String, bool), ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.step(move |_| async move { Ok(raw::ask(&authority, tls)) }).name("asks").await?)
}

durable_handlers! {
    /// All of them.
    pub fn functions;
    asks,
    fetches,
    fetches_outside,
    hangs,
    makes_fields,
    opens,
    uploads,
}
