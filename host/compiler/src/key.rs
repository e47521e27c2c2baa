//! The key that entries of the cache are authenticated with.

use std::{io::Write as _, path::Path};

use super::{CacheError, private};

pub(crate) const KEY_SIZE: usize = 32;

/// Reads the key of this user, or creates it. `random` fills a new key.
pub(crate) fn load_or_create(
    path: &Path,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<[u8; KEY_SIZE], CacheError> {
    let io = |source| CacheError::Io { path: path.to_owned(), source };
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    private::folder_of_key(folder)?;
    let mut key = [0; KEY_SIZE];
    random(&mut key);
    // Temporary files have the mode 0600. Another process may create the key at the same time: the first one wins.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(&key).map_err(io)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(error) => load(path)?.ok_or_else(|| io(error.error)),
    }
}

fn load(path: &Path) -> Result<Option<[u8; KEY_SIZE]>, CacheError> {
    let Some(bytes) = private::read(path, 4096)? else { return Ok(None) };
    let size = bytes.len();
    let problem = format!("has {size} bytes, and a key has {KEY_SIZE}; remove it, and a new one is made");
    let key = bytes.try_into().map_err(|_| CacheError::NotPrivate { path: path.to_owned(), problem })?;
    Ok(Some(key))
}
