//! The cache of machine code: whatever is not exactly what this user's durawasm has written is compiled again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use durawasm_compiler::{Bounds, Cache, CacheError, compile};
use wasmtime::Engine;

struct Place {
    dir: tempfile::TempDir,
    engine: Engine,
    wasm: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let wasm = wat::parse_str("(component (core module (func (export \"f\"))))").unwrap();
        Self { dir: tempfile::tempdir().unwrap(), engine: Engine::default(), wasm }
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("state").join("key")
    }

    fn open(&self) -> Result<Cache, CacheError> {
        Cache::open(&self.dir.path().join("cache"), &self.key(), &mut |bytes| bytes.fill(7))
    }

    /// A cache with one entry.
    fn filled(&self) -> (Cache, PathBuf) {
        let cache = self.open().unwrap();
        assert!(cache.load(&self.engine, &self.wasm).is_none());
        let machine = compile(&self.engine, &self.wasm, &Bounds::default()).unwrap();
        cache.store(&self.engine, &self.wasm, &machine);
        let entry = self.entries().pop().unwrap();
        (cache, entry)
    }

    fn entries(&self) -> Vec<PathBuf> {
        let folder = self.dir.path().join("cache").join("authenticated");
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
    }

    fn hits(&self, cache: &Cache) -> bool {
        cache.load(&self.engine, &self.wasm).is_some()
    }
}

fn flip(path: &Path, place: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_entry_is_used_again_by_who_has_the_key() {
    let place = Place::new();
    let (cache, _) = place.filled();
    assert!(place.hits(&cache) && place.hits(&place.open().unwrap()));
    let other = wat::parse_str("(component)").unwrap();
    assert!(cache.load(&place.engine, &other).is_none());
    // Other settings of the compiler are another entry.
    let mut config = wasmtime::Config::new();
    config.cranelift_nan_canonicalization(true);
    assert!(cache.load(&Engine::new(&config).unwrap(), &place.wasm).is_none());
    // With another key nothing is trusted.
    fs::write(place.key(), [8; 32]).unwrap();
    assert!(!place.hits(&place.open().unwrap()));
}

#[test]
fn an_entry_with_one_changed_bit_is_removed() {
    let place = Place::new();
    let (cache, entry) = place.filled();
    let good = fs::read(&entry).unwrap();
    let places = (0..80).chain((80..good.len()).step_by(good.len() / 40)).chain([good.len() - 1]);
    for (n, changed) in places.enumerate() {
        fs::write(&entry, &good).unwrap();
        flip(&entry, changed, u8::try_from(n % 8).unwrap());
        assert!(!place.hits(&cache), "byte {changed}");
        assert!(place.entries().is_empty(), "byte {changed}");
        // The mode of a new file would be refused as well, so the file is written by the cache.
        let machine = compile(&place.engine, &place.wasm, &Bounds::default()).unwrap();
        cache.store(&place.engine, &place.wasm, &machine);
    }
    assert!(place.hits(&cache));
    for length in [0, 1, 19, 20, 51, 52, 60, good.len() - 1] {
        fs::OpenOptions::new().write(true).open(&entry).unwrap().set_len(length as u64).unwrap();
        assert!(!place.hits(&cache), "{length} bytes");
        let machine = compile(&place.engine, &place.wasm, &Bounds::default()).unwrap();
        cache.store(&place.engine, &place.wasm, &machine);
    }
}

#[test]
fn an_entry_does_not_stand_in_for_another() {
    let place = Place::new();
    let (cache, entry) = place.filled();
    let other = wat::parse_str("(component (core module (func (export \"g\"))))").unwrap();
    let machine = compile(&place.engine, &other, &Bounds::default()).unwrap();
    cache.store(&place.engine, &other, &machine);
    let second = place.entries().into_iter().find(|path| *path != entry).unwrap();
    fs::copy(&entry, &second).unwrap();
    assert!(cache.load(&place.engine, &other).is_none());
    assert!(place.hits(&cache));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_the_cache_writes_is_for_one_user() {
        let place = Place::new();
        let (_, entry) = place.filled();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&entry), mode(&place.key())), (0o600, 0o600));
        assert_eq!(mode(entry.parent().unwrap()), 0o700);
    }

    #[test]
    fn what_others_can_use_is_not_used() {
        let place = Place::new();
        let (cache, entry) = place.filled();
        for shared in [0o644, 0o660, 0o602] {
            mode(&entry, shared);
            assert!(!place.hits(&cache), "{shared:o}");
            let (_, again) = (&cache, place.filled().1);
            assert_eq!(again, entry);
        }
        let folder = entry.parent().unwrap().to_owned();
        mode(&folder, 0o777);
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("has the mode 0777"), "{error}");
        mode(&folder, 0o700);
        mode(&place.key(), 0o644);
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("has the mode 0644"), "{error}");
        mode(&place.key(), 0o600);
        fs::write(place.key(), [1; 31]).unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("has 31 bytes"), "{error}");
    }

    #[test]
    fn links_and_pipes_are_not_followed() {
        let place = Place::new();
        let (cache, entry) = place.filled();
        let elsewhere = place.dir.path().join("elsewhere");
        fs::rename(&entry, &elsewhere).unwrap();
        symlink(&elsewhere, &entry).unwrap();
        assert!(!place.hits(&cache));
        let folder = entry.parent().unwrap().to_owned();
        let moved = place.dir.path().join("moved");
        fs::rename(&folder, &moved).unwrap();
        symlink(&moved, &folder).unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("is not a folder"), "{error}");
    }
}

#[test]
fn no_folder_no_cache() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Cache::open(&file, &dir.path().join("key"), &mut |_| {}), Err(CacheError::Io { .. })));
}
