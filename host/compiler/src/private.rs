//! Files and folders that only this user can write.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::Path,
};

use super::CacheError;

/// Creates a folder for this user alone, or checks that an existing one is.
pub(crate) fn folder(path: &Path) -> Result<(), CacheError> {
    let io = |source| CacheError::Io { path: path.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io)?;
    // A link would be checked, and then could be exchanged.
    let metadata = fs::symlink_metadata(path).map_err(io)?;
    if !metadata.is_dir() {
        return Err(CacheError::NotPrivate { path: path.to_owned(), problem: "is not a folder".to_owned() });
    }
    check(path, &metadata)
}

/// Reads a file of this user, up to `limit` bytes. `None` if there is none, `Err` if others could have written it.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, CacheError> {
    let io = |source| CacheError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        // Neither a link nor a pipe that blocks.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    let problem = |problem: String| CacheError::NotPrivate { path: path.to_owned(), problem };
    if !metadata.is_file() {
        return Err(problem("is not a file".to_owned()));
    }
    check(path, &metadata)?;
    if metadata.len() > limit {
        return Err(problem(format!("has {} bytes, and at most {limit} are read", metadata.len())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    File::take(file, limit).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

#[cfg(unix)]
fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), CacheError> {
    use std::os::unix::fs::MetadataExt;
    let problem = |problem: String| Err(CacheError::NotPrivate { path: path.to_owned(), problem });
    let this_user = rustix::process::geteuid().as_raw();
    if metadata.uid() != this_user {
        return problem(format!("belongs to the user {}, and not to the user {this_user}", metadata.uid()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        return problem(format!("has the mode {mode:04o}, so others can use it; set {wanted:04o}"));
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
fn check(_: &Path, _: &fs::Metadata) -> Result<(), CacheError> {
    Ok(())
}

/// Creates the folder of a key, if there is none. The key's own mode protects it, so the folder may be shared.
pub(crate) fn folder_of_key(path: &Path) -> Result<(), CacheError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| CacheError::Io { path: path.to_owned(), source })
}
