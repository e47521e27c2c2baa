//! Files of tests: scenarios and conformance cases.

use durawasm_config::ConfigFile;
use durawasm_conformance::{Case, CaseId, Config};

use crate::files::{assert_short, with_file};

/// A scenario file. The first byte chooses the format.
pub fn scenario(data: &[u8]) {
    let Some((format, text)) = data.split_first() else { return };
    let name = if format % 2 == 0 { "a.test.toml" } else { "a.test.yaml" };
    let read = with_file(name, text, durawasm_scenario::read);
    match read {
        Ok(file) => {
            assert!(!file.scenarios.is_empty());
            for scenario in &file.scenarios {
                let _ = durawasm_scenario::grants_of(scenario);
                serde_json::from_str::<serde::de::IgnoredAny>(&scenario.event).expect("an event is JSON");
            }
        }
        Err(error) => assert_short(&error.to_string()),
    }
}

/// A `durawasm.toml`.
pub fn config(data: &[u8]) {
    match with_file("durawasm.toml", data, ConfigFile::read) {
        Ok(file) => {
            for function in file.functions.values() {
                let settings = file.settings(function);
                let _ = settings.granted(|_| None);
                let limits = settings.enforced();
                assert!(limits.sandbox.memory > 0 && !limits.sandbox.cpu.is_zero());
                serde_json::to_value(settings.limits_json()).expect("limits are JSON");
            }
        }
        Err(error) => assert_short(&error.to_string()),
    }
}

/// A conformance case.
pub fn conformance_case(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(reason) = Case::parse(CaseId::new("1-1"), "group", &text) {
        assert_short(&reason);
    }
    let id = CaseId::new(text.clone());
    assert_eq!(id.as_str(), text);
}

/// The configuration of conformance handlers.
pub fn conformance_config(data: &[u8]) {
    match with_file("config.yaml", data, Config::load) {
        Ok(config) => drop(config.handlers().count()),
        Err(error) => assert_short(&error.to_string()),
    }
}
