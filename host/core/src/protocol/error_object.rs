//! `ErrorObject`: a language-independent description of a failure.

use serde::{Deserialize, Deserializer, Serialize};

use super::error_types;
use crate::budget::BytesExceeded;

/// The most frames of a stack that a shortened error has.
const MOST_FRAMES: usize = 1000;

/// What a text needs beside its characters, in bytes.
const TEXT: usize = size_of::<String>() + 16;

/// Why an operation, an invocation or an execution failed (service model: `ErrorObject`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorObject {
    /// The message for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The error type, which programs match on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// Additional data for programs; any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_data: Option<String>,
    /// Stack frames, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "frames")]
    pub stack_trace: Vec<String>,
}

/// JSON's null is an absent list, as clients of other languages write it.
fn frames<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ErrorObject {
    /// Creates an error with a type and a message.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: Some(error_type.into()), error_message: Some(message.into()), ..Self::default() }
    }

    /// The total size of its texts, in bytes.
    pub fn size(&self) -> usize {
        let text = |t: &Option<String>| t.as_ref().map_or(0, String::len);
        text(&self.error_message)
            + text(&self.error_type)
            + text(&self.error_data)
            + self.stack_trace.iter().map(String::len).sum::<usize>()
    }

    /// Its [`size`](Self::size), with what each frame of the stack needs beside its characters: frames may be empty.
    pub fn whole_size(&self) -> usize {
        self.size() + self.stack_trace.len() * TEXT
    }

    /// The memory that it takes, in bytes: that of its texts, and what each of them needs beside its characters.
    pub fn kept(&self) -> usize {
        size_of::<Self>() + 3 * TEXT + self.whole_size()
    }

    /// Shortens it to this number of bytes: first the stack, then the data, then the message and the type.
    #[must_use]
    pub fn shortened(mut self, most: usize) -> Self {
        let most = most.saturating_sub(64);
        // Empty frames have no size.
        self.stack_trace.truncate(MOST_FRAMES);
        let mut size = self.size();
        while size > most
            && let Some(frame) = self.stack_trace.pop()
        {
            size -= frame.len();
        }
        if size > most {
            self.error_data = None;
        }
        for text in [&mut self.error_message, &mut self.error_type].into_iter().flatten() {
            let mut end = text.len().min(most / 2);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            // A text that was much longer would keep its memory.
            text.shrink_to_fit();
        }
        self.stack_trace.shrink_to_fit();
        self
    }
}

impl From<BytesExceeded> for ErrorObject {
    fn from(exceeded: BytesExceeded) -> Self {
        Self::new(error_types::of_bytes(exceeded.owner), exceeded.to_string())
    }
}

impl std::fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.error_type, &self.error_message) {
            // Some SDKs start the message with the type.
            (Some(t), Some(m)) if m.strip_prefix(&**t).is_some_and(|rest| rest.starts_with(':')) => {
                f.write_str(m)
            }
            (Some(t), Some(m)) => write!(f, "{t}: {m}"),
            (Some(t), None) => f.write_str(t),
            (None, Some(m)) => f.write_str(m),
            (None, None) => f.write_str("an error without type and message"),
        }
    }
}
