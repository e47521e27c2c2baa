//! The versions of the functions that `serve` runs.
//!
//! Each function has the version `$LATEST`, which is what is served, and numbered versions: one for each code that it had.
//!
//! Invariants:
//! - an execution continues with the code that it started with, as long as its function is served;
//! - with a store, versions and their components outlive the process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use durawasm_config::{AliasName, AliasTarget};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    orchestrator::{
        Component, Function, Loading, UnknownFunction, Version, VersionError, Versions, bare_name, qualifier,
    },
    protocol::{LATEST, LATEST_PUBLISHED},
};
use durawasm_sandbox::Handler;
use durawasm_store::{Code, ComponentDigest, StoreFile, StoreFileError, StoredVersion};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::output::note;

/// How many versions that are not served are loaded at a time.
const LOADED: usize = 64;

/// A function as it is served.
pub(super) struct Offer {
    /// The function.
    pub(super) function: Function,
    /// The name of the function in its component.
    pub(super) export: String,
    /// The component.
    pub(super) component: Arc<[u8]>,
    /// Other names of its versions.
    pub(super) aliases: BTreeMap<AliasName, AliasTarget>,
}

/// Why a function cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfferError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreFileError),
    /// An alias stands for a version that does not exist.
    #[error("the alias {alias} of {function} stands for version {number}; {function} has {known}")]
    Alias {
        /// The alias.
        alias: String,
        /// The function.
        function: String,
        /// What it stands for.
        number: u32,
        /// What there is.
        known: String,
    },
}

/// Loads a component for a function.
pub(super) type Load = dyn Fn(&str, &[u8]) -> Result<Handler, String> + Send + Sync;

/// A version that is loaded when it is first needed.
type LoadedOnce = Arc<OnceCell<Function>>;

/// The functions that are served.
pub(super) struct Catalog {
    offers: BTreeMap<Arc<str>, Offered>,
    /// Versions that are not served, as far as they were needed.
    loaded: Mutex<HashMap<(Arc<str>, Code), LoadedOnce>>,
    store: Option<Arc<StoreFile>>,
    load: Arc<Load>,
}

struct Offered {
    function: Function,
    /// The number of the version that is served.
    number: u32,
    /// What is kept with its executions.
    origin: Arc<str>,
    /// The codes of all versions that have a number, with that one.
    codes: BTreeMap<u32, Code>,
    aliases: BTreeMap<AliasName, AliasTarget>,
}

/// The digests of components, each computed once: functions may share a component.
#[derive(Default)]
struct Digests(Vec<(Arc<[u8]>, ComponentDigest)>);

impl Digests {
    fn of(&mut self, component: &Arc<[u8]>) -> ComponentDigest {
        if let Some((_, digest)) = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, component)) {
            return digest.clone();
        }
        let digest = ComponentDigest::of(component);
        self.0.push((component.clone(), digest.clone()));
        digest
    }
}

/// What identifies the code of an execution.
#[derive(Serialize, Deserialize)]
struct Origin {
    served: Served,
}

#[derive(Serialize, Deserialize)]
struct Served {
    version: u32,
    #[serde(flatten)]
    code: Code,
}

/// Whether an execution was begun by `serve`, by what is kept with it.
pub(super) fn is_of_serve(origin: &str) -> bool {
    serde_json::from_str::<Origin>(origin).is_ok()
}

impl Catalog {
    /// A catalog of these functions. With a store, a function whose code is not that of its newest version gets a new one.
    ///
    /// # Errors
    /// When the store cannot be written, or an alias stands for nothing.
    pub(super) fn new(
        offers: Vec<Offer>,
        store: Option<Arc<StoreFile>>,
        load: Arc<Load>,
    ) -> Result<Self, OfferError> {
        let mut known: BTreeMap<String, BTreeMap<u32, Code>> = BTreeMap::new();
        if let Some(store) = &store {
            for version in store.reader()?.versions()? {
                known.entry(version.function).or_default().insert(version.number, version.code);
            }
        }
        let now = SystemClock::new().now();
        let (mut served, mut digests) = (BTreeMap::new(), Digests::default());
        let mut published = Vec::new();
        for Offer { function, export, component, aliases } in offers {
            let mut codes = known.remove(&*function.name).unwrap_or_default();
            let code = Code { component: digests.of(&component), export, durable: function.durable };
            let number = match codes.last_key_value() {
                Some((newest, newest_code)) if *newest_code == code => *newest,
                newest => {
                    let number = newest.map_or(1, |(newest, _)| newest.saturating_add(1));
                    let (function, code) = (function.name.to_string(), code.clone());
                    published.push((StoredVersion { function, number, code, published: now }, component));
                    number
                }
            };
            let origin = origin_of(number, &code);
            codes.insert(number, code);
            for (alias, target) in &aliases {
                if let AliasTarget::Version(wanted) = target
                    && !codes.contains_key(wanted)
                {
                    let (alias, function) = (alias.as_str().to_owned(), function.name.to_string());
                    return Err(OfferError::Alias {
                        alias,
                        function,
                        number: *wanted,
                        known: listed(&codes),
                    });
                }
            }
            served.insert(function.name.clone(), Offered { function, number, origin, codes, aliases });
        }
        // What is wrong with an alias publishes nothing.
        if let Some(store) = &store {
            for (version, component) in &published {
                store.publish(version, component)?;
            }
        }
        Ok(Self { offers: served, loaded: Mutex::default(), store, load })
    }

    /// The functions, with the numbers of the versions that are served.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&str, u32)> {
        self.offers.iter().map(|(name, offered)| (&**name, offered.number))
    }

    fn offered(&self, name: &str) -> Result<(&Arc<str>, &Offered), VersionError> {
        let known = self.offers.keys().map(AsRef::as_ref);
        let unknown = || UnknownFunction::among(name, known);
        Ok(self.offers.get_key_value(bare_name(name)).ok_or_else(unknown)?)
    }

    /// The code of a version that is not served.
    async fn loaded(&self, function: &Arc<str>, code: &Code) -> Result<Function, VersionError> {
        let cell = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            if loaded.len() >= LOADED && !loaded.contains_key(&(function.clone(), code.clone())) {
                // Executions that run keep what they need.
                loaded.clear();
            }
            loaded.entry((function.clone(), code.clone())).or_default().clone()
        };
        let failed = |why: String| VersionError::Code { function: function.clone(), why };
        let loading = cell.get_or_try_init(|| async {
            let (store, load) = (self.store.clone(), self.load.clone());
            let (name, wanted) = (function.clone(), code.clone());
            // It reads a file, and may compile.
            let handler = tokio::task::spawn_blocking(move || {
                let missing = || format!("the component {} is not there", wanted.component);
                let store = store.ok_or_else(missing)?;
                let component = store.reader().and_then(|reader| reader.component(&wanted.component));
                let component = component.map_err(|error| error.to_string())?.ok_or_else(missing)?;
                load(&name, &component)
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

impl Offered {
    /// Which of the versions a name stands for.
    fn chosen(&self, name: &str) -> Result<AliasTarget, VersionError> {
        let wanted = match qualifier(name) {
            None | Some(LATEST) => return Ok(AliasTarget::Latest),
            Some(LATEST_PUBLISHED) => return Ok(AliasTarget::Version(self.number)),
            Some(wanted) => wanted,
        };
        match (self.aliases.get(wanted), wanted.parse()) {
            (Some(target), _) => Ok(*target),
            (None, Ok(number)) if self.codes.contains_key(&number) => Ok(AliasTarget::Version(number)),
            (None, _) => Err(self.unknown(wanted)),
        }
    }

    fn unknown(&self, wanted: &str) -> VersionError {
        let mut known = format!("{LATEST}, {}", listed(&self.codes));
        for alias in self.aliases.keys() {
            known += &format!(", {}", alias.as_str());
        }
        VersionError::Qualifier { function: self.function.name.clone(), qualifier: wanted.to_owned(), known }
    }
}

/// What is kept with executions of a version.
fn origin_of(version: u32, code: &Code) -> Arc<str> {
    let origin = Origin { served: Served { version, code: code.clone() } };
    let text = serde_json::to_string(&origin);
    debug_assert!(text.is_ok(), "a version can be written as JSON: {text:?}");
    text.unwrap_or_default().into()
}

/// Numbers of versions for a message.
fn listed(codes: &BTreeMap<u32, Code>) -> String {
    const SHOWN: usize = 10;
    let newest: Vec<String> = codes.keys().rev().take(SHOWN).map(ToString::to_string).collect();
    let more = if codes.len() > SHOWN { " and older ones" } else { "" };
    format!("version {}{more}", newest.join(", "))
}

impl Versions for Catalog {
    fn functions(&self) -> Vec<Arc<str>> {
        self.offers.keys().cloned().collect()
    }

    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        let (_, offered) = self.offered(name)?;
        Ok(offered.chosen(name)?.to_string().into())
    }

    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version> {
        Box::pin(async move {
            let (function, offered) = self.offered(name)?;
            let target = offered.chosen(name)?;
            let version: Arc<str> = target.to_string().into();
            let number = match target {
                AliasTarget::Version(number) if number != offered.number => number,
                AliasTarget::Latest | AliasTarget::Version(_) => {
                    let (function, origin) = (offered.function.clone(), offered.origin.clone());
                    return Ok(Version { function, version, origin: Some(origin) });
                }
            };
            let code = offered.codes.get(&number).ok_or_else(|| offered.unknown(&version))?;
            let loaded = self.loaded(function, code).await?;
            Ok(Version { function: loaded, version, origin: Some(origin_of(number, code)) })
        })
    }

    fn started_with<'a>(&'a self, function: &'a str, origin: Option<&'a str>) -> Loading<'a, Function> {
        Box::pin(async move {
            let (function, offered) = self.offered(function)?;
            // Most executions began with what is served.
            if origin == Some(&*offered.origin) {
                return Ok(offered.function.clone());
            }
            // What another command has started continues with what is served.
            let began = origin.and_then(|origin| serde_json::from_str::<Origin>(origin).ok());
            match began {
                Some(Origin { served }) if offered.codes.get(&offered.number) != Some(&served.code) => {
                    self.loaded(function, &served.code).await
                }
                _ => Ok(offered.function.clone()),
            }
        })
    }
}
