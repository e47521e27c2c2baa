//! From files that changed to what is served.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::anyhow;
use durawasm_config::RunSettings;
use serde::Serialize;

use super::watched::Watched;
use crate::{
    exit::{Exit, Failure, OrExit},
    offers::Offer,
    output::{note, say, say_json_line},
    served::ServedFunction,
    target::Fetch,
    versions::{Catalog, Load},
};

/// What is needed to serve new code.
pub(in super::super) struct Rebuild {
    pub(in super::super) fetch: Fetch,
    pub(in super::super) settings: RunSettings,
    pub(in super::super) load: Arc<Load>,
    pub(in super::super) catalog: Arc<Catalog>,
    /// Whether news are printed as JSON.
    pub(in super::super) json: bool,
}

/// The line that says which code is served by now, as JSON.
#[derive(Serialize)]
struct Rebuilt<'a> {
    rebuilt: String,
    /// The numbers of the versions that are new.
    versions: &'a BTreeMap<Arc<str>, u32>,
}

impl Rebuild {
    /// Builds or reads the code of functions, and serves it from now on. Prints which versions they have, or why they are
    /// served as before.
    pub(super) fn serve(&self, watched: &Watched) {
        let offers = self.offers(watched);
        if self.fetch.cancel.is_cancelled() {
            // The server ends, and a build that it has ended is no failure.
            return;
        }
        let served = offers.and_then(|offers| self.catalog.offer(offers).or_exit(Exit::Host));
        match served {
            Ok(versions) => self.tell(watched, &versions),
            Err(failure) => {
                let names: Vec<&str> = watched.functions.iter().map(ServedFunction::name).collect();
                let (why, names) = (failure.line(), names.join(", "));
                note(format_args!("error: {why}; the previous code of {names} is still served"));
            }
        }
    }

    fn offers(&self, watched: &Watched) -> Result<Vec<Offer>, Failure> {
        // Not the server's, whose end would be a failure of what runs on it.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
        let path = &watched.path;
        if self.fetch.is_crate(path)? != watched.is_crate() {
            // What was stated as a component must not be built.
            let was = if watched.is_crate() { "a crate" } else { "the file of a component" };
            let error =
                anyhow!("{} was {was} and is none now; start again to serve what it is", path.display());
            return Err(Failure { exit: Exit::Usage, error });
        }
        let (file, component) = self.fetch.component(path)?;
        let component: Arc<[u8]> = component.into();
        let (mut handler, mut offers) = (None, Vec::new());
        for function in &watched.functions {
            let loaded = match handler.take() {
                // It is compiled once.
                Some(loaded) => loaded,
                None => (self.load)(function.name(), &component)
                    .map_err(|why| anyhow!("{}: {why}", file.display()))
                    .or_exit(Exit::Component)?,
            };
            let offer = function.offer(&loaded, component.clone(), &self.settings, &runtime);
            offers.push(offer.map_err(|failure| function.about(failure))?);
            handler = Some(loaded);
        }
        Ok(offers)
    }

    fn tell(&self, watched: &Watched, versions: &BTreeMap<Arc<str>, u32>) {
        let path = watched.path.display();
        if self.json {
            // Texts and numbers can always be written as JSON.
            let _ = say_json_line(&Rebuilt { rebuilt: path.to_string(), versions });
            return;
        }
        let done = if watched.is_crate() { "rebuilt" } else { "reloaded" };
        let news: Vec<String> =
            versions.iter().map(|(name, number)| format!("{name} is version {number} now")).collect();
        let news = if news.is_empty() { "nothing changed".to_owned() } else { news.join(", ") };
        say(format_args!("{done} {path}: {news}"));
    }
}
