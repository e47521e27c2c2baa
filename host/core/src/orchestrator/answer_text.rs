//! Scripted answers and ends of functions as text: `NAME=[AFTER:]KIND[:VALUE]`, the form of the command line.

use std::time::Duration;

use super::scripted::{ScriptedFunction, stopped, timed_out};
use crate::{
    durations::{DurationError, parse_duration},
    hint::did_you_mean,
    protocol::ErrorObject,
    server::{Answer, InvokeOutcome, ScriptedAnswer},
};

const KINDS: [&str; 3] = ["success", "failure", "heartbeat"];

const ENDS: [&str; 4] = ["success", "failure", "timed-out", "stopped"];

const FORM: &str = "an answer is NAME=[AFTER:]success[:JSON], NAME=[AFTER:]failure[:TYPE[:MESSAGE]] or \
                    NAME=[AFTER:]heartbeat, with AFTER such as 90s, 2h or 3days";

const FUNCTION_FORM: &str = "a function's end is NAME=[AFTER:]success[:JSON], or NAME=[AFTER:] and failure, timed-out or \
                             stopped, each with [:TYPE[:MESSAGE]]";

/// Parses an answer to a callback: `NAME=[AFTER:]success[:JSON]`, `NAME=[AFTER:]failure[:TYPE[:MESSAGE]]` or
/// `NAME=[AFTER:]heartbeat`.
///
/// # Errors
/// What is wrong, and the form.
pub fn parse_answer(text: &str) -> Result<ScriptedAnswer, String> {
    let (name, after, kind, value) = parts(text, "callback", FORM, &KINDS)?;
    let answer = match kind {
        "success" => Answer::Success(Some(json(value)?)),
        "failure" => Answer::Failure(error(value, "answered with a failure")),
        "heartbeat" if value.is_none() => Answer::Heartbeat,
        "heartbeat" => return Err(format!("a heartbeat has no value; {FORM}")),
        _ => {
            let meant = did_you_mean(kind, KINDS);
            return Err(format!("{kind:?} is not a kind of answer{meant}; {FORM}"));
        }
    };
    Ok(ScriptedAnswer::new(name, after, answer))
}

/// Parses an answer to every callback with its name. The form is that of [`parse_answer`].
///
/// # Errors
/// What is wrong, and the form.
pub fn parse_answer_for_all(text: &str) -> Result<ScriptedAnswer, String> {
    Ok(ScriptedAnswer { every: true, ..parse_answer(text)? })
}

/// Parses a function's name and its scripted outcome: `NAME=[AFTER:]success[:JSON]`, or `NAME=[AFTER:]` and `failure`,
/// `timed-out` or `stopped`, each with `[:TYPE[:MESSAGE]]`.
///
/// # Errors
/// What is wrong, and the form.
pub fn parse_function_answer(text: &str) -> Result<(String, ScriptedFunction), String> {
    let (name, after, kind, value) = parts(text, "function", FUNCTION_FORM, &ENDS)?;
    let outcome = match (kind, value) {
        ("success", _) => InvokeOutcome::Succeeded(Some(json(value)?)),
        ("failure", _) => InvokeOutcome::Failed(error(value, "the function failed")),
        ("timed-out", None) => InvokeOutcome::TimedOut(timed_out()),
        ("timed-out", _) => InvokeOutcome::TimedOut(error(value, "the function timed out")),
        ("stopped", None) => InvokeOutcome::Stopped(stopped()),
        ("stopped", _) => InvokeOutcome::Stopped(error(value, "the function was stopped")),
        _ => {
            let meant = did_you_mean(kind, ENDS);
            return Err(format!("{kind:?} is not an end of a function{meant}; {FUNCTION_FORM}"));
        }
    };
    Ok((name.to_owned(), ScriptedFunction { after, outcome }))
}

/// Splits `NAME=[AFTER:]KIND[:VALUE]`.
fn parts<'a>(
    text: &'a str,
    what: &str,
    form: &str,
    kinds: &[&str],
) -> Result<(&'a str, Duration, &'a str, Option<&'a str>), String> {
    let (name, rest) = text.split_once('=').ok_or(form)?;
    if name.is_empty() {
        return Err(format!("the {what}'s name is missing; {form}"));
    }
    let (first, after_first) = cut(rest);
    if kinds.contains(&first) {
        return Ok((name, Duration::ZERO, first, after_first));
    }
    let after = parse_duration(first).map_err(|error| match error {
        DurationError::Calendar(_) | DurationError::Long(_) => error.to_string(),
        _ => {
            let meant = did_you_mean(first, kinds.iter().copied());
            format!("{first:?} is neither a kind of answer nor a duration{meant}; {form}")
        }
    })?;
    let missing = || format!("after {first:?} there has to be what happens then; {form}");
    let (kind, value) = cut(after_first.ok_or_else(missing)?);
    Ok((name, after, kind, value))
}

fn json(value: Option<&str>) -> Result<String, String> {
    let json = value.unwrap_or("null");
    serde_json::from_str::<serde::de::IgnoredAny>(json)
        .map_err(|e| format!("{json:?} is not JSON ({e}); a text is written as success:'\"text\"'"))?;
    Ok(json.to_owned())
}

fn error(value: Option<&str>, usual: &str) -> ErrorObject {
    let (name, message) = cut(value.unwrap_or_default());
    let name = if name.is_empty() { "Failure" } else { name };
    ErrorObject::new(name, message.unwrap_or(usual))
}

fn cut(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(first, rest)| (first, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let success = |json: &str| Answer::Success(Some(json.to_owned()));
        let failure = |t: &str, m: &str| Answer::Failure(ErrorObject::new(t, m));
        for (text, name, seconds, answer) in [
            ("a=success", "a", 0, success("null")),
            ("a=success:\"x:y\"", "a", 0, success("\"x:y\"")),
            ("a b=2days:success:{\"k\": 1}", "a b", 172_800, success("{\"k\": 1}")),
            ("a=90:failure", "a", 90, failure("Failure", "answered with a failure")),
            ("a=1h 30m:failure:Rejected:no: too much", "a", 5400, failure("Rejected", "no: too much")),
            ("a=failure::no", "a", 0, failure("Failure", "no")),
            ("a=5s:heartbeat", "a", 5, Answer::Heartbeat),
        ] {
            let parsed = parse_answer(text).unwrap();
            assert_eq!(
                (&*parsed.callback, parsed.after.as_secs(), parsed.answer),
                (name, seconds, answer),
                "{text}"
            );
        }
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        for (text, says) in [
            ("a", "NAME="),
            ("=success", "name is missing"),
            ("a=yes", "\"yes\" is neither"),
            ("a=success:yes", "not JSON"),
            ("a=2d", "after \"2d\" there has to be what happens then; an answer is"),
            ("a=99999999d:success", "too long"),
            ("a=sucess:1", "did you mean `success`?"),
            ("a=2d:maybe", "\"maybe\" is not a kind"),
            ("a=heartbeat:x", "a heartbeat has no value"),
            ("a=1month:success", "months and years differ"),
        ] {
            let error = parse_answer(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn ends_of_functions() {
        let error = |t: &str, m: &str| ErrorObject::new(t, m);
        for (text, seconds, outcome) in [
            ("f=success", 0, InvokeOutcome::Succeeded(Some("null".to_owned()))),
            ("f=2h:success:[1,2]", 7200, InvokeOutcome::Succeeded(Some("[1,2]".to_owned()))),
            ("f=failure:Sold:out of it", 0, InvokeOutcome::Failed(error("Sold", "out of it"))),
            ("f=failure", 0, InvokeOutcome::Failed(error("Failure", "the function failed"))),
            ("f=5s:timed-out", 5, InvokeOutcome::TimedOut(timed_out())),
            ("f=timed-out:Slow:very", 0, InvokeOutcome::TimedOut(error("Slow", "very"))),
            ("f=stopped", 0, InvokeOutcome::Stopped(stopped())),
            ("f=stopped:Halt", 0, InvokeOutcome::Stopped(error("Halt", "the function was stopped"))),
        ] {
            let (name, function) = parse_function_answer(text).unwrap();
            assert_eq!(
                (&*name, function.after.as_secs(), function.outcome),
                ("f", seconds, outcome),
                "{text}"
            );
        }
        for (text, says) in [
            ("f", "a function's end is"),
            ("=success", "the function's name is missing"),
            ("f=heartbeat", "\"heartbeat\" is neither"),
            ("f=timed_out", "did you mean `timed-out`?"),
            ("f=1s:TIMED_OUT", "did you mean `timed-out`?"),
            ("f=1s:heartbeat", "is not an end of a function"),
            ("f=success:x", "not JSON"),
        ] {
            let said = parse_function_answer(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
