//! The versions of the functions that `serve` runs.
//!
//! Each function has the version `$LATEST`, which is what is served, and numbered versions: one for each code that it had.
//!
//! Invariants:
//! - an execution continues with the code that it started with, as long as its function is served;
//! - with a store, versions and their components outlive the process;
//! - what is served changes all at once, for the functions that are offered together; who has looked a function up goes on
//!   with what was found;
//! - code that is offered while others are served gets its number as it would at the next start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use durawasm_config::AliasTarget;
use durawasm_core::{
    ambient::{Clock, SystemClock},
    orchestrator::{
        Component, Function, Loading, UnknownFunction, Version, VersionError, Versions, bare_name,
    },
};
use durawasm_sandbox::Handler;
use durawasm_store::{Code, StoreFile};
use tokio::sync::OnceCell;

use super::{
    library::Library,
    offers::{Numbering, Offer, OfferError, Offered, code_of, origin_of},
    output::note,
};

/// How many versions that are not served are loaded at a time.
const LOADED: usize = 64;

/// Loads a component for a function.
pub(super) type Load = dyn Fn(&str, &[u8]) -> Result<Handler, String> + Send + Sync;

/// A version that is loaded when it is first needed.
type LoadedOnce = Arc<OnceCell<Function>>;

/// What is served, by the names of the functions.
type Served = BTreeMap<Arc<str>, Arc<Offered>>;

/// The functions that are served.
pub(super) struct Catalog {
    served: RwLock<Arc<Served>>,
    /// Held while functions are offered, so that each gets its number after the other.
    offering: Mutex<()>,
    /// Versions that are not served, as far as they were needed.
    loaded: Mutex<HashMap<(Arc<str>, Code), LoadedOnce>>,
    library: Arc<Library>,
    load: Arc<Load>,
}

impl Catalog {
    /// A catalog of these functions. Its versions are kept in the store, or in memory without one.
    ///
    /// # Errors
    /// When the store cannot be written, or an alias stands for nothing.
    pub(super) fn new(
        offers: Vec<Offer>,
        store: Option<Arc<StoreFile>>,
        load: Arc<Load>,
    ) -> Result<Self, OfferError> {
        let library = Arc::new(Library::of(store));
        let (served, offering, loaded) = (RwLock::default(), Mutex::default(), Mutex::default());
        let catalog = Self { served, offering, loaded, library, load };
        catalog.offer(offers)?;
        Ok(catalog)
    }

    /// Serves these functions from now on, beside those that are served already or in their place. A function whose code is
    /// not that of its newest version gets a new one. Returns the numbers of functions whose code was not served before.
    ///
    /// # Errors
    /// When the store cannot be written, or an alias stands for nothing. What was served is served still.
    pub(super) fn offer(&self, offers: Vec<Offer>) -> Result<BTreeMap<Arc<str>, u32>, OfferError> {
        let _one_at_a_time = self.offering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut numbering = Numbering::after(self.library.codes()?, SystemClock::new().now());
        let offers = offers.into_iter().map(|offer| numbering.number(offer));
        let offers = offers.collect::<Result<Vec<Offered>, _>>()?;
        // What is wrong with an alias publishes nothing.
        for (version, component) in numbering.published() {
            self.library.publish(version, component)?;
        }
        let before = self.served();
        let (mut after, mut changed) = (Served::clone(&before), BTreeMap::new());
        for offered in offers {
            let name = offered.function.name.clone();
            match before.get(&name) {
                // The same code, which is loaded already.
                Some(old) if old.number == offered.number => continue,
                Some(old) => self.keep_loaded(old),
                None => {}
            }
            changed.insert(name.clone(), offered.number);
            after.insert(name, Arc::new(offered));
        }
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        Ok(changed)
    }

    /// The functions, with the numbers of the versions that are served.
    pub(super) fn numbers(&self) -> BTreeMap<Arc<str>, u32> {
        self.served().iter().map(|(name, offered)| (name.clone(), offered.number)).collect()
    }

    fn served(&self) -> Arc<Served> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn offered(&self, name: &str) -> Result<Arc<Offered>, VersionError> {
        let served = self.served();
        let unknown = || UnknownFunction::among(name, served.keys().map(AsRef::as_ref));
        Ok(served.get(bare_name(name)).ok_or_else(unknown)?.clone())
    }

    /// The place for a version that is not served.
    fn place(&self, function: &Arc<str>, code: &Code) -> LoadedOnce {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= LOADED && !loaded.contains_key(&(function.clone(), code.clone())) {
            // Executions that run keep what they need.
            loaded.clear();
        }
        loaded.entry((function.clone(), code.clone())).or_default().clone()
    }

    /// Keeps a function that is served no more: executions that began with it are likely to need it soon.
    fn keep_loaded(&self, old: &Offered) {
        if let Some(code) = old.code() {
            // It may be there since it was served no more before.
            drop(self.place(&old.function.name, code).set(old.function.clone()));
        }
    }

    /// The code of a version that is not served.
    async fn loaded(&self, function: &Arc<str>, code: &Code) -> Result<Function, VersionError> {
        let place = self.place(function, code);
        let failed = |why: String| VersionError::Code { function: function.clone(), why };
        let loading = place.get_or_try_init(|| async {
            let (library, load) = (self.library.clone(), self.load.clone());
            let (name, wanted) = (function.clone(), code.clone());
            // It reads a file, and may compile.
            let handler = tokio::task::spawn_blocking(move || {
                let missing = || format!("the component {} is not there", wanted.component);
                let component = library.component(&wanted.component).map_err(|error| error.to_string())?;
                load(&name, &component.ok_or_else(missing)?)
            });
            let handler = handler.await.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
            let loaded = Function {
                name: (&*code.export).into(),
                durable: code.durable,
                handler: handler.invocable(),
            };
            Ok(loaded.renamed(function.clone()))
        });
        let loaded = loading.await.cloned();
        if let Err(error) = &loaded {
            // Who waits for it may have nobody to tell.
            note(format_args!("warning: {error}; executions that began with it wait"));
        }
        loaded
    }
}

impl Versions for Catalog {
    fn functions(&self) -> Vec<Arc<str>> {
        self.served().keys().cloned().collect()
    }

    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        Ok(self.offered(name)?.chosen(name)?.to_string().into())
    }

    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version> {
        Box::pin(async move {
            let offered = self.offered(name)?;
            let target = offered.chosen(name)?;
            let version: Arc<str> = target.to_string().into();
            let number = match target {
                AliasTarget::Version(number) if number != offered.number => number,
                AliasTarget::Latest | AliasTarget::Version(_) => {
                    let (function, origin) = (offered.function.clone(), offered.origin.clone());
                    return Ok(Version { function, version, origin: Some(origin) });
                }
            };
            let code = offered.code_of(number, &version)?;
            let loaded = self.loaded(&offered.function.name, code).await?;
            Ok(Version { function: loaded, version, origin: Some(origin_of(number, code)) })
        })
    }

    fn started_with<'a>(&'a self, function: &'a str, origin: Option<&'a str>) -> Loading<'a, Function> {
        Box::pin(async move {
            let offered = self.offered(function)?;
            // Most executions began with what is served.
            if origin == Some(&*offered.origin) {
                return Ok(offered.function.clone());
            }
            // What another command has started continues with what is served.
            match origin.and_then(code_of) {
                Some(code) if offered.code() != Some(&code) => {
                    self.loaded(&offered.function.name, &code).await
                }
                _ => Ok(offered.function.clone()),
            }
        })
    }
}
