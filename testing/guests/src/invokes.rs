//! Handlers that invoke other functions, and functions for them to invoke.

use std::time::Duration;

use durawasm_guest::serdes::{Serdes, SerdesContext};
use durawasm_guest::{BoxError, DurableContext, InvokeErrorKind, OperationErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which function, and with what.
#[derive(Deserialize, Clone)]
pub struct Call {
    function: String,
    payload: Value,
    tenant: Option<String>,
}

/// Invokes the function under the name `call`, then waits `after` for 1 second. Result: `{"result"}`, or what is known
/// of the failure: `{"kind", "status", "type", "text"}`.
pub async fn invokes(event: Call, ctx: DurableContext) -> Result<Value, BoxError> {
    let told = call(&ctx, event).await?;
    ctx.wait(Duration::from_secs(1)).name("after").await?;
    Ok(told)
}

async fn call(ctx: &DurableContext, event: Call) -> Result<Value, BoxError> {
    let mut invoke = ctx.invoke::<Value, _>(event.function, event.payload).name("call");
    if let Some(tenant) = event.tenant {
        invoke = invoke.tenant_id(tenant);
    }
    let error = match invoke.await {
        Ok(result) => return Ok(json!({ "result": result })),
        Err(error) => error,
    };
    let OperationErrorKind::Invoke(invoke) = error.kind() else { return Err(error.into()) };
    let kind = match invoke.kind() {
        InvokeErrorKind::FunctionFailed { .. } => "failed",
        InvokeErrorKind::FunctionNotFound(_) => "not found",
        InvokeErrorKind::SerializationFailed { .. } => "serialization",
        _ => "unknown",
    };
    let error_type = error.wire().and_then(|wire| wire.error_type());
    Ok(json!({ "kind": kind, "status": error.status(), "type": error_type, "text": format!("{error:#}") }))
}

/// Invokes the function under the name `call`, and does nothing about a failure. Result: its result.
pub async fn invokes_or_fails(event: Call, ctx: DurableContext) -> Result<Value, BoxError> {
    Ok(ctx.invoke(event.function, event.payload).name("call").await?)
}

/// Event: calls. Makes all of them at the same time, each in a child context `call-0` and so on. Result: what each came
/// to, as for `invokes`.
pub async fn invokes_all(event: Vec<Call>, ctx: DurableContext) -> Result<Vec<Value>, BoxError> {
    let children: Vec<_> = event
        .into_iter()
        .enumerate()
        .map(|(n, event)| {
            ctx.run_in_child_context(|ctx| async move { call(&ctx, event).await })
                .name(format!("call-{n}"))
                .spawn()
        })
        .collect();
    let mut told = Vec::new();
    for child in children {
        told.push(child.await?);
    }
    Ok(told)
}

/// Event: a number. Step `count`, a wait of 1 second, and an invocation of itself under the name `next` with the number
/// less 1, unless the number is 0. Result: how many executions there were.
pub async fn counts_down(number: u32, ctx: DurableContext) -> Result<u32, BoxError> {
    let left = ctx.step(move |_| async move { Ok(number) }).name("count").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    match left.checked_sub(1) {
        None => Ok(1),
        Some(next) => Ok(1 + ctx.invoke::<u32, _>("counts_down", next).name("next").await?),
    }
}

/// Event: a text. Invokes `plain_async` with the text between quotes of its own making, and reads the answer as
/// letters. Result: how many there are.
pub async fn invokes_in_own_format(text: String, ctx: DurableContext) -> Result<Vec<char>, BoxError> {
    let invoke = ctx.invoke("plain_async", text).name("call").payload_serdes(Quoted).serdes(Letters);
    Ok(invoke.await?)
}

struct Quoted;

impl Serdes<String> for Quoted {
    async fn serialize(&self, text: String, _: SerdesContext) -> Result<String, BoxError> {
        if text.is_empty() {
            return Err("there is nothing to quote".into());
        }
        Ok(format!("\"<{text}>\""))
    }

    async fn deserialize(&self, _: String, _: SerdesContext) -> Result<String, BoxError> {
        Err("only written".into())
    }
}

struct Letters;

impl Serdes<Vec<char>> for Letters {
    async fn serialize(&self, _: Vec<char>, _: SerdesContext) -> Result<String, BoxError> {
        Err("only read".into())
    }

    async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<Vec<char>, BoxError> {
        Ok(wire.chars().filter(|c| c.is_alphabetic()).collect())
    }
}
