//! `durawasm test` as users run it: scenario files in, text, reports and an exit code out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Instant,
};

use common::{err, json_of, out, root};
use serde_json::json;

fn durawasm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.output().unwrap()
}

/// The component of the order example. The first test builds it.
fn order() -> &'static str {
    static ORDER: OnceLock<String> = OnceLock::new();
    ORDER.get_or_init(|| {
        let built = json_of(&durawasm(&["build", "examples/order", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// A folder with files of these names and texts. `ORDER` in a text is the order example's component, `EVENTS` its
/// events.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let events = root().join("examples/order/events");
        for (name, text) in files {
            let text = text.replace("ORDER", order()).replace("EVENTS", events.to_str().unwrap());
            fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs `durawasm test` on the folder.
    fn test(&self, more: &[&str]) -> Output {
        durawasm(&[&["test", &self.path("")], more].concat())
    }
}

/// A file with one scenario of a valid order, followed by these lines.
fn one(expect: &str) -> String {
    format!(
        "handler = \"ORDER\"\n[[scenarios]]\nname = \"one\"\nevent_file = \"EVENTS/good.json\"\n\
         answers = [{{ callback = \"approval\", after = \"2h\", success = {{ approved = true, by = \"kim\" }} }}]\n{expect}\n"
    )
}

#[test]
fn the_scenarios_of_the_examples_pass() {
    let output = durawasm(&[
        "test",
        "examples/order",
        "examples/approval/approval.test.yaml",
        "examples/function-chain",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    let text = out(&output);
    for line in [
        "pass  examples/order/order.test.toml: a good order is shipped (SUCCEEDED after 3days 2h 6s, 5 invocations)",
        "pass  examples/order/order.test.toml: a bad order fails and says why (FAILED after 0s, 1 invocation)",
        "pass  examples/approval/approval.test.yaml: somebody approves (SUCCEEDED after 5h, 2 invocations)",
        "pass  examples/function-chain/function-chain.test.yaml: another price is the one that counts (SUCCEEDED after 20h 3m, 4 invocations)",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nis missing:\n{text}");
    }
    assert_eq!(text.lines().last().unwrap(), "17 scenarios: 17 passed");
    assert!(!text.contains("note:"), "{text}");
}

#[test]
fn each_thing_that_differs_is_told() {
    let cases: [(&str, &[&str]); 12] = [
        (
            "expect.status = \"FAILED\"",
            &["status: expected FAILED, found SUCCEEDED", "  result: {\"status\":\"shipped\""],
        ),
        (
            "expect.result = { status = \"shipped\", order = \"o-1001\", tracking = \"trk-1\", paid_cents = 10250, approved_by = \"kim\" }",
            &[
                "result: differs (- expected, + found)",
                "-   \"tracking\": \"trk-1\"",
                "+   \"tracking\": \"trk-o-1001\"",
            ],
        ),
        (
            "expect.result_includes = { approved_by = \"lee\" }",
            &["result_includes: result.approved_by: expected \"lee\", found \"kim\""],
        ),
        ("expect.error = { type = \"X\" }", &["status: expected FAILED, found SUCCEEDED"]),
        ("event = 3\nevent_file_ = 1", &["there is no key `event_file_` here; did you mean `event_file`?"]),
        (
            "expect.invocations = 4\nexpect.duration = \"3days\"",
            &["invocations: expected 4, found 5", "duration: expected 3days, found 3days 2h 6s"],
        ),
        (
            "expect.operations = [{ name = \"charge\", attempts = 2 }]",
            &["operations: \"charge\": attempts: expected 2, found 3"],
        ),
        (
            "expect = { operations = [{ name = \"reserve-stock\" }, { name = \"charge\" }], operations_exactly = true }",
            &[
                "operations: expected exactly 2, found 7",
                "  reserve-stock STEP SUCCEEDED attempts 1",
                "+ ship STEP SUCCEEDED",
            ],
        ),
        (
            "expect.operations_absent = [\"ship\"]",
            &["operations_absent: expected no operation \"ship\", found ship STEP"],
        ),
        (
            "expect.log = [\"order refused\"]",
            &[
                "log: expected a line with \"order refused\", found none",
                "logged: order accepted order=o-1001 cents=10250",
            ],
        ),
        ("execution_timeout = \"1h\"", &["status: expected SUCCEEDED, found TIMED_OUT: Execution.Timeout"]),
        ("expect.waiting_for = [\"approval\"]", &["status: expected RUNNING, found SUCCEEDED"]),
    ];
    for (expect, says) in cases {
        let files = Files::new(&[("x.test.toml", &one(expect))]);
        let output = files.test(&["-q"]);
        let text = out(&output) + &err(&output);
        assert!(!text.contains("panicked"), "{text}");
        for part in says {
            assert!(text.contains(part), "{expect}\ndoes not say {part}:\n{text}");
        }
        let wrong_file = text.contains("there is no key");
        assert_eq!(output.status.code(), Some(if wrong_file { 2 } else { 1 }), "{text}");
        if !wrong_file {
            assert!(text.contains("FAIL  ") && text.contains("x.test.toml: one ("), "{text}");
            assert!(text.contains("\n       name                type"), "the operations are shown:\n{text}");
            assert!(text.ends_with("1 scenario: 0 passed, 1 failed\n"), "{text}");
        }
    }
}

#[test]
fn what_waits_for_nobody_fails_unless_it_is_expected() {
    let text = "handler: testing/guests\nfunction: callback\nevent: { name: reply }\nscenarios:\n\
                - { name: forgotten, answers: [{ callback: rply, success: 1 }] }\n\
                - { name: meant, expect: { waiting_for: [reply] } }\n\
                - { name: running, expect: { status: RUNNING } }\n\
                - { name: other, expect: { waiting_for: [else] } }\n\
                - { name: answered, answers: [{ callback: reply, after: 1h, success: hi }], expect: { result_includes: { answer: hi } } }\n";
    let text = text.replace("testing/guests", root().join("testing/guests").to_str().unwrap());
    let output = Files::new(&[("x.test.yaml", &text)]).test(&[]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", err(&output));
    for part in [
        "status: expected SUCCEEDED, found RUNNING: it waits for callback \"reply\", and nothing answers it",
        "give an answer in `answers`",
        "note: the success for \"rply\" was not used: no callback has that name; did you mean `reply`?",
        "x.test.yaml: meant (RUNNING after 0s, 1 invocation)",
        "waiting_for: expected else, found reply",
        "5 scenarios: 3 passed, 2 failed",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn stand_ins_take_the_time_they_are_told_to_and_may_fail() {
    let chain = root().join("examples/function-chain");
    let text = format!(
        "handler: {chain:?}\nfunction: chain\nevent: {{ article: lamp, quantity: 1, customer: Ada }}\nscenarios:\n\
         - {{ name: late, functions: [{{ name: price, after: 1h, result: 5 }}, {{ name: pack, after: 30m, result: box }}], \
             expect: {{ duration: 90m, result: {{ cents: 5, parcel: box, not_announced: null }} }} }}\n\
         - {{ name: broken, functions: [{{ name: price, error: {{ type: Closed, message: on Sundays }} }}], \
             expect: {{ error: {{ message: on Sundays }}, operations: [{{ name: price, error: {{ type: Closed }} }}] }} }}\n\
         - {{ name: idle, functions: [{{ name: never }}] }}\n"
    );
    let output = Files::new(&[("x.test.yaml", &text)]).test(&[]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    assert!(text.contains("late (SUCCEEDED after 1h 30m, "), "{text}");
    assert!(text.contains("note: the scripted function \"never\" was not invoked"), "{text}");
    assert_eq!(text.matches("note:").count(), 1, "{text}");
}

#[test]
fn the_json_report_says_everything_and_repeats_byte_for_byte() {
    let text = one("expect.invocations = 4")
        + "[[scenarios]]\nname = \"two\"\nevent_file = \"EVENTS/bad.json\"\nexpect.error = {}\n";
    let files = Files::new(&[("x.test.toml", &text)]);
    let (first, again) = (files.test(&["--json"]), files.test(&["--json"]));
    assert_eq!((first.status.code(), out(&first)), (Some(1), out(&again)));
    let report = json_of(&first);
    assert_eq!((&report["passed"], &report["failed"], &report["skipped"]), (&json!(1), &json!(1), &json!(0)));
    let [one, two] = report["scenarios"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert!(one["file"].as_str().unwrap().ends_with("x.test.toml"));
    assert_eq!(
        (&one["name"], &one["verdict"], &one["function"]),
        (&json!("one"), &json!("failed"), &json!("order"))
    );
    assert_eq!(
        one["mismatches"],
        json!([{ "what": "invocations", "message": "expected 4, found 5", "details": [] }])
    );
    assert_eq!((&one["status"], &one["result"]["order"]), (&json!("SUCCEEDED"), &json!("o-1001")));
    assert_eq!((&one["durationMillis"], &one["invocations"]), (&json!(266_406_000), &json!(5)));
    assert!(one["operations"].as_array().unwrap().len() > 5);
    assert_eq!((&two["verdict"], &two["mismatches"]), (&json!("passed"), &json!([])));
    assert_eq!(two["error"]["ErrorType"], json!("InvalidOrder"));

    let stopped = json_of(&files.test(&["--json", "--fail-fast"]));
    assert_eq!((&stopped["failed"], &stopped["skipped"]), (&json!(1), &json!(1)));
    assert_eq!(stopped["scenarios"][1]["verdict"], json!("skipped"));
}

#[test]
fn the_junit_report_is_xml_with_a_case_for_each_scenario() {
    let text = one("expect.invocations = 4")
        + "[[scenarios]]\nname = \"<two> & \\\"more\\\" \\u001b[31m\"\nevent_file = \"EVENTS/bad.json\"\nexpect.error = {}\n";
    let files = Files::new(&[("x.test.toml", &text), ("y.test.toml", &one(""))]);
    let report = files.path("report.xml");
    let output = files.test(&["--junit", &report, "-q"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(!out(&output).contains("pass  "), "quiet leaves out what passes: {}", out(&output));
    let xml = fs::read_to_string(&report).unwrap();
    for part in [
        "<testsuites name=\"durawasm test\" tests=\"3\" skipped=\"0\" failures=\"1\" errors=\"0\"",
        "x.test.toml\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"1\"",
        "y.test.toml\" tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"0\"",
        "<testcase name=\"one\" classname=\"",
        "<testcase name=\"&lt;two&gt; &amp; &quot;more&quot; \"",
        "<failure message=\"invocations: expected 4, found 5\">",
        "<property name=\"duration\" value=\"3days 2h 6s\"/>",
        "supplier-lead-time  WAIT",
    ] {
        assert!(xml.contains(part), "{part} is missing:\n{xml}");
    }
    assert!(xml.chars().all(|c| !c.is_control() || c == '\n'), "{xml}");

    let skipped = files.test(&["--junit", &report, "--fail-fast"]);
    assert!(out(&skipped).ends_with("3 scenarios: 0 passed, 1 failed, 2 skipped\n"), "{}", out(&skipped));
    assert_eq!(fs::read_to_string(&report).unwrap().matches("<skipped").count(), 2);
}

#[test]
fn scenarios_are_listed_and_chosen_by_their_names() {
    let files = Files::new(&[
        (
            "a.test.toml",
            "handler = \"nowhere\"\n[[scenarios]]\nname = \"red\"\n[[scenarios]]\nname = \"dark red\"\n",
        ),
        ("b.test.yml", "scenarios: [{ name: blue }]"),
        ("c.toml", "no = scenarios"),
    ]);
    let list = |more: &[&str]| files.test(&[&["--list"], more].concat());
    let names = |output: &Output| {
        let text = out(output);
        text.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&list(&[])), ["a.test.toml: red", "a.test.toml: dark red", "b.test.yml: blue"]);
    assert_eq!(names(&list(&["--filter", "red"])), ["a.test.toml: red", "a.test.toml: dark red"]);
    let list = json_of(&list(&["--filter", "blue", "--json"]));
    assert_eq!(list[0]["name"], json!("blue"));
    let none = files.test(&["--list", "--filter", "green"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        err(&none).contains("none of the 3 scenarios in 2 files has \"green\" in its name"),
        "{}",
        err(&none)
    );
}

#[test]
fn a_crate_is_built_once_and_another_handler_can_be_tested() {
    let order = root().join("examples/order");
    let text = one("").replace("ORDER", order.to_str().unwrap());
    let files = Files::new(&[("a.test.toml", &text), ("b.test.toml", &text)]);
    let output = files.test(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(err(&output).matches("compiling order").count(), 1, "{}", err(&output));

    let other = files.test(&["-q", "--handler", "examples/hello"]);
    assert_eq!(other.status.code(), Some(1), "{}", err(&other));
    assert!(out(&other).contains("found FAILED: InvalidEvent"), "{}", out(&other));
}

#[test]
fn bad_input_is_told_in_a_line_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("text.wasm"), "hello").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let here = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let guests = root().join("testing/guests");
    let guests = guests.to_str().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        here(name)
    };
    let scenario = "[[scenarios]]\nname = \"a\"\n";
    let handler = |handler: &str| format!("handler = {handler:?}\n");
    let order = handler(order());
    let cases: Vec<(Vec<String>, i32, &str)> = vec![
        (vec![here("empty")], 2, "there are no scenarios: searched"),
        (vec![here("none")], 2, "there is no "),
        (
            vec![file("no-handler.toml", scenario)],
            2,
            "`handler` is a component's file or a crate's folder, or `function` is a function of a durawasm.toml",
        ),
        (
            vec![file("no-file.toml", &(handler("nope.wasm") + scenario))],
            2,
            "nope.wasm; name a component's file",
        ),
        (vec![file("no-crate.toml", &(handler("empty") + scenario))], 3, "Cargo.toml"),
        (vec![file("no-component.toml", &(handler("text.wasm") + scenario))], 4, "not WebAssembly"),
        (
            vec![file("no-function.toml", &(order.clone() + "function = \"nope\"\n" + scenario))],
            2,
            "scenario \"a\": there is no function \"nope\"; there is order",
        ),
        (
            vec![file("several.toml", &(handler(guests) + scenario)), "-q".into()],
            2,
            "choose one with `function`: ",
        ),
        (
            vec![file("itself.toml", &(order.clone() + "functions = [{ name = \"order\" }]\n" + scenario))],
            2,
            "\"order\" is the function that is tested",
        ),
        (
            vec![file("wrong.toml", &(order.clone() + "seeed = 1\n" + scenario))],
            2,
            "wrong.toml:2:1: there is no key `seeed` here; did you mean `seed`?",
        ),
        (vec![file("good.toml", &(order + scenario)), "--package".into(), "x".into()], 2, "are for crates"),
        (vec!["--timeout".into(), "0".into()], 2, "\"0\" is no time at all"),
        (vec!["--timeout".into(), "soon".into()], 2, "it is written as 90s, 2h 30m or 3days"),
    ];
    for (arguments, code, says) in cases {
        let arguments: Vec<&str> = ["test"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let output = durawasm(&arguments);
        let errors = err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().filter(|l| l.starts_with("error: ")).count(), 1, "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", out(&output));
    }
    // Each invalid file is reported before anything runs.
    file("empty/a.test.toml", "a = 1");
    file("empty/b.test.yaml", "b: 1");
    file("empty/c.test.toml", scenario);
    let output = durawasm(&["test", &here("empty")]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()));
    assert_eq!(err(&output).lines().count(), 2, "{}", err(&output));
    let report = here("no/such/folder.xml");
    let files = Files::new(&[("x.test.toml", &one(""))]);
    let unwritable = files.test(&["--junit", &report]);
    assert_eq!((unwritable.status.code(), out(&unwritable)), (Some(2), String::new()));
    assert!(err(&unwritable).contains("cannot write the report"), "{}", err(&unwritable));
}

#[test]
fn real_time_has_an_end() {
    let hello = root().join("examples/hello");
    let text = format!("handler: {hello:?}\nscenarios: [{{ name: slow, event: Ann, real_time: true }}]\n");
    let files = Files::new(&[("x.test.yaml", &text)]);
    durawasm(&["build", "examples/hello"]);
    let start = Instant::now();
    let output = files.test(&["--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        out(&output).contains("timeout: it took longer than 1s of real time, and was given up"),
        "{}",
        out(&output)
    );
    assert!(start.elapsed().as_secs() < 40);
}

/// A check runs on threads of its own, and whoever waits for it cannot look at a clock.
#[test]
fn the_time_of_a_check_counts() {
    let guests = root().join("testing/guests");
    let one = "name: long, function: many_steps, event: 3000, check: true";
    let text = format!("handler: {guests:?}\nscenarios: [{{ {one} }}]\n");
    let files = Files::new(&[("x.test.yaml", &text)]);
    durawasm(&["build", "testing/guests"]);
    let output = files.test(&["--timeout", "2s"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        out(&output).contains("timeout: it took longer than 2s of real time, and was given up"),
        "{}",
        out(&output)
    );
}
