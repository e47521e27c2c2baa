//! The parts of an execution that one commit changed, as one value.
//!
//! Each part is its kind (a byte), its place and the length of its text (four bytes each, the lowest first), and the text.
//! The text of the execution's own part, most of which never changes, is only what follows the beginning that it has in
//! common with the one in the table of executions; the place is the length of that beginning.

use durawasm_core::server::Changes;

/// What a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What has no place of its own.
    Execution,
    /// An operation.
    Operation,
    /// An event.
    Event,
    /// An invocation.
    Invocation,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Execution, Self::Operation, Self::Event, Self::Invocation];
}

/// A part, with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) kind: Kind,
    pub(crate) place: usize,
    pub(crate) text: &'a str,
}

/// A place or a text has more than 4 GiB.
#[derive(Debug, thiserror::Error)]
#[error("a part of an execution exceeds 4 GiB")]
pub(crate) struct TooLarge;

/// A value ends within a part, or has a part of an unknown kind, or one whose text is no UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("a value of the log is damaged")]
pub(crate) struct Damaged;

/// Writes the parts of changes in place of what `bytes` has. `record` is the execution's own part in the table of executions.
pub(crate) fn encode(changes: &Changes, record: &str, bytes: &mut Vec<u8>) -> Result<(), TooLarge> {
    let common = common_beginning(record, &changes.execution);
    let own = Part { kind: Kind::Execution, place: common, text: &changes.execution[common..] };
    let others = by_kind(changes).into_iter().flat_map(|(kind, parts)| all(kind, parts));
    let parts = [own].into_iter().chain(others);
    bytes.clear();
    for Part { kind, place, text } in parts {
        bytes.push(kind as u8);
        for number in [place, text.len()] {
            bytes.extend(u32::try_from(number).map_err(|_| TooLarge)?.to_le_bytes());
        }
        bytes.extend(text.as_bytes());
    }
    Ok(())
}

/// The parts of changes but the execution's own, with their places.
pub(crate) fn by_kind(changes: &Changes) -> [(Kind, &[(usize, String)]); 3] {
    [
        (Kind::Operation, &changes.operations),
        (Kind::Event, &changes.events),
        (Kind::Invocation, &changes.invocations),
    ]
}

fn all(kind: Kind, parts: &[(usize, String)]) -> impl Iterator<Item = Part<'_>> {
    parts.iter().map(move |(place, text)| Part { kind, place: *place, text })
}

/// Reads parts in the order in which they were written.
pub(crate) fn decode(bytes: &[u8]) -> impl Iterator<Item = Result<Part<'_>, Damaged>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let part = next(&mut rest);
        if part.is_none() {
            rest = &[];
        }
        Some(part.ok_or(Damaged))
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Part<'a>> {
    let (kind, after) = rest.split_first()?;
    let (place, after) = after.split_first_chunk()?;
    let (length, after) = after.split_first_chunk()?;
    let number = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    let (text, after) = after.split_at_checked(number(length)?)?;
    *rest = after;
    Some(Part {
        kind: *Kind::ALL.get(usize::from(*kind))?,
        place: number(place)?,
        text: std::str::from_utf8(text).ok()?,
    })
}

/// How many bytes two texts have in common at their beginnings, in whole characters.
fn common_beginning(one: &str, other: &str) -> usize {
    let common = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    // Equal bytes up to the middle of a character are those of the same characters up to there.
    (0..=common).rev().find(|place| other.is_char_boundary(*place)).unwrap_or_default()
}
