//! The builders of combinators: one operation of several futures.
//!
//! They take [`DurableFuture`]s of one output, which every builder's `future()` and `spawn()` make, from this context
//! or another. A combinator records what it comes to as one CONTEXT (sub-type `RunInChildContext`), its value as JSON.
//! On a replay that is its outcome, whichever of its inputs have ended by then. Inputs that are not needed any more are
//! dropped. A value of more than 256 KiB is not recorded: replays make it again, of the input that won or of all.

use std::fmt;
use std::future::IntoFuture;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{DurableContext, DurableFuture, Settled};
use crate::contract::Position;
use crate::error::OperationError;
use crate::operations::combinator::CombinatorRun;

/// A builder of a combinator: its documentation, its name, its output, and what runs it.
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

            /// The operation as a future that runs it while it is polled.
            pub fn future(self) -> DurableFuture<$output> {
                self.into_future()
            }

            /// Starts the operation now, beside the code that follows.
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
    /// A join to be that fails with the first failure: see [`DurableContext::try_join_all`].
    TryJoinAllBuilder, Vec<O>, try_join_all
}

combinator! {
    /// A join to be that waits for all: see [`DurableContext::join_all`].
    JoinAllBuilder, Vec<Settled<O>>, join_all
}

combinator! {
    /// A choice to be of the first success: see [`DurableContext::select_ok`].
    SelectOkBuilder, O, select_ok
}

combinator! {
    /// A choice to be of the first outcome: see [`DurableContext::race`].
    RaceBuilder, O, race
}
