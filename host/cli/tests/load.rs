//! `durawasm serve` on a store with many executions at once, through HTTP: nothing is lost and nothing is done twice, and
//! how long starts and answers take. `scripts/load` runs it with many more of them, and prints what it has measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use durawasm_client::{Access, Client, Endpoint, Invocation, ListQuery, repeated};
use durawasm_core::{
    protocol::{CallbackId, ExecutionArn, FunctionName},
    server::Answer,
};
use serde_json::{Value, json};
use serving::{Serving, guests, until};
use tokio::runtime::{Builder, Runtime};

/// The function: it runs operations that its event names.
const FUNCTION: &str = "sequence";

/// How long an execution may take from its answer to its end, however many there are.
const LONGEST: Duration = Duration::from_mins(10);

fn number_of(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

fn name(number: u32) -> String {
    format!("load-{number}")
}

/// A step, a callback, a step.
fn event(number: u32) -> String {
    json!([{"step": ["before", number]}, {"callback": ["asked", 0]}, {"step": ["after", number + 1]}])
        .to_string()
}

fn answer(number: u32) -> Value {
    json!({ "answer": number })
}

/// A client, with a runtime of its own: that is what connections belong to.
struct User {
    client: Client,
    runtime: Runtime,
}

impl User {
    fn of(serving: &Serving) -> Self {
        let endpoint = Endpoint::parse(&serving.endpoint()).unwrap();
        let client = Client::new(endpoint, Access::Unsigned).unwrap();
        Self { client, runtime: Builder::new_current_thread().enable_all().build().unwrap() }
    }

    /// Starts an execution. Returns how long that took.
    fn start(&self, number: u32) -> (ExecutionArn, Duration) {
        let (function, name, event) = (FunctionName::new(FUNCTION), name(number), event(number));
        let began = Instant::now();
        let start = repeated(async || self.client.start(&function, Some(&*name), &event).await);
        let arn = self.runtime.block_on(start).unwrap();
        (arn, began.elapsed())
    }

    fn events(&self, arn: &ExecutionArn) -> Vec<Value> {
        let mut events = Vec::new();
        self.runtime.block_on(self.client.each_event(arn, |event| events.push(event))).unwrap();
        events
    }

    /// The callback of an execution, once the execution does nothing but wait.
    fn callback(&self, arn: &ExecutionArn) -> CallbackId {
        until(format_args!("a callback of {arn}"), || {
            let events = self.events(arn);
            let waits = events.last().is_some_and(|event| event["EventType"] == "InvocationCompleted");
            let mut started = events.iter().filter(|event| event["EventType"] == "CallbackStarted");
            let id = started.next().filter(|_| waits)?["CallbackStartedDetails"]["CallbackId"].as_str();
            Some(CallbackId::from(id.unwrap()))
        })
    }

    /// Answers a callback, while an invocation under the execution's name waits for the end. Returns how long that
    /// took.
    fn answer(&self, number: u32, arn: &ExecutionArn, callback: &CallbackId) -> Duration {
        let (function, name, event) = (FunctionName::new(FUNCTION), name(number), event(number));
        let invocation = Invocation {
            function: &function,
            name: Some(&*name),
            payload: &event,
            asynchronous: false,
            within: Some(LONGEST),
        };
        let success = Answer::Success(Some(answer(number).to_string()));
        let began = Instant::now();
        let ending = async {
            let (ended, answered) =
                tokio::join!(self.client.invoke(invocation), self.client.answer(callback, &success));
            answered.unwrap();
            ended.unwrap()
        };
        let ended = self.runtime.block_on(ending);
        let took = began.elapsed();
        let result: Value = serde_json::from_str(&ended.payload).unwrap();
        assert_eq!(result, json!([number, answer(number), number + 1]), "{ended:?}");
        assert_eq!(ended.execution.as_ref(), Some(arn), "the name is one execution");
        took
    }

    /// Looks whether each operation of an execution was recorded once.
    fn check(&self, arn: &ExecutionArn) {
        let events = self.events(arn);
        for (kind, count) in [
            ("ExecutionStarted", 1),
            ("StepStarted", 2),
            ("StepSucceeded", 2),
            ("CallbackStarted", 1),
            ("CallbackSucceeded", 1),
            ("InvocationCompleted", 2),
            ("ExecutionSucceeded", 1),
        ] {
            let found = events.iter().filter(|event| event["EventType"] == kind).count();
            assert_eq!(found, count, "{kind} in {events:#?}");
        }
    }
}

/// Has each client do something for its share of the executions. Returns what came of them, in their order, and how
/// long it took.
fn each<T: Send>(
    serving: &Serving,
    (clients, executions): (u32, u32),
    act: impl Fn(&User, u32) -> T + Sync,
) -> (Vec<T>, Duration) {
    let share = |first: u32| -> Vec<(u32, T)> {
        let user = User::of(serving);
        (first..executions).step_by(clients as usize).map(|number| (number, act(&user, number))).collect()
    };
    let began = Instant::now();
    let mut done: Vec<(u32, T)> = thread::scope(|scope| {
        let shares: Vec<_> = (0..clients).map(|first| scope.spawn(move || share(first))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    let took = began.elapsed();
    done.sort_by_key(|(number, _)| *number);
    (done.into_iter().map(|(_, came)| came).collect(), took)
}

/// A line about requests: their median, their 99th percentile, and how many there were in a second.
fn told(what: &str, mut times: Vec<Duration>, took: Duration) -> String {
    times.sort();
    let millis = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    let rate = f64::from(u32::try_from(times.len()).unwrap()) / took.as_secs_f64();
    format!("{what}: p50 {:.1} ms, p99 {:.1} ms; {rate:.0} a second", millis(50), millis(99))
}

/// The memory of the server that the system has this name for, in MiB.
fn memory(serving: &Serving, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: u64 =
        line.trim_matches([':', ' ', '\t']).split(' ').next().unwrap().trim().parse().unwrap();
    kibibytes / 1024
}

/// That the server has counted as many as there are.
fn is_counted(serving: &Serving, executions: u32) {
    let of = |series: &str| format!("durawasm_{series} {executions}");
    let expected = [
        of(&format!("executions_started_total{{function=\"{FUNCTION}\"}}")),
        of(&format!("executions_ended_total{{function=\"{FUNCTION}\",status=\"SUCCEEDED\"}}")),
        of(&format!("invocations_total{{function=\"{FUNCTION}\",outcome=\"pending\"}}")),
        of(&format!("invocations_total{{function=\"{FUNCTION}\",outcome=\"succeeded\"}}")),
    ];
    // The last invocations may have been answered for before they are counted.
    let page = until("all invocations in the metrics", || {
        let page = serving.send("GET", "/metrics", "").1;
        expected.iter().all(|wanted| page.lines().any(|line| line == wanted)).then_some(page)
    });
    for outcome in ["crashed", "dropped", "failed"] {
        assert!(!page.contains(&format!("outcome=\"{outcome}\"")), "{page}");
    }
}

#[test]
fn many_executions_at_once_lose_nothing_and_do_nothing_twice() {
    let load = (number_of("LOAD_CLIENTS", 8), number_of("LOAD_EXECUTIONS", 200));
    let (clients, executions) = load;
    assert!(clients > 0 && executions > 0);
    let folder = tempfile::tempdir().unwrap();
    let function = format!("{FUNCTION}={}", guests());
    // No request is refused for want of room.
    let most = (executions + clients).to_string();
    let arguments = ["--no-config", "--quiet", "--function", &function, "--max-executions", &most];
    let serving = Serving::start_on(&folder.path().join("s.db"), &arguments);
    println!("{executions} executions by {clients} clients, on a store in {}", folder.path().display());

    let began = Instant::now();
    let (started, took) = each(&serving, load, User::start);
    let (arns, times): (Vec<ExecutionArn>, Vec<Duration>) = started.into_iter().unzip();
    println!("{}", told("start", times, took));
    let (callbacks, _) = each(&serving, load, |user, number| user.callback(&arns[number as usize]));
    println!(
        "all wait {:.1} s after the first start; the server has {} MiB of resident memory",
        began.elapsed().as_secs_f64(),
        memory(&serving, "VmRSS")
    );
    let (times, took) = each(&serving, load, |user, number| {
        let place = number as usize;
        user.answer(number, &arns[place], &callbacks[place])
    });
    println!("{}", told("answer to end", times, took));
    println!("the server has had {} MiB of resident memory at most", memory(&serving, "VmHWM"));

    each(&serving, load, |user, number| user.check(&arns[number as usize]));
    let user = User::of(&serving);
    let query = ListQuery { function: FUNCTION.to_owned(), ..ListQuery::default() };
    let most = executions as usize + 1;
    let (listed, _) = user.runtime.block_on(user.client.list(&query, "", most)).unwrap();
    assert_eq!(listed.len(), executions as usize, "each name is one execution");
    let names: BTreeSet<&str> = listed.iter().map(|listed| &*listed.durable_execution_name).collect();
    let lost: Vec<String> = (0..executions).map(name).filter(|name| !names.contains(&**name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let other = listed.iter().find(|listed| listed.status.as_str() != "SUCCEEDED");
    assert!(other.is_none(), "{other:?}");
    is_counted(&serving, executions);
    println!("nothing is lost, and nothing was done twice");
}
