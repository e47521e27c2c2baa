//! What is offered of a function: the code that is served, and the numbers of all codes that it had.
//!
//! Invariants: a code that is not the newest one of its function gets the next number, whenever it is offered; the code of a
//! number never changes.

use std::{collections::BTreeMap, sync::Arc};

use durawasm_config::{AliasName, AliasTarget};
use durawasm_core::{
    orchestrator::{Function, VersionError, qualifier},
    protocol::{LATEST, LATEST_PUBLISHED, Timestamp},
};
use durawasm_store::{Code, ComponentDigest, StoreFileError, StoredVersion};
use serde::{Deserialize, Serialize};

use super::library::Codes;

/// A function to serve.
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

/// A function that is served.
pub(super) struct Offered {
    pub(super) function: Function,
    /// The number of the version that is served.
    pub(super) number: u32,
    /// What is kept with its executions.
    pub(super) origin: Arc<str>,
    /// The codes of all versions that have a number, with that one.
    codes: BTreeMap<u32, Code>,
    aliases: BTreeMap<AliasName, AliasTarget>,
}

impl Offered {
    /// The code that is served.
    pub(super) fn code(&self) -> Option<&Code> {
        self.codes.get(&self.number)
    }

    /// The code of a version. `named` is what asked for it.
    pub(super) fn code_of(&self, number: u32, named: &str) -> Result<&Code, VersionError> {
        self.codes.get(&number).ok_or_else(|| self.unknown(named))
    }

    /// Which of the versions a name stands for.
    pub(super) fn chosen(&self, name: &str) -> Result<AliasTarget, VersionError> {
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

/// Gives numbers to the codes of functions.
pub(super) struct Numbering {
    known: Codes,
    now: Timestamp,
    digests: Digests,
    published: Vec<(StoredVersion, Arc<[u8]>)>,
}

impl Numbering {
    /// Numbers codes that come after these.
    pub(super) fn after(known: Codes, now: Timestamp) -> Self {
        Self { known, now, digests: Digests::default(), published: Vec::new() }
    }

    /// Gives a number to the code of a function: that of the newest version if it is the same code, or the next one.
    ///
    /// # Errors
    /// When an alias stands for nothing.
    pub(super) fn number(&mut self, offer: Offer) -> Result<Offered, OfferError> {
        let Offer { function, export, component, aliases } = offer;
        let mut codes = self.known.remove(&*function.name).unwrap_or_default();
        let code = Code { component: self.digests.of(&component), export, durable: function.durable };
        let number = match codes.last_key_value() {
            Some((newest, newest_code)) if *newest_code == code => *newest,
            newest => {
                let number = newest.map_or(1, |(newest, _)| newest.saturating_add(1));
                let (function, code) = (function.name.to_string(), code.clone());
                let version = StoredVersion { function, number, code, published: self.now };
                self.published.push((version, component));
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
                return Err(OfferError::Alias { alias, function, number: *wanted, known: listed(&codes) });
            }
        }
        Ok(Offered { function, number, origin, codes, aliases })
    }

    /// The versions that are new, with their components.
    pub(super) fn published(&self) -> &[(StoredVersion, Arc<[u8]>)] {
        &self.published
    }
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

/// What is kept with executions of a version.
pub(super) fn origin_of(version: u32, code: &Code) -> Arc<str> {
    let origin = Origin { served: Served { version, code: code.clone() } };
    let text = serde_json::to_string(&origin);
    debug_assert!(text.is_ok(), "a version can be written as JSON: {text:?}");
    text.unwrap_or_default().into()
}

/// The code that an execution began with, by what is kept with it; none if `serve` did not begin it.
pub(super) fn code_of(origin: &str) -> Option<Code> {
    serde_json::from_str::<Origin>(origin).ok().map(|origin| origin.served.code)
}

/// Numbers of versions for a message.
fn listed(codes: &BTreeMap<u32, Code>) -> String {
    const SHOWN: usize = 10;
    let newest: Vec<String> = codes.keys().rev().take(SHOWN).map(ToString::to_string).collect();
    let more = if codes.len() > SHOWN { " and older ones" } else { "" };
    format!("version {}{more}", newest.join(", "))
}
