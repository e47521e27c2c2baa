//! The public conformance cases, and the project's handlers for them. The environment variable
//! `DURAWASM_CONFORMANCE_CASES` names the folder of the cases; without it nothing is run.

pub mod served;

use std::path::Path;

use durawasm_conformance::{Case, Cases, Config};

const VARIABLE: &str = "DURAWASM_CONFORMANCE_CASES";
pub const HANDLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/conformance-handlers");

/// The cases; `None` if the variable is not set.
pub fn cases() -> Option<Vec<Case>> {
    let Some(folder) = std::env::var_os(VARIABLE) else {
        println!("skipped: {VARIABLE} names no folder with conformance cases");
        return None;
    };
    let cases = Cases::load(Path::new(&folder)).unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
    assert!(cases.unreadable.is_empty(), "{:#?}", cases.unreadable);
    Some(cases.cases)
}

pub fn config() -> Config {
    Config::load(&Path::new(HANDLERS).join("config.yaml")).unwrap()
}
