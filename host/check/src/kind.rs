//! The kinds of schedules.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// What a schedule does to the handler. The names are those of `--only`, `--skip` and of `under` in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Feeds a prefix of the record, or all of it, to a fresh instance.
    Replay,
    /// Repeats the run with the instance killed at one point.
    Crash,
    /// Other readings of the clocks.
    Clock,
    /// Other random numbers.
    Random,
    /// Other keys of hash tables, and so another order of their entries.
    Hash,
    /// Other environment variables and arguments.
    Env,
    /// Completions that are tied in time, in the other order.
    Ties,
    /// Other log levels, and output that fails.
    Log,
    /// Another layout and size of the guest's memory.
    Memory,
    /// Other checkpoint modes and delays.
    Checkpoints,
}

impl Kind {
    /// All kinds, in the order in which they are explored.
    pub const ALL: [Self; 10] = [
        Self::Replay,
        Self::Crash,
        Self::Clock,
        Self::Random,
        Self::Hash,
        Self::Env,
        Self::Ties,
        Self::Log,
        Self::Memory,
        Self::Checkpoints,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Hash => "hash",
            Self::Env => "env",
            Self::Ties => "ties",
            Self::Log => "log",
            Self::Memory => "memory",
            Self::Checkpoints => "checkpoints",
        }
    }

    /// Whether it changes something that the sandbox virtualizes, so that a difference shows only elsewhere.
    pub fn is_perturbation(self) -> bool {
        !matches!(self, Self::Replay | Self::Crash)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A name that no kind of schedule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a kind of schedule{meant}; the kinds are {}", names())]
pub struct UnknownKind {
    name: String,
    meant: String,
}

fn names() -> String {
    Kind::ALL.map(Kind::as_str).join(", ")
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownKind {
            name: name.to_owned(),
            meant: durawasm_core::hint::did_you_mean(name, Self::ALL.map(Self::as_str)),
        })
    }
}
