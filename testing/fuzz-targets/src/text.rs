//! Text of the command line on its way in, and all text on its way out.

use std::time::Duration;

use durawasm_check::{Kind, ScheduleId};
use durawasm_core::{
    durations::{ExecutionTimeout, parse_duration, parse_some_duration, parse_start_time, show_duration},
    hint,
    orchestrator::{
        DirectoryRequest, VariableRequest, bare_name, parse_answer, parse_answer_for_all,
        parse_function_answer,
    },
    protocol::{Timestamp, check_execution_name},
};
use durawasm_report::{
    LONGEST_MESSAGE, is_unsafe, json,
    junit::{Case, CaseEnd, Reason, junit},
    printable, printable_lines, shortened,
};

/// The values of options: durations, times, answers, grants, schedules.
pub fn arguments(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for parsed in [parse_duration(&text), parse_some_duration(&text)].into_iter().flatten() {
        let again = parse_duration(&show_duration(parsed)).expect("what is shown can be read");
        assert_eq!(again, Duration::from_millis(u64::try_from(parsed.as_millis()).unwrap_or(u64::MAX)));
        let _ = ExecutionTimeout::of(parsed);
    }
    let _ = text.parse::<ExecutionTimeout>();
    if let Ok(start) = parse_start_time(&text) {
        let _ = Timestamp::from(start).plus_seconds(u64::MAX);
    }
    for scripted in [parse_answer(&text), parse_answer_for_all(&text)].into_iter().flatten() {
        assert!(text.contains(&scripted.callback) || !scripted.callback.is_empty());
    }
    let _ = parse_function_answer(&text);
    let _ = text.parse::<DirectoryRequest>();
    let _ = text.parse::<VariableRequest>();
    let _ = text.parse::<Kind>();
    if let Ok(schedule) = text.parse::<ScheduleId>() {
        assert_eq!(schedule.to_string().parse::<ScheduleId>().ok(), Some(schedule), "ids can be repeated");
    }
    let _ = bare_name(&text);
    let _ = check_execution_name(&text);
    let _ = hint::did_you_mean(&text, ["one", "two"]);
}

/// Text of guests and files, on its way to terminals, JSON and XML.
pub fn output(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let safe = |shown: &str| shown.chars().find(|c| is_unsafe(*c));
    let most = data.len() / 2;
    for shown in [printable(&text), shortened(&text, most)] {
        assert_eq!(safe(&shown), None, "{shown:?}");
    }
    assert!(shortened(&text, most).chars().count() <= most + 60);
    assert_eq!(safe(&printable_lines(&text).replace('\n', "")), None);
    let quoted = serde_json::to_string(&text).expect("it is text");
    let escaped = json(&quoted);
    assert_eq!(safe(&escaped), None);
    assert_eq!(serde_json::from_str::<String>(&escaped).expect("it is JSON"), text);
    let reason = Reason { message: text.clone().into_owned(), description: text.clone().into_owned() };
    let case = Case {
        suite: &text,
        name: text.clone().into_owned(),
        end: CaseEnd::Failed { kind: None, reason },
        time: Duration::ZERO,
        properties: vec![("text", text.clone().into_owned())],
        output: text.clone().into_owned(),
    };
    let xml = junit(&text, [case]).expect("any text can be in a report");
    assert_eq!(safe(&xml.replace('\n', "")), None);
    assert!(xml.len() <= 2_000 + 6 * 6 * LONGEST_MESSAGE.min(data.len() * 3) + 2 * 6 * 3 * data.len());
}
