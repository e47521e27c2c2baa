//! How the options of a handler configure its host.

use std::sync::Arc;

use super::options::IntoOptions;
use crate::contract::Runtime;
use crate::engine;
use crate::error::WireError;
use crate::plugin::{ObservedRuntime, Observer};

/// The host that the handler gets.
pub(super) struct ConfiguredHost {
    pub(super) host: Arc<dyn Runtime>,
    /// The observer between handler and host; `None` without plugins.
    pub(super) observer: Option<Arc<Observer>>,
}

/// Evaluates the options of a handler, and inserts its plugins between the handler and the host.
pub(super) fn configure<O: IntoOptions>(
    host: Arc<dyn Runtime>,
    options: &dyn Fn() -> O,
    event: &str,
) -> Result<ConfiguredHost, WireError> {
    let observing = host.observing();
    if let Some(observing) = &observing {
        observing.enter();
    }
    let options = engine::in_observer_section(|| options().into_options());
    if let Some(observing) = &observing {
        observing.leave();
    }
    let options = options.map_err(|error| WireError::new("InvalidOptions", error.to_string()))?;
    if let Some(mode) = options.checkpoint_mode {
        host.set_checkpoint_mode(mode);
    }
    let watching = observing.filter(|_| !options.plugins.is_empty());
    let Some((observing, beginning)) = watching.and_then(|o| o.begin().map(|beginning| (o, beginning)))
    else {
        return Ok(ConfiguredHost { host, observer: None });
    };
    let observer = Observer::new(Arc::clone(&host), observing, options.plugins, beginning, event);
    observer.begin();
    let host = Arc::new(ObservedRuntime::new(host, Arc::clone(&observer)));
    Ok(ConfiguredHost { host, observer: Some(observer) })
}
