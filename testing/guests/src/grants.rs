//! Handlers that use what they are granted: environment variables and directories.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext};
use serde::Deserialize;
use serde_json::{Value, json};

/// A directory, and what to write there.
#[derive(Deserialize, Clone)]
pub struct Reach {
    directory: String,
    #[serde(default)]
    bytes: usize,
}

/// Event: a directory, and how many bytes to write. Step `first` adds a line to the file `lines` there and writes so
/// many bytes to the file `bytes`, while wait `pause` of 1 second is under way; then step `second` adds a line. Result:
/// all `variables`; how many lines there were after each step, or why there are none, as `first` and `second`; and what
/// `outside` has of a file that is not granted.
pub async fn reaches(event: Reach, ctx: DurableContext) -> Result<Value, BoxError> {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let pause = ctx.wait(Duration::from_secs(1)).name("pause").spawn();
    let (reach, again) = (event.clone(), event.clone());
    let first = ctx
        .step(move |_| async move {
            let bytes = vec![b'x'; reach.bytes];
            let written = fs::write(format!("{}/bytes", reach.directory), bytes);
            Ok(written.and_then(|()| add_line(&reach.directory)).map_err(|error| error.to_string()))
        })
        .name("first")
        .await?;
    pause.await?;
    let second = ctx
        .step(move |_| async move { Ok(add_line(&again.directory).map_err(|error| error.to_string())) })
        .name("second")
        .await?;
    let outside = ["/etc/passwd".to_owned(), format!("{}/../passwd", event.directory), "passwd".to_owned()];
    let outside: Vec<_> = outside.iter().filter_map(|path| fs::read(path).ok()).collect();
    let told = |lines: Result<usize, String>| lines.map_or_else(Value::from, Value::from);
    Ok(
        json!({ "variables": variables, "first": told(first), "second": told(second), "outside": outside.len() }),
    )
}

fn add_line(directory: &str) -> std::io::Result<usize> {
    let path = format!("{directory}/lines");
    writeln!(OpenOptions::new().create(true).append(true).open(&path)?, "a line")?;
    Ok(fs::read_to_string(&path)?.lines().count())
}

/// Event: a directory. No operations. Result: the names of what is there, after which the file `left` is, too.
#[expect(clippy::needless_pass_by_value, reason = "functions take their events by value")]
pub fn plain_reaches(directory: String) -> Result<Vec<String>, BoxError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    fs::write(format!("{directory}/left"), "x")?;
    Ok(names)
}

/// Event: a number. Opens so many files in `/scratch` and keeps them open. Result: how many it could open.
pub async fn holds_files(count: usize, _ctx: DurableContext) -> Result<usize, BoxError> {
    let files: Vec<File> = (0..count).map_while(|n| File::create(format!("/scratch/{n}")).ok()).collect();
    Ok(files.len())
}
