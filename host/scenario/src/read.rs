//! Reads scenario files.
//!
//! Invariants: for any content of any size, the outcome is scenarios or a message with the position of the error.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_path_to_error::{Deserializer as Tracked, Track};
use serde_saphyr::{MessageFormatter, UserMessageFormatter, with_deserializer_from_str_with_options};

use super::{
    error::{FileError, Place, Problem},
    exact::Json,
    file::{ScenarioFile, Settings, WrittenFile, WrittenScenario},
    wording,
};
use durawasm_core::hint;
use durawasm_core::protocol::Limits;
use durawasm_report as report;

/// The maximum size of a scenario file, in bytes.
const MAX_FILE: usize = 4 << 20;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Yaml,
}

impl Format {
    /// The format by the file's extension.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    pub(super) fn parse(self, text: &str) -> Result<WrittenFile, Problem> {
        let mut track = Track::new();
        match self {
            Self::Toml => {
                let read = toml::Deserializer::parse(text)
                    .and_then(|toml| WrittenFile::deserialize(Tracked::new(toml, &mut track)));
                read.map_err(|error| Problem {
                    place: error.span().map(|span| Place::of_byte(text.as_bytes(), span.start)),
                    message: wording::at(&track.path().to_string(), error.message()),
                })
            }
            Self::Yaml => {
                let options = serde_saphyr::options! {
                    strict_booleans: true,
                    reject_unsupported_tags: true,
                    with_snippet: false,
                };
                let read = with_deserializer_from_str_with_options(text, options, |yaml| {
                    WrittenFile::deserialize(Tracked::new(yaml, &mut track))
                });
                read.map_err(|error| yaml_problem(&error, &track.path().to_string()))
            }
        }
    }
}

fn yaml_problem(error: &serde_saphyr::Error, path: &str) -> Problem {
    let place = error.location().and_then(|location| {
        let (line, column) = (location.line().try_into().ok()?, location.column().try_into().ok()?);
        Some(Place { line, column }).filter(|place| place.line > 0)
    });
    let message = match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            wording::unknown_key(field, expected)
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            wording::unknown_word(variant, expected)
        }
        other => wording::at(path, &UserMessageFormatter.format_message(other)),
    };
    Problem { place, message }
}

/// Reads a scenario file, and the event and result files that it names.
///
/// # Errors
/// The error in the file, with its position.
pub fn read(path: &Path) -> Result<ScenarioFile, FileError> {
    // A message quotes what is wrong, and that may be as long as the file.
    let wrong = |place, message: String| {
        let message = report::shortened(&message.replace('\n', " "), report::LONGEST_MESSAGE);
        FileError { file: path.to_owned(), place, message }
    };
    let format = Format::of(path)
        .ok_or_else(|| wrong(None, "a scenario file ends with .toml, .yaml or .yml".to_owned()))?;
    let bytes =
        read_bounded(path, MAX_FILE).map_err(|error| wrong(None, format!("cannot read it: {error}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let place = Place::of_byte(&bytes, error.valid_up_to());
        wrong(Some(place), "the file is not UTF-8 text".to_owned())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let written = format.parse(text).map_err(|Problem { place, message }| wrong(place, message))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    resolve(written, path, folder).map_err(|message| wrong(None, message))
}

fn resolve(mut written: WrittenFile, path: &Path, folder: &Path) -> Result<ScenarioFile, String> {
    let file = written.settings().or(&Settings::default())?;
    if written.scenarios.is_empty() {
        return Err("it has no scenarios: they are a list, `scenarios`".to_owned());
    }
    let mut names = std::collections::HashSet::new();
    let mut scenarios = Vec::with_capacity(written.scenarios.len());
    for scenario in written.scenarios {
        let name = scenario.name.clone();
        let scenario = one(scenario, &file, folder)
            .map_err(|error| format!("scenario {:?}: {error}", hint::short(&name)))?;
        if !names.insert(name) {
            return Err(format!("two scenarios are named {:?}", hint::short(&scenario.name)));
        }
        scenarios.push(scenario);
    }
    let handler = written.handler.map(|handler| in_folder(folder, handler));
    Ok(ScenarioFile { path: path.to_owned(), handler, scenarios })
}

fn one(
    mut written: WrittenScenario,
    file: &Settings,
    folder: &Path,
) -> Result<super::file::Scenario, String> {
    let mut settings = written.settings().or(file)?;
    let limit = Limits::default().payload_bytes;
    let event = match settings.event_file.take() {
        Some(path) => json_file("event_file", &in_folder(folder, path), limit)?.0,
        None => settings.event.take().unwrap_or_default().to_string(),
    };
    if event.len() > limit {
        return Err(format!("the event is larger than the {limit} bytes that an event may have"));
    }
    if let Some(path) = written.expect.result_file.take() {
        written.expect.result = Some(json_file("result_file", &in_folder(folder, path), limit)?.1);
    }
    settings.scenario(folder, written.name, event, written.answers, written.expect)
}

/// Resolves a path in a file of this folder. `.` is the folder itself.
fn in_folder(folder: &Path, path: PathBuf) -> PathBuf {
    if path == Path::new(".") {
        return if folder.as_os_str().is_empty() { path } else { folder.to_owned() };
    }
    folder.join(path)
}

fn json_file(key: &str, path: &Path, limit: usize) -> Result<(String, Json), String> {
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| format!("`{key}`: {} {what}: {error}", path.display());
    let bytes = read_bounded(path, limit).map_err(|error| wrong("cannot be read", &error))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong("is not UTF-8 text", &error))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let value = Json::parse(&text).map_err(|error| wrong("is not JSON", &error))?;
    Ok((text, value))
}

/// The bytes of a regular file. Other files may be endless.
fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // The check precedes opening the file: opening a named pipe blocks.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
