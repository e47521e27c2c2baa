//! Writing files that no other writer touches.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{FileSystemSerdesError, because};

/// How many names are tried for one file.
const NAMES: u32 = 10_000;

/// Makes a folder, unless there is one.
pub(super) fn make_dir(dir: &Path) -> Result<(), FileSystemSerdesError> {
    let failed = || because(format!("the folder {} cannot be made", dir.display()));
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed()(error)),
        Ok(()) | Err(_) if fs::symlink_metadata(dir).map_err(failed())?.is_dir() => Ok(()),
        Ok(()) | Err(_) => Err(FileSystemSerdesError::new(format!("{} is no folder", dir.display()))),
    }
}

/// Writes a text to a file that was not there. Returns its name.
pub(super) fn write_new_file(dir: &Path, stem: &str, text: &str) -> io::Result<String> {
    // The time only makes it likely that the first name is free. Where code is replayed it is the recorded time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = reserve_name(dir, stem, now)?;
    let path = dir.join(&name);
    // The name is ours, and with it this one.
    let staged = dir.join(format!("{name}.tmp"));
    let written = write_whole(&staged, text).and_then(|()| fs::rename(&staged, &path));
    if written.is_err() {
        for left in [&staged, &path] {
            fs::remove_file(left).unwrap_or_default();
        }
    }
    written.map(|()| name)
}

/// Takes a name, by making an empty file: no other writer can take it.
fn reserve_name(dir: &Path, stem: &str, now: u128) -> io::Result<String> {
    for number in 0..NAMES {
        let name = match number {
            0 => format!("{stem}-{now:x}.json"),
            _ => format!("{stem}-{now:x}-{number}.json"),
        };
        match OpenOptions::new().write(true).create_new(true).open(dir.join(&name)) {
            Ok(_) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{NAMES} names of {stem:?} are taken")))
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    // A record must not outlive what it names.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_is_left_alone_where_time_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        for (taken, name) in ["op-2a.json", "op-2a-1.json", "op-2a-2.json"].into_iter().enumerate() {
            assert_eq!(reserve_name(dir.path(), "op", 42).unwrap(), name);
            fs::write(dir.path().join(name), taken.to_string()).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.path().join("op-2a.json")).unwrap(), "0");
    }
}
