//! Reads scenario files.
//!
//! Invariants: for any content of any size, the outcome is scenarios or a message with the position of the error.

use std::path::{Path, PathBuf};

use durawasm_config::{FileError, Problem, parse_toml, read_text};

use super::{
    exact::Json,
    file::{FileSettings, ScenarioFile, WrittenFile, WrittenScenario},
    yaml,
};
use durawasm_core::files::read_file;
use durawasm_core::hint;
use durawasm_core::protocol::Limits;

/// The maximum size of a scenario file, in bytes.
const MAX_FILE: u64 = 4 << 20;

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
        match self {
            Self::Toml => parse_toml(text),
            Self::Yaml => yaml::parse(text),
        }
    }
}

/// Reads a scenario file, and the event and result files that it names.
///
/// # Errors
/// The error in the file, with its position.
pub fn read(path: &Path) -> Result<ScenarioFile, FileError> {
    let wrong = |problem: Problem| FileError::new(path, problem);
    let format = Format::of(path)
        .ok_or_else(|| wrong("a scenario file ends with .toml, .yaml or .yml".to_owned().into()))?;
    let written = format.parse(&read_text(path, MAX_FILE)?).map_err(wrong)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    resolve(written, path, folder).map_err(|message| wrong(message.into()))
}

fn resolve(mut written: WrittenFile, path: &Path, folder: &Path) -> Result<ScenarioFile, String> {
    let file = written.settings().or(&FileSettings::default())?;
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
    file: &FileSettings,
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
    let bytes = read_file(path, limit as u64).map_err(|error| wrong("cannot be read", &error))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong("is not UTF-8 text", &error))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let value = Json::parse(&text).map_err(|error| wrong("is not JSON", &error))?;
    Ok((text, value))
}
