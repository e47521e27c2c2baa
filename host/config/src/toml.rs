//! Reads TOML into types, and says where an error is and what to do.

use std::path::Path;

use durawasm_core::files::read_file;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer as Tracked, Track};

use super::{
    error::{FileError, Place, Problem},
    wording,
};

/// Reads TOML.
///
/// # Errors
/// What is wrong, with its position.
pub fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut track = Track::new();
    let read =
        toml::Deserializer::parse(text).and_then(|toml| T::deserialize(Tracked::new(toml, &mut track)));
    read.map_err(|error| Problem {
        place: error.span().map(|span| Place::of_byte(text.as_bytes(), span.start)),
        message: wording::at(&track.path().to_string(), error.message()),
    })
}

/// The text of a file of at most `most` bytes, without a byte order mark.
///
/// # Errors
/// When it cannot be read, is no regular file, is too large, or is not UTF-8 text.
pub fn read_text(path: &Path, most: u64) -> Result<String, FileError> {
    let wrong = |place, message| FileError::new(path, Problem { place, message });
    let bytes = read_file(path, most).map_err(|error| wrong(None, format!("cannot read it: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = Place::of_byte(error.as_bytes(), error.utf8_error().valid_up_to());
        wrong(Some(place), "the file is not UTF-8 text".to_owned())
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
