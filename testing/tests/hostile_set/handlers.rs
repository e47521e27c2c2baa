//! Hostile handlers that are made with the SDK, or with its bindings.

use std::net::SocketAddr;

use durawasm_core::orchestrator::SCRATCH;
use serde_json::{Value, json};

use super::row::{
    Class::{Busy, Greedy, Slow},
    Ends::{self, Failed, Returned, Stalled, Succeeded, TimedOut},
    Row,
};

const MIB: usize = 1 << 20;

const BYTES: Ends = Failed("Execution.ByteLimitExceeded", "at most 16777216 are kept for one execution");
const CPU: Ends = Failed("Sandbox.CpuLimitExceeded", "of CPU time; the limit is 200ms");
const EXIT: &str = "Runtime.ExitError";

pub fn rows() -> Vec<Row> {
    [time(), memory(), bytes(), trees(), crashes(), contract(), divergence(), text(), disk()].concat()
}

fn time() -> Vec<Row> {
    let busy = |function, event| Row::handler(Busy, function, event, CPU);
    vec![
        busy("spins", Value::Null),
        busy("spins_in_step", Value::Null),
        busy("fills_memory", Value::Null),
        busy("polls_long_lists", json!([450_000, 1_000_000])),
        busy("many_bodies_that_spin", json!(1000)),
        busy("asks_without_end", json!("random")),
        busy("asks_without_end", json!("time")),
        busy("asks_without_end", json!("sleep")),
        busy("blocks_on", Value::Null),
        // 584 years at a time.
        Row::handler(Greedy, "sleeps_for_ages", json!([1_000_000, false]), TimedOut),
        Row::handler(Greedy, "sleeps_for_ages", json!([1_000_000, true]), TimedOut),
        Row::handler(
            Slow,
            "sleeps_in_step",
            json!(3600),
            Failed("Sandbox.TimeLimitExceeded", "of real time"),
        ),
        Row::handler(
            Greedy,
            "hangs_on_foreign_future",
            Value::Null,
            Failed("HandlerStalled", "not a durable operation"),
        ),
        Row::handler(Greedy, "hangs_in_step", Value::Null, Failed("StepStalled", "")),
        Row::handler(
            Greedy,
            "many_waits",
            json!(1_000_000),
            Failed("Execution.EventLimitExceeded", "events"),
        ),
        Row::handler(Greedy, "callback", json!({ "name": "never" }), Stalled),
    ]
}

fn memory() -> Vec<Row> {
    vec![
        Row::handler(
            Greedy,
            "allocates",
            Value::Null,
            Failed("Sandbox.MemoryLimitExceeded", "more memory than an invocation may have"),
        ),
        Row::handler(Greedy, "recurses", json!("calls"), Failed("Sandbox.StackLimitExceeded", "too deep")),
        Row::handler(Greedy, "recurses", json!("memory"), Failed("Sandbox.StackLimitExceeded", "too deep")),
        Row::handler(
            Greedy,
            "polls_long_lists",
            json!([600_000, 1]),
            Failed("Sandbox.HandleLimitExceeded", "handles of all kinds at once; the limit is "),
        ),
        Row::handler(
            Greedy,
            "many_concurrent_steps",
            json!(1_000_000),
            Failed("Sandbox.MemoryLimitExceeded", "the limit is 131072 KiB"),
        ),
    ]
}

/// What each makes the host keep, how often at most, and how large each is in bytes.
fn bytes() -> Vec<Row> {
    let hoards = |how, times: u32, bytes: usize, ends| {
        Row::handler(Greedy, "hoards", json!({ "how": how, "times": times, "bytes": bytes }), ends)
    };
    vec![
        hoards("results", 1_000, 5 * MIB, BYTES),
        hoards("payloads", 1_000, 5 * MIB, BYTES),
        hoards("states", 1, 2 * MIB, BYTES),
        hoards("lines", 1_000_000, 60_000, BYTES),
        hoards("blank", 100_000, 0, BYTES),
        hoards("invocations", 1_000, 7 * MIB, BYTES),
        hoards("unsent", 1_000_000, 0, Failed("Execution.EventLimitExceeded", "1200 events")),
        hoards("unsent", 1_000, 5 * MIB, BYTES),
        hoards("operations", 100_000, 7 * MIB, Failed("Sandbox.LogLimitExceeded", "at most 16777216")),
        hoards("fields", 100_000, 500_000, BYTES),
        hoards("initial", 1_000, 5 * MIB, BYTES),
        hoards("frames", 1_000_000, 1_000, BYTES),
        hoards("scopes", 1_000_000, 0, Failed("Sandbox.OperationLimitExceeded", "5000")),
        hoards("callbacks", 300, 0, Stalled),
    ]
}

fn trees() -> Vec<Row> {
    let chain = json!({ "function": "counts_down", "payload": 1000 });
    let unknown = json!({ "function": "no-such-function", "payload": null });
    vec![
        // A tree of 50 executions, and no more.
        Row::handler(Greedy, "multiplies", json!(30), Succeeded(json!(50))),
        Row::handler(
            Greedy,
            "invokes_or_fails",
            chain,
            Failed("Invoke.DepthExceeded", "the chain of invocations has no end"),
        ),
        Row::handler(
            Greedy,
            "invokes_or_fails",
            unknown,
            Failed("ResourceNotFoundException", "no-such-function"),
        ),
    ]
}

fn crashes() -> Vec<Row> {
    let crash = |function, says| Row::handler(Greedy, function, Value::Null, Failed(EXIT, says));
    vec![
        crash("panics", "panicked at"),
        crash("panics_in_step", "panicked at"),
        crash("exits", "exited, with failure"),
        crash("exits_well", "exited, with success"),
        crash("aborts", "trapped"),
        crash("starts_a_thread", "a handler has one thread"),
        crash("sleeps_with_tokio", "a handler has no tokio runtime"),
        Row::handler(Greedy, "at_most_once_panics", Value::Null, Failed(EXIT, "panicked at")),
    ]
}

fn contract() -> Vec<Row> {
    [
        "enter a step that is over",
        "enter a step that is being closed",
        "enter a step that waits",
        "enter twice",
        "enter another",
        "enter a condition twice",
        "leave twice",
        "leave another",
        "leave after the end",
        "close twice",
        "close another",
        "retry another",
        "close a child in a body",
        "enter a hook twice",
        "leave a hook twice",
        "begin twice",
        "poll nothing",
        "start in a context that is over",
    ]
    .into_iter()
    .map(|rule| {
        let ends = Failed("Durable.ContractViolation", "");
        Row::handler(Greedy, "breaks_the_contract", json!(rule), ends)
    })
    .collect()
}

fn divergence() -> Vec<Row> {
    let ends = || Failed("NonDeterministicExecutionError", "");
    vec![
        Row::handler(Greedy, "divergent", Value::Null, ends()),
        Row::handler(Greedy, "opens_a_scope_over_a_child", Value::Null, ends()),
        Row::handler(Greedy, "hides_divergence", Value::Null, ends()),
    ]
}

fn text() -> Vec<Row> {
    let hostile = "\u{1b}[2J\u{202e}\u{feff}\r\n\u{fffe}\u{0}]]>";
    let long = |what: &str, ends| Row::handler(Greedy, "has_a_long_name", json!([what, 8 * MIB]), ends);
    let rejected = || Returned("\"operation ");
    vec![
        Row::handler(Greedy, "says", json!(hostile), Failed(hostile, hostile)),
        long("step", rejected()),
        long("invoke", rejected()),
        long("child", rejected()),
        long("wait", rejected()),
        long("line", Succeeded(json!(""))),
        long("error", Failed("nnnn", "nnnn")),
        // Not a value of JSON, but text of it that is nested deeply.
        Row::handler(Greedy, "verbatim", json!("[".repeat(100_000)), Failed("Error", "EOF while parsing")),
        Row::handler(
            Greedy,
            "verbatim",
            json!(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
            Returned("[[["),
        ),
    ]
}

/// The quota is 1,000 KiB and 20 files.
fn disk() -> Vec<Row> {
    let fills = |how: &str, first: usize, again: usize| {
        let event = json!({ "directory": SCRATCH, "how": how, "times": 1000, "bytes": 300 << 10 });
        let full = |done: usize| json!({ "done": done, "error": "no storage space" });
        Row::handler(Greedy, "fills", event, Succeeded(json!({ "first": full(first), "again": full(again) })))
    };
    vec![
        fills("files", 3, 3),
        fills("appends", 3, 0),
        fills("sizes", 3, 3),
        fills("seeks", 3, 3),
        fills("directories", 20, 0),
        fills("holds", 3, 3),
        Row::handler(Greedy, "holds_files", json!(100_000), Succeeded(json!(20))),
        // `..`, absolute paths and paths without a directory reach nothing else.
        Row::handler(
            Greedy,
            "reaches",
            json!({ "directory": SCRATCH }),
            Succeeded(json!({ "variables": {}, "first": 1, "second": 2, "outside": 0 })),
        ),
    ]
}

/// Requests to a server that is granted, and to others.
pub fn http(server: SocketAddr) -> Vec<Row> {
    let get = |url: String| json!([{ "method": "GET", "url": url }]);
    let url = |path: &str| format!("http://{server}/{path}");
    let refused = |error: &str| Succeeded(json!([{ "error": error }]));
    vec![
        Row::http("fetches", get("http://127.0.0.1:1/".to_owned()), refused("ErrorCode::HttpRequestDenied")),
        Row::http(
            "fetches",
            get("http://169.254.169.254/latest".to_owned()),
            refused("ErrorCode::HttpRequestDenied"),
        ),
        Row::http("fetches", get(url("large")), Failed("Sandbox.HttpLimitExceeded", "may 4194304")),
        Row::http(
            "uploads",
            json!([url(""), 3_000_000_000_u32]),
            Failed("Sandbox.HttpLimitExceeded", "may 4194304"),
        ),
        Row::http(
            "opens",
            json!([url("large"), 100]),
            Returned("{\"error\":\"ErrorCode::ConnectionLimitReached"),
        ),
        Row::http("makes_fields", json!(1_000_000), Failed("Sandbox.HandleLimitExceeded", "257 files")),
        Row::http("hangs", json!({ "method": "GET", "url": url("never") }), Returned("{\"failed\":\"step")),
    ]
}
