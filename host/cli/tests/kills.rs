//! `durawasm serve` under `kill -9`: what was acknowledged is there afterwards, and every execution ends as if nothing had
//! happened. `scripts/kill-loop N` runs it with N kills.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use serving::{Serving, arn_path, callback_path, guests};

/// The executions. Each has a name of its own, and all are begun while processes are killed.
const EXECUTIONS: usize = 40;

/// An event of `sequence`, for each kind of execution.
fn event(number: usize) -> Value {
    let steps = json!([{"step": ["a", number]}, {"step": ["b", 2]}, {"step": ["c", 3]}]);
    match number % 5 {
        0 => steps,
        1 => json!([{"step": ["a", 1]}, {"wait": ["w", 1]}, {"step": ["b", number]}]),
        2 => json!([{"step": ["a", 1]}, {"callback": ["asked", 0]}, {"step": ["b", 2]}]),
        3 => json!([{"invoke": ["called", "sequence", [{"wait": ["w", 1]}, {"step": ["x", number]}]]}]),
        _ => json!([{"child": ["c", [{"step": ["a", 1]}, {"wait": ["w", 1]}]]}, {"child": ["d", steps]}]),
    }
}

fn name(number: usize) -> String {
    format!("e{number}")
}

/// What a client knows of an execution.
#[derive(Default)]
struct Known {
    /// Its ARN, once a start was acknowledged.
    arn: Option<String>,
    callback: Option<String>,
    answered: bool,
}

/// Does the next thing for an execution. `None` if the server went away.
fn act(serving: &Serving, number: usize, known: &mut Known) -> Option<()> {
    let Some(arn) = &known.arn else {
        let start = serving.try_start("sequence", &name(number), &event(number))?;
        known.arn = Some(start);
        return Some(());
    };
    let (status, view) = serving.try_send("GET", &arn_path(arn, ""), "")?;
    assert_eq!(status, 200, "{} was acknowledged and is lost: {view}", name(number));
    if number % 5 != 2 || known.answered {
        return Some(());
    }
    if known.callback.is_none() {
        let (_, history) = serving.try_send("GET", &arn_path(arn, "/history"), "")?;
        let history: Value = serde_json::from_str(&history).unwrap();
        let mut started = history["Events"].as_array().unwrap().iter();
        let started = started.find(|event| event["EventType"] == "CallbackStarted");
        known.callback =
            started.map(|event| event["CallbackStartedDetails"]["CallbackId"].as_str().unwrap().to_owned());
    }
    if let Some(id) = &known.callback {
        let path = callback_path(id, "succeed");
        let (status, answer) = serving.try_send("POST", &path, &json!({ "answer": number }).to_string())?;
        // One that was not acknowledged may have been accepted.
        let before = answer.contains("CallbackTimeoutException") || answer.contains("was completed");
        assert!(status == 200 || before, "{status} {answer}");
        known.answered = true;
    }
    Some(())
}

/// Brings all executions to their ends, and returns what they came to.
fn results(serving: &Serving, known: &mut [Known]) -> BTreeMap<String, Value> {
    let until = Instant::now() + Duration::from_mins(2);
    let mut results = BTreeMap::new();
    while results.len() < known.len() {
        for (number, known) in known.iter_mut().enumerate() {
            act(serving, number, known).unwrap();
            let Some(arn) = &known.arn else { continue };
            let (_, view) = serving.try_send("GET", &arn_path(arn, ""), "").unwrap();
            let view: Value = serde_json::from_str(&view).unwrap();
            if view["Status"] != "RUNNING" {
                results.insert(name(number), json!([view["Status"], view["Result"], view["Error"]]));
            }
        }
        assert!(Instant::now() < until, "{} of {} have ended: {results:#?}", results.len(), known.len());
    }
    results
}

fn serve(store: &Path) -> Serving {
    let function = format!("sequence={}#sequence", guests());
    Serving::start_on(store, &["--function", &function, "--quiet"])
}

#[test]
fn killed_servers_lose_nothing_and_do_nothing_twice() {
    let kills = std::env::var("KILLS").map_or(40, |kills| kills.parse().unwrap());
    let seed = std::env::var("KILLS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let alone = results(&serve(Path::new(":memory:")), &mut fresh());
    let began = Instant::now();
    let mut done = 0;
    let mut round = 0;
    while done < kills {
        let store = folder.path().join(format!("{round}.db"));
        let mut known = fresh();
        // A round ends when its executions have most probably ended.
        for _ in 0..25.min(kills - done) {
            let mut serving = serve(&store);
            for _ in 0..random.random_range(0..30) {
                let number = random.random_range(0..EXECUTIONS);
                act(&serving, number, &mut known[number]).unwrap();
            }
            // Somewhere in the middle of further requests.
            let number = random.random_range(0..EXECUTIONS);
            let half_sent: Vec<_> =
                (0..3).map(|_| serving.begin_start("sequence", &name(number), &event(number))).collect();
            for _ in 0..random.random_range(0..200_000) {
                std::hint::spin_loop();
            }
            serving.kill();
            drop(half_sent);
            done += 1;
        }
        let serving = serve(&store);
        assert_eq!(results(&serving, &mut known), alone, "round {round}");
        let list = "/2025-12-01/functions/sequence/durable-executions?MaxItems=1000&Statuses=SUCCEEDED";
        let (_, list) = serving.try_send("GET", list, "").unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let targets = (0..EXECUTIONS).filter(|number| number % 5 == 3).count();
        let listed = list["DurableExecutions"].as_array().unwrap().len();
        assert_eq!(listed, EXECUTIONS + targets, "each name and each invoke is one execution");
        round += 1;
        let seconds = began.elapsed().as_secs();
        println!(
            "{done} of {kills} kills with seed {seed}, {seconds} s: nothing is lost, and nothing was done twice"
        );
    }
}

fn fresh() -> Vec<Known> {
    (0..EXECUTIONS).map(|_| Known::default()).collect()
}
