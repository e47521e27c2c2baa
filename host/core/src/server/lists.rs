//! What lists show of executions, and which ones they show (service model: `ListDurableExecutionsByFunction`). Plain data.
//!
//! Invariants: executions are listed by their start, and those that started at the same time by their ARN, so that a page
//! that continues after an execution misses none and repeats none.

use crate::protocol::{ExecutionArn, ExecutionStatus, Timestamp};

/// The status of an execution, and whether it is paused (service model: `ExecutionStatus`, without `DELETING`: deletion
/// takes no time here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not paused.
    Unpaused(ExecutionStatus),
    /// A pause waits for the running invocation.
    Pausing,
    /// It is paused.
    Paused,
}

impl Standing {
    /// All that there are.
    pub const ALL: [Self; 7] = [
        Self::Unpaused(ExecutionStatus::Running),
        Self::Unpaused(ExecutionStatus::Succeeded),
        Self::Unpaused(ExecutionStatus::Failed),
        Self::Unpaused(ExecutionStatus::TimedOut),
        Self::Unpaused(ExecutionStatus::Stopped),
        Self::Pausing,
        Self::Paused,
    ];

    /// The status of an execution that is paused is `RUNNING`.
    pub fn status(self) -> ExecutionStatus {
        match self {
            Self::Unpaused(status) => status,
            Self::Pausing | Self::Paused => ExecutionStatus::Running,
        }
    }

    /// What has this name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == name)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpaused(status) => status.as_str(),
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
        }
    }
}

/// Which executions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListExecutions {
    /// The function's name, without a version.
    pub function: String,
    /// Only those of this version.
    pub version: Option<String>,
    /// Only those of this name.
    pub name: Option<String>,
    /// Only those whose status has one of these names; empty for all.
    pub statuses: Vec<String>,
    /// Only those that started after this time.
    pub started_after: Option<Timestamp>,
    /// Only those that started before this time.
    pub started_before: Option<Timestamp>,
    /// Oldest first; otherwise newest first.
    pub oldest_first: bool,
    /// Only those that come after this place of the list.
    pub after: Option<(Timestamp, ExecutionArn)>,
    /// How many at most.
    pub most: usize,
}

/// What a list shows of an execution (service model: `Execution`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionSummary {
    /// The execution.
    pub arn: ExecutionArn,
    /// Its status.
    pub standing: Standing,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
}

impl ListExecutions {
    /// The executions of this list among these.
    pub fn of(&self, all: impl Iterator<Item = ExecutionSummary>) -> Vec<ExecutionSummary> {
        let mut found: Vec<_> = all.filter(|summary| self.wants(summary)).collect();
        found.sort_by(|one, other| (one.start, &one.arn).cmp(&(other.start, &other.arn)));
        if !self.oldest_first {
            found.reverse();
        }
        found.truncate(self.most);
        found
    }

    pub(super) fn names(&self, arn: &ExecutionArn) -> bool {
        arn.parts().is_some_and(|(function, version, name)| {
            function == self.function
                && self.version.as_ref().is_none_or(|wanted| wanted == version)
                && self.name.as_ref().is_none_or(|wanted| wanted == name)
        })
    }

    fn wants(&self, summary: &ExecutionSummary) -> bool {
        let status = summary.standing.as_str();
        let beyond = self.after.as_ref().is_none_or(|(start, arn)| {
            let (this, last) = ((summary.start, &summary.arn), (*start, arn));
            if self.oldest_first { this > last } else { this < last }
        });
        self.names(&summary.arn)
            && (self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted == status))
            && self.started_after.is_none_or(|time| summary.start > time)
            && self.started_before.is_none_or(|time| summary.start < time)
            && beyond
    }
}
