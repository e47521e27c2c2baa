//! The options of a handler.

use std::fmt;
use std::time::Duration;

use crate::contract::CheckpointMode;
use crate::plugin::Plugin;

/// The options of a handler: its plugins, and when its checkpoints are sent.
///
/// Passed to `#[durable_execution(options = ..)]` or, in `durable_handlers!`, next to the function. The expression is
/// evaluated when an invocation begins, so each invocation has its own plugins. It may be an `Options`, an
/// [`OptionsBuilder`], or the result of [`build`](OptionsBuilder::build). Options that contradict each other fail the
/// execution with an `InvalidOptions` error. If the expression panics, the invocation ends as if the handler had
/// panicked.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, CheckpointMode, DurableContext, Options, durable_handlers};
///
/// async fn order(total: u32, ctx: DurableContext) -> Result<u32, BoxError> {
///     Ok(ctx.step(move |_| async move { Ok(total * 2) }).await?)
/// }
///
/// durable_handlers! { "order" => (order, Options::builder().checkpoint_mode(CheckpointMode::Eager)) }
/// ```
#[derive(Default)]
#[non_exhaustive]
pub struct Options {
    pub(super) plugins: Vec<Box<dyn Plugin>>,
    pub(super) checkpoint_mode: Option<CheckpointMode>,
}

impl Options {
    /// Returns a builder of options.
    pub fn builder() -> OptionsBuilder {
        OptionsBuilder::default()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "Options", &self.plugins, self.checkpoint_mode)
    }
}

fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    plugins: &[Box<dyn Plugin>],
    mode: Option<CheckpointMode>,
) -> fmt::Result {
    let plugins: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
    f.debug_struct(name).field("plugins", &plugins).field("checkpoint_mode", &mode).finish()
}

/// Builds [`Options`].
#[derive(Default)]
#[must_use = "builders do nothing unless they are built"]
#[non_exhaustive]
pub struct OptionsBuilder {
    plugins: Vec<Box<dyn Plugin>>,
    mode: Option<CheckpointMode>,
    batching: Option<bool>,
}

impl OptionsBuilder {
    /// Registers a plugin. All registered plugins are called, in the order of registration.
    pub fn plugin<P: Plugin>(mut self, plugin: P) -> Self {
        self.plugins.push(Box::new(plugin));
        self
    }

    /// Sets the mode in which an invocation starts to send its checkpoints; batched by default. The handler can change
    /// it.
    pub fn checkpoint_mode(mut self, mode: CheckpointMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets whether concurrent operations share checkpoints: [`CheckpointMode::Batched`] if so,
    /// [`CheckpointMode::Eager`] if not.
    pub fn checkpoint_batching(mut self, enabled: bool) -> Self {
        self.batching = Some(enabled);
        self
    }

    /// Sets how long updates may wait for others, to share a checkpoint with them. A handler in a component needs no
    /// delay for that: with batching, all updates until the handler waits go into one request, which is sent then.
    /// Therefore a delay of more than zero is the same as [`checkpoint_batching(true)`](Self::checkpoint_batching),
    /// unless that is set, and its length has no effect. To control when requests are sent, use
    /// [`checkpoint_mode`](Self::checkpoint_mode) and
    /// [`DurableContext::flush_batch`](crate::DurableContext::flush_batch).
    pub fn checkpoint_delay(mut self, delay: Duration) -> Self {
        if !delay.is_zero() {
            self.batching.get_or_insert(true);
        }
        self
    }

    /// Creates the options.
    ///
    /// # Errors
    /// If both a mode and [`checkpoint_batching`](Self::checkpoint_batching) are set, and contradict each other.
    pub fn build(self) -> Result<Options, OptionsValidationError> {
        let batching =
            self.batching.map(|on| if on { CheckpointMode::Batched } else { CheckpointMode::Eager });
        if let (Some(mode), Some(batching)) = (self.mode, batching)
            && mode != batching
        {
            let message =
                format!("checkpoint_mode says {mode:?} and checkpoint_batching {batching:?}: leave one out");
            return Err(OptionsValidationError { message });
        }
        Ok(Options { plugins: self.plugins, checkpoint_mode: self.mode.or(batching) })
    }
}

impl fmt::Debug for OptionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "OptionsBuilder", &self.plugins, self.mode)
    }
}

/// Options that contradict each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OptionsValidationError {
    message: String,
}

impl fmt::Display for OptionsValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid options: {}", self.message)
    }
}

impl std::error::Error for OptionsValidationError {}

/// The types that can be used as options.
pub trait IntoOptions {
    /// Converts the value into options.
    fn into_options(self) -> Result<Options, OptionsValidationError>;
}

impl IntoOptions for Options {
    fn into_options(self) -> Result<Options, OptionsValidationError> {
        Ok(self)
    }
}

impl IntoOptions for OptionsBuilder {
    fn into_options(self) -> Result<Options, OptionsValidationError> {
        self.build()
    }
}

impl IntoOptions for Result<Options, OptionsValidationError> {
    fn into_options(self) -> Result<Options, OptionsValidationError> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Plugin for Nothing {
        fn name(&self) -> &'static str {
            "nothing"
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let mode = |builder: OptionsBuilder| builder.build().map(|options| options.checkpoint_mode);
        let eager = || Options::builder().checkpoint_mode(CheckpointMode::Eager);
        assert_eq!(mode(Options::builder()).unwrap(), None);
        assert_eq!(mode(eager().checkpoint_batching(false)).unwrap(), Some(CheckpointMode::Eager));
        let batching = Options::builder().checkpoint_batching(true);
        assert_eq!(mode(batching).unwrap(), Some(CheckpointMode::Batched));
        let delayed = |millis| Options::builder().checkpoint_delay(Duration::from_millis(millis));
        assert_eq!(mode(delayed(20)).unwrap(), Some(CheckpointMode::Batched));
        assert_eq!(mode(delayed(0)).unwrap(), None);
        assert_eq!(mode(delayed(20).checkpoint_batching(false)).unwrap(), Some(CheckpointMode::Eager));
        let eager_first =
            Options::builder().checkpoint_batching(false).checkpoint_delay(Duration::from_secs(1));
        assert_eq!(mode(eager_first).unwrap(), Some(CheckpointMode::Eager));
        let error = mode(eager().checkpoint_batching(true)).unwrap_err().to_string();
        assert!(error.contains("leave one out"), "{error}");
        let options = Options::builder().plugin(Nothing).build().unwrap();
        assert_eq!(format!("{options:?}"), "Options { plugins: [\"nothing\"], checkpoint_mode: None }");
    }
}
