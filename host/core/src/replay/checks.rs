//! Checks of what a guest passes in, against the contract's limits and against the record.

use super::{
    Divergence, ReplayError,
    error::invalid,
    identity::{Identity, describe, describe_record},
};
use crate::protocol::{ErrorObject, Operation, OperationId, OperationType};

pub(super) fn check_identity(identity: &Identity) -> Result<(), ReplayError> {
    if let Some(name) = &identity.name {
        check_text("name", name)?;
    }
    if let Some(sub_type) = &identity.sub_type {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if sub_type.is_empty() || sub_type.len() > 32 || !sub_type.bytes().all(word) {
            return Err(invalid("sub-type", "has to be 1 to 32 of A-Z a-z 0-9 - _"));
        }
    }
    Ok(())
}

pub(super) fn check_text(argument: &'static str, text: &str) -> Result<(), ReplayError> {
    if text.is_empty() || text.len() > 256 || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        let shown: String = text.chars().take(40).collect();
        return Err(invalid(argument, format!("{shown:?} is not 1 to 256 printable ASCII characters")));
    }
    Ok(())
}

/// Checks a name that the service restricts to certain characters (service model: `NamespacedFunctionName`,
/// `TenantId`).
pub(super) fn check_words(
    argument: &'static str,
    text: &str,
    allowed: fn(&str) -> bool,
    characters: &str,
) -> Result<(), ReplayError> {
    if allowed(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(40).collect();
    Err(invalid(argument, format!("{shown:?} is not 1 to 256 of {characters}")))
}

pub(super) fn check_seconds(
    argument: &'static str,
    seconds: u64,
    allowed: &std::ops::RangeInclusive<u64>,
) -> Result<(), ReplayError> {
    if allowed.contains(&seconds) {
        return Ok(());
    }
    let (min, max) = allowed.clone().into_inner();
    Err(invalid(argument, format!("{seconds} seconds is not within {min} to {max}")))
}

pub(super) fn check_payload(
    argument: &'static str,
    payload: Option<&String>,
    max: usize,
) -> Result<(), ReplayError> {
    match payload {
        Some(p) if p.len() > max => {
            Err(invalid(argument, format!("has {} bytes; at most {max} are allowed", p.len())))
        }
        _ => Ok(()),
    }
}

/// Shortens an error to the service's limit.
pub(super) fn fit_error(error: ErrorObject, max: usize) -> ErrorObject {
    error.shortened(max)
}

/// Checks that the operation that the guest starts equals the recorded one.
pub(super) fn check_same(
    record: &Operation,
    kind: OperationType,
    sub_type: &str,
    name: Option<&str>,
    parent: Option<&OperationId>,
) -> Result<(), ReplayError> {
    let same_parent = record.parent_id.as_ref() == parent;
    let same = record.kind == kind
        && record.name.as_deref() == name
        && record.sub_type.as_deref() == Some(sub_type)
        && same_parent;
    if same {
        return Ok(());
    }
    let mut expected = describe_record(record);
    let mut actual = describe(kind, Some(sub_type), name);
    if !same_parent {
        let place = |parent: Option<&OperationId>| match parent {
            Some(id) => format!(" in the context {id}"),
            None => " at the top".to_owned(),
        };
        expected += &place(record.parent_id.as_ref());
        actual += &place(parent);
    }
    let id = record.id.clone();
    Err(ReplayError::NonDeterministic(Box::new(Divergence {
        id,
        expected,
        actual: format!("started {actual}"),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn errors_always_fit(message in "\\PC{0,3000}", kind in "\\PC{0,3000}", data in "\\PC{0,3000}",
                             stack in proptest::collection::vec("\\PC{0,200}", 0..20), max in 100_usize..2000) {
            let error = ErrorObject {
                error_message: Some(message), error_type: Some(kind), error_data: Some(data), stack_trace: stack,
            };
            let small = error.size() <= max - 64;
            let fitted = fit_error(error.clone(), max);
            prop_assert!(fitted.size() <= max);
            if small && error.error_message.as_ref().is_some_and(|m| m.len() < max / 4)
                && error.error_type.as_ref().is_some_and(|m| m.len() < max / 4) {
                prop_assert_eq!(fitted, error);
            }
        }
    }

    #[test]
    fn a_stack_of_millions_of_frames_is_shortened_at_once() {
        for frame in ["", "a frame"] {
            let stack = vec![frame.to_owned(); 2_000_000];
            let fitted = fit_error(ErrorObject { stack_trace: stack, ..ErrorObject::default() }, 32 * 1024);
            let frames = fitted.stack_trace.len();
            assert!((1..=1000).contains(&frames) && fitted.size() <= 32 * 1024, "{frames}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        for (seconds, good) in [(0, false), (1, true), (31_622_400, true), (31_622_401, false)] {
            assert_eq!(
                check_seconds("delay", seconds, &crate::protocol::Limits::DELAY_SECONDS).is_ok(),
                good
            );
        }
        for (name, good) in
            [("", false), ("x", true), (&*"x".repeat(256), true), (&*"x".repeat(257), false), ("ä", false)]
        {
            assert_eq!(check_text("name", name).is_ok(), good, "{name}");
        }
    }
}
