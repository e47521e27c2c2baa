//! Isolation: which code shares an instance.

use serde::{Deserialize, Serialize};

/// Which code shares an instance.
///
/// Every invocation starts with a fresh instance. Within one invocation, state that code leaves in the instance's
/// memory (a thread-local random generator, a cache, a static) is visible to the code that runs next. On a replay it is
/// not, because the bodies of steps and the code of closed contexts do not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// All code of an invocation shares one instance. The default.
    #[default]
    Invocation,
    /// No two bodies or contexts share an instance: when the attempt of a body, or the code of a context, has ended,
    /// queued updates are sent and a fresh instance replays and continues within the same invocation. Each such end
    /// costs an instance and a replay of the record.
    Step,
}

impl std::str::FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "invocation" => Ok(Self::Invocation),
            "step" => Ok(Self::Step),
            _ => Err(format!("{text:?} is no isolation: write `invocation` or `step`")),
        }
    }
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Invocation => "invocation",
            Self::Step => "step",
        })
    }
}
