//! Versions of the functions of `durawasm serve`: which code new executions get, and which those have that began earlier.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{fs, path::Path};

use common::{err, json_of, out};
use serde_json::{Value, json};
use serving::{Serving, arn_path, durawasm, guests, until};

/// Serves a function of the test guests as `f`.
fn serve(store: &Path, export: &str, aliases: &[&str]) -> Serving {
    let function = format!("f={}#{export}", guests());
    let mut arguments = vec!["--quiet", "--function", &function];
    for alias in aliases {
        arguments.extend(["--alias", alias]);
    }
    Serving::start_on(store, &arguments)
}

fn invoke(serving: &Serving, function: &str, event: &str) -> (u16, String) {
    serving.send("POST", &format!("/2015-03-31/functions/{function}/invocations"), event)
}

/// Answers the callback of an execution, and returns how it ended.
fn answered(serving: &Serving, arn: &str) -> Value {
    serving.succeed(&serving.callback_of(arn), "\"yes\"");
    serving.ended(arn)
}

#[test]
fn executions_continue_with_the_code_that_they_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let path = store.to_str().unwrap();
    let event = json!({ "name": "reply" });
    let mut old = serve(&store, "callback", &[]);
    let first = old.try_start("f", "o-1", &event).unwrap();
    let second = old.try_start("f", "o-2", &event).unwrap();
    assert!(first.contains(":f:$LATEST/"), "{first}");
    old.callback_of(&second);
    old.kill();

    // The same code is no new version.
    let mut same = serve(&store, "callback", &[]);
    let numbered = same.try_start("f:1", "o-3", &event).unwrap();
    assert!(numbered.contains(":f:1/"), "{numbered}");
    same.kill();

    let mut new = serve(&store, "greet", &["f:old=1", "f:now=$LATEST"]);
    for name in ["f:$LATEST", "f:2", "f:now", "f:$LATEST.PUBLISHED"] {
        assert_eq!(invoke(&new, name, "\"Ada\""), (200, "\"Hello, Ada\"".to_owned()), "{name}");
    }
    for (name, version) in
        [("f:1", "1"), ("f:old", "1"), ("f:2", "2"), ("f:now", "$LATEST"), ("f:$LATEST.PUBLISHED", "2")]
    {
        let arn = new.try_start(name, &format!("of-{}", name.replace([':', '$', '.'], "-")), &event).unwrap();
        assert!(arn.contains(&format!(":f:{version}/")), "{name}: {arn}");
    }
    for name in ["f:3", "f:other", "f:0"] {
        let (status, body) = invoke(&new, name, "1");
        assert_eq!(status, 404, "{body}");
        assert!(body.contains("the function has $LATEST, version 2, 1, now, old"), "{body}");
    }
    let ended = answered(&new, &first);
    assert_eq!(ended["Status"], "SUCCEEDED", "{ended}");
    assert!(ended["Result"].as_str().unwrap().contains("\"answer\":\"yes\""), "{ended}");
    for qualifier in ["1", "old"] {
        let listed = new.get(&format!("/2025-12-01/functions/f/durable-executions?Qualifier={qualifier}"));
        assert_eq!(listed["DurableExecutions"].as_array().unwrap().len(), 3, "{listed}");
    }
    new.kill();

    let versions = json_of(&durawasm(&["store", "versions", path, "--json"]));
    let of = |row: &Value| (row["version"].as_u64().unwrap(), row["export"].as_str().unwrap().to_owned());
    let versions: Vec<_> = versions.as_array().unwrap().iter().map(of).collect();
    assert_eq!(versions, [(1, "callback".to_owned()), (2, "greet".to_owned())]);
    let refused = durawasm(&["store", "delete", path, "--function-version", "f:2"]);
    assert!(err(&refused).contains("the newest version of a function stays"), "{}", err(&refused));
    let deleted = durawasm(&["store", "delete", path, "--function-version", "f:1"]);
    assert_eq!(out(&deleted), "deleted 0 executions and 1 version\n", "{}", err(&deleted));

    // Version 1 is gone for new executions; one that began with it still has its code, and its name.
    let mut again = serve(&store, "greet", &[]);
    assert_eq!(invoke(&again, "f:1", "1").0, 404);
    assert_eq!(again.try_start("f:1", "o-3", &event), Some(numbered));
    assert_eq!(answered(&again, &second)["Status"], "SUCCEEDED");
    again.kill();
    // Nothing but the newest version is left, and all that is left is whole.
    let unused = durawasm(&["store", "delete", path, "--unused-versions"]);
    assert_eq!(out(&unused), "deleted 0 executions and 0 versions\n", "{}", err(&unused));
    let checked = durawasm(&["store", "check", path]);
    assert!(out(&checked).contains("no damage was found"), "{}", out(&checked));
    // A number is not given again.
    let mut third = serve(&store, "callback", &[]);
    assert!(third.try_start("f:3", "o-4", &event).unwrap().contains(":f:3/"));
    third.kill();
}

#[test]
fn an_exported_execution_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (folder.path().join("s.db"), folder.path().join("t.db"));
    let mut old = serve(&store, "callback", &[]);
    let arn = old.try_start("f", "o-1", &json!({ "name": "reply" })).unwrap();
    old.callback_of(&arn);
    old.kill();
    let file = folder.path().join("o-1.json");
    let (from, to, file) = (store.to_str().unwrap(), other.to_str().unwrap(), file.to_str().unwrap());
    assert!(durawasm(&["store", "export", from, "o-1", "--output", file]).status.success());
    assert!(durawasm(&["store", "import", to, file]).status.success());
    let new = serve(&other, "greet", &[]);
    let ended = answered(&new, &arn);
    assert_eq!(ended["Status"], "SUCCEEDED", "{ended}");
}

/// Replaces the components of a store by what `change` makes of them.
fn change_components(store: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let connection = rusqlite::Connection::open(store).unwrap();
    let mut select = connection.prepare("SELECT digest, bytes FROM components").unwrap();
    let rows = select.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    let rows: Vec<_> = rows.collect::<Result<_, _>>().unwrap();
    for (digest, bytes) in rows {
        let update = "UPDATE components SET bytes = ?1 WHERE digest = ?2";
        assert_eq!(connection.execute(update, (change(bytes), digest)).unwrap(), 1);
    }
}

#[test]
fn an_execution_whose_code_is_damaged_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let mut old = serve(&store, "callback", &[]);
    let arn = old.try_start("f", "o-1", &json!({ "name": "reply" })).unwrap();
    let callback = old.callback_of(&arn);
    old.kill();
    change_components(&store, |mut bytes| {
        bytes[9] ^= 1;
        bytes
    });
    let checked = durawasm(&["store", "check", store.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        out(&checked).contains("has another content") && out(&checked).contains(&arn),
        "{}",
        out(&checked)
    );

    let function = format!("f={}#greet", guests());
    let arguments = ["--store", store.to_str().unwrap(), "--function", &function, "--quiet"];
    let said = folder.path().join("stderr");
    let mut new = Serving::start_heard(&arguments, fs::File::create(&said).unwrap().into());
    new.succeed(&callback, "\"yes\"");
    let told = until("that the execution cannot continue", || {
        let said = fs::read_to_string(&said).unwrap();
        said.lines().find(|line| line.contains("cannot continue")).map(str::to_owned)
    });
    assert!(told.contains(&arn) && told.contains("the code of f cannot be loaded"), "{told}");
    assert_eq!(new.get(&arn_path(&arn, ""))["Status"], "RUNNING");
    let (status, body) = invoke(&new, "f:1", "1");
    assert!(status == 500 && body.contains("the code of f cannot be loaded"), "{body}");
    assert!(!body.contains("s.db"), "clients are not told of files: {body}");
    assert_eq!(new.try_start("f:1", "o-1", &json!({ "name": "reply" })), Some(arn.clone()));
    assert_eq!(invoke(&new, "f:2", "\"Ada\"").0, 200);
    new.kill();

    change_components(&store, |mut bytes| {
        bytes[9] ^= 1;
        bytes
    });
    let again = serve(&store, "greet", &[]);
    assert_eq!(again.ended(&arn)["Status"], "SUCCEEDED");
}

#[test]
fn a_name_is_one_execution_in_all_versions_and_of_run_beside() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let mut serving = serve(&store, "greet", &[]);
    let versions = ["f:1", "f:$LATEST"].map(|function| {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let named = [("x-amz-durable-execution-name", "shared")];
        let answer = serving.exchange("POST", &path, &named, "\"Ada\"").unwrap();
        assert_eq!((answer.status, &*answer.body), (200, "\"Hello, Ada\""));
        answer.header("x-amz-executed-version").unwrap().to_owned()
    });
    assert_eq!(versions, ["1", "1"]);
    serving.kill();
    let run = ["run", guests(), "--function", "greet", "--event", "\"Eve\"", "--name", "shared", "--json"];
    let run = json_of(&durawasm(&[&run[..], &["--store", store.to_str().unwrap()]].concat()));
    assert_eq!(run["result"], "Hello, Eve", "{run}");
}
