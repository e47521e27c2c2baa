//! A `durawasm serve` of a test.
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    fmt::Display,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::common::{json_of, root};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks again and again until there is something.
///
/// # Panics
/// When there is not in the time that a test waits.
pub fn until<T>(what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// The same, for as long as this.
///
/// # Panics
/// When there is nothing in that time.
pub fn within<T>(patience: Duration, what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

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

/// The path of an answer to a callback in the API.
pub fn callback_path(id: &str, action: &str) -> String {
    let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("/2025-12-01/durable-execution-callbacks/{id}/{action}")
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
        Self::spawn(&[&["--store", store.to_str().unwrap()], arguments].concat())
    }

    /// Starts one with these arguments.
    pub fn spawn(arguments: &[&str]) -> Self {
        Self::start_heard(arguments, Stdio::inherit())
    }

    /// Starts one whose standard error goes there.
    pub fn start_heard(arguments: &[&str], errors: Stdio) -> Self {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--json"];
        let mut command = command(&[&fixed, arguments].concat());
        command.stderr(errors);
        Self::started(command)
    }

    /// The arguments of one with a store.
    pub fn arguments(store: &Path, more: &[&str]) -> Vec<String> {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--json", "--store", store.to_str().unwrap()];
        fixed.iter().chain(more).map(|&argument| argument.to_owned()).collect()
    }

    /// Starts one with a command.
    pub fn started(command: Command) -> Self {
        let (serving, line) = Self::first_line(command);
        let ready: Value = serde_json::from_str(&line).unwrap();
        serving.at(ready["listening"].as_str().unwrap())
    }

    /// Starts one that keeps executions in memory and writes text, and its standard error to a pipe.
    pub fn start_as_text(arguments: &[&str]) -> Self {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--store", ":memory:"];
        let mut command = command(&[&fixed, arguments].concat());
        command.stderr(Stdio::piped());
        let (serving, line) = Self::first_line(command);
        serving.at(line.trim_end().rsplit(' ').next().unwrap())
    }

    /// Starts one, and returns its first line.
    fn first_line(mut command: Command) -> (Self, String) {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
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

    /// The URL of the API.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
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
        self.exchange(method, path, &[], body).map(|answer| (answer.status, answer.body))
    }

    /// Sends a request with headers, and returns the answer, if the server lives to give it.
    pub fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        read(&mut self.begin(method, path, headers, body)?)
    }

    /// What a request without a body is answered with, as JSON.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The id of an execution's first callback, once there is one.
    pub fn callback_of(&self, arn: &str) -> String {
        until(format_args!("a callback of {arn}"), || {
            let history = self.get(&arn_path(arn, "/history"));
            let mut events = history["Events"].as_array().unwrap().iter();
            let started = events.find(|event| event["EventType"] == "CallbackStarted")?;
            Some(started["CallbackStartedDetails"]["CallbackId"].as_str().unwrap().to_owned())
        })
    }

    /// Answers a callback.
    pub fn succeed(&self, callback: &str, result: &str) {
        let (status, body) = self.send("POST", &callback_path(callback, "succeed"), result);
        assert_eq!(status, 200, "{body}");
    }

    /// What an execution has come to, once it has ended.
    pub fn ended(&self, arn: &str) -> Value {
        until(format_args!("the end of {arn}"), || {
            Some(self.get(&arn_path(arn, ""))).filter(|view| view["Status"] != "RUNNING")
        })
    }

    /// Starts an execution under a name, and returns its ARN. `function` may have a qualifier.
    pub fn try_start(&self, function: &str, name: &str, event: &Value) -> Option<String> {
        let answer = read(&mut self.begin_start(function, name, event)?)?;
        assert_eq!(answer.status, 202, "{answer:?}");
        Some(answer.header("x-amz-durable-execution-arn").unwrap().to_owned())
    }

    /// Sends the request to start an execution, and does not wait for the answer.
    pub fn begin_start(&self, function: &str, name: &str, event: &Value) -> Option<TcpStream> {
        let function =
            if function.contains(':') { function.to_owned() } else { format!("{function}:$LATEST") };
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let headers = [("x-amz-invocation-type", "Event"), ("x-amz-durable-execution-name", name)];
        self.begin("POST", &path, &headers, &event.to_string())
    }

    fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        // An answer that does not come is none.
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length = body.len();
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).ok()?;
        Some(stream)
    }
}

/// An answer of a server.
#[derive(Debug)]
pub struct Answer {
    head: String,
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| *header == name).map(|(_, value)| value)
    }
}

/// Reads an answer.
pub fn read(stream: &mut impl Read) -> Option<Answer> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { head: head.to_owned(), status, body: body.to_owned() })
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
