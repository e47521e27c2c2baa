//! `durawasm check --store`: would other code replay the executions that are under way in a store?
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{fs, io::ErrorKind, net::TcpListener, path::Path, process::Output, sync::OnceLock};

use common::{err, json_of, out};
use serde_json::{Value, json};
use serving::{Serving, arn_path, durawasm, until};

fn built(path: &str) -> String {
    json_of(&durawasm(&["build", path, "--json"]))["path"].as_str().unwrap().to_owned()
}

/// The component of handlers that replay and of handlers that do not. The first test builds it.
fn zoo() -> &'static str {
    static ZOO: OnceLock<String> = OnceLock::new();
    ZOO.get_or_init(|| built("testing/check-handlers"))
}

/// Serves a handler that waits for an hour, as `gate`.
fn serve(store: &Path) -> Serving {
    let gate = format!("gate={}#late_fee_by_clock", zoo());
    Serving::start_on(store, &["--quiet", "--function", &gate])
}

/// Starts an execution of `gate`, and returns its ARN once it waits.
fn wait_at_the_gate(serving: &Serving, name: &str) -> String {
    let arn = serving.try_start("gate", name, &Value::Null).unwrap();
    until_event(serving, &arn, "WaitStarted");
    arn
}

/// Returns once the history of an execution has an event of this type.
fn until_event(serving: &Serving, arn: &str, event_type: &str) {
    until(format_args!("{event_type} of {arn}"), || {
        let history = serving.get(&arn_path(arn, "/history"));
        let mut events = history["Events"].as_array().unwrap().iter();
        events.any(|event| event["EventType"] == event_type).then_some(())
    });
}

/// Checks a handler against the executions of a store.
fn check(function: &str, store: &Path, more: &[&str]) -> Output {
    let arguments = ["check", zoo(), "--function", function, "--store", store.to_str().unwrap()];
    durawasm(&[&arguments[..], more].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// The executions of a report, each with its judgement, and the exit code.
fn judged(output: &Output) -> (i32, Vec<(String, String)>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let report = json_of(output);
    let histories = report["histories"].as_array().unwrap().iter();
    let histories = histories.map(|history| (text(&history["execution"]), text(&history["verdict"])));
    (code(output), histories.collect())
}

fn all(arns: &[&String], verdict: &str) -> Vec<(String, String)> {
    arns.iter().map(|arn| ((*arn).clone(), verdict.to_owned())).collect()
}

/// An invalid command line or input: exit code 2, one error, nothing on standard output.
fn is_refused(output: &Output, says: &str) {
    let errors = err(output);
    assert_eq!((code(output), out(output).as_str()), (2, ""), "{errors}");
    assert!(errors.contains(says), "{errors}");
    assert_eq!(errors.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{errors}");
}

const GATE: [&str; 2] = ["--served-as", "gate"];

#[test]
fn executions_under_way_replay_on_other_code_or_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let mut serving = serve(&store);
    let [first, second, stopped] = ["g-1", "g-2", "g-3"].map(|name| wait_at_the_gate(&serving, name));
    let (status, body) = serving.send("POST", &arn_path(&stopped, "/stop"), "");
    assert_eq!(status, 200, "{body}");
    let json = [&GATE[..], &["--json"]].concat();

    for runs in [true, false] {
        // Other code, and the same operations up to the wait. The execution that has ended is left out.
        let compatible = check("late_fee_by_recorded_time", &store, &json);
        assert_eq!(judged(&compatible), (0, all(&[&first, &second], "compatible")), "{}", err(&compatible));
        let report = json_of(&compatible);
        assert_eq!(report["verdict"], "deterministic");
        assert_eq!(report["histories"][0]["file"], store.to_str().unwrap());
        let not_explored = report["not_explored"].to_string();
        assert!(not_explored.contains("--store was given without --event"), "{not_explored}");

        let incompatible = check("list_left_with_the_thread", &store, &json);
        assert_eq!(judged(&incompatible), (1, all(&[&first, &second], "incompatible")));
        let report = json_of(&incompatible);
        assert_eq!(report["verdict"], "incompatible");
        for divergence in [&report["divergence"], &report["histories"][1]["divergence"]] {
            assert_eq!(divergence["operation"]["name"], "parking", "{report}");
            assert_eq!(
                (&divergence["schedule"], &divergence["actual"]["name"]),
                (&json!("history"), &json!("find"))
            );
        }
        if runs {
            serving.kill();
        }
    }

    let text = out(&check("late_fee_by_recorded_time", &store, &GATE));
    assert!(text.starts_with("late_fee_by_recorded_time: compatible\n"), "{text}");
    assert!(text.contains("recorded executions: 2 compatible\n"), "{text}");
    assert!(text.contains(&format!("  {}, {first}: compatible\n", store.display())), "{text}");

    let xml = folder.path().join("check.xml");
    let junit = [&GATE[..], &["--junit", xml.to_str().unwrap()]].concat();
    let output = check("list_left_with_the_thread", &store, &junit);
    assert_eq!(code(&output), 1);
    let line = format!("  {}, {second}: incompatible, differs at WAIT \"parking\"\n", store.display());
    assert!(out(&output).contains(&line), "{}", out(&output));
    let xml = fs::read_to_string(&xml).unwrap();
    assert_eq!(xml.matches("type=\"incompatible\"").count(), 2, "{xml}");
    assert!(xml.contains(&format!("replays {first} of {}", store.display())), "{xml}");

    // With an event, the handler itself is checked as well.
    let both =
        check("late_fee_by_recorded_time", &store, &[&json[..], &["-e", "1", "--only", "replay"]].concat());
    assert_eq!(judged(&both), (0, all(&[&first, &second], "compatible")));
    assert!(json_of(&both)["explored"]["prefixes"][0].as_u64().unwrap() > 1, "{}", out(&both));
}

#[test]
fn an_execution_that_waits_for_a_retry_replays_to_the_end_of_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    // Under its own name.
    let function = format!("order={}", zoo());
    let serving = Serving::start_on(&store, &["--quiet", "--function", &function]);
    let arn = serving.try_start("order", "o-1", &json!({ "id": "o-1", "cents": 100 })).unwrap();
    until_event(&serving, &arn, "StepFailed");
    let same = check("order", &store, &["--json"]);
    assert_eq!(judged(&same), (0, all(&[&arn], "compatible")), "{}", err(&same));
    let other = check("late_fee_by_clock", &store, &["--served-as", "order", "--json"]);
    assert_eq!(judged(&other), (1, all(&[&arn], "incompatible")));
    assert_eq!(json_of(&other)["divergence"]["operation"]["name"], "reserve");
}

#[test]
fn a_budget_says_what_was_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let mut serving = serve(&store);
    let arns = ["g-1", "g-2", "g-3"].map(|name| wait_at_the_gate(&serving, name));
    serving.kill();
    let one = |seed: &str| {
        let more = [&GATE[..], &["--json", "--budget", "1", "--seed", seed]].concat();
        let output = check("late_fee_by_clock", &store, &more);
        let report = json_of(&output);
        let says = format!(
            "2 of 3 recorded executions: the budget of 1 schedules was used up; seed {seed} chose them"
        );
        assert!(report["not_explored"].as_array().unwrap().contains(&json!(says)), "{report}");
        let (code, histories) = judged(&output);
        assert_eq!((code, histories.len()), (0, 1), "{report}");
        histories[0].0.clone()
    };
    let chosen: Vec<String> = (0..9).map(|seed| one(&seed.to_string())).collect();
    assert!(chosen.iter().all(|arn| arns.contains(arn)) && chosen.iter().any(|arn| *arn != chosen[0]));
    assert_eq!(one("3"), chosen[3]);
    let none = check("late_fee_by_clock", &store, &[&GATE[..], &["--json", "--budget", "none"]].concat());
    assert_eq!(judged(&none), (0, all(&[&arns[0], &arns[1], &arns[2]], "compatible")));
}

#[test]
fn a_store_without_such_executions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = path("s.db");
    serve(&store).kill();
    // It knows the function, which has no execution.
    let nothing = check("late_fee_by_clock", &store, &GATE);
    assert_eq!(code(&nothing), 0, "{}", err(&nothing));
    let text = out(&nothing);
    assert!(text.starts_with("late_fee_by_clock: nothing was replayed\n"), "{text}");
    assert!(text.contains("no execution of gate is under way in the store"), "{text}");
    let json = check("late_fee_by_clock", &store, &[&GATE[..], &["--json"]].concat());
    assert_eq!(judged(&json), (0, Vec::new()));

    // It knows no function of that name.
    let unknown = check("late_fee_by_clock", &store, &[]);
    is_refused(&unknown, "there is no function \"late_fee_by_clock\"; there is gate; --served-as states");
    is_refused(&check("order", &store, &["--served-as", "gat"]), "did you mean `gate`?");
    is_refused(&durawasm(&["check", zoo(), "-f", "order", "--served-as", "gate"]), "--store <FILE>");

    // It knows none at all.
    fs::write(path("no.json"), "{}").unwrap();
    let empty = path("empty.db");
    let import =
        ["store", "import", empty.to_str().unwrap(), path("no.json").to_str().unwrap()].map(str::to_owned);
    assert_eq!(code(&durawasm(&import.each_ref().map(String::as_str))), 2);
    let nothing = check("order", &empty, &["--json"]);
    assert_eq!(judged(&nothing), (0, Vec::new()), "{}", err(&nothing));

    fs::write(
        path("text"),
        "this is no database, and it is longer than the header of one, so that it is read.",
    )
    .unwrap();
    is_refused(&check("order", &path("text"), &[]), "this is no store of durawasm");
    is_refused(&check("order", &path("absent.db"), &[]), "absent.db: there is no such file");
    assert!(!path("absent.db").exists());
}

#[test]
fn an_execution_that_is_damaged_is_not_judged_and_the_command_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let mut serving = serve(&store);
    let [damaged, whole] = ["g-1", "g-2"].map(|name| wait_at_the_gate(&serving, name));
    serving.kill();
    let database = rusqlite::Connection::open(&store).unwrap();
    let delete = "DELETE FROM log WHERE number =
         (SELECT min(number) FROM log JOIN executions ON executions.key = log.execution WHERE arn = ?1)";
    assert_eq!(database.execute(delete, [&damaged]).unwrap(), 1);
    drop(database);

    let json = [&GATE[..], &["--json"]].concat();
    let output = check("late_fee_by_clock", &store, &json);
    let expected = [(damaged.clone(), "not-judged".to_owned()), (whole, "compatible".to_owned())];
    assert_eq!(judged(&output), (6, expected.to_vec()), "{}", err(&output));
    let report = json_of(&output);
    let reason = report["histories"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("number 0 of the ") && reason.contains(" is missing"), "{reason}");
    let errors = err(&output);
    assert!(errors.contains("1 of the executions under way cannot be read, and are not judged"), "{errors}");
    assert!(errors.contains("durawasm store check"), "{errors}");
    // What is known to be wrong comes first.
    assert_eq!(code(&check("list_left_with_the_thread", &store, &json)), 1);
}

/// The execution is a real one, so what its body sends must not be sent by a check.
#[test]
fn a_replay_sends_no_http_requests() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = elsewhere.local_addr().unwrap().to_string();
    let component = built("testing/http-guests");
    let function = format!("fetches={component}");
    let grant = ["--allow-http", &address];
    let serving = Serving::start_on(&store, &[&["--quiet", "--function", &function][..], &grant].concat());
    let event = json!([{ "method": "POST", "url": format!("http://{address}/") }]);
    let arn = serving.try_start("fetches", "f-1", &event).unwrap();
    // The body of the step waits for an answer.
    let _held = elsewhere.accept().unwrap();
    let check = ["check", &component, "-f", "fetches", "--store", store.to_str().unwrap(), "--json"];
    let output = durawasm(&[&check[..], &grant].concat());
    assert_eq!(judged(&output), (0, all(&[&arn], "compatible")), "{}", err(&output));
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}
