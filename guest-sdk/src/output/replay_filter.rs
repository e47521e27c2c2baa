//! A filter for a `tracing` subscriber that the handler installs.

use tracing_core::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use super::logging;

/// Drops the events of replayed code, so that each is seen once, however often the handler runs. It is for layers of a
/// subscriber that the handler installs: events that go directly to the host are already filtered (see
/// [`logging`](crate::logging)).
///
/// Events of a step's body are never dropped. Spans are not affected.
/// [`logging::keep_replayed`](crate::logging::keep_replayed) has no effect on this filter. Needs the feature
/// `replay-filter`.
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
    /// Creates the filter.
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
