//! Files with secrets: access keys and private keys.
//!
//! Invariant: a file that others than its owner may read or write is refused before it is read.

use std::path::Path;

use anyhow::anyhow;

use super::exit::{Exit, Failure};

/// Refuses a file that others may read or write.
#[cfg(unix)]
pub(super) fn check_owner_only(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |why: String| Failure { exit: Exit::Usage, error: anyhow!("{}: {why}", path.display()) };
    let metadata = std::fs::metadata(path).map_err(|error| wrong(format!("cannot read it: {error}")))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(wrong(format!(
            "its mode is {mode:04o}, and only its owner may read it: use `chmod 600` on it, and other keys if \
             somebody may have read it"
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_owner_only(_: &Path) -> Result<(), Failure> {
    Ok(())
}
