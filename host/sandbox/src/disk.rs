//! The functions of `wasi:filesystem` that add to directories or remove from them, with the quota of the execution.
//!
//! Invariants: nothing is added before it is charged; what exceeds the quota fails as on a full disk. What these
//! functions do otherwise, and all other functions, are those of `wasmtime-wasi`.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use durawasm_core::invocation::{Access, Disk, Space};
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    async_trait,
    filesystem::{Descriptor, WasiFilesystemView},
    p2::{
        DynOutputStream, FsError, FsResult, OutputStream, Pollable, StreamError, StreamResult,
        bindings::filesystem::types::{
            DescriptorFlags, ErrorCode, Filesize, HostDescriptor as _, OpenFlags, PathFlags,
        },
    },
};

use super::{state::State, writers::Streams};

/// The most entries of all directories that are looked at to measure them.
const MAX_ENTRIES: usize = 50_000;

/// The error of a full disk, as the operating system numbers it.
const FULL: i32 = if cfg!(windows) { 112 } else { 28 };

/// A file, a directory or a link, without content.
const ENTRY: Space = Space { bytes: 0, files: 1 };

type Handle = Resource<Descriptor>;

type Store<'a> = StoreContextMut<'a, State>;

/// What a function returns to the guest.
type Returned<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// Replaces the functions in a linker that has those of `wasmtime-wasi`.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let added = add_files(linker).and_then(|()| add_entries(linker));
    linker.allow_shadowing(false);
    added
}

/// The functions that write to files.
fn add_files(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: Store<'_>, arguments: (Handle, PathFlags, String, OpenFlags, DescriptorFlags)| {
            Box::new(async move { returned(open(store.data_mut(), arguments).await) })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |mut store: Store<'_>, (this, bytes, offset): (Handle, Vec<u8>, Filesize)| {
            Box::new(async move {
                let state = store.data_mut();
                let end = offset.saturating_add(bytes.len() as u64);
                returned(match extend(state, &this, end).await {
                    Ok(()) => state.filesystem().write(this, bytes, offset).await,
                    Err(error) => Err(error),
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: Store<'_>, (this, size): (Handle, Filesize)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(match extend(state, &this, size).await {
                    Ok(()) => removing(state.filesystem().set_size(this, size).await, disk(state)),
                    Err(error) => Err(error),
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.write-via-stream",
        |mut store: Store<'_>, (this, offset): (Handle, Filesize)| {
            Box::new(async move { returned(stream(store.data_mut(), this, Some(offset)).await) })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.append-via-stream",
        |mut store: Store<'_>, (this,): (Handle,)| {
            Box::new(async move { returned(stream(store.data_mut(), this, None).await) })
        },
    )
}

/// The functions that make and remove entries of directories.
fn add_entries(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store: Store<'_>, (this, path): (Handle, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(match enter(state).await {
                    Ok(()) => entered(state.filesystem().create_directory_at(this, path).await, disk(state)),
                    Err(error) => Err(error),
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: Store<'_>, (this, old, new): (Handle, String, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(match enter(state).await {
                    Ok(()) => entered(state.filesystem().symlink_at(this, old, new).await, disk(state)),
                    Err(error) => Err(error),
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |mut store: Store<'_>, (this, flags, old, to, new): (Handle, PathFlags, String, Handle, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(match enter(state).await {
                    Ok(()) => {
                        entered(state.filesystem().link_at(this, flags, old, to, new).await, disk(state))
                    }
                    Err(error) => Err(error),
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.unlink-file-at",
        |mut store: Store<'_>, (this, path): (Handle, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(removing(state.filesystem().unlink_file_at(this, path).await, disk(state)))
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.remove-directory-at",
        |mut store: Store<'_>, (this, path): (Handle, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(removing(state.filesystem().remove_directory_at(this, path).await, disk(state)))
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.rename-at",
        |mut store: Store<'_>, (this, old, to, new): (Handle, String, Handle, String)| {
            Box::new(async move {
                let state = store.data_mut();
                returned(removing(state.filesystem().rename_at(this, old, to, new).await, disk(state)))
            })
        },
    )
}

/// The error of a function goes to the guest, unless it is a trap.
fn returned<T>(result: FsResult<T>) -> Returned<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn full() -> FsError {
    ErrorCode::InsufficientSpace.into()
}

fn disk(state: &State) -> &Disk {
    state.durable.around.grants.disk()
}

/// The same handle, for another call.
fn borrowed(handle: &Handle) -> Handle {
    Resource::new_borrow(handle.rep())
}

async fn open(
    state: &mut State,
    (this, path_flags, path, open_flags, flags): (Handle, PathFlags, String, OpenFlags, DescriptorFlags),
) -> FsResult<Handle> {
    let creates = open_flags.contains(OpenFlags::CREATE);
    let truncates = open_flags.contains(OpenFlags::TRUNCATE);
    let writes = creates || truncates || flags.contains(DescriptorFlags::WRITE);
    if !writes {
        return state.filesystem().open_at(this, path_flags, path, open_flags, flags).await;
    }
    measure(state).await;
    let is_new =
        creates && state.filesystem().stat_at(borrowed(&this), path_flags, path.clone()).await.is_err();
    if is_new && !disk(state).add(ENTRY) {
        return Err(full());
    }
    let opened =
        state.filesystem().open_at(borrowed(&this), path_flags, path.clone(), open_flags, flags).await;
    if let Ok(descriptor) = &opened {
        // Numbers are used again, and this one is not yet written to.
        state.writers.descriptors.remove(&descriptor.rep());
    }
    if truncates {
        disk(state).removed();
        measure(state).await;
    }
    match &opened {
        Ok(descriptor) => {
            state.writers.descriptors.insert(descriptor.rep());
        }
        Err(_) if is_new => {
            if state.filesystem().stat_at(this, path_flags, path).await.is_err() {
                disk(state).take_back(ENTRY);
            }
        }
        Err(_) => {}
    }
    opened
}

/// Charges a file that is to be written up to this byte.
async fn extend(state: &mut State, this: &Handle, end: Filesize) -> FsResult<()> {
    let size = state.filesystem().stat(borrowed(this)).await?.size;
    let more = Space { bytes: end.saturating_sub(size), files: 0 };
    if disk(state).add(more) { Ok(()) } else { Err(full()) }
}

/// Charges a directory or a link that is to be made.
async fn enter(state: &mut State) -> FsResult<()> {
    measure(state).await;
    if disk(state).add(ENTRY) { Ok(()) } else { Err(full()) }
}

/// Gives the charge of a directory or a link back that was not made.
fn entered<T>(made: FsResult<T>, disk: &Disk) -> FsResult<T> {
    if made.is_err() {
        disk.take_back(ENTRY);
    }
    made
}

fn removing<T>(removed: FsResult<T>, disk: &Disk) -> FsResult<T> {
    disk.removed();
    removed
}

/// Opens a stream for writing, from this byte or at the end of the file.
async fn stream(
    state: &mut State,
    this: Handle,
    offset: Option<Filesize>,
) -> FsResult<Resource<DynOutputStream>> {
    let size = state.filesystem().stat(borrowed(&this)).await?.size;
    let opened = match offset {
        Some(offset) => state.filesystem().write_via_stream(this, offset)?,
        None => state.filesystem().append_via_stream(this)?,
    };
    let inner = state.table.delete(opened)?;
    let streams = state.writers.streams.clone();
    streams.open.fetch_add(1, Ordering::Relaxed);
    let charged = Charged { inner, disk: disk(state).clone(), at: offset, size, busy: false, streams };
    Ok(state.table.push(Box::new(charged) as DynOutputStream)?)
}

/// Measures the directories, if that may give space back and nothing is open for writing: a file that was removed takes
/// its space until it is closed.
async fn measure(state: &mut State) {
    let State { durable, table, writers, .. } = &mut *state;
    let grants = durable.around.grants.clone();
    if !grants.disk().wants_measuring() {
        return;
    }
    writers.descriptors.retain(|rep| table.get(&Handle::new_borrow(*rep)).is_ok());
    let Streams { open, left_writing } = &*writers.streams;
    let writing = open.load(Ordering::Relaxed) > 0 || left_writing.load(Ordering::Relaxed);
    if writing || !writers.descriptors.is_empty() {
        return;
    }
    let writable = grants.directories().filter(|(.., access)| *access == Access::ReadWrite);
    let directories = writable.map(|(_, host, _)| host.to_owned()).collect();
    let there = tokio::task::spawn_blocking(move || measured(directories)).await;
    grants.disk().measured(there.ok().and_then(Result::ok));
}

/// What directories hold.
fn measured(mut directories: Vec<PathBuf>) -> io::Result<Space> {
    let mut there = Space::default();
    let mut entries = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // Links are not followed.
            let metadata = entry.metadata()?;
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(io::ErrorKind::Other.into());
            }
            there.files += 1;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                there.bytes = there.bytes.saturating_add(metadata.len());
            }
        }
    }
    Ok(there)
}

/// A stream that writes to a file, with its bytes charged.
struct Charged {
    inner: DynOutputStream,
    disk: Disk,
    /// The next byte to write; `None`: at the end of the file.
    at: Option<u64>,
    /// The size of the file up to which bytes are charged. The file may have become shorter since.
    size: u64,
    /// Whether bytes may still be being written.
    busy: bool,
    streams: Arc<Streams>,
}

impl Charged {
    fn charge(&mut self, bytes: usize) -> StreamResult<()> {
        let bytes = bytes as u64;
        let more = match self.at {
            Some(at) => at.saturating_add(bytes).saturating_sub(self.size),
            None => bytes,
        };
        if !self.disk.add(Space { bytes: more, files: 0 }) {
            return Err(StreamError::LastOperationFailed(io::Error::from_raw_os_error(FULL).into()));
        }
        self.at = self.at.map(|at| at.saturating_add(bytes));
        self.size = self.size.saturating_add(more);
        Ok(())
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.streams.left_writing.fetch_or(self.busy, Ordering::Relaxed);
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Pollable for Charged {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for Charged {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.charge(bytes.len())?;
        self.busy = true;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.charge(bytes.len())?;
        self.busy = true;
        let written = self.inner.blocking_write_and_flush(bytes).await;
        self.busy = written.is_err();
        written
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let permitted = self.inner.check_write()?;
        // A file accepts bytes when those before have been written.
        self.busy &= permitted == 0;
        Ok(permitted)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_measured_with_what_is_below_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/f"), [0; 1_000]).unwrap();
        fs::write(folder.path().join("g"), [0; 10]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", folder.path().join("a/root")).unwrap();
        let there = measured(vec![folder.path().to_owned()]).unwrap();
        assert_eq!(there.files, if cfg!(unix) { 5 } else { 4 });
        assert!((1_010..1_100).contains(&there.bytes), "{there:?}");
        assert!(measured(vec![folder.path().join("none")]).is_err());
    }
}
