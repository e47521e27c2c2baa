//! Perturbations: what a replay is told differently from the recorded run.
//!
//! Invariants: a perturbed clock never goes backwards and is never behind the recorded one; what the contract promises
//! to be recorded (the context's time, ids and random numbers) is not perturbed; each perturbation has a name that
//! repeats it.

use std::{fmt, str::FromStr, time::Duration};

use durawasm_core::replay::CheckpointMode;

use crate::kind::Kind;

/// One perturbation. Its text form is part of a schedule's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Perturbation {
    Clock(ClockChange),
    Random(BytesChange),
    Hash(u64),
    Env(EnvChange),
    /// The n-th pair of tied completions.
    Ties(usize),
    Log(LogChange),
    /// This many KiB of white space after the event, which move what the guest allocates afterwards.
    Memory(u32),
    Checkpoints(CheckpointChange),
}

/// Another reading of the wall clock and the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ClockChange {
    /// Ahead by seconds.
    Ahead(u64),
    /// Time passes three times as fast.
    Fast,
    /// All code sees the time of the replay, as on a machine that replays within milliseconds.
    Now,
    /// From the n-th reading on an hour ahead.
    Jump(u64),
}

/// Other random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BytesChange {
    Seed(u64),
    /// Small numbers.
    Low,
    /// Large numbers.
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EnvChange {
    /// Every granted variable has another value; there are one more variable and one argument.
    Changed,
    /// There are no variables.
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LogChange {
    /// Log levels are enabled where they were not, and the other way round.
    Levels,
    /// Writing to standard output fails.
    Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CheckpointChange {
    Eager,
    Optimistic,
    /// Every checkpoint takes three seconds.
    Delayed,
}

impl Perturbation {
    /// Its kind.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Clock(_) => Kind::Clock,
            Self::Random(_) => Kind::Random,
            Self::Hash(_) => Kind::Hash,
            Self::Env(_) => Kind::Env,
            Self::Ties(_) => Kind::Ties,
            Self::Log(_) => Kind::Log,
            Self::Memory(_) => Kind::Memory,
            Self::Checkpoints(_) => Kind::Checkpoints,
        }
    }
}

impl CheckpointChange {
    /// The mode in which the handler begins.
    pub(crate) fn mode(self) -> Option<CheckpointMode> {
        match self {
            Self::Eager => Some(CheckpointMode::Eager),
            Self::Optimistic => Some(CheckpointMode::Optimistic),
            Self::Delayed => None,
        }
    }
}

impl ClockChange {
    /// The perturbed reading. `reading` counts readings from 1; `start` and `end` are the first and the last time on
    /// record.
    pub(crate) fn apply(self, now: Duration, reading: u64, (start, end): (Duration, Duration)) -> Duration {
        let seconds = |seconds| now.saturating_add(Duration::from_secs(seconds));
        match self {
            Self::Ahead(ahead) => seconds(ahead),
            Self::Fast => now.saturating_add(now.saturating_sub(start).saturating_mul(2)),
            Self::Now => now.max(end),
            Self::Jump(at) if reading >= at => seconds(3600),
            Self::Jump(_) => now,
        }
    }
}

impl BytesChange {
    /// Changes bytes. `draw` counts the draws from 1.
    pub(crate) fn apply(self, draw: u64, bytes: &mut [u8]) {
        let seed = match self {
            Self::Seed(seed) => seed,
            Self::Low | Self::High => 1,
        };
        scramble(seed, draw, bytes);
        let top = match self {
            Self::Seed(_) => return,
            Self::Low => 0,
            Self::High => 0xff,
        };
        // The most significant byte of every 32-bit and 64-bit number. The others stay random, so that code that draws
        // again until a number fits comes to an end.
        for byte in bytes.iter_mut().skip(3).step_by(4) {
            *byte = top;
        }
        if bytes.len() < 4 {
            bytes.fill(top);
        }
    }
}

/// Mixes a stream into bytes that depends on a seed and a number. Never changes nothing.
pub(crate) fn scramble(seed: u64, number: u64, bytes: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number).wrapping_add(1);
    for byte in bytes {
        // Xorshift: independence of tests, not of attackers.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [.., low, _] = state.to_be_bytes();
        *byte ^= low | 1;
    }
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(ClockChange::Ahead(seconds)) => write!(f, "clock:ahead-{seconds}s"),
            Self::Clock(ClockChange::Fast) => f.write_str("clock:fast"),
            Self::Clock(ClockChange::Now) => f.write_str("clock:now"),
            Self::Clock(ClockChange::Jump(at)) => write!(f, "clock:jump-{at}"),
            Self::Random(BytesChange::Seed(seed)) => write!(f, "random:{seed}"),
            Self::Random(BytesChange::Low) => f.write_str("random:low"),
            Self::Random(BytesChange::High) => f.write_str("random:high"),
            Self::Hash(seed) => write!(f, "hash:{seed}"),
            Self::Env(EnvChange::Changed) => f.write_str("env:changed"),
            Self::Env(EnvChange::Removed) => f.write_str("env:removed"),
            Self::Ties(pair) => write!(f, "ties:{pair}"),
            Self::Log(LogChange::Levels) => f.write_str("log:levels"),
            Self::Log(LogChange::Output) => f.write_str("log:output"),
            Self::Memory(kib) => write!(f, "memory:{kib}k"),
            Self::Checkpoints(CheckpointChange::Eager) => f.write_str("checkpoints:eager"),
            Self::Checkpoints(CheckpointChange::Optimistic) => f.write_str("checkpoints:optimistic"),
            Self::Checkpoints(CheckpointChange::Delayed) => f.write_str("checkpoints:delayed"),
        }
    }
}

impl FromStr for Perturbation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, rest) = text.split_once(':').ok_or(())?;
        let number = |text: &str| text.parse::<u64>().map_err(drop);
        Ok(match (kind, rest) {
            ("clock", "fast") => Self::Clock(ClockChange::Fast),
            ("clock", "now") => Self::Clock(ClockChange::Now),
            ("clock", rest) => {
                if let Some(at) = rest.strip_prefix("jump-") {
                    Self::Clock(ClockChange::Jump(number(at)?))
                } else {
                    let seconds = rest.strip_prefix("ahead-").and_then(|rest| rest.strip_suffix('s'));
                    Self::Clock(ClockChange::Ahead(number(seconds.ok_or(())?)?))
                }
            }
            ("random", "low") => Self::Random(BytesChange::Low),
            ("random", "high") => Self::Random(BytesChange::High),
            ("random", seed) => Self::Random(BytesChange::Seed(number(seed)?)),
            ("hash", seed) => Self::Hash(number(seed)?),
            ("env", "changed") => Self::Env(EnvChange::Changed),
            ("env", "removed") => Self::Env(EnvChange::Removed),
            ("ties", pair) => Self::Ties(pair.parse().map_err(drop)?),
            ("log", "levels") => Self::Log(LogChange::Levels),
            ("log", "output") => Self::Log(LogChange::Output),
            ("memory", size) => {
                Self::Memory(size.strip_suffix('k').and_then(|kib| kib.parse().ok()).ok_or(())?)
            }
            ("checkpoints", "eager") => Self::Checkpoints(CheckpointChange::Eager),
            ("checkpoints", "optimistic") => Self::Checkpoints(CheckpointChange::Optimistic),
            ("checkpoints", "delayed") => Self::Checkpoints(CheckpointChange::Delayed),
            _ => return Err(()),
        })
    }
}
