//! Commands that ask an endpoint.
#![allow(dead_code, reason = "each test uses a part")]

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    common::{err, out},
    serving::command,
};

/// The variables that a command reads, beside those of a test.
const VARIABLES: [&str; 8] = [
    "DURAWASM_ENDPOINT",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// A command for the endpoint that the environment names.
pub fn prepared(endpoint: &str, set: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.env("DURAWASM_ENDPOINT", endpoint).envs(set.iter().copied());
    command
}

pub fn at(endpoint: &str, arguments: &[&str]) -> Output {
    prepared(endpoint, &[], arguments).output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// What the command prints, if it ends well.
pub fn done(endpoint: &str, arguments: &[&str]) -> String {
    let output = at(endpoint, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}{}", out(&output), err(&output));
    out(&output)
}

/// That the command fails with this code, and says this in one line.
pub fn refused(output: &Output, expected: i32, says: &str) {
    let said = err(output);
    assert_eq!(code(output), expected, "{}{said}", out(output));
    assert!(said.contains(says), "{says} in {said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
}

pub fn json_done(endpoint: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(endpoint, arguments)).unwrap()
}
