//! Compares expected with actual operations.
//!
//! Invariants: an expected operation is matched with the first one that fits after the previous match, so a list is met
//! if any assignment meets it.

use std::collections::HashMap;

use super::{
    expect::{ExpectedError, ExpectedOperation},
    json,
    mismatch::Mismatch,
};
use durawasm_core::{
    protocol::{ErrorObject, Operation, OperationId, OperationType},
    server::ExecutionView,
};

/// The operations of an execution without EXECUTION, in the order of their start.
pub(super) struct Operations<'a> {
    all: Vec<&'a Operation>,
    names: HashMap<&'a OperationId, &'a str>,
}

impl<'a> Operations<'a> {
    pub(super) fn of(view: &'a ExecutionView) -> Self {
        let all = view.operations.iter().map(AsRef::as_ref);
        let all: Vec<&Operation> = all.filter(|o| o.kind != OperationType::Execution).collect();
        let names = all.iter().filter_map(|o| Some((&o.id, o.name.as_deref()?))).collect();
        Self { all, names }
    }

    fn parent(&self, operation: &Operation) -> Option<&'a str> {
        self.names.get(operation.parent_id.as_ref()?).copied()
    }

    fn fits(&self, expected: &ExpectedOperation, found: &Operation) -> bool {
        // The cheap comparisons come first, because most operations differ without a comparison of their results.
        expected.name.as_ref().is_none_or(|name| found.name.as_deref() == Some(name))
            && expected.kind.is_none_or(|kind| kind == found.kind)
            && self.differences(expected, found).is_empty()
    }

    /// A mismatch for each of these names that an operation has.
    pub(super) fn present(&self, names: &[String]) -> Vec<Mismatch> {
        let present = names.iter().filter_map(|name| {
            let operation = self.all.iter().find(|o| o.name.as_deref() == Some(name))?;
            let message = format!("expected no operation {name:?}, found {}", describe(operation));
            Some(Mismatch::new("operations_absent", message))
        });
        present.collect()
    }

    /// Checks that these are all operations, in this order.
    pub(super) fn exactly(&self, expected: &[ExpectedOperation]) -> Option<Mismatch> {
        let fits =
            |wanted: &ExpectedOperation, found: &&Operation| self.differences(wanted, found).is_empty();
        let pairs = align(expected, &self.all, fits);
        if pairs.len() == expected.len() && pairs.len() == self.all.len() {
            return None;
        }
        let (mut lines, mut at) = (Vec::new(), (0, 0));
        let mut only: (Vec<&ExpectedOperation>, Vec<&Operation>) = Default::default();
        let end = (expected.len(), self.all.len());
        for (wanted, found) in pairs.into_iter().chain([end]) {
            let missing = expected.get(at.0..wanted).unwrap_or_default();
            let extra = self.all.get(at.1..found).unwrap_or_default();
            lines.extend(missing.iter().map(|missing| format!("- {}", describe_expected(missing))));
            lines.extend(extra.iter().map(|extra| format!("+ {}", describe(extra))));
            lines.extend(self.all.get(found).map(|same| format!("  {}", describe(same))));
            only.0.extend(missing);
            only.1.extend(extra);
            at = (wanted + 1, found + 1);
        }
        let message = match (&*only.0, &*only.1) {
            ([wanted], [found])
                if wanted.name.is_none() || wanted.name.as_deref() == found.name.as_deref() =>
            {
                format!("{}: {}", named(found), self.differences(wanted, found).join(", "))
            }
            _ => {
                format!("expected exactly {}, found {} (- expected, + found)", expected.len(), self.all.len())
            }
        };
        Some(Mismatch { details: json::bounded(lines), ..Mismatch::new("operations", message) })
    }

    /// Checks that the operations contain these, in this order.
    pub(super) fn in_order(&self, expected: &[ExpectedOperation]) -> Option<Mismatch> {
        let mut from = 0;
        for (index, wanted) in expected.iter().enumerate() {
            let rest = self.all.get(from..).unwrap_or_default();
            match rest.iter().position(|found| self.fits(wanted, found)) {
                Some(place) => from += place + 1,
                None => return Some(self.not_found(index, wanted, from)),
            }
        }
        None
    }

    fn not_found(&self, index: usize, wanted: &ExpectedOperation, from: usize) -> Mismatch {
        let (before, rest) = self.all.split_at(from.min(self.all.len()));
        let after = match before.last() {
            Some(last) => format!(" after {}", named(last)),
            None => String::new(),
        };
        let alike = |operation: &&&Operation| match &wanted.name {
            Some(name) => operation.name.as_deref() == Some(name),
            None => wanted.kind == Some(operation.kind),
        };
        let mut details = Vec::new();
        if let Some(earlier) = before.iter().find(|found| self.fits(wanted, found)) {
            details.push(format!("there is one before: {}", describe(earlier)));
        }
        let near: Vec<_> = rest.iter().filter(alike).take(5).collect();
        let message = match &*near {
            // The only operation of this name is most likely the expected one.
            [one] => format!("{}: {}", named(one), self.differences(wanted, one).join(", ")),
            _ => format!(
                "expected {}{after}, found none (number {} of those expected)",
                describe_expected(wanted),
                index + 1
            ),
        };
        if near.len() > 1 {
            details.extend(
                near.iter().map(|o| format!("{}: {}", named(o), self.differences(wanted, o).join(", "))),
            );
        }
        if near.is_empty()
            && details.is_empty()
            && let Some(name) = &wanted.name
        {
            let names = self.all.iter().filter_map(|o| o.name.as_deref());
            details.push(format!(
                "no operation is named {name:?}{}",
                durawasm_core::hint::did_you_mean(name, names)
            ));
        }
        Mismatch { details, ..Mismatch::new("operations", message) }
    }

    /// The differences between an operation and its expectation.
    fn differences(&self, expected: &ExpectedOperation, found: &Operation) -> Vec<String> {
        let mut lines = Vec::new();
        let mut differ = |what: &str, expected: String, found: Option<String>| {
            if found.as_ref() != Some(&expected) {
                lines.push(format!(
                    "{what}: expected {expected}, found {}",
                    found.unwrap_or("none".to_owned())
                ));
            }
        };
        let quoted = |text: &str| format!("{text:?}");
        if let Some(name) = &expected.name {
            differ("name", quoted(name), found.name.as_deref().map(quoted));
        }
        if let Some(kind) = expected.kind {
            differ("type", kind.to_string(), Some(found.kind.to_string()));
        }
        if let Some(sub_type) = &expected.sub_type {
            differ("sub_type", sub_type.clone(), found.sub_type.as_deref().map(str::to_owned));
        }
        if let Some(status) = expected.status {
            differ("status", status.to_string(), Some(found.status.to_string()));
        }
        if let Some(attempts) = expected.attempts {
            let made = found.step_details.as_ref().map(|details| details.attempt.to_string());
            differ("attempts", attempts.to_string(), made);
        }
        if let Some(parent) = &expected.parent {
            differ("parent", quoted(parent), self.parent(found).map(quoted));
        }
        if let Some(result) = &expected.result {
            let had = found.result().map(|text| json::parsed(Some(text)));
            if !had.as_ref().is_some_and(|had| result.same(had)) {
                let had = had.as_ref().map_or("none".to_owned(), json::shown);
                lines.push(format!("result: expected {}, found {had}", json::shown(result)));
            }
        }
        if let Some(error) = &expected.error {
            lines.extend(
                error_differences(error, found.error()).into_iter().map(|line| format!("error {line}")),
            );
        }
        lines
    }
}

/// Aligns expected with actual operations, in order: the common start, the common end, and the longest common
/// subsequence between them. Between very long lists nothing is aligned: start and end suffice to show where they
/// differ.
fn align<A, B>(expected: &[A], found: &[B], fits: impl Fn(&A, &B) -> bool) -> Vec<(usize, usize)> {
    let start = expected.iter().zip(found).take_while(|(a, b)| fits(a, b)).count();
    let rest = expected.len().min(found.len()) - start;
    let ends = expected.iter().rev().zip(found.iter().rev()).take(rest);
    let end = ends.take_while(|(a, b)| fits(a, b)).count();
    let a = expected.get(start..expected.len() - end).unwrap_or_default();
    let b = found.get(start..found.len() - end).unwrap_or_default();
    let mut pairs: Vec<(usize, usize)> = (0..start).map(|i| (i, i)).collect();
    if a.len().saturating_mul(b.len()) <= 1_000_000 {
        pairs.extend(between(a, b, fits).into_iter().map(|(i, j)| (start + i, start + j)));
    }
    pairs.extend((0..end).rev().map(|i| (expected.len() - 1 - i, found.len() - 1 - i)));
    pairs
}

/// The longest common subsequence of two lists.
fn between<A, B>(a: &[A], b: &[B], fits: impl Fn(&A, &B) -> bool) -> Vec<(usize, usize)> {
    // For each pair of positions, the length of the longest common subsequence of the rest.
    let width = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    let at = |longest: &[u32], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or(0);
    for (i, wanted) in a.iter().enumerate().rev() {
        for (j, had) in b.iter().enumerate().rev() {
            let best = if fits(wanted, had) {
                at(&longest, i + 1, j + 1) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    while let (Some(wanted), Some(had)) = (a.get(i), b.get(j)) {
        if fits(wanted, had) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&longest, i + 1, j) >= at(&longest, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// The differences between an error and its expectation.
pub(super) fn error_differences(expected: &ExpectedError, found: Option<&ErrorObject>) -> Vec<String> {
    let Some(found) = found else { return vec!["expected, found none".to_owned()] };
    let mut lines = Vec::new();
    let shown = |text: Option<&str>| {
        text.map_or("none".to_owned(), |text| durawasm_core::hint::short(&format!("{text:?}")))
    };
    if let Some(error_type) = &expected.error_type
        && found.error_type.as_ref() != Some(error_type)
    {
        lines.push(format!("type: expected {error_type:?}, found {}", shown(found.error_type.as_deref())));
    }
    if let Some(part) = &expected.message {
        let message = found.error_message.as_deref();
        if !message.is_some_and(|message| message.contains(part)) {
            lines.push(format!("message: expected {part:?} in it, found {}", shown(message)));
        }
    }
    if let Some(data) = &expected.data {
        let data = super::answers::raw(data);
        let had = found.error_data.as_deref();
        let same_json = || Some(json::parsed(Some(&data)).same(&json::parsed(Some(had?))));
        if had != Some(&data) && same_json() != Some(true) {
            lines.push(format!("data: expected {}, found {}", shown(Some(&data)), shown(had)));
        }
    }
    lines
}

fn named(operation: &Operation) -> String {
    match &operation.name {
        Some(name) => format!("{name:?}"),
        None => format!("a {} without a name", operation.kind),
    }
}

/// The description of an actual operation.
fn describe(operation: &Operation) -> String {
    let mut text = format!("{} {}", operation.name.as_deref().unwrap_or("-"), operation.kind);
    if let Some(sub_type) = operation.sub_type.as_deref().filter(|_| operation.kind == OperationType::Context)
    {
        text += &format!(" {sub_type}");
    }
    text += &format!(" {}", operation.status);
    if let Some(details) = &operation.step_details {
        text += &format!(" attempts {}", details.attempt);
    }
    text
}

/// The description of an expected operation.
fn describe_expected(expected: &ExpectedOperation) -> String {
    let ExpectedOperation { name, kind, sub_type, status, attempts, result, error, parent } = expected;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(name.clone());
    parts.extend(kind.map(|kind| kind.to_string()));
    parts.extend(sub_type.clone());
    parts.extend(status.map(|status| status.to_string()));
    parts.extend(attempts.map(|attempts| format!("attempts {attempts}")));
    parts.extend(result.as_ref().map(|result| format!("result {}", json::shown(result))));
    parts.extend(error.as_ref().map(|error| match &error.error_type {
        Some(error_type) => format!("error {error_type}"),
        None => "error".to_owned(),
    }));
    parts.extend(parent.as_ref().map(|parent| format!("in {parent}")));
    if parts.is_empty() { "any".to_owned() } else { parts.join(" ") }
}
