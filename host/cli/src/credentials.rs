//! `--credentials FILE`: the access keys that may sign requests.
//!
//! ```toml
//! [keys]
//! AKIDEXAMPLE00001 = "a-secret-of-at-least-16-characters"
//! ```
//!
//! Invariants: a file that others than its owner may read or write is refused; no message contains a secret.

use std::{collections::BTreeMap, path::Path};

use anyhow::anyhow;
use durawasm_config::{FileError, parse_toml, read_text};
use durawasm_http::AccessKeys;
use serde::Deserialize;

use super::{
    exit::{Exit, Failure, OrExit},
    secret::check_owner_only,
};

/// The largest file, in bytes.
const MOST: u64 = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keys: BTreeMap<String, String>,
}

/// Reads the keys.
pub(super) fn read(path: &Path) -> Result<AccessKeys, Failure> {
    check_owner_only(path)?;
    let text = read_text(path, MOST).or_exit(Exit::Usage)?;
    let written: Written =
        parse_toml(&text).map_err(|problem| FileError::new(path, problem)).or_exit(Exit::Usage)?;
    let keys = AccessKeys::new(written.keys);
    keys.map_err(|error| anyhow!("{}: {error}", path.display())).or_exit(Exit::Usage)
}
