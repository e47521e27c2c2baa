//! `durawasm check`: verdicts, findings, reports, budgets, repeated schedules, recorded executions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, out, root};
use serde_json::{Value, json};

fn durawasm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.output().unwrap()
}

fn built(path: &str) -> String {
    json_of(&durawasm(&["build", path, "--json"]))["path"].as_str().unwrap().to_owned()
}

/// The component of handlers that replay and of handlers that do not. The first test builds it.
fn zoo() -> &'static str {
    static ZOO: OnceLock<String> = OnceLock::new();
    ZOO.get_or_init(|| built("testing/check-handlers"))
}

/// The component of the test handlers.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| built("testing/guests"))
}

/// Checks a handler.
fn check(function: &str, more: &[&str]) -> Output {
    durawasm(&[&["check", zoo(), "-f", function], more].concat())
}

/// The JSON report of a check.
fn report(function: &str, more: &[&str]) -> Value {
    json_of(&check(function, &[&["--json"], more].concat()))
}

/// Checks one of the test handlers.
fn check_guest(function: &str, more: &[&str]) -> Output {
    durawasm(&[&["check", guests(), "-f", function], more].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// An invalid command line or input: exit code 2, one line, nothing on standard output.
fn is_refused(output: &Output, says: &str) {
    let errors = err(output);
    assert_eq!((code(output), out(output).as_str()), (2, ""), "{errors}");
    assert!(errors.contains(says), "{errors}");
    assert_eq!(errors.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

/// That an operation of a report has the documented members.
fn is_operation(operation: &Value) {
    assert_eq!(
        members(operation),
        BTreeSet::from(["name", "type", "sub_type", "parent", "id", "position"]),
        "{operation}"
    );
    for member in ["name", "sub_type", "parent"] {
        assert!(is_text_or_null(&operation[member]), "{member} of {operation}");
    }
    assert!(operation["type"].is_string() && operation["id"].is_string(), "{operation}");
    assert!(operation["position"].is_u64(), "{operation}");
}

/// That a divergence of a report has the documented members.
fn is_divergence(divergence: &Value) {
    assert_eq!(
        members(divergence),
        BTreeSet::from([
            "operation",
            "expected",
            "actual",
            "under",
            "schedule",
            "imports",
            "backtrace",
            "advice"
        ]),
        "{divergence}"
    );
    if !divergence["operation"].is_null() {
        is_operation(&divergence["operation"]);
    }
    for member in ["expected", "actual"] {
        assert!(divergence[member].is_object() || divergence[member].is_null(), "{member} of {divergence}");
    }
    for member in ["under", "schedule", "advice"] {
        assert!(divergence[member].is_string(), "{member} of {divergence}");
    }
    for import in divergence["imports"].as_array().unwrap() {
        assert_eq!(members(import), BTreeSet::from(["name", "arguments", "result"]));
        assert!(import.as_object().unwrap().values().all(Value::is_string), "{import}");
    }
    assert!(divergence["backtrace"].as_array().unwrap().iter().all(Value::is_string), "{divergence}");
}

/// That a report has the documented members.
fn is_report(report: &Value) {
    let names = [
        "verdict",
        "handler",
        "function",
        "divergence",
        "findings",
        "explored",
        "not_explored",
        "budget",
        "histories",
        // What was in force, as in the reports of the other commands.
        "granted",
        "limits",
        "from",
        "config",
        "grantedToOthers",
    ];
    assert_eq!(members(report), BTreeSet::from(names), "{report}");
    for member in ["verdict", "handler", "function"] {
        assert!(report[member].is_string(), "{member} of {report}");
    }
    if !report["divergence"].is_null() {
        is_divergence(&report["divergence"]);
    }
    for finding in report["findings"].as_array().unwrap() {
        assert_eq!(members(finding), BTreeSet::from(["kind", "operation", "detail"]));
        assert!(finding["kind"].is_string() && finding["detail"].is_string(), "{finding}");
        is_operation(&finding["operation"]);
    }
    assert_eq!(members(&report["explored"]), BTreeSet::from(["prefixes", "crash_points", "perturbations"]));
    for counts in report["explored"].as_object().unwrap().values() {
        let counts = counts.as_array().unwrap();
        assert!(counts.len() == 2 && counts[0].as_u64() <= counts[1].as_u64(), "{counts:?}");
    }
    assert!(report["not_explored"].as_array().unwrap().iter().all(Value::is_string), "{report}");
    let budget = &report["budget"];
    let names = ["operations", "checkpoints", "bytes", "invocations", "quota"];
    assert_eq!(members(budget), BTreeSet::from(names));
    assert!(names[..4].iter().all(|name| budget[name].is_u64()) && budget["quota"].is_string(), "{budget}");
    for history in report["histories"].as_array().unwrap() {
        let mut found = members(history);
        // Only of those that are not judged.
        assert_eq!(found.remove("reason"), history["verdict"] == "not-judged", "{history}");
        assert_eq!(found, BTreeSet::from(["file", "execution", "verdict", "divergence"]));
        if !history["divergence"].is_null() {
            is_divergence(&history["divergence"]);
        }
    }
}

/// How many schedules of all kinds were explored, and how many there are.
fn explored(report: &Value) -> (u64, u64) {
    let explored = report["explored"].as_object().unwrap();
    let sum = |at: usize| explored.values().map(|counts| counts[at].as_u64().unwrap()).sum();
    (sum(0), sum(1))
}

#[test]
fn verdicts_are_exit_codes_and_reports() {
    let fine = check("step_named_by_recorded_time", &["--json", "--portable"]);
    let report = json_of(&fine);
    is_report(&report);
    assert_eq!((code(&fine), &report["verdict"]), (0, &json!("deterministic")));
    assert_eq!((&report["divergence"], &report["findings"]), (&Value::Null, &json!([])));
    assert_eq!(
        (&report["function"], &report["handler"]),
        (&json!("step_named_by_recorded_time"), &json!(zoo()))
    );
    let (done, of) = explored(&report);
    assert!(done == of && done > 20 && report["not_explored"] == json!([]), "{report}");

    let clocked = check("step_named_by_clock", &["--json"]);
    let report = json_of(&clocked);
    is_report(&report);
    assert_eq!((code(&clocked), &report["verdict"]), (0, &json!("sandbox-dependent")));
    let divergence = &report["divergence"];
    assert_eq!(
        (&divergence["under"], &divergence["operation"]["name"]),
        (&json!("clock"), &json!("after-60s"))
    );
    assert_eq!(divergence["expected"]["name"], json!("after-60s"));
    assert_ne!(divergence["actual"]["name"], json!("after-60s"));
    let imports = divergence["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import["name"] == "wasi:clocks/wall-clock.now"), "{divergence}");
    assert!(divergence["advice"].as_str().unwrap().contains("ctx.now()"), "{divergence}");
    assert_eq!(code(&check("step_named_by_clock", &["--portable"])), 1);

    let faulty = check("list_left_with_the_thread", &["--json"]);
    let report = json_of(&faulty);
    is_report(&report);
    assert_eq!((code(&faulty), &report["verdict"]), (1, &json!("non-deterministic")));
    let divergence = &report["divergence"];
    let of_operation = &divergence["operation"];
    assert_eq!(
        (&divergence["under"], &of_operation["name"], &of_operation["type"], &of_operation["position"]),
        (&json!("replay"), &json!("mail-kim"), &json!("STEP"), &json!(2))
    );

    // No operation differs, only the result.
    let report = json_of(&check("total_in_a_static", &["--json"]));
    is_report(&report);
    assert_eq!(report["divergence"]["operation"], Value::Null);
    assert_eq!(report["divergence"]["expected"]["result"], json!(12));
}

#[test]
fn a_report_for_people_names_the_operation_both_sides_and_what_to_do() {
    let output = check("list_left_with_the_thread", &[]);
    let text = out(&output);
    for part in [
        "list_left_with_the_thread: non-deterministic",
        "STEP \"mail-kim\"",
        "STEP find",
        "on record",
        "what to do: keep no state outside of steps",
        "--replay replay:",
        "explored ",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    // The time that it took varies, so it is not part of the output.
    assert!(err(&output).contains("checked in ") && !text.contains("checked in "), "{text}");
    let portable = err(&check("step_named_by_clock", &[]));
    assert!(portable.contains("--portable makes this a failure"), "{portable}");
}

#[test]
fn a_body_that_writes_twice_is_a_finding_and_the_users_directory_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    fs::write(&journal, "mine\n").unwrap();
    let grant = format!("{}::/scratch", dir.path().display());
    let granted = ["--dir", &grant, "--json"];
    let output = check("line_added_at_least_once", &granted);
    let report = json_of(&output);
    is_report(&report);
    assert_eq!((code(&output), &report["verdict"]), (1, &json!("deterministic")));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["kind"], &finding["operation"]["name"]),
        (&json!("double-effect"), &json!("append"))
    );
    assert_eq!(
        code(&check("line_added_at_least_once", &[&granted[..], &["--allow", "double-effect"]].concat())),
        0
    );
    assert_eq!(code(&check("line_added_at_most_once", &granted)), 0);
    // Every run worked on a copy.
    assert_eq!(fs::read_to_string(&journal).unwrap(), "mine\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    // For information only.
    let report = self::report("clock_in_a_step", &[]);
    is_report(&report);
    assert_eq!(
        (&report["verdict"], &report["findings"][0]["kind"]),
        (&json!("deterministic"), &json!("value-not-idempotent"))
    );
    let option = self::report("wait_computed_from_the_clock", &[]);
    is_report(&option);
    assert_eq!(option["findings"][0]["kind"], json!("option-differs"));
}

#[test]
fn what_cannot_be_checked_is_an_error_of_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.wasm");
    fs::write(&text, "hello").unwrap();
    let text = text.to_str().unwrap();
    let broken = durawasm(&["check", text]);
    assert_eq!((code(&broken), out(&broken).as_str()), (4, ""), "{}", err(&broken));
    assert!(err(&broken).contains("not WebAssembly"), "{}", err(&broken));

    is_refused(&durawasm(&["check"]), "HANDLER");
    is_refused(&durawasm(&["check", "no-such.wasm"]), "there is no no-such.wasm");
    is_refused(&durawasm(&["check", zoo()]), "choose one with --function");
    is_refused(&check("total_in_static", &[]), "did you mean `total_in_a_static`?");
    is_refused(&check_guest("plain", &[]), "plain function");
    let cases: [(&[&str], &str); 16] = [
        (&["--only", "clok"], "\"clok\" is not a kind of schedule; did you mean `clock`?"),
        (&["--skip", "replay,crashes"], "did you mean `crash`?"),
        (&["--only", ""], "the kinds are replay, crash, clock"),
        (&["--only", "replay", "--skip", "crash"], "cannot be used with"),
        (&["--only", "replay", "--replay", "replay:1"], "cannot be used with"),
        (&["--budget", "0"], "check nothing"),
        (&["--budget", "soon"], "neither a time, such as 30s, nor a number of schedules"),
        (&["--jobs", "0"], "--jobs"),
        (&["--allow", "everything"], "double-effect"),
        (&["--replay", "clok:1@1"], "is not a schedule"),
        (&["--replay", "crash:after-99"], "does not exist for this handler and event: it has 5 points"),
        (&["--replay", "replay:5"], "does not exist for this handler and event: it has 5 points"),
        (&["--event", "{\"a\""], "is not JSON"),
        (&["--event", "-", "--event", "-"], "standard input"),
        (&["--answer", "approval=maybe"], "approval=maybe"),
        (&["--function-answer", "total_of_results=1s:success"], "must not stand in for it"),
    ];
    for (arguments, says) in cases {
        is_refused(&check("total_of_results", arguments), says);
    }

    let waits = check_guest("callback", &["-e", r#"{"name":"reply"}"#, "--only", "replay"]);
    assert_eq!(code(&waits), 5, "{}", err(&waits));
    assert!(
        err(&waits).contains("callback \"reply\"") && err(&waits).contains("--answer"),
        "{}",
        err(&waits)
    );
    assert!(out(&waits).contains("what follows once callback \"reply\" is answered"), "{}", out(&waits));
    let answer = ["-e", r#"{"name":"reply"}"#, "--only", "replay", "--answer", "reply=1h:success:\"ok\""];
    assert_eq!(code(&check_guest("callback", &answer)), 0);

    let unwritable = dir.path().join("no-such-folder/check.xml");
    let output = check("total_of_results", &["--only", "replay", "--junit", unwritable.to_str().unwrap()]);
    assert_ne!(code(&output), 0);
    assert!(err(&output).contains("check.xml"), "{}", err(&output));
}

#[test]
fn the_page_of_the_command_line_names_every_option() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let help = out(&durawasm(&["check", "--help"]));
    let options = help.lines().take_while(|line| *line != "Examples:").map(str::trim_start);
    let options: Vec<&str> = options
        .filter(|line| line.starts_with('-'))
        .map(|line| &line[line.find("--").unwrap()..])
        .map(|option| option.split([' ', '[', '<']).next().unwrap())
        .filter(|option| *option != "--help")
        .collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        assert!(page.contains(&format!("`{option}`")) || page.contains(&format!("`{option} ")), "{option}");
    }
}

#[test]
fn handlers_that_crash_stall_or_time_out_are_checked_like_others() {
    for (function, more) in [
        ("panics_in_step", &[][..]),
        ("hangs_on_foreign_future", &["--only", "crash"]),
        ("spins", &["--cpu-limit", "50ms", "--only", "replay"]),
        ("waits_days", &["-e", "365", "--execution-timeout", "10s", "--only", "crash"]),
    ] {
        let output = check_guest(function, &[more, &["--json", "--quiet"]].concat());
        let report = json_of(&output);
        is_report(&report);
        assert_eq!((code(&output), &report["verdict"]), (0, &json!("deterministic")), "{function}: {report}");
        assert!(!err(&output).contains("panicked"), "{function}: {}", err(&output));
    }
}

#[test]
fn a_recorded_run_that_ends_in_the_error_of_a_replay_is_a_verdict() {
    let report = report("cache_filled_in_a_body", &[]);
    is_report(&report);
    assert_eq!(
        (&report["verdict"], &report["divergence"]["under"]),
        (&json!("non-deterministic"), &json!("replay"))
    );
    assert_eq!(explored(&report), (0, 0));
    let again = self::report("cache_filled_in_a_body", &["--replay", "record"]);
    assert_eq!(again["divergence"], report["divergence"]);
}

#[test]
fn the_schedule_of_a_divergence_repeats_it() {
    for function in ["total_in_a_static", "late_fee_by_clock", "fault_after_an_interruption"] {
        let found = report(function, &["--seed", "3"]);
        let schedule = found["divergence"]["schedule"].as_str().unwrap();
        let again = report(function, &["--seed", "3", "--replay", schedule]);
        assert_eq!(again["divergence"], found["divergence"], "{function} {schedule}");
        assert_eq!(again["verdict"], found["verdict"], "{function} {schedule}");
        assert!(again["not_explored"][0].as_str().unwrap().contains(schedule), "{again}");
    }
}

#[test]
fn kinds_are_chosen_and_left_out() {
    let explored = |more: &[&str]| {
        let report = report("late_fee_by_clock", more);
        is_report(&report);
        let counts = report["explored"].clone();
        (report["verdict"].as_str().unwrap().to_owned(), counts, report["not_explored"].to_string())
    };
    let (verdict, counts, not) = explored(&["--only", "crash,random"]);
    assert_eq!(verdict, "deterministic");
    assert!(counts["crash_points"][1].as_u64().unwrap() > 0);
    assert!(not.contains("clock: not asked for") && !not.contains("crash: not asked for"), "{not}");
    let (verdict, counts, _) = explored(&["--only", "clock"]);
    assert_eq!((verdict.as_str(), &counts["crash_points"]), ("sandbox-dependent", &json!([0, 0])));
    // Late steps differ with delayed checkpoints as well.
    let (verdict, _, not) = explored(&["--skip", "clock,checkpoints"]);
    assert_eq!(verdict, "deterministic");
    assert!(not.contains("clock: not asked for"), "{not}");
}

#[test]
fn a_budget_of_schedules_says_what_is_left_and_the_seed_repeats_the_choice() {
    let budget = |seed: &str| check("fifty_operations", &["--budget", "5", "--seed", seed, "--json"]);
    let first = budget("1");
    assert_eq!(out(&first), out(&budget("1")));
    let report = json_of(&first);
    is_report(&report);
    let (done, of) = explored(&report);
    assert!(done == 5 && of > 100, "{report}");
    let not = report["not_explored"].to_string();
    assert!(not.contains("the budget of 5 schedules was used up; seed 1 chose them"), "{not}");
    // A budget that suffices leaves nothing, whatever its unit.
    for budget in ["5000", "none"] {
        let report = self::report("total_of_results", &["--budget", budget]);
        assert_eq!(report["not_explored"], json!([]), "{budget}");
    }
}

#[test]
fn the_report_does_not_depend_on_the_number_of_jobs() {
    let [one, three] = ["1", "3"].map(|jobs| check("late_fee_by_clock", &["--json", "--jobs", jobs]));
    assert_eq!(out(&one), out(&three));
}

#[test]
fn several_events_tell_how_the_operations_grow() {
    let events = ["-e", "2", "-e", "6", "--only", "replay", "--json"];
    let report = json_of(&check_guest("many_steps", &events));
    is_report(&report);
    assert_eq!(report["budget"]["operations"], json!(6), "the largest counts");
    let quota = report["budget"]["quota"].as_str().unwrap();
    assert!(
        quota.contains("6 of 3000 operations") && quota.contains("3000 operations at 3000 items"),
        "{quota}"
    );
}

/// That a text is XML with balanced elements. Returns the start tags.
fn elements(xml: &str) -> Vec<&str> {
    let mut open = Vec::new();
    let mut all = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("<{part} has no end"));
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "<{part}");
        let name = tag.split_whitespace().next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{xml}");
        } else if !tag.starts_with('?') {
            all.push(tag);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

fn count(elements: &[&str], name: &str) -> usize {
    let is = |tag: &&&str| tag.split([' ', '/']).next() == Some(name);
    elements.iter().filter(is).count()
}

#[test]
fn the_junit_report_is_xml_with_a_case_for_each_kind_and_finding_and_history() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("check.xml");
    let junit = ["--junit", path.to_str().unwrap()];
    let cases = |xml: &str| {
        let elements = elements(xml);
        let (tests, failures, skipped) =
            (count(&elements, "testcase"), count(&elements, "failure"), count(&elements, "skipped"));
        let head = format!(
            "<testsuites name=\"durawasm check\" tests=\"{tests}\" skipped=\"{skipped}\" failures=\"{failures}\" errors=\"0\""
        );
        assert!(xml.contains(&head), "{head} is missing:\n{xml}");
        (tests, failures, skipped)
    };
    let written = |function: &str, more: &[&str]| {
        check(function, &[&junit[..], more].concat());
        fs::read_to_string(&path).unwrap()
    };

    // One case for each of the ten kinds.
    let (tests, failures, _) = cases(&written("total_of_results", &[]));
    assert_eq!((tests, failures), (10, 0));
    let xml = written("list_left_with_the_thread", &[]);
    assert_eq!(cases(&xml).0, 10);
    assert!(
        cases(&xml).1 >= 1 && xml.contains("type=\"non-deterministic\"") && xml.contains("mail-kim"),
        "{xml}"
    );

    // What only perturbations show is a failure if the handler must be portable.
    let clock = ["--only", "clock"];
    let (_, failures, skipped) = cases(&written("late_fee_by_clock", &clock));
    assert!(failures == 0 && skipped >= 1);
    let xml = written("late_fee_by_clock", &[&clock[..], &["--portable"]].concat());
    assert_eq!(cases(&xml).1, 1);
    assert!(xml.contains("type=\"sandbox-dependent\""), "{xml}");

    // A finding that fails has a case of its own.
    let scratch = ["--scratch"];
    let xml = written("line_added_at_least_once", &scratch);
    let (tests, failures, _) = cases(&xml);
    assert!(tests == 11 && failures == 1 && xml.contains("double-effect"), "{xml}");
    let allowed = written("line_added_at_least_once", &[&scratch[..], &["--allow"]].concat());
    assert_eq!(cases(&allowed).1, 0);
    assert!(xml.chars().all(|c| !c.is_control() || c == '\n'), "{xml}");
}

/// A recorded execution of an order, as `durawasm run --json` prints it.
fn recorded() -> &'static Value {
    static RECORDED: OnceLock<Value> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let arguments = ["run", zoo(), "-f", "order", "-e", r#"{"id":"o-1","cents":10000}"#];
        let more = ["--skip-time", "-q", "--json", "-a", r#"approval=2h:success:{"ok":true}"#];
        let ran = json_of(&durawasm(&[&arguments[..], &more].concat()));
        assert_eq!(ran["status"], json!("SUCCEEDED"), "{ran}");
        ran
    })
}

/// Checks the handler against files with these texts, in a folder, in this order.
fn histories(texts: &[String]) -> (i32, Value) {
    let dir = tempfile::tempdir().unwrap();
    for (at, text) in texts.iter().enumerate() {
        fs::write(dir.path().join(format!("{at:03}.json")), text).unwrap();
    }
    let output = check("order", &["--history", dir.path().to_str().unwrap(), "--json"]);
    let report = json_of(&output);
    is_report(&report);
    assert_eq!(report["histories"].as_array().unwrap().len(), texts.len(), "{report}");
    (code(&output), report)
}

fn service_form(events: &[Value]) -> String {
    json!({ "Events": events }).to_string()
}

#[test]
fn recorded_executions_of_the_same_handler_are_compatible_wherever_they_are_cut_off() {
    let recorded = recorded();
    let events = recorded["events"].as_array().unwrap();
    let mut texts = vec![recorded.to_string()];
    texts.extend((1..=events.len()).map(|until| service_form(&events[..until])));
    let (code, report) = histories(&texts);
    assert_eq!(code, 0);
    for history in report["histories"].as_array().unwrap() {
        assert_eq!(
            (&history["verdict"], &history["divergence"]),
            (&json!("compatible"), &Value::Null),
            "{history}"
        );
    }
    assert_eq!(report["histories"][0]["execution"], recorded["executionArn"]);
    assert!(report["histories"][1]["file"].as_str().unwrap().ends_with("001.json"), "{report}");
    assert!(report["not_explored"].to_string().contains("--history was given without --event"), "{report}");
}

#[test]
fn a_recorded_execution_with_another_operation_is_incompatible() {
    let renamed = |text: String| text.replace("\"charge\"", "\"pay\"");
    let events = recorded()["events"].as_array().unwrap();
    let fine = service_form(events);
    for text in [recorded().to_string(), fine.clone(), service_form(&events[..4])] {
        let (code, report) = histories(&[fine.clone(), renamed(text)]);
        assert_eq!((code, &report["verdict"]), (1, &json!("incompatible")));
        assert_eq!(report["histories"][0]["verdict"], json!("compatible"));
        let other = &report["histories"][1];
        assert_eq!(other["verdict"], json!("incompatible"));
        assert_eq!(other["divergence"]["operation"]["name"], json!("pay"));
        assert_eq!(report["divergence"], other["divergence"]);
        assert!(other["divergence"]["actual"].to_string().contains("charge"), "{other}");
    }

    let dir = tempfile::tempdir().unwrap();
    let (path, xml) = (dir.path().join("execution.json"), dir.path().join("check.xml"));
    fs::write(&path, renamed(fine)).unwrap();
    let arguments = ["--history", path.to_str().unwrap(), "--junit", xml.to_str().unwrap()];
    let output = check("order", &arguments);
    assert_eq!(code(&output), 1);
    let text = out(&output);
    assert!(text.starts_with("order: incompatible\n"), "{text}");
    assert!(text.contains("execution.json: incompatible, differs at STEP \"pay\""), "{text}");
    let xml = fs::read_to_string(&xml).unwrap();
    assert_eq!(count(&elements(&xml), "failure"), 1, "{xml}");
    assert!(xml.contains("type=\"incompatible\""), "{xml}");

    // With an event, the handler itself is checked too.
    let event =
        ["--event", r#"{"id":"o-1","cents":10000}"#, "--answer", r#"approval=2h:success:{"ok":true}"#];
    let both = json_of(&check("order", &[&arguments[..2], &event, &["--json", "--only", "replay"]].concat()));
    is_report(&both);
    assert_eq!(both["verdict"], json!("incompatible"));
    assert!(explored(&both).0 > 5, "{both}");
}

/// Takes the payloads out of a history, as the service does if they are not asked for.
fn without_payloads(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.remove("Payload").is_some() {
                members.insert("Truncated".to_owned(), json!(true));
            }
            members.values_mut().for_each(without_payloads);
        }
        Value::Array(items) => items.iter_mut().for_each(without_payloads),
        _ => {}
    }
}

#[test]
fn a_history_that_lacks_data_is_not_judged_and_says_why() {
    let mut truncated = recorded()["events"].clone();
    without_payloads(&mut truncated);
    let page = json!({ "Events": recorded()["events"], "NextMarker": "more" }).to_string();
    let (code, report) = histories(&[service_form(truncated.as_array().unwrap()), page]);
    assert_eq!(code, 0);
    for (at, says) in ["IncludeExecutionData", "NextMarker"].into_iter().enumerate() {
        let history = &report["histories"][at];
        assert_eq!((&history["verdict"], &history["divergence"]), (&json!("not-judged"), &Value::Null));
        assert!(history["reason"].as_str().unwrap().contains(says), "{history}");
    }
}

#[test]
fn files_without_a_history_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for (name, text, says) in [
        ("text.json", "no JSON", "is no history: "),
        ("object.json", "{}", "neither `Events` nor `executionArn`"),
        ("list.json", "[]", "the list is empty"),
        ("events.json", r#"{"Events":[]}"#, "ExecutionStarted"),
        ("shape.json", r#"{"Events":3}"#, "is no history: "),
        ("empty", "", "the folder has no .json file"),
        ("missing.json", "", "missing.json: "),
    ] {
        let path = dir.path().join(name);
        if !text.is_empty() {
            fs::write(&path, text).unwrap();
        }
        let output = check("order", &["--history", path.to_str().unwrap()]);
        is_refused(&output, says);
        assert!(err(&output).contains(name), "{}", err(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
}
