//! A `durawasm serve` of a test.
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::common::{json_of, root};

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

pub fn durawasm(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// The component of the test handlers. The first test builds it.
pub fn guests() -> &'static str {
    static GUESTS: OnceLock<String> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let built = json_of(&durawasm(&["build", "testing/guests", "--json"]));
        built["path"].as_str().unwrap().to_owned()
    })
}

/// The path of an execution in the API.
pub fn arn_path(arn: &str, action: &str) -> String {
    format!("/2025-12-01/durable-executions/{}{action}", arn.replace('$', "%24"))
}

/// A server, killed when it is dropped.
pub struct Serving {
    pub process: Child,
    pub lines: BufReader<ChildStdout>,
    /// `http` or `https`.
    pub scheme: String,
    pub address: String,
}

impl Serving {
    /// Starts one that keeps executions in memory.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_on(Path::new(":memory:"), arguments)
    }

    /// Starts one with a store.
    pub fn start_on(store: &Path, arguments: &[&str]) -> Self {
        Self::start_heard(store, arguments, Stdio::inherit())
    }

    /// Starts one whose standard error goes there.
    pub fn start_heard(store: &Path, arguments: &[&str], errors: Stdio) -> Self {
        let (serving, line) = Self::spawn(store, &[&["--json"], arguments].concat(), errors);
        let ready: Value = serde_json::from_str(&line).unwrap();
        serving.at(ready["listening"].as_str().unwrap())
    }

    /// Starts one that keeps executions in memory and writes text, and its standard error to a pipe.
    pub fn start_as_text(arguments: &[&str]) -> Self {
        let (serving, line) = Self::spawn(Path::new(":memory:"), arguments, Stdio::piped());
        serving.at(line.trim_end().rsplit(' ').next().unwrap())
    }

    /// Starts one, and returns its first line.
    fn spawn(store: &Path, arguments: &[&str], errors: Stdio) -> (Self, String) {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--store", store.to_str().unwrap()];
        let mut command = command(&[&fixed, arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        (Self { process, lines, scheme: String::new(), address: String::new() }, line)
    }

    fn at(mut self, url: &str) -> Self {
        let (scheme, address) = url.split_once("://").unwrap();
        (self.scheme, self.address) = (scheme.to_owned(), address.to_owned());
        self
    }

    /// Ends it by SIGTERM, and returns what it wrote to standard error, which has to be piped.
    pub fn terminate(&mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut errors = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{errors}");
        errors
    }

    /// Kills it: it can do nothing more.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a request, and returns the answer's status and body.
    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.try_send(method, path, body).unwrap()
    }

    /// The same, if the server lives to answer.
    pub fn try_send(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = self.begin(method, path, &[], body)?;
        read(&mut stream).map(|(_, status, body)| (status, body))
    }

    /// Starts an execution under a name, and returns its ARN.
    pub fn try_start(&self, function: &str, name: &str, event: &Value) -> Option<String> {
        let (head, status, body) = read(&mut self.begin_start(function, name, event)?)?;
        assert_eq!(status, 202, "{head} {body}");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let arn = lines.find(|(header, _)| *header == "x-amz-durable-execution-arn");
        Some(arn.unwrap().1.to_owned())
    }

    /// Sends the request to start an execution, and does not wait for the answer.
    pub fn begin_start(&self, function: &str, name: &str, event: &Value) -> Option<TcpStream> {
        let path = format!("/2015-03-31/functions/{function}:$LATEST/invocations");
        let headers = [("x-amz-invocation-type", "Event"), ("x-amz-durable-execution-name", name)];
        self.begin("POST", &path, &headers, &event.to_string())
    }

    fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length = body.len();
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).ok()?;
        Some(stream)
    }
}

/// Reads an answer: its head, status and body.
pub fn read(stream: &mut impl Read) -> Option<(String, u16, String)> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
