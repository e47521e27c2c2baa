//! Writes files under names that no other writer uses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{FileSystemSerdesError, because};

/// The maximum number of names that are tried for one file.
const NAMES: u32 = 10_000;

/// Creates a folder, unless it exists.
pub(super) fn make_dir(dir: &Path) -> Result<(), FileSystemSerdesError> {
    let failed = || because(format!("the folder {} cannot be made", dir.display()));
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed()(error)),
        Ok(()) | Err(_) if fs::symlink_metadata(dir).map_err(failed())?.is_dir() => Ok(()),
        Ok(()) | Err(_) => Err(FileSystemSerdesError::new(format!("{} is no folder", dir.display()))),
    }
}

/// Writes a text to a new file. Returns its name.
pub(super) fn write_new_file(dir: &Path, stem: &str, text: &str) -> io::Result<String> {
    // The time only makes it likely that the first name is unused. In replayed code it is the recorded time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = reserve_name(dir, stem, now)?;
    let path = dir.join(&name);
    // No other writer uses the reserved name, nor this name, which is derived from it.
    let staged = dir.join(format!("{name}.tmp"));
    let written = write_whole(&staged, text).and_then(|()| fs::rename(&staged, &path));
    if written.is_err() {
        for left in [&staged, &path] {
            fs::remove_file(left).unwrap_or_default();
        }
    }
    written.map(|()| name)
}

/// Reserves a name by creating an empty file, so that no other writer can use it.
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
    // The content has to be on disk before the name is recorded.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_not_overwritten_at_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        for (taken, name) in ["op-2a.json", "op-2a-1.json", "op-2a-2.json"].into_iter().enumerate() {
            assert_eq!(reserve_name(dir.path(), "op", 42).unwrap(), name);
            fs::write(dir.path().join(name), taken.to_string()).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.path().join("op-2a.json")).unwrap(), "0");
    }
}
