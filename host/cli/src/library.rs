//! The versions that functions had, and their components: in the store, or in memory as long as the process lives.
//!
//! Invariants: a version that is published has its component; neither is forgotten while the process lives.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use durawasm_store::{Code, ComponentDigest, StoreFile, StoreFileError, StoredVersion};

/// The codes of functions, by their numbers.
pub(super) type Codes = BTreeMap<String, BTreeMap<u32, Code>>;

/// Where versions are.
pub(super) enum Library {
    /// In a store.
    Store(Arc<StoreFile>),
    /// In memory.
    Memory(Mutex<Shelf>),
}

/// What a library in memory has.
#[derive(Default)]
pub(super) struct Shelf {
    codes: Codes,
    components: HashMap<ComponentDigest, Arc<[u8]>>,
}

impl Library {
    /// The library of a store; without one, a new one in memory.
    pub(super) fn of(store: Option<Arc<StoreFile>>) -> Self {
        store.map_or_else(|| Self::Memory(Mutex::default()), Self::Store)
    }

    /// All versions.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn codes(&self) -> Result<Codes, StoreFileError> {
        let store = match self {
            Self::Memory(kept) => return Ok(locked(kept).codes.clone()),
            Self::Store(store) => store,
        };
        let mut codes = Codes::new();
        for version in store.reader()?.versions()? {
            codes.entry(version.function).or_default().insert(version.number, version.code);
        }
        Ok(codes)
    }

    /// Keeps a version that is new, and its component.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) fn publish(
        &self,
        version: &StoredVersion,
        component: &Arc<[u8]>,
    ) -> Result<(), StoreFileError> {
        match self {
            Self::Store(store) => store.publish(version, component),
            Self::Memory(kept) => {
                let mut kept = locked(kept);
                kept.components.insert(version.code.component.clone(), component.clone());
                let codes = kept.codes.entry(version.function.clone()).or_default();
                codes.insert(version.number, version.code.clone());
                Ok(())
            }
        }
    }

    /// A component, if it is there.
    ///
    /// # Errors
    /// When the store cannot be read, or the component is not the one that was written.
    pub(super) fn component(&self, digest: &ComponentDigest) -> Result<Option<Arc<[u8]>>, StoreFileError> {
        match self {
            Self::Store(store) => Ok(store.reader()?.component(digest)?.map(Into::into)),
            Self::Memory(kept) => Ok(locked(kept).components.get(digest).cloned()),
        }
    }
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
