//! Machine code on disk.
//!
//! Invariants: an entry is used only if it is a file of this user that no one else can open, and its keyed hash is right
//! for the component, the settings of the compiler, and the code. Whatever else is found is removed, and compiled again.
//! An entry is written to another file and renamed, so a reader sees a whole one.

use std::{
    fs,
    hash::{Hash as _, Hasher},
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use blake2b_simd::{Hash, Params, State, blake2bp};
use wasmtime::{Engine, component::Component};

use super::{
    CacheError, Machine,
    key::{self, KEY_SIZE},
    machine::deserialize,
    private,
};

/// The most bytes that all entries have. If there are more, the oldest ones are removed.
pub const MAX_CACHE_SIZE: u64 = 1 << 30;

/// Begins each entry. Another version of the format has another one.
const MAGIC: &[u8] = b"durawasm compiled 1\n";

/// The size of the keyed hash in front of the code.
const MAC_SIZE: usize = 32;

/// The folder of the entries, in the folder that the user names, which may have another mode and other content.
const FOLDER: &str = "authenticated";

/// A folder with compiled components.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    key: [u8; KEY_SIZE],
}

impl Cache {
    /// Opens the cache in this folder, which is created if it is missing. `key` is the file of the key, outside of that
    /// folder: who can replace entries must not be able to replace it. If it is missing, it is created with what
    /// `random` fills it with.
    ///
    /// # Errors
    /// When the folder or the file can be used by others, or cannot be created.
    pub fn open(folder: &Path, key: &Path, random: &mut dyn FnMut(&mut [u8])) -> Result<Self, CacheError> {
        let folder = folder.join(FOLDER);
        private::folder(&folder)?;
        let key = key::load_or_create(key, random)?;
        Ok(Self { folder, key })
    }

    /// The machine code of this component for this engine, if there is some that can be trusted.
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> Option<Component> {
        let name = name_of(engine, wasm);
        let path = self.path(&name);
        match private::read(&path, MAX_CACHE_SIZE) {
            Ok(None) => None,
            Ok(Some(entry)) => {
                let component = self.trusted(&name, &entry).and_then(|code| {
                    // SAFETY: the keyed hash says that this user's durawasm has written this code, unchanged, and it
                    // writes only what a `Machine` holds.
                    unsafe { deserialize(engine, code) }.ok()
                });
                if component.is_none() {
                    let _ = fs::remove_file(&path);
                }
                component
            }
            Err(_) => {
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps the machine code of a component. A failure costs only time, so there is none.
    pub fn store(&self, engine: &Engine, wasm: &[u8], machine: &Machine) {
        let name = name_of(engine, wasm);
        let code = machine.as_bytes();
        if code.len() as u64 > MAX_CACHE_SIZE / 2 {
            return;
        }
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(MAGIC)?;
            file.write_all(self.mac(&name, code).as_bytes())?;
            file.write_all(code)?;
            file.persist(self.path(&name))?;
            Ok::<_, std::io::Error>(())
        };
        if write().is_ok() {
            self.prune();
        }
    }

    fn path(&self, name: &Hash) -> PathBuf {
        self.folder.join(name.to_hex().as_str())
    }

    /// The code of an entry, if its keyed hash is right. The comparison takes the same time for all hashes.
    fn trusted<'a>(&self, name: &Hash, entry: &'a [u8]) -> Option<&'a [u8]> {
        let (mac, code) = entry.strip_prefix(MAGIC)?.split_at_checked(MAC_SIZE)?;
        (self.mac(name, code) == *mac).then_some(code)
    }

    /// The keyed hash of an entry: of its name, so that no entry stands in for another, and its code.
    fn mac(&self, name: &Hash, code: &[u8]) -> Hash {
        let mut params = blake2bp::Params::new();
        params.hash_length(MAC_SIZE).key(&self.key);
        params.to_state().update(MAGIC).update(name.as_bytes()).update(code).finalize()
    }

    /// Removes the oldest entries if there are too many bytes.
    fn prune(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = files
            .flatten()
            .filter_map(|file| {
                let metadata = file.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), file.path()))
            })
            .collect();
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        entries.sort();
        for (_, size, path) in entries {
            if total <= MAX_CACHE_SIZE {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total = total.saturating_sub(size);
            }
        }
    }
}

/// The name of an entry: the component, the settings of the compiler, and its version.
fn name_of(engine: &Engine, wasm: &[u8]) -> Hash {
    let mut settings = Settings(Params::new().hash_length(32).to_state());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let settings = settings.0.finalize();
    let component = blake2bp::Params::new().hash_length(32).to_state().update(wasm).finalize();
    let version = concat!(env!("CARGO_PKG_VERSION"), "\n");
    let mut name = Params::new().hash_length(32).to_state();
    name.update(version.as_bytes()).update(settings.as_bytes()).update(component.as_bytes()).finalize()
}

/// A hasher of the standard library whose hash does not collide.
struct Settings(State);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
