//! `durawasm serve` as a process: its arguments, its line, its end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
};

use common::{err, json_of, root};
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

fn durawasm(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// A server, killed when it is dropped.
struct Serving {
    process: Child,
    lines: BufReader<ChildStdout>,
    address: String,
}

impl Serving {
    fn start(arguments: &[&str]) -> Self {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--json", "--store", ":memory:"];
        let mut process = command(&[&fixed, arguments].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["listening"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { process, lines, address }
    }

    /// Sends a request, and returns the answer's status and body.
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn functions_are_served_until_a_signal() {
    let functions = [format!("hello={}#greet", guests()), format!("says={}", guests())];
    let mut serving = Serving::start(&["--function", &functions[0], "--function", &functions[1]]);
    assert_eq!(serving.send("GET", "/health", "").0, 200);
    let hello = "/2015-03-31/functions/hello:$LATEST/invocations";
    assert_eq!(serving.send("POST", hello, "\"Ada\""), (200, "\"Hello, Ada\"".to_owned()));
    let says = "/2015-03-31/functions/says:$LATEST/invocations";
    assert_eq!(serving.send("POST", says, "\"a line that ENDS\"").0, 200);
    assert_eq!(serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "1").0, 404);
    let id = serving.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(serving.process.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    serving.lines.read_to_string(&mut rest).unwrap();
    let lines: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = lines.iter().find(|line| line["message"] == "a line that ENDS").unwrap();
    assert!(said["execution"].as_str().unwrap().contains(":function:says:"), "{said}");
}

#[test]
fn with_credentials_nobody_is_served_without_a_signature() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, "[keys]\nAKIDEXAMPLE00001 = \"an-example-of-a-secret\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let function = format!("greet={}", guests());
    let serving = Serving::start(&["--function", &function, "--credentials", keys.to_str().unwrap()]);
    let (status, body) = serving.send("POST", "/2015-03-31/functions/greet:$LATEST/invocations", "1");
    assert_eq!(status, 403, "{body}");
    assert_eq!(serving.send("GET", "/health", "").0, 200);
}

#[test]
fn what_is_refused_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let open = file("open.toml", "[keys]\nAKIDEXAMPLE00001 = \"an-example-of-a-secret\"\n", 0o644);
    let none = file("none.toml", "[keys]\n", 0o600);
    let weak = file("weak.toml", "[keys]\nAKIDEXAMPLE00001 = \"guess\"\n", 0o600);
    for (arguments, words) in [
        (vec!["--no-config"], "there is no function to serve"),
        (vec!["--function", "greet"], "NAME=COMPONENT"),
        (vec!["--function", "a b=x.wasm"], "is no name of a function"),
        (vec!["--function", "a=x.wasm", "--function", "a=y.wasm"], "names a twice"),
        (vec!["--function", "a=nowhere.wasm"], "there is no nowhere.wasm"),
        (vec!["--listen", "0.0.0.0:0", "--function", "a=x.wasm"], "--credentials"),
        (vec!["--credentials", &open, "--function", "a=x.wasm"], "chmod 600"),
        (vec!["--credentials", &none, "--function", "a=x.wasm"], "no access key"),
        (vec!["--credentials", &weak, "--function", "a=x.wasm"], "less than 16"),
    ] {
        let refused = durawasm(&[&["serve", "--store", ":memory:"], &*arguments].concat());
        let said = err(&refused);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!said.contains("guess"), "{said}");
    }
    let unknown = format!("nothing={}", guests());
    let said = err(&durawasm(&["serve", "--store", ":memory:", "--function", &unknown]));
    assert!(said.contains("name one of them after a #"), "{said}");
}
