//! The command of `docs/sandbox.md` that bounds a process with the tools of Linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use common::{err, json_of, out, root};

/// The words of the command on the page before `durawasm`.
fn wrapper() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/sandbox.md")).unwrap();
    let (_, block) = page.split_once("```sh\nprlimit ").unwrap();
    let (block, _) = block.split_once("durawasm run").unwrap();
    let words = block.split_whitespace().filter(|word| *word != "\\");
    ["prlimit"].into_iter().chain(words).map(str::to_owned).collect()
}

fn bounded(wrapper: &[String], arguments: &[&str]) -> Output {
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg(env!("CARGO_BIN_EXE_durawasm")).args(arguments);
    command.current_dir(root()).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_process_of_a_tenant_can_be_bounded() {
    let wrapper = wrapper();
    assert!(wrapper.iter().any(|word| word == "--data=2147483648"), "{wrapper:?}");
    // Some containers allow neither new namespaces nor these programs.
    let works = Command::new(&wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        eprintln!("the command of the page does not work on this machine: it is not tested");
        return;
    }
    let built = Command::new(env!("CARGO_BIN_EXE_durawasm"))
        .args(["build", "testing/guests", "--json"])
        .current_dir(root())
        .output()
        .unwrap();
    let component = json_of(&built)["path"].as_str().unwrap().to_owned();
    let output = bounded(&wrapper, &["run", &component, "-f", "greet", "-e", "\"kim\"", "--skip-time"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("result: \"Hello, kim\""), "{}", out(&output));
    // With less than the guest may have, the guest gets an error and the command goes on.
    let mut tight = wrapper;
    for word in &mut tight {
        if word.starts_with("--data=") {
            *word = format!("--data={}", 400 << 20);
        }
    }
    let arguments = ["run", &component, "-f", "allocates", "-e", "null", "--skip-time", "--memory", "4096"];
    let output = bounded(&tight, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(out(&output).contains("FAILED after"), "{}", out(&output));
}
