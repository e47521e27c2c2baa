//! How long an instance lives.

use serde::{Deserialize, Serialize};

/// What an instance is shared by.
///
/// Every invocation begins with a fresh instance. Within one, what code leaves behind in the instance's memory (a
/// generator of random numbers that a thread keeps, a cache, a static) is there for the code that runs next. On a
/// replay it is not, as the bodies of steps and the code of contexts that are over do not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// By all code of an invocation. The default.
    #[default]
    Invocation,
    /// By no two bodies or contexts: as soon as the attempt of a body, or the code of a context, has ended, what was
    /// reported is sent, and a fresh instance replays and goes on, within the same invocation. Nothing that ended can
    /// leave anything behind. Each such end costs an instance and a replay of what is on record.
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
