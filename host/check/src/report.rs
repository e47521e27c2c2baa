//! The report of a check. Its JSON form is part of the command's interface.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use crate::kind::Kind;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No schedule and no perturbation made a difference.
    Deterministic,
    /// Only perturbations made a difference: right in the sandbox, wrong where nothing virtualizes clocks, random
    /// numbers and the order of hash tables.
    SandboxDependent,
    /// A recorded execution does not replay.
    Incompatible,
    /// A replay or a crash made a difference.
    NonDeterministic,
}

impl Verdict {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::SandboxDependent => "sandbox-dependent",
            Self::Incompatible => "incompatible",
            Self::NonDeterministic => "non-deterministic",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationRef {
    /// Its name.
    pub name: Option<String>,
    /// Its type, such as `STEP`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its sub-type.
    pub sub_type: Option<String>,
    /// The name of the context that it belongs to, or its id if it has none.
    pub parent: Option<String>,
    /// Its id.
    pub id: String,
    /// Its position in its context, from 1; 0 if it is not known.
    pub position: u32,
}

impl OperationRef {
    /// The operation in a line of text.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name:?}", self.kind),
            None => format!("{} without a name, at position {}", self.kind, self.position),
        }
    }
}

/// A call of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Interface and function.
    pub name: String,
    /// The arguments.
    pub arguments: String,
    /// The result.
    pub result: String,
}

/// The first difference, and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergence {
    /// The first operation that differs; none for the result of the execution.
    pub operation: Option<OperationRef>,
    /// What is on record; none if there is nothing.
    pub expected: Option<Value>,
    /// What the handler did; none if it did nothing.
    pub actual: Option<Value>,
    /// What was done to the handler.
    pub under: Kind,
    /// The schedule in which it showed, for `--replay`.
    pub schedule: String,
    /// The imports that the handler called since the operation before.
    pub imports: Vec<Import>,
    /// The functions of the guest where it showed, innermost first.
    pub backtrace: Vec<String>,
    /// What to do.
    pub advice: String,
    /// What the schedule does, for people.
    #[serde(skip)]
    pub described: String,
    /// The operations before the difference, in order, for the picture.
    #[serde(skip)]
    pub before: Vec<String>,
}

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// An at-least-once body that writes to what the sandbox grants ran more than once in some schedule.
    DoubleEffect,
    /// An at-most-once body ran more than once: a fault of durawasm.
    AtMostOnceViolated,
    /// A body that ran again came to another value.
    ValueNotIdempotent,
    /// A replay computed another option or payload of an operation. The record takes precedence.
    OptionDiffers,
}

impl FindingKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoubleEffect => "double-effect",
            Self::AtMostOnceViolated => "at-most-once-violated",
            Self::ValueNotIdempotent => "value-not-idempotent",
            Self::OptionDiffers => "option-differs",
        }
    }
}

/// Something about an operation that is no divergence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind.
    pub kind: FindingKind,
    /// The operation.
    pub operation: OperationRef,
    /// What was seen.
    pub detail: String,
}

/// How much was explored: done, and of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Explored {
    /// States of the record that were fed to a fresh instance.
    pub prefixes: [usize; 2],
    /// Points at which the instance was killed.
    pub crash_points: [usize; 2],
    /// Replays and runs with a perturbation.
    pub perturbations: [usize; 2],
}

/// What one execution uses of the service's quotas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BudgetReport {
    /// Operations of the execution.
    pub operations: u64,
    /// Checkpoints with updates.
    pub checkpoints: u64,
    /// Bytes of payloads and errors in checkpoints.
    pub bytes: u64,
    /// Invocations.
    pub invocations: u64,
    /// How that compares with the service's quotas.
    pub quota: String,
}

/// The judgement of one recorded execution. There may be very many.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryReport {
    /// The file, or the store.
    pub file: Arc<str>,
    /// The execution.
    pub execution: String,
    /// `compatible`, `incompatible` or `not-judged`.
    pub verdict: &'static str,
    /// The first operation that the handler does not replay. A thousand incompatible executions have it.
    pub divergence: Option<Box<Divergence>>,
    /// Why the execution was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was not judged because it could not be read.
    #[serde(skip)]
    pub unreadable: bool,
}

impl HistoryReport {
    /// Whether the handler replays the execution, as far as that could be judged.
    pub fn is_incompatible(&self) -> bool {
        self.verdict == "incompatible"
    }
}

/// The report of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// The handler, as it was given.
    pub handler: String,
    /// The function.
    pub function: String,
    /// The first difference of the verdict's kind.
    pub divergence: Option<Divergence>,
    /// Findings, by operation.
    pub findings: Vec<Finding>,
    /// How much was explored.
    pub explored: Explored,
    /// What was not explored, and why.
    pub not_explored: Vec<String>,
    /// What an execution uses.
    pub budget: BudgetReport,
    /// Recorded executions that were checked against this handler.
    pub histories: Vec<HistoryReport>,
    /// What the recorded execution waits for, if it did not end.
    #[serde(skip)]
    pub stalled: Option<String>,
    /// The kinds of schedules that were to be explored.
    #[serde(skip)]
    pub kinds: Vec<Kind>,
    /// How the recorded execution ended, unless it succeeded.
    #[serde(skip)]
    pub ended: Option<String>,
    /// Answers and ends of functions that had no effect in the recorded run.
    #[serde(skip)]
    pub unused: Vec<String>,
    /// The first schedule of each kind that made a difference.
    #[serde(skip)]
    pub by_kind: BTreeMap<Kind, String>,
}

impl Report {
    /// The report of a check that explored nothing.
    pub fn empty(handler: String, function: String) -> Self {
        Self {
            verdict: Verdict::Deterministic,
            handler,
            function,
            divergence: None,
            findings: Vec::new(),
            explored: Explored::default(),
            not_explored: Vec::new(),
            budget: BudgetReport::default(),
            histories: Vec::new(),
            stalled: None,
            kinds: Vec::new(),
            ended: None,
            unused: Vec::new(),
            by_kind: BTreeMap::new(),
        }
    }

    /// Whether no schedule of this kind was explored.
    pub fn is_unexplored(&self, kind: Kind) -> bool {
        let [done, _] = match kind {
            Kind::Replay => self.explored.prefixes,
            Kind::Crash => self.explored.crash_points,
            _ => self.explored.perturbations,
        };
        done == 0 || !self.kinds.contains(&kind)
    }

    /// Whether the handler is unsafe to replay: a replay or a crash makes a difference, or a crash makes a body happen
    /// twice that must not.
    pub fn is_unsafe(&self) -> bool {
        self.verdict > Verdict::SandboxDependent
            || self.has(FindingKind::DoubleEffect)
            || self.has(FindingKind::AtMostOnceViolated)
    }

    /// Whether a finding of this kind was made.
    pub fn has(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|finding| finding.kind == kind)
    }

    /// Adds the report of another event of the same handler: the worse verdict counts.
    pub fn merge(&mut self, other: Self) {
        if other.verdict > self.verdict {
            self.verdict = other.verdict;
            self.divergence = other.divergence;
        }
        for finding in other.findings {
            if !self.findings.iter().any(|f| f.kind == finding.kind && f.operation == finding.operation) {
                self.findings.push(finding);
            }
        }
        for (mine, theirs) in [
            (&mut self.explored.prefixes, other.explored.prefixes),
            (&mut self.explored.crash_points, other.explored.crash_points),
            (&mut self.explored.perturbations, other.explored.perturbations),
        ] {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        for why in other.not_explored {
            if !self.not_explored.contains(&why) {
                self.not_explored.push(why);
            }
        }
        if other.budget.operations > self.budget.operations {
            self.budget = other.budget;
        }
        self.histories.extend(other.histories);
        self.stalled = self.stalled.take().or(other.stalled);
        self.ended = self.ended.take().or(other.ended);
        self.unused.extend(other.unused);
        self.by_kind.extend(other.by_kind);
    }
}
