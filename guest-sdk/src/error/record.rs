//! The record of an error.

use std::error::Error;

use super::display::Chain;
use super::operation::OperationError;
use super::replayed::ReplayedFailure;
use super::typed::TypedError;
use super::wire::{SERIALIZATION_ERROR, WireError};

/// The maximum length of a chain of sources that is searched for a name or data.
const CHAIN: usize = 10;

impl WireError {
    /// The record of an error. `fallback` is the type of an error without a name.
    pub(crate) fn of(error: &(dyn Error + 'static), fallback: &str) -> Self {
        let operation = error.downcast_ref::<OperationError>();
        let fallback = recorded(error)
            .and_then(WireError::error_type)
            .unwrap_or_else(|| operation.map_or(fallback, |error| error.kind().wire_type()));
        Self::passed_on(error, fallback)
    }

    /// The record of a layer that failed because of an error: the type is the name in the error, if there is one.
    pub(crate) fn passed_on(error: &(dyn Error + 'static), fallback: &str) -> Self {
        Self::typed(error, named(error).unwrap_or(fallback))
    }

    /// The record of an error with a given type.
    pub(crate) fn typed(error: &(dyn Error + 'static), error_type: &str) -> Self {
        let records = || chain(error).filter_map(recorded);
        let data = records().find_map(WireError::error_data).map(str::to_owned);
        let frames = records().map(WireError::stack_trace).find(|frames| !frames.is_empty());
        let frames = frames.map_or_else(Vec::new, <[String]>::to_vec);
        Self::from_parts(Some(error_type.to_owned()), Some(Chain(error).to_string()), data, frames).bounded()
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source()).take(CHAIN)
}

/// The record that an error contains.
fn recorded<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a WireError> {
    error
        .downcast_ref::<OperationError>()
        .and_then(OperationError::wire)
        .or_else(|| error.downcast_ref::<ReplayedFailure>().map(ReplayedFailure::wire))
}

/// The first specific name in a chain.
fn named<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    chain(error).find_map(|error| match error.downcast_ref::<TypedError>() {
        Some(typed) => Some(typed.error_type()),
        None => recorded(error).and_then(WireError::error_type).filter(|name| !is_generic(name)),
    })
}

/// Whether a recorded type only names the layer that failed. Such a type is not passed on: the next layer would
/// interpret it as its own.
fn is_generic(name: &str) -> bool {
    const LAYERS: [&str; 13] = [
        "Error",
        "StepError",
        "WaitError",
        "InvokeError",
        "CallbackError",
        "WaitForConditionError",
        "ChildContextError",
        "ChildFnError",
        "BatchError",
        "CompensationError",
        "HandlerError",
        "PromiseCombinatorError",
        SERIALIZATION_ERROR,
    ];
    LAYERS.contains(&name) || name.starts_with("CombinatorError")
}

const _: () = {
    const fn sendable<T: Send + Sync + 'static>() {}
    sendable::<OperationError>();
    sendable::<TypedError>();
    sendable::<ReplayedFailure>();
};

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::BoxError;
    use crate::error::ChildFnError;

    #[derive(Debug)]
    struct Declined(&'static str);
    impl fmt::Display for Declined {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl Error for Declined {}

    #[test]
    fn an_error_is_recorded_under_the_name_it_was_given() {
        let plain: BoxError = "boom".into();
        assert_eq!(WireError::of(&*plain, "Error").to_string(), "Error: boom");
        let typed: BoxError = TypedError::new(Declined("no funds")).into();
        let wire = WireError::of(&*typed, "Error");
        assert_eq!((wire.error_type(), wire.error_message()), (Some("Declined"), Some("Declined: no funds")));
        let replayed = ReplayedFailure::boxed(wire);
        assert_eq!(WireError::of(&*replayed, "Error").error_type(), Some("Declined"));
    }

    #[test]
    fn data_and_frames_are_passed_on() {
        let outside = WireError::from_parts(
            Some("Declined".into()),
            Some("no funds".into()),
            Some("{\"code\":51}".into()),
            vec!["pay.c:1".into()],
        );
        let child = ChildFnError(ReplayedFailure::boxed(outside));
        let wire = WireError::of(&child, "ChildFnError");
        assert_eq!(wire.error_type(), Some("Declined"));
        assert_eq!(wire.error_message(), Some("child function error: no funds"));
        assert_eq!(wire.error_data(), Some("{\"code\":51}"));
        assert_eq!(wire.stack_trace(), ["pay.c:1"]);
    }
}
