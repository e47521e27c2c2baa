//! The dialogue about a callback, and the meaning of its inputs. Sans-IO.

use durawasm_core::{protocol::ErrorObject, server::Answer};
use durawasm_report::{LONGEST_MESSAGE, shortened};

/// The decision of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Answer the callback.
    Answer(Answer),
    /// Do not answer: time continues, and the question is not repeated.
    Leave,
}

/// The state of the dialogue about one callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialogue {
    /// Asks what to do.
    What,
    /// Asks for the result, after `success`.
    Result,
    /// Asks for the error, after `failure`.
    Error,
}

/// The next step after an input line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the next question.
    Ask(Dialogue),
    /// The input is invalid for this reason: ask the same question again.
    Again(String),
    /// The dialogue has ended.
    Done(Reply),
}

impl Dialogue {
    /// The question about the callback with this name.
    pub(super) fn prompt(self, name: &str) -> String {
        match self {
            Self::What if name.is_empty() => {
                "a callback without a name waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? ".to_owned()
            }
            Self::What => format!(
                "{} waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? ",
                shortened(name, LONGEST_MESSAGE / 2)
            ),
            Self::Result => "  its result, as JSON [null]: ".to_owned(),
            Self::Error => "  its error, TYPE or TYPE:MESSAGE [Failure]: ".to_owned(),
        }
    }

    /// Processes an input line.
    pub(super) fn take(self, line: &str) -> Step {
        let line = line.trim();
        match self {
            Self::What => match line.to_lowercase().as_str() {
                "s" | "success" => Step::Ask(Self::Result),
                "f" | "failure" => Step::Ask(Self::Error),
                "h" | "heartbeat" => Step::Done(Reply::Answer(Answer::Heartbeat)),
                "l" | "leave" => Step::Done(Reply::Leave),
                _ => Step::Again("type s, f, h or l".to_owned()),
            },
            Self::Result => {
                let json = if line.is_empty() { "null" } else { line };
                match serde_json::from_str::<serde::de::IgnoredAny>(json) {
                    Ok(_) => Step::Done(Reply::Answer(Answer::Success(Some(json.to_owned())))),
                    Err(error) => {
                        Step::Again(format!("that is not JSON ({error}); a text is written as \"text\""))
                    }
                }
            }
            Self::Error => {
                let (name, message) = line.split_once(':').unwrap_or((line, "answered with a failure"));
                let name = if name.trim().is_empty() { "Failure" } else { name.trim() };
                let error = ErrorObject::new(name, message.trim());
                Step::Done(Reply::Answer(Answer::Failure(error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogues() {
        let success = |json: &str| Step::Done(Reply::Answer(Answer::Success(Some(json.to_owned()))));
        let failure = |t: &str, m: &str| Step::Done(Reply::Answer(Answer::Failure(ErrorObject::new(t, m))));
        for (at, line, step) in [
            (Dialogue::What, "s\n", Step::Ask(Dialogue::Result)),
            (Dialogue::What, " Success ", Step::Ask(Dialogue::Result)),
            (Dialogue::What, "F", Step::Ask(Dialogue::Error)),
            (Dialogue::What, "h", Step::Done(Reply::Answer(Answer::Heartbeat))),
            (Dialogue::What, "leave", Step::Done(Reply::Leave)),
            (Dialogue::What, "", Step::Again("type s, f, h or l".to_owned())),
            (Dialogue::What, "yes", Step::Again("type s, f, h or l".to_owned())),
            (Dialogue::Result, "\n", success("null")),
            (Dialogue::Result, "{\"a\": 1}\r\n", success("{\"a\": 1}")),
            (Dialogue::Error, "", failure("Failure", "answered with a failure")),
            (Dialogue::Error, ":no", failure("Failure", "no")),
            (Dialogue::Error, "Rejected: too: much", failure("Rejected", "too: much")),
        ] {
            assert_eq!(at.take(line), step, "{line}");
        }
        let Step::Again(why) = Dialogue::Result.take("kim") else { panic!("it is no JSON") };
        assert!(
            why.starts_with("that is not JSON") && why.ends_with("a text is written as \"text\""),
            "{why}"
        );
        assert_eq!(
            Dialogue::What.prompt("approval\u{7}"),
            "approval\u{fffd} waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? "
        );
    }
}
