//! `durawasm serve --watch`: files change while functions are served.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use common::{err, json_of, root};
use serde_json::{Value, json};
use serving::{Serving, command, durawasm, guests, within};
use tempfile::TempDir;

/// How long a build may take, on a machine that is busy.
const DEADLINE: Duration = Duration::from_mins(3);

/// Looks until there is something.
fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look)
}

/// A crate with a function that waits for an answer, if its event says so, and returns a word.
struct Crate {
    folder: TempDir,
}

impl Crate {
    /// Names of crates differ, since they share a target folder.
    fn new(name: &str) -> Self {
        let created = Self { folder: tempfile::tempdir().unwrap() };
        let sdk = root().join("guest-sdk");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
             [dependencies]\ndurawasm-guest = {{ path = \"{}\" }}\n[workspace]\n",
            sdk.display()
        );
        created.write("Cargo.toml", &manifest);
        fs::copy(root().join("Cargo.lock"), created.path("Cargo.lock")).unwrap();
        created
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("crate").join(name)
    }

    /// Writes a file at once: no build finds half of it.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Lets the function return the value of an expression.
    fn returns(&self, modules: &str, word: &str) {
        let source = format!(
            "use durawasm_guest::{{BoxError, DurableContext, durable_execution}};\n{modules}\n#[durable_execution]\n\
             async fn changing(waits: bool, ctx: DurableContext) -> Result<String, BoxError> {{\n\
             if waits {{\n    ctx.create_callback::<String>().name(\"reply\").await?.result().await?;\n}}\n\
             Ok({word}.to_owned())\n}}\n"
        );
        self.write("src/lib.rs", &source);
    }

    /// The component of the crate, as it is now.
    fn built(&self) -> Vec<u8> {
        let mut build = command(&["build", self.path("").to_str().unwrap(), "--json"]);
        let output = build.env("CARGO_TARGET_DIR", target()).output().unwrap();
        fs::read(json_of(&output)["path"].as_str().unwrap()).unwrap()
    }
}

/// The target folder of the other guests: what they all depend on is built there.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_durawasm")).ancestors().nth(2).unwrap()
}

/// What a server writes to standard error.
struct Heard {
    lines: Receiver<String>,
    all: Vec<String>,
}

impl Heard {
    fn of(serving: &mut Serving) -> Self {
        let errors = BufReader::new(serving.process.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { lines, all: Vec::new() }
    }

    /// The next line with these words.
    fn next(&mut self, words: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{words}: {:?}", self.all));
            self.all.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// All lines, after the server has ended.
    fn all(mut self) -> Vec<String> {
        self.all.extend(self.lines);
        self.all
    }
}

/// What the function returns under this name.
fn said(serving: &Serving, function: &str) -> String {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let (status, body) = serving.send("POST", &path, "false");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until new executions return this word.
fn until_said(serving: &Serving, word: &str) {
    until(word, || (said(serving, "f:$LATEST") == word).then_some(()));
}

/// Answers the callback of an execution, and returns its result.
fn answered(serving: &Serving, arn: &str) -> Value {
    serving.succeed(&serving.callback_of(arn), "\"yes\"");
    let ended = serving.ended(arn);
    assert_eq!(ended["Status"], "SUCCEEDED", "{ended}");
    serde_json::from_str(ended["Result"].as_str().unwrap()).unwrap()
}

/// Ends a server by SIGTERM, and returns the versions that it has told of.
fn terminated(serving: &mut Serving) -> Vec<Value> {
    let id = serving.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = until("the end of the server", || serving.process.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let mut rest = String::new();
    serving.lines.read_to_string(&mut rest).unwrap();
    let lines = rest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rebuilt = lines.filter(|line| line["rebuilt"].is_string()).map(|line| line["versions"].clone());
    rebuilt.filter(|versions| *versions != json!({})).collect()
}

/// Puts a file into the place of another one, as compilers and editors do.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_component_that_is_replaced_is_served_and_executions_continue_with_theirs() {
    let source = Crate::new("watched-file");
    let [before, after] = ["before", "after"].map(|word| {
        source.returns("", &format!("{word:?}"));
        source.built()
    });
    let path = source.folder.path().join("f.wasm");
    fs::write(&path, &before).unwrap();
    let store = source.folder.path().join("s.db");
    let function = format!("f={}", path.display());
    let served = ["--store", store.to_str().unwrap(), "--function", &function, "--quiet"];
    let watched = ["--watch", "--alias", "f:first=1", "--alias", "f:now=$LATEST"];
    let mut serving = Serving::start_heard(&[&served[..], &watched].concat(), Stdio::piped());
    let mut heard = Heard::of(&mut serving);
    let arn = serving.try_start("f", "o-1", &json!(true)).unwrap();
    serving.callback_of(&arn);
    assert_eq!(said(&serving, "f:$LATEST"), "before");

    replace(&path, &after);
    until_said(&serving, "after");
    for (name, word) in [("f:1", "before"), ("f:first", "before"), ("f:2", "after"), ("f:now", "after")] {
        assert_eq!(said(&serving, name), word, "{name}");
    }
    assert_eq!(answered(&serving, &arn), "before");

    // What cannot be served replaces nothing.
    replace(&path, b"no component");
    assert!(heard.next("the previous code of f is still served").contains("f.wasm"));
    replace(&path, &fs::read(guests()).unwrap());
    assert!(heard.next("the previous code of f is still served").contains("name one of them after a #"));
    fs::remove_file(&path).unwrap();
    assert!(heard.next("the previous code of f is still served").contains("there is no"));
    assert_eq!(said(&serving, "f:$LATEST"), "after");

    // Code of an earlier version is a new version, as after a restart.
    replace(&path, &before);
    until_said(&serving, "before");
    assert_eq!(said(&serving, "f:3"), "before");
    assert_eq!(terminated(&mut serving), [json!({ "f": 2 }), json!({ "f": 3 })]);
    let versions = json_of(&durawasm(&["store", "versions", store.to_str().unwrap(), "--json"]));
    assert_eq!(versions.as_array().unwrap().len(), 3, "{versions}");
    let again = Serving::spawn(&served);
    assert_eq!(said(&again, "f:3"), "before");
    assert_eq!(again.send("POST", "/2015-03-31/functions/f:4/invocations", "false").0, 404);
}

#[test]
fn a_crate_that_changes_is_rebuilt_and_its_errors_are_told() {
    let source = Crate::new("watched-crate");
    source.returns("", "\"one\"");
    let function = format!("f={}", source.path("").display());
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--json", "--store", ":memory:"]);
    serve.args(["--watch", "--function", &function]);
    serve.env("CARGO_TARGET_DIR", target()).stderr(Stdio::piped());
    let mut serving = Serving::started(serve);
    let mut heard = Heard::of(&mut serving);
    let arn = serving.try_start("f", "o-1", &json!(true)).unwrap();
    serving.callback_of(&arn);
    assert_eq!(said(&serving, "f:$LATEST"), "one");

    source.write("src/lib.rs", "fn broken( {}");
    heard.next("src/lib.rs:1");
    heard.next("the previous code of f is still served");
    assert_eq!(said(&serving, "f:$LATEST"), "one");
    source.returns("", "\"two\"");
    until_said(&serving, "two");

    // A folder that was not there when the server started.
    source.write("src/deep/mod.rs", "pub const WORD: &str = \"three\";");
    source.returns("mod deep;", "deep::WORD");
    until_said(&serving, "three");
    source.write("src/deep/mod.rs", "pub const WORD: &str = \"four\";");
    until_said(&serving, "four");
    // Without a store, earlier code is in memory.
    assert_eq!(answered(&serving, &arn), "one");
    assert_eq!(said(&serving, "f:2"), "two");

    // A build that takes long: the server answers meanwhile, and its end does not wait for it.
    source.write(
        "build.rs",
        "use std::{fs, path::Path, thread, time::Duration};\nfn main() {\n    fs::write(\"../begun\", \"\").unwrap();\n    \
         for _ in 0..6000 {\n        if !Path::new(\"../begun\").exists() {\n            return;\n        }\n        \
         thread::sleep(Duration::from_millis(100));\n    }\n}\n",
    );
    let begun = source.folder.path().join("begun");
    until("the build", || begun.exists().then_some(()));
    assert_eq!(said(&serving, "f:$LATEST"), "four");
    let told = terminated(&mut serving);
    assert_eq!(told.last().unwrap(), &json!({ "f": 4 }), "{told:?}");
    let all = heard.all();
    assert_eq!(all.iter().filter(|line| line.contains("still served")).count(), 1, "{all:#?}");
}

#[test]
fn a_crate_that_must_not_be_built_is_not_looked_at() {
    let source = Crate::new("watched-never");
    let function = format!("f={}", source.path("").display());
    let refused =
        durawasm(&["serve", "--store", ":memory:", "--watch", "--no-build", "--function", &function]);
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert!(err(&refused).contains("--no-build permits components only"), "{}", err(&refused));
}
