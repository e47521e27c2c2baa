//! The grants and limits in force, as reports show them: all of them as JSON; as text those that are no defaults, each
//! with who stated it.

use std::collections::BTreeMap;

use durawasm_config::{ConfigFile, Kind, Limit, RunSettings, Settings};
use durawasm_core::orchestrator::FunctionGrants;
use durawasm_report::{Grant, Granted};
use serde::Serialize;
use serde_json::Value;

use super::config::{Subject, described};

/// What is in force for a function, and for those of its file that it may invoke.
pub(super) struct InForce<'a> {
    file: Option<&'a ConfigFile>,
    function: &'a str,
    settings: &'a RunSettings,
    grants: &'a FunctionGrants,
}

/// The part of a JSON report that says what is in force.
#[derive(Serialize)]
pub(super) struct InForceJson<'a> {
    granted: Granted,
    limits: Value,
    from: Value,
    /// The `durawasm.toml`.
    config: Option<String>,
    /// What is granted to other functions of the file.
    #[serde(rename = "grantedToOthers")]
    others: BTreeMap<&'a str, Granted>,
}

impl<'a> InForce<'a> {
    pub(super) fn new(
        subject: &'a Subject,
        settings: &'a RunSettings,
        grants: &'a FunctionGrants,
        function: &'a str,
    ) -> Self {
        Self { file: subject.file(), function, settings, grants }
    }

    fn own(&self) -> &'a Settings {
        self.settings.of(self.function)
    }

    /// The other functions of the file that something is granted to.
    fn others(&self) -> impl Iterator<Item = (&'a str, Granted)> {
        let names = self.settings.functions.keys().filter(|name| *name != self.function);
        names.map(|name| (&**name, Granted::of(self.grants, name))).filter(|(_, granted)| !granted.is_empty())
    }

    /// One line for each grant, and for each limit that is no default.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.grant_lines("granted", self.function, &Granted::of(self.grants, self.function));
        for (limit, value, origin) in self.own().stated_limits() {
            let unit = if matches!(limit.kind(), Kind::Mebibytes(..)) { " MiB" } else { "" };
            let from = described(origin, limit.key(), self.file, self.function);
            lines.push(format!("limit: {} {value}{unit} ({from})", limit.key()));
        }
        for (name, granted) in self.others() {
            lines.extend(self.grant_lines(&format!("granted to {name}"), name, &granted));
        }
        lines
    }

    fn grant_lines(&self, start: &str, function: &str, granted: &Granted) -> Vec<String> {
        let settings = self.settings.of(function);
        let stated = |limit: Limit| settings.stated(limit).map(|(_, origin)| origin);
        let line = |(grant, line): (Grant<'_>, String)| {
            let (origin, flag) = match grant {
                Grant::Variable(name) => (settings.env_origin(name), "env"),
                Grant::Directory(guest) => (settings.dir_origin(guest), "dir"),
                Grant::Scratch => (settings.scratch_origin(), "scratch"),
                Grant::Http(grant) => (settings.http_origin(grant), "allow-http"),
                Grant::Disk => match stated(Limit::DiskSize) {
                    Some(origin) => (Some(origin), "disk-size"),
                    None => (stated(Limit::DiskFiles), "disk-files"),
                },
            };
            let from = origin.map(|origin| format!(" ({})", described(origin, flag, self.file, function)));
            format!("{start}: {line}{}", from.unwrap_or_default())
        };
        granted.lines().into_iter().map(line).collect()
    }

    /// What is granted, and the limits, without who stated them.
    pub(super) fn stated(&self) -> Value {
        let InForceJson { granted, limits, others, .. } = self.json();
        serde_json::json!({ "granted": granted, "limits": limits, "grantedToOthers": others })
    }

    /// For a JSON report.
    pub(super) fn json(&self) -> InForceJson<'a> {
        // Neither can fail: the keys are texts.
        let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
        let own = self.own();
        InForceJson {
            granted: Granted::of(self.grants, self.function),
            limits: json(serde_json::to_value(own.limits_json())),
            from: json(serde_json::to_value(own.origins_json())),
            config: self.file.map(|file| file.path.to_string_lossy().into_owned()),
            others: self.others().collect(),
        }
    }
}
