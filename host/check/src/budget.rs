//! What an execution uses of the service's quotas.

use durawasm_core::protocol::Limits;

use crate::{record::Recording, report::BudgetReport};

/// What the recorded execution used.
pub(crate) fn of(recording: &Recording) -> BudgetReport {
    let operations = recording.operations.len() as u64;
    let (checkpoints, bytes) = (recording.data.checkpoints, recording.data.bytes);
    BudgetReport {
        operations,
        checkpoints,
        bytes,
        invocations: recording.invocations as u64,
        quota: quota(operations, bytes),
    }
}

fn quota(operations: u64, bytes: u64) -> String {
    let quotas = Limits::service_quotas();
    let most = |quota: Option<usize>| quota.unwrap_or(usize::MAX) as u64;
    let (most_operations, most_bytes) = (most(quotas.operations), most(quotas.written_bytes));
    let over = match (operations > most_operations, bytes > most_bytes) {
        (true, _) => ": too many operations",
        (false, true) => ": too many bytes",
        (false, false) => "",
    };
    format!("{operations} of {most_operations} operations, {bytes} of {most_bytes} bytes written{over}")
}

/// Where the quota of operations lies, from runs with events of different sizes: each run's size and operations.
pub fn growth(runs: &[(u64, u64)]) -> Option<String> {
    let smallest = runs.iter().min_by_key(|(size, _)| *size)?;
    let largest = runs.iter().max_by_key(|(size, _)| *size)?;
    let (sizes, operations) = (largest.0.checked_sub(smallest.0)?, largest.1.checked_sub(smallest.1)?);
    if sizes == 0 || operations == 0 {
        return None;
    }
    let quota = Limits::service_quotas().operations? as u64;
    // operations = smallest.1 + (size - smallest.0) * operations / sizes
    let more = quota.checked_sub(smallest.1)? * sizes / operations;
    Some(format!("{quota} operations at {} items", smallest.0 + more))
}

/// The size of an event: its number, or the length of its longest list.
pub fn event_size(event: &str) -> Option<u64> {
    size(&serde_json::from_str(event).ok()?)
}

fn size(value: &serde_json::Value) -> Option<u64> {
    match value {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::Array(items) => Some(items.len() as u64),
        serde_json::Value::Object(members) => {
            let lists = members.values().filter(|value| value.is_array()).filter_map(size).max();
            lists.or_else(|| members.values().filter_map(size).max())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_extrapolated() {
        for (event, expected) in [
            ("7", Some(7)),
            (r#"{"items":[1,2,3],"n":9}"#, Some(3)),
            (r#"{"n":9,"s":"x"}"#, Some(9)),
            ("\"x\"", None),
            ("{", None),
        ] {
            assert_eq!(event_size(event), expected, "{event}");
        }
        assert_eq!(growth(&[(10, 42), (20, 82)]).unwrap(), "3000 operations at 749 items");
        assert_eq!(growth(&[(10, 42)]), None);
        assert_eq!(growth(&[(10, 42), (20, 42)]), None);
    }
}
