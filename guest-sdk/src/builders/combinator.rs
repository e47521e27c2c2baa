//! The builders of combinators: one operation that combines several futures.
//!
//! They take [`DurableFuture`]s of one result type, which the `future()` and `spawn()` methods of all builders return,
//! from this context or another. A combinator records its outcome as one CONTEXT (sub-type `RunInChildContext`), with
//! its result as JSON. A replay returns that outcome, independent of which inputs have ended by then. Inputs that are
//! no longer needed are dropped. A result of more than 256 KiB is not recorded: replays compute it again, from the
//! input that won or from all inputs.

use std::fmt;
use std::future::IntoFuture;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{DurableContext, DurableFuture, Settled};
use crate::contract::Position;
use crate::error::OperationError;
use crate::operations::combinator::CombinatorRun;

/// Defines the builder of a combinator from its documentation, its name, its result type and the function that runs it.
macro_rules! combinator {
    ($(#[$doc:meta])* $builder:ident, $output:ty, $run:ident) => {
        $(#[$doc])*
        #[must_use = "builders do nothing unless awaited or spawned"]
        #[non_exhaustive]
        pub struct $builder<O> {
            run: CombinatorRun<O>,
        }

        impl<O> fmt::Debug for $builder<O> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($builder)).field("name", &self.run.name).finish_non_exhaustive()
            }
        }

        impl<O: Serialize + DeserializeOwned + Send + 'static> $builder<O> {
            pub(crate) fn new(
                ctx: DurableContext,
                position: Position,
                futures: impl IntoIterator<Item = DurableFuture<O>>,
            ) -> Self {
                Self { run: CombinatorRun::new(ctx, position, futures) }
            }

            /// Names the operation in the history: 1 to 256 printable ASCII characters, the same on every replay.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.run.name = Some(name.into());
                self
            }

            /// The operation as a future that runs it while polled.
            pub fn future(self) -> DurableFuture<$output> {
                self.into_future()
            }

            /// Starts the operation now, concurrently with the code that follows.
            pub fn spawn(self) -> DurableFuture<$output> {
                let ctx = self.run.ctx().clone();
                self.into_future().spawned(&ctx)
            }
        }

        impl<O: Serialize + DeserializeOwned + Send + 'static> IntoFuture for $builder<O> {
            type Output = Result<$output, OperationError>;
            type IntoFuture = DurableFuture<$output>;

            fn into_future(self) -> Self::IntoFuture {
                self.run.$run()
            }
        }
    };
}

combinator! {
    /// Builds a join that fails with the first failure: see [`DurableContext::try_join_all`].
    TryJoinAllBuilder, Vec<O>, try_join_all
}

combinator! {
    /// Builds a join that waits for all futures: see [`DurableContext::join_all`].
    JoinAllBuilder, Vec<Settled<O>>, join_all
}

combinator! {
    /// Builds a selection of the first success: see [`DurableContext::select_ok`].
    SelectOkBuilder, O, select_ok
}

combinator! {
    /// Builds a selection of the first outcome: see [`DurableContext::race`].
    RaceBuilder, O, race
}
