//! `--answer NAME=[AFTER:]KIND[:VALUE]`

use std::time::Duration;

use crate::{
    parse_duration,
    protocol::ErrorObject,
    server::{Answer, ScriptedAnswer},
};

const FORM: &str = "an answer is NAME=[AFTER:]success[:JSON], NAME=[AFTER:]failure[:TYPE[:MESSAGE]] or \
                    NAME=[AFTER:]heartbeat, with AFTER such as 90s, 2h or 3days";

/// Reads one answer of the outside world.
pub(super) fn parse(text: &str) -> Result<ScriptedAnswer, String> {
    let (name, rest) = text.split_once('=').ok_or(FORM)?;
    if name.is_empty() {
        return Err(format!("the callback's name is missing; {FORM}"));
    }
    let (first, after_first) = cut(rest);
    let (after, kind, value) = match first {
        "success" | "failure" | "heartbeat" => (Duration::ZERO, first, after_first),
        duration => {
            let after = parse_duration(duration);
            let after = after
                .ok_or_else(|| format!("{duration:?} is neither a kind of answer nor a duration; {FORM}"))?;
            let (kind, value) = cut(after_first.ok_or(FORM)?);
            (after, kind, value)
        }
    };
    let answer = match kind {
        "success" => {
            let json = value.unwrap_or("null");
            serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|e| {
                format!("{json:?} is not JSON ({e}); a text is written as success:'\"text\"'")
            })?;
            Answer::Success(Some(json.to_owned()))
        }
        "failure" => {
            let (name, message) = cut(value.unwrap_or("Failure"));
            let message = message.unwrap_or("answered with a failure");
            Answer::Failure(ErrorObject::new(name, message))
        }
        "heartbeat" if value.is_none() => Answer::Heartbeat,
        _ => return Err(format!("{kind:?} is not a kind of answer; {FORM}")),
    };
    Ok(ScriptedAnswer { callback: name.to_owned(), after, answer })
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
            ("a=5s:heartbeat", "a", 5, Answer::Heartbeat),
        ] {
            let parsed = parse(text).unwrap();
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
            ("a=2d", "an answer is"),
            ("a=2d:maybe", "\"maybe\" is not a kind"),
            ("a=heartbeat:x", "not a kind"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
