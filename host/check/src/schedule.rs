//! Schedules: the single runs and replays of a check, each with an id that repeats it.

use std::{fmt, str::FromStr};

use durawasm_core::invocation::Disturbance;
use serde::{Serialize, Serializer};

use crate::{kind::Kind, perturbation::Perturbation};

/// One run or replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Schedule {
    /// The recorded run itself.
    Record,
    /// A prefix of the record is fed to a fresh instance.
    Replay(usize),
    /// The instance is killed once.
    Crash(CrashPoint),
    /// A prefix of the record is fed to a fresh instance, with this perturbation.
    Perturbed(Perturbation, usize),
    /// The whole run is repeated with this perturbation.
    Repeated(Perturbation),
}

/// Where an instance is killed. Points are counted from 1, over all invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CrashPoint {
    BeforeCheckpoint(u64),
    /// The first half of a checkpoint's updates is recorded.
    WithinCheckpoint(u64),
    AfterCheckpoint(u64),
    AtOperation(u64),
    InBody(u64),
}

impl CrashPoint {
    /// The fault that kills the instance there.
    pub(crate) fn disturbance(self) -> Disturbance {
        match self {
            Self::BeforeCheckpoint(at) => Disturbance::DieBeforeCheckpoint(at),
            Self::WithinCheckpoint(at) => Disturbance::DieInCheckpoint(at),
            Self::AfterCheckpoint(at) => Disturbance::DieAfterCheckpoint(at),
            Self::AtOperation(at) => Disturbance::DieAtOperation(at),
            Self::InBody(at) => Disturbance::DieInBody(at),
        }
    }

    /// The point, for people.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::BeforeCheckpoint(at) => format!("killed before checkpoint {at}"),
            Self::WithinCheckpoint(at) => format!("killed within checkpoint {at}"),
            Self::AfterCheckpoint(at) => format!("killed after checkpoint {at}"),
            Self::AtOperation(at) => format!("killed at the start of operation {at}"),
            Self::InBody(at) => format!("killed in a body, at point {at}"),
        }
    }
}

impl Schedule {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Record | Self::Replay(_) => Kind::Replay,
            Self::Crash(_) => Kind::Crash,
            Self::Perturbed(perturbation, _) | Self::Repeated(perturbation) => perturbation.kind(),
        }
    }

    /// The schedule, for people.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Record => "the recorded run".to_owned(),
            Self::Replay(prefix) => format!("a fresh instance, fed the record up to point {prefix}"),
            Self::Crash(point) => point.describe(),
            Self::Perturbed(perturbation, prefix) => {
                format!("a fresh instance, fed the record up to point {prefix}, with {perturbation}")
            }
            Self::Repeated(perturbation) => format!("the run repeated, with {perturbation}"),
        }
    }

    /// The simplest schedule first.
    pub(crate) fn order(self) -> u64 {
        match self {
            Self::Record | Self::Repeated(_) => 0,
            Self::Replay(prefix) | Self::Perturbed(_, prefix) => prefix as u64,
            Self::Crash(
                CrashPoint::BeforeCheckpoint(at)
                | CrashPoint::WithinCheckpoint(at)
                | CrashPoint::AfterCheckpoint(at)
                | CrashPoint::AtOperation(at)
                | CrashPoint::InBody(at),
            ) => at,
        }
    }

    pub(crate) fn id(self) -> ScheduleId {
        ScheduleId(self)
    }
}

/// Identifies a schedule: `--replay` repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScheduleId(pub(crate) Schedule);

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Schedule::Record => f.write_str("record"),
            Schedule::Replay(prefix) => write!(f, "replay:{prefix}"),
            Schedule::Crash(CrashPoint::BeforeCheckpoint(at)) => write!(f, "crash:before-{at}"),
            Schedule::Crash(CrashPoint::WithinCheckpoint(at)) => write!(f, "crash:within-{at}"),
            Schedule::Crash(CrashPoint::AfterCheckpoint(at)) => write!(f, "crash:after-{at}"),
            Schedule::Crash(CrashPoint::AtOperation(at)) => write!(f, "crash:operation-{at}"),
            Schedule::Crash(CrashPoint::InBody(at)) => write!(f, "crash:body-{at}"),
            Schedule::Perturbed(perturbation, prefix) => write!(f, "{perturbation}@{prefix}"),
            Schedule::Repeated(perturbation) => write!(f, "{perturbation}"),
        }
    }
}

impl Serialize for ScheduleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no schedule's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a schedule; a report names schedules, such as replay:4, crash:after-2 or clock:now@7")]
pub struct UnknownSchedule(String);

impl FromStr for ScheduleId {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        read(text).map(Self).ok_or_else(|| UnknownSchedule(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Schedule> {
    if text == "record" {
        return Some(Schedule::Record);
    }
    if let Some(prefix) = text.strip_prefix("replay:") {
        return Some(Schedule::Replay(prefix.parse().ok()?));
    }
    if let Some(point) = text.strip_prefix("crash:") {
        let (place, at) = point.rsplit_once('-')?;
        let at = at.parse().ok()?;
        return Some(Schedule::Crash(match place {
            "before" => CrashPoint::BeforeCheckpoint(at),
            "within" => CrashPoint::WithinCheckpoint(at),
            "after" => CrashPoint::AfterCheckpoint(at),
            "operation" => CrashPoint::AtOperation(at),
            "body" => CrashPoint::InBody(at),
            _ => return None,
        }));
    }
    match text.split_once('@') {
        Some((perturbation, prefix)) => {
            Some(Schedule::Perturbed(perturbation.parse().ok()?, prefix.parse().ok()?))
        }
        None => Some(Schedule::Repeated(text.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        for id in [
            "record",
            "replay:0",
            "crash:before-1",
            "crash:within-2",
            "crash:after-3",
            "crash:operation-4",
            "crash:body-5",
            "clock:ahead-17s@3",
            "clock:fast@3",
            "clock:now@0",
            "clock:jump-2@1",
            "random:7@1",
            "random:low@1",
            "random:high@1",
            "hash:2@9",
            "env:changed@1",
            "env:removed@1",
            "ties:0@4",
            "log:levels@1",
            "log:output@1",
            "memory:64k@2",
            "checkpoints:eager",
            "checkpoints:optimistic",
            "checkpoints:delayed",
        ] {
            assert_eq!(id.parse::<ScheduleId>().unwrap().to_string(), id);
        }
        for text in ["", "replay", "replay:x", "crash:sideways-1", "clock:4@1", "ties:x@1"] {
            assert!(text.parse::<ScheduleId>().unwrap_err().to_string().contains("not a schedule"), "{text}");
        }
    }
}
