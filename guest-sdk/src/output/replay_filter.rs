//! A filter for a `tracing` subscriber of the handler's own.

use tracing_core::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use super::logging;

/// Drops the events of replayed code, so that each is seen once, however often the handler runs. For layers of a
/// subscriber that the handler installs itself: what goes to the host without one is filtered already (see
/// [`logging`](crate::logging)).
///
/// Events of a step's body are never dropped. Spans are not touched.
/// [`logging::keep_replayed`](crate::logging::keep_replayed) has no effect here. Needs the feature `replay-filter`.
///
/// # Examples
///
/// ```
/// use durawasm_guest::ReplayFilterLayer;
/// use tracing_subscriber::Layer as _;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let layer = tracing_subscriber::layer::Identity::new().with_filter(ReplayFilterLayer::new());
/// let subscriber = tracing_subscriber::registry().with(layer);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayFilterLayer;

impl ReplayFilterLayer {
    /// The filter.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Filter<S> for ReplayFilterLayer {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, _: &Event<'_>, _: &Context<'_, S>) -> bool {
        !logging::is_replaying()
    }
}
