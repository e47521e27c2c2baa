//! JSON of the service, and records that the service hands to a replay.

use std::sync::Arc;

use durawasm_core::{
    protocol::{
        CallbackDetails, CallbackOptions, ChainedInvokeOptions, ContextDetails, ErrorObject, Event,
        InvocationInput, InvocationOutput, Limits, Operation, OperationStatus as Status,
        OperationType as Type, OperationUpdate, StepDetails, Timestamp, WaitDetails, open_work,
    },
    replay::{ChildResult, Engine, Identity, Interest, Key, ReplayError, ScopeKey, Semantics, SetKey},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::bytes::Bytes;

/// Whether a value that could be read is written in a form that reads as the same value.
fn round_trip<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let value: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<T>(&written).expect("what was written can be read"), value);
    Some(value)
}

/// The service's JSON: operations, updates, events, the input and the output of invocations.
pub fn wire(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(input) = round_trip::<InvocationInput>(&text) {
        let operations = input.initial_execution_state.operations;
        drop(open_work(operations.iter().map(|operation| &**operation)));
        drop(durawasm_report::tree(&operations));
        let mut engine = Engine::new(operations, Limits::default(), 1_000);
        drive(&mut engine, &mut Bytes(data));
    }
    if let Some(operation) = round_trip::<Operation>(&text) {
        drop(durawasm_report::kind(&operation));
        drop(durawasm_report::attempts(&operation));
    }
    round_trip::<InvocationOutput>(&text);
    round_trip::<OperationUpdate>(&text);
    round_trip::<Event>(&text);
    round_trip::<ErrorObject>(&text);
    round_trip::<Timestamp>(&text);
}

/// A guest that calls the replay engine in any order and with any handle, first on an empty record, then on a record of
/// what it started, in any state that a service may claim.
pub fn replay(data: &[u8]) {
    let limits = Limits { payload_bytes: 64, error_bytes: 64, ..Limits::default() };
    let half = data.len() / 2;
    let (first, second) = data.split_at(half);
    let mut engine = Engine::new(Vec::new(), limits.clone(), 40);
    let started = drive(&mut engine, &mut Bytes(first));
    let mut bytes = Bytes(second);
    let record = record(&started, &mut bytes);
    let mut engine = Engine::new(record, limits, 40);
    // The same calls, so that it meets its record; then others.
    drive(&mut engine, &mut Bytes(first));
    drive(&mut engine, &mut bytes);
    let _ = engine.conclude(Ok(Some(String::from_utf8_lossy(bytes.rest()).into_owned())));
    let _ =
        engine.restarted(Some(Key::from_number(0))).map(|mut engine| drive(&mut engine, &mut Bytes(second)));
}

/// A record of these updates: each operation in some state, in some order.
fn record(updates: &[OperationUpdate], bytes: &mut Bytes<'_>) -> Vec<Arc<Operation>> {
    let at = |bytes: &mut Bytes<'_>| Timestamp::from_millis(i64::from(bytes.byte()));
    let mut operations = vec![Operation::new("execution".into(), Type::Execution, at(bytes))];
    for update in updates {
        let kind = if bytes.one_in(12) { any_kind(bytes) } else { update.kind };
        let mut operation = Operation::new(update.id.clone(), kind, at(bytes));
        operation.status = any_status(bytes);
        operation.name = update.name.clone().filter(|_| !bytes.one_in(16));
        operation.sub_type = update.sub_type.clone().filter(|_| !bytes.one_in(16));
        operation.parent_id = update.parent_id.clone().filter(|_| !bytes.one_in(16));
        operation.start_sequence = bytes.number();
        operation.sequence = bytes.number();
        operation.end_timestamp = bytes.one_in(2).then(|| at(bytes));
        let result = bytes.one_in(2).then(|| Arc::from("1"));
        let error = bytes.one_in(3).then(|| ErrorObject::new("E", "why"));
        if bytes.one_in(12) {
            // Without the details of its kind.
        } else {
            match kind {
                Type::Step => {
                    let next = bytes.one_in(2).then(|| at(bytes));
                    let attempt = u32::try_from(bytes.number()).unwrap_or(u32::MAX);
                    operation.step_details =
                        Some(StepDetails { attempt, next_attempt_timestamp: next, result, error });
                }
                Type::Context => {
                    let replay_children = bytes.one_in(2);
                    operation.context_details = Some(ContextDetails { replay_children, result, error });
                }
                Type::Callback => {
                    let callback_id = bytes.one_in(2).then(|| "id".into());
                    operation.callback_details = Some(CallbackDetails { callback_id, result, error });
                }
                Type::Wait => {
                    let end = bytes.one_in(2).then(|| at(bytes));
                    operation.wait_details = Some(WaitDetails { scheduled_end_timestamp: end });
                }
                Type::ChainedInvoke | Type::Execution => {}
            }
        }
        operations.push(operation);
    }
    operations.into_iter().map(Arc::new).collect()
}

fn any_kind(bytes: &mut Bytes<'_>) -> Type {
    bytes.of(&[Type::Execution, Type::Context, Type::Step, Type::Wait, Type::Callback, Type::ChainedInvoke])
}

fn any_status(bytes: &mut Bytes<'_>) -> Status {
    bytes.of(&[
        Status::Started,
        Status::Pending,
        Status::Ready,
        Status::Succeeded,
        Status::Failed,
        Status::Cancelled,
        Status::TimedOut,
        Status::Stopped,
    ])
}

/// Calls an engine as the bytes say, until one call is refused in a way that ends an invocation. Returns the updates
/// that it wants to send.
fn drive(engine: &mut Engine, bytes: &mut Bytes<'_>) -> Vec<OperationUpdate> {
    let mut sent = Vec::new();
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        match call(engine, bytes) {
            Err(ReplayError::NonDeterministic(divergence)) => {
                assert!(divergence.to_error().error_message.is_some_and(|message| !message.is_empty()));
                break;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(()) => {}
        }
        if bytes.one_in(6) {
            sent.extend(engine.take_batch());
        }
    }
    while engine.queued() > 0 {
        let batch = engine.take_batch();
        assert!(!batch.is_empty(), "what is queued can be sent");
        sent.extend(batch);
    }
    sent.retain(|update| update.action == durawasm_core::protocol::OperationAction::Start);
    sent
}

fn call(engine: &mut Engine, bytes: &mut Bytes<'_>) -> Result<(), ReplayError> {
    let number = |bytes: &mut Bytes<'_>| match bytes.byte() {
        small @ 0..=239 => u32::from(small % 12),
        _ => u32::MAX,
    };
    let key = Key::from_number(number(bytes));
    let scope = ScopeKey::from_number(if bytes.one_in(3) { number(bytes) } else { 0 });
    let position = bytes.one_in(8).then(|| number(bytes));
    let name = bytes.one_in(4).then(|| if bytes.one_in(4) { bytes.text() } else { "n".to_owned() });
    let sub_type = bytes.one_in(16).then(|| bytes.text());
    let identity = Identity { name, sub_type };
    let payload = |bytes: &mut Bytes<'_>| bytes.one_in(2).then(|| "x".repeat(bytes.below(80)));
    let interest = bytes.of(&[Interest::Change, Interest::CallbackId]);
    match bytes.below(34) {
        0..=3 => {
            let semantics = bytes.of(&[Semantics::AtLeastOncePerRetry, Semantics::AtMostOncePerRetry]);
            engine.step(scope, position, identity, semantics.into()).map(drop)
        }
        4 => engine.condition(scope, position, identity, payload(bytes).unwrap_or_default()).map(drop),
        5 | 6 => engine.wait(scope, position, identity, bytes.number()).map(drop),
        7 | 8 => {
            let (timeout, heartbeat) = (bytes.number(), bytes.number());
            let options = CallbackOptions {
                timeout_seconds: Some(timeout),
                heartbeat_timeout_seconds: Some(heartbeat),
            };
            engine.callback(scope, position, identity, options).map(drop)
        }
        9 => {
            let function_name = if bytes.one_in(4) { bytes.text().into() } else { "f".into() };
            let options = ChainedInvokeOptions { function_name, tenant_id: None };
            engine.invoke(scope, position, identity, options, payload(bytes)).map(drop)
        }
        10 | 11 => engine.child(scope, position, identity).map(drop),
        12 => engine.enter(key),
        13 | 14 => engine.succeed(key, payload(bytes)),
        15 => engine.fail(key, ErrorObject::new("E", payload(bytes).unwrap_or_default())),
        16 => engine.retry(key, ErrorObject::new("E", "why"), bytes.number()),
        17 => engine.continue_condition(key, payload(bytes).unwrap_or_default(), bytes.number()),
        18 => engine.close_child(key, ChildResult::Inline(payload(bytes))),
        19 => engine.close_child(key, ChildResult::ReplayChildren(payload(bytes))),
        20 => engine.fail_child(key, ErrorObject::new("E", "why")),
        21 => {
            engine.reveal(&[(key, interest), (Key::from_number(number(bytes)), Interest::Change)]).map(drop)
        }
        22 => engine.is_ready(key, interest).map(drop),
        23 => engine.step_state(key).map(drop),
        24 => engine.child_state(key).map(drop),
        25 => engine.condition_state(key).map(drop),
        26 => engine.outcome(key).map(drop),
        27 => engine.claim(scope).map(drop),
        28 => engine.flat(scope, position).map(drop),
        29 => engine.child_scope(key).map(drop),
        30 => engine.skip(scope, number(bytes)),
        31 => {
            let set = if bytes.one_in(3) { engine.new_set()? } else { SetKey::from_number(number(bytes)) };
            engine.add_to_set(set, key, interest, u64::from(bytes.byte()))
        }
        32 => engine.take_from_set(SetKey::from_number(number(bytes))).map(drop),
        _ => {
            let _ = (engine.attempt(key), engine.body_timeout(key), engine.recorded_success(key));
            let _ = (engine.ended(key), engine.callback_id(key), engine.next_deadline(&[(key, interest)]));
            engine.remove_from_set(SetKey::from_number(number(bytes)), u64::from(bytes.byte()))
        }
    }
}
