//! Handlers that fill their directories, in each way that there is.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext};
use serde::Deserialize;
use serde_json::{Value, json};

/// How to fill a directory.
#[derive(Deserialize, Clone)]
pub struct Fill {
    directory: String,
    how: String,
    /// How often.
    times: usize,
    /// How many bytes each time.
    #[serde(default)]
    bytes: usize,
}

/// Event: how to fill a directory. Step `fills` does so until it fails or is done. Result: how often it succeeded, the
/// kind of the `error`, and how often it succeeds after a wait of a second, `again`.
pub async fn fills(fill: Fill, ctx: DurableContext) -> Result<Value, BoxError> {
    let again = fill.clone();
    let filled = |fill: Fill| {
        let mut kept = Vec::new();
        for done in 0..fill.times {
            if let Err(error) = one(&fill, done, &mut kept) {
                return json!({ "done": done, "error": error.kind().to_string() });
            }
        }
        json!({ "done": fill.times })
    };
    let first = ctx.step(move |_| async move { Ok(filled(fill)) }).name("fills").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    let again = ctx.step(move |_| async move { Ok(filled(again)) }).name("again").await?;
    Ok(json!({ "first": first, "again": again }))
}

fn one(wanted: &Fill, number: usize, kept: &mut Vec<File>) -> std::io::Result<()> {
    let Fill { directory, how, bytes, .. } = wanted;
    let bytes = vec![b'x'; *bytes];
    let path = |name: &str| format!("{directory}/{name}");
    match &**how {
        // Another file each time.
        "files" => fs::write(path(&number.to_string()), &bytes),
        // One file that grows.
        "appends" => OpenOptions::new().create(true).append(true).open(path("a"))?.write_all(&bytes),
        // One file, which is replaced.
        "replaces" => fs::write(path("r"), &bytes),
        // One file, replaced as a whole by another under its name.
        "renames" => {
            fs::write(path("tmp"), &bytes)?;
            fs::rename(path("tmp"), path("renamed"))
        }
        // Files that are removed at once.
        "removes" => {
            fs::write(path("gone"), &bytes)?;
            fs::remove_file(path("gone"))
        }
        // Files that are removed while they are open, and stay open.
        "holds" => {
            let mut file = File::create(path("held"))?;
            file.write_all(&bytes)?;
            fs::remove_file(path("held"))?;
            kept.push(file);
            Ok(())
        }
        // Files without content that have a size.
        "sizes" => File::create(path(&format!("s{number}")))?.set_len(bytes.len() as u64),
        // A byte behind a gap.
        "seeks" => {
            let mut file = File::create(path(&format!("g{number}")))?;
            file.seek(SeekFrom::Start(bytes.len() as u64))?;
            file.write_all(b"x")
        }
        "directories" => fs::create_dir(path(&format!("d{number}"))),
        // Opens what it may not create.
        "fails" => match fs::File::create_new(path("one")) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        },
        other => Err(std::io::Error::other(format!("no such way: {other}"))),
    }
}
