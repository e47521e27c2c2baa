//! Runs what makes one operation of several futures: `try_join_all`, `join_all`, `select_ok` and `race`.
//!
//! Always true here:
//! - A combinator is one CONTEXT. What it came to is recorded at once when enough of its inputs have ended; the others are
//!   dropped. Its result is made from that record, on the first run as on each replay.
//! - **The recorded winner wins again.** A combinator that is over on record does not run its inputs: it gives up their
//!   operations, so that they are not missed. So it does not matter which of them have ended by then. Only where an input
//!   leaves something behind in its context, all run once more, as far as they did.
//! - A CONTEXT that is not to be run when it is first looked at is over on record.
//! - Each input is polled when it can go on, and not because another can.

use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::BoxError;
use crate::child::INLINE_LIMIT;
use crate::context::DurableContext;
use crate::engine::Engine;
use crate::error::{
    ChildContextError, ChildContextErrorKind, CombinatorError, CombinatorErrorKind, JoinFailed,
    OperationError, OperationErrorKind, ReplayedFailure, SERIALIZATION_ERROR, WireError,
};
use crate::future::{DurableFuture, Place, Settled};
use crate::group::Group;
use crate::runtime::{Child, ChildResult, ChildState, Identity, Operation, Position};
use crate::section::Section;
use crate::serdes::json;

/// The error types on record, which tell the kinds.
const COMBINATOR: &str = "CombinatorError";
const FIRST_SETTLED_FAILED: &str = "CombinatorError.FirstSettledFailed";
const EMPTY_INPUT: &str = "CombinatorError.EmptyInput";
const ALL_FAILED: &str = "CombinatorError.AllFailed";
/// Followed by the index of the input.
const JOIN_FAILED: &str = "CombinatorError.JoinFailed.";

/// The frames on record that tell which input decided, by its index. A failure that has a type keeps it.
const JOIN: &str = "try_join_all, input ";
const RACE: &str = "race, input ";

/// A combinator with its inputs.
pub(crate) struct CombinatorRun<O> {
    ctx: DurableContext,
    position: Position,
    pub(crate) name: Option<String>,
    inputs: Vec<DurableFuture<O>>,
}

/// What it takes for a combinator to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    TryJoinAll,
    JoinAll,
    SelectOk,
    Race,
}

impl<O: Serialize + DeserializeOwned + Send + 'static> CombinatorRun<O> {
    pub(crate) fn new(
        ctx: DurableContext,
        position: Position,
        inputs: impl IntoIterator<Item = DurableFuture<O>>,
    ) -> Self {
        Self { ctx, position, name: None, inputs: inputs.into_iter().collect() }
    }

    pub(crate) fn ctx(&self) -> &DurableContext {
        &self.ctx
    }

    pub(crate) fn try_join_all(self) -> DurableFuture<Vec<O>> {
        self.over(Rule::TryJoinAll, |json| serde_json::from_str(json))
    }

    pub(crate) fn join_all(self) -> DurableFuture<Vec<Settled<O>>> {
        self.over(Rule::JoinAll, |json| {
            let written: Vec<Written<O>> = serde_json::from_str(json)?;
            written.into_iter().map(Written::settled).collect()
        })
    }

    pub(crate) fn select_ok(self) -> DurableFuture<O> {
        self.over(Rule::SelectOk, |json| serde_json::from_str(json))
    }

    pub(crate) fn race(self) -> DurableFuture<O> {
        self.over(Rule::Race, |json| serde_json::from_str(json))
    }

    /// The future of the combinator. `read` makes its output of what is recorded.
    fn over<T: Send + 'static>(mut self, rule: Rule, read: Read<T>) -> DurableFuture<T> {
        let lasting = self.inputs.iter().any(DurableFuture::is_lasting);
        let places: Vec<Place> = self.inputs.iter_mut().flat_map(DurableFuture::take_places).collect();
        let own = self.ctx.place(self.position);
        let all = std::iter::once(own).chain(places.iter().cloned()).collect();
        let name = self.name.clone();
        DurableFuture::of_several(all, lasting, self.execute(rule, read, places, lasting)).named(name)
    }

    async fn execute<T>(
        self,
        rule: Rule,
        read: Read<T>,
        places: Vec<Place>,
        lasting: bool,
    ) -> Result<T, OperationError> {
        let Self { ctx, position, name, inputs } = self;
        let count = inputs.len();
        let child = ctx.starting()?.child(Identity { position, name, sub_type: None })?;
        let inputs = Inputs {
            engine: Arc::clone(ctx.engine()),
            places,
            section: Arc::clone(ctx.section()),
            position,
            all: inputs.into_iter().enumerate().collect(),
        };
        let mut inputs = Some(inputs);
        let settled = || ctx.engine().changed(child.clone());
        loop {
            let recorded = match child.state() {
                ChildState::Pending => {
                    match inputs.take() {
                        Some(inputs) if lasting => {
                            first_of(inputs.decide(rule, count, true), settled()).await;
                        }
                        Some(inputs) => inputs.give_up(),
                        None => settled().await,
                    }
                    continue;
                }
                ChildState::Done(outcome) => {
                    if let Some(inputs) = inputs.take() {
                        inputs.give_up();
                    }
                    return match outcome {
                        Ok(json) => read(&json.unwrap_or_default()).map_err(internal),
                        Err(wire) => Err(failed(&*child, wire, count)),
                    };
                }
                ChildState::Run => None,
                ChildState::Rebuild(summary) => Some(summary),
            };
            let Some(mut inputs) = inputs.take() else {
                return Err(internal("a combinator was closed, and is open again"));
            };
            if let Some(summary) = &recorded
                && !lasting
            {
                inputs.keep(Winner::read(summary.as_deref()).map_err(internal)?.as_ref());
            }
            let verdict = inputs.decide(rule, count, recorded.is_some()).await;
            close(&*child, &verdict);
            settled().await;
            match verdict {
                Ok(Success { json, .. }) if recorded.is_some() || json.len() > INLINE_LIMIT => {
                    return read(&json).map_err(internal);
                }
                Err(wire) if recorded.is_some() => return Err(failed(&*child, wire, count)),
                // What is delivered is what is on record.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

type Read<T> = fn(&str) -> Result<T, serde_json::Error>;

/// Closes the context. A result that is too large is made again by replays, from the input that won or from all.
fn close(child: &dyn Child, verdict: &Verdict) {
    match verdict {
        Ok(Success { json, winner }) if json.len() > INLINE_LIMIT => {
            let summary = winner.map(|index| Winner { index }.write());
            child.succeed(ChildResult::ReplayChildren(summary.as_deref()));
        }
        Ok(Success { json, .. }) => child.succeed(ChildResult::Inline(json)),
        Err(wire) => child.fail(wire),
    }
}

/// Waits for the first of two.
async fn first_of<T>(one: impl Future<Output = T>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| {
        let over = one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready();
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What is recorded in place of a result that is too large.
#[derive(Debug, Serialize, Deserialize)]
struct Winner {
    #[serde(rename = "winner")]
    index: usize,
}

impl Winner {
    fn write(&self) -> String {
        format!("{{\"winner\":{}}}", self.index)
    }

    fn read(written: Option<&str>) -> Result<Option<Self>, String> {
        let Some(written) = written.filter(|written| !written.is_empty()) else { return Ok(None) };
        let read = serde_json::from_str(written);
        read.map(Some)
            .map_err(|error| format!("what is on record of a combinator's winner: {error}: {written}"))
    }
}

/// The futures, with the places of all operations that they would start.
struct Inputs<O> {
    engine: Arc<Engine>,
    places: Vec<Place>,
    /// The context's; each input's is beside it.
    section: Arc<Section>,
    position: Position,
    all: Vec<(usize, DurableFuture<O>)>,
}

/// What a combinator came to.
type Verdict = Result<Success, WireError>;

struct Success {
    json: String,
    /// The input that it comes from, if it is one.
    winner: Option<usize>,
}

impl<O: Serialize + DeserializeOwned + Send + 'static> Inputs<O> {
    /// Keeps only what the result comes from.
    fn keep(&mut self, winner: Option<&Winner>) {
        if let Some(Winner { index: winner }) = winner {
            self.all.retain(|(index, _)| index == winner);
        }
    }

    /// Runs them side by side until it is decided; then drops those that are left. `over` is whether that is on record. Where it is
    /// decided now, the inputs have asked for all that is on record of them: what they leave out is found.
    async fn decide(self, rule: Rule, count: usize, over: bool) -> Verdict {
        let Self { engine, places, section, position, all } = self;
        let mut group = Group::new(&engine);
        for (index, input) in all {
            // A replay of a combinator that is over leaves them out.
            let section = section.input(position, index);
            let input = async move { input.await.map(|value| json::readable(&value)) };
            group.spawn(index, section.run(input));
        }
        let mut tally = Tally::new(rule, count);
        let verdict = loop {
            let Some((index, outcome)) = group.next().await else { break tally.all_ended() };
            if let Some(verdict) = tally.ended(index, outcome) {
                break verdict;
            }
        };
        drop(group);
        if over || engine.shows_early() {
            give_up(&engine, &places);
        }
        verdict
    }

    /// Drops them without running them.
    fn give_up(self) {
        let Self { engine, places, all, .. } = self;
        drop(all);
        give_up(&engine, &places);
    }
}

/// Says of all operations of the inputs that they are not needed any more.
fn give_up(engine: &Engine, places: &[Place]) {
    if engine.runtime().is_replaying() {
        places.iter().for_each(Place::skip);
    }
}

/// How the inputs have ended so far.
struct Tally {
    rule: Rule,
    /// What succeeded, as JSON. Of a `join_all`: all, as they are recorded.
    values: Vec<String>,
    errors: Vec<Option<WireError>>,
}

impl Tally {
    fn new(rule: Rule, count: usize) -> Self {
        let joins = matches!(rule, Rule::TryJoinAll | Rule::JoinAll);
        let values = if joins { vec![String::new(); count] } else { Vec::new() };
        let errors = if rule == Rule::SelectOk { vec![None; count] } else { Vec::new() };
        Self { rule, values, errors }
    }

    /// Notes how an input ended; what the combinator came to, if that decides it.
    fn ended(
        &mut self,
        index: usize,
        outcome: Result<Result<String, BoxError>, OperationError>,
    ) -> Option<Verdict> {
        let outcome = match outcome {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(error)) => return Some(Err(WireError::typed(&internal(error), SERIALIZATION_ERROR))),
            Err(error) => Err(error),
        };
        match (self.rule, outcome) {
            (Rule::TryJoinAll, Ok(json)) => self.note(index, json),
            (Rule::TryJoinAll, Err(error)) => {
                let wire = WireError::passed_on(&error, &format!("{JOIN_FAILED}{index}"));
                return Some(Err(wire.with_frame(format!("{JOIN}{index}"))));
            }
            (Rule::JoinAll, Ok(json)) => self.note(index, fulfilled(&json)),
            (Rule::JoinAll, Err(error)) => match rejected(&error) {
                Ok(json) => self.note(index, json),
                Err(error) => return Some(Err(WireError::typed(&internal(error), COMBINATOR))),
            },
            (Rule::SelectOk | Rule::Race, Ok(json)) => {
                return Some(Ok(Success { json, winner: Some(index) }));
            }
            (Rule::SelectOk, Err(error)) => {
                if let Some(place) = self.errors.get_mut(index) {
                    *place = Some(recorded(&error));
                }
            }
            (Rule::Race, Err(error)) => {
                let wire = WireError::passed_on(&error, FIRST_SETTLED_FAILED);
                return Some(Err(wire.with_frame(format!("{RACE}{index}"))));
            }
        }
        None
    }

    fn note(&mut self, index: usize, json: String) {
        if let Some(place) = self.values.get_mut(index) {
            *place = json;
        }
    }

    /// What the combinator came to, as none of its inputs decided it.
    fn all_ended(self) -> Verdict {
        match self.rule {
            Rule::TryJoinAll | Rule::JoinAll => {
                Ok(Success { json: format!("[{}]", self.values.join(",")), winner: None })
            }
            Rule::SelectOk if !self.errors.is_empty() => Err(all_failed(self.errors)),
            Rule::SelectOk => Err(WireError::new(EMPTY_INPUT, "select_ok was called with no futures")),
            Rule::Race => Err(WireError::new(EMPTY_INPUT, "race was called with no futures")),
        }
    }
}

/// The error that is on record of an input.
fn recorded(error: &OperationError) -> WireError {
    error.wire().cloned().unwrap_or_else(|| WireError::of(error, COMBINATOR))
}

/// The record of a `select_ok` that had no success: the failures in words, and as data.
fn all_failed(errors: Vec<Option<WireError>>) -> WireError {
    let errors: Vec<WireError> = errors.into_iter().flatten().collect();
    let mut message = format!("all {} futures failed: ", errors.len());
    for (index, error) in errors.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        // Writing to a text does not fail.
        let _ = write!(message, "{separator}[{index}] {error}");
    }
    let failures: Vec<Failure> = errors.iter().map(Failure::of).collect();
    WireError::new(ALL_FAILED, message).with_data(serde_json::to_string(&failures).ok())
}

/// An input's failure, in the data of an error or in the result of a join.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_data: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stack_trace: Vec<String>,
}

impl Failure {
    fn of(error: &WireError) -> Self {
        Self {
            message: error.error_message().map(str::to_owned),
            error_type: error.error_type().map(str::to_owned),
            error_data: error.error_data().map(str::to_owned),
            stack_trace: error.stack_trace().to_vec(),
        }
    }

    fn into_wire(self) -> WireError {
        WireError::from_parts(self.error_type, self.message, self.error_data, self.stack_trace)
    }
}

/// How an input of a `join_all` ended, as it is recorded.
///
/// Its fields are those of both cases. Were it an enum with a tag, serde would read values in two steps, and lose what such
/// values cannot hold: wide integers, and keys of maps that are numbers.
#[derive(Deserialize)]
#[serde(bound = "O: Deserialize<'de>")]
struct Written<O> {
    status: Status,
    #[serde(default = "none", deserialize_with = "some")]
    value: Option<O>,
    message: Option<String>,
    error_type: Option<String>,
    error_data: Option<String>,
    #[serde(default)]
    stack_trace: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Fulfilled,
    Rejected,
}

fn none<O>() -> Option<O> {
    None
}

/// A value that is there, also one that is `null`.
fn some<'de, D: Deserializer<'de>, O: Deserialize<'de>>(deserializer: D) -> Result<Option<O>, D::Error> {
    O::deserialize(deserializer).map(Some)
}

impl<O> Written<O> {
    fn settled(self) -> serde_json::Result<Settled<O>> {
        let Self { status, value, message, error_type, error_data, stack_trace } = self;
        match status {
            Status::Fulfilled => match value {
                Some(value) => Ok(Settled::Fulfilled(value)),
                None => Err(serde::de::Error::missing_field("value")),
            },
            Status::Rejected => {
                let wire = WireError::from_parts(error_type, message, error_data, stack_trace);
                let source = Some(ReplayedFailure::boxed(wire.clone()));
                let error = ChildContextError::new(ChildContextErrorKind::ChildFailed, source);
                let error = OperationError::new(OperationErrorKind::ChildContext(error)).with_wire(wire);
                Ok(Settled::Rejected(error))
            }
        }
    }
}

fn fulfilled(json: &str) -> String {
    format!("{{\"status\":\"fulfilled\",\"value\":{json}}}")
}

fn rejected(error: &OperationError) -> serde_json::Result<String> {
    let failure = serde_json::to_string(&Failure::of(&recorded(error)))?;
    // An object, with the tag in front of its fields.
    let fields = failure.strip_prefix('{').unwrap_or(&failure);
    let separator = if fields == "}" { "" } else { "," };
    Ok(format!("{{\"status\":\"rejected\"{separator}{fields}"))
}

/// The error of a combinator that is on record as failed. `count` is how many inputs it had.
fn failed(operation: &dyn Operation, mut wire: WireError, count: usize) -> OperationError {
    let joined = wire.take_frame(JOIN);
    let raced = wire.take_frame(RACE).is_some();
    let one = || vec![ReplayedFailure::boxed(wire.clone())];
    let error_type = wire.error_type().unwrap_or_default();
    let (kind, failures) = match error_type {
        FIRST_SETTLED_FAILED => (CombinatorErrorKind::FirstSettledFailed, one()),
        _ if raced => (CombinatorErrorKind::FirstSettledFailed, one()),
        EMPTY_INPUT => (CombinatorErrorKind::EmptyInput, Vec::new()),
        ALL_FAILED => (CombinatorErrorKind::AllFailed, failures(&wire, count)),
        _ => match joined
            .as_deref()
            .or(error_type.strip_prefix(JOIN_FAILED))
            .and_then(|index| index.parse().ok())
        {
            Some(index) => (CombinatorErrorKind::JoinFailed(JoinFailed::new(index)), one()),
            None => (CombinatorErrorKind::Internal, one()),
        },
    };
    let error = CombinatorError::new(kind, failures);
    OperationError::new(OperationErrorKind::Combinator(error)).on_record(operation, "FAILED", wire)
}

/// The failures of a `select_ok`. Where the record has no room for each, they are all that of the whole.
fn failures(wire: &WireError, count: usize) -> Vec<BoxError> {
    let each = wire.error_data().and_then(|data| serde_json::from_str::<Vec<Failure>>(data).ok());
    match each.filter(|each| each.len() == count) {
        Some(each) => each.into_iter().map(|failure| ReplayedFailure::boxed(failure.into_wire())).collect(),
        None => (0..count).map(|_| ReplayedFailure::boxed(wire.clone())).collect(),
    }
}

fn internal(error: impl Into<BoxError>) -> OperationError {
    let error = CombinatorError::new(CombinatorErrorKind::Internal, vec![error.into()]);
    OperationError::new(OperationErrorKind::Combinator(error))
}
