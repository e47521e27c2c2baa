//! The builders of batches: one function for many items (map), or several branches (parallel).
//!
//! Items run concurrently, each in its own context, and the result has them in the order of the input.
//! [`CompletionConfig`] decides when enough items have ended. With [`MapBuilder::await_batch`], failures of items are
//! part of the result and not errors of the operation.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::context::{Body, Branch, DurableContext, DurableFuture};
use crate::contract::Position;
use crate::error::{BoxError, InvalidArgument, OperationError};
use crate::operations::batch::{BatchRun, Bodies, Kind};
use crate::serdes::{JsonSerdes, Serdes};

pub use crate::operations::batch::{
    BatchError, BatchItem, BatchResult, BatchStatus, BatchSummary, NestingMode,
};
pub use crate::policy::{
    BatchItemStatus, BatchStats, CompletionConfig, CompletionConfigBuilder, CompletionConfigValidationError,
    CompletionReason, ItemBatcher, ItemBatcherBuilder, ItemBatcherValidationError, SettledOutcome,
};

/// Builds a map: see [`DurableContext::map`].
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::builders::map_parallel::{BatchStatus, CompletionConfig};
///
/// # async fn handler(orders: Vec<String>, ctx: DurableContext) -> Result<(), BoxError> {
/// let batch = ctx
///     .map(orders, |child, order, _index| async move {
///         Ok(child.step(move |_| async move { Ok(order.len()) }).name("ship").await?)
///     })
///     .name("ship-all")
///     .item_namer(|index| format!("order-{index}"))
///     .max_concurrency(10)
///     .completion(CompletionConfig::with_tolerated_failure_percentage(5))
///     .await_batch()
///     .await?;
/// if batch.status() == BatchStatus::Failed {
///     for error in batch.errors() {
///         println!("{}: {}", error.name, error.message);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct MapBuilder<I, O, F, Fut, IS = JsonSerdes, RS = JsonSerdes> {
    run: BatchRun<IS, RS>,
    items: Vec<I>,
    closure: F,
    _output: PhantomData<fn() -> (O, Fut)>,
}

impl<I, O, F, Fut, IS, RS> fmt::Debug for MapBuilder<I, O, F, Fut, IS, RS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapBuilder")
            .field("name", &self.run.options.name)
            .field("items", &self.items.len())
            .field("max_concurrency", &self.run.options.max_concurrency)
            .finish_non_exhaustive()
    }
}

impl<I, O, F, Fut> MapBuilder<I, O, F, Fut> {
    pub(crate) fn new(ctx: DurableContext, position: Position, items: Vec<I>, closure: F) -> Self {
        let run = BatchRun::new(ctx, position, Kind::MAP);
        Self { run, items, closure, _output: PhantomData }
    }

    /// Sets the items, or the error that prevented their creation.
    pub(crate) fn with_items(mut self, items: Result<Vec<I>, InvalidArgument>) -> Self {
        match items {
            Ok(items) => self.items = items,
            Err(invalid) => self.run.options.invalid = Some(invalid),
        }
        self
    }
}

impl<I, O, F, Fut, IS, RS> MapBuilder<I, O, F, Fut, IS, RS>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(DurableContext, I, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
{
    /// Names the map in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.options.name = Some(name.into());
        self
    }

    /// Limits how many items run at once, 1 or more; by default all do. A suspended item counts. 0 is an error of the
    /// operation, which is then not started.
    pub fn max_concurrency(mut self, max: usize) -> Self {
        self.run.options.max_concurrency = Some(max);
        self
    }

    /// Sets when the map ends before all items have ended. By default the first failure ends it.
    pub fn completion(mut self, config: CompletionConfig) -> Self {
        self.run.options.completion = config;
        self
    }

    /// Serializes the results of items with another serdes than JSON: in the contexts of the items, and within the
    /// result of the map.
    pub fn serdes<IS2>(self, serdes: IS2) -> MapBuilder<I, O, F, Fut, IS2, RS>
    where
        IS2: Serdes<O>,
    {
        let Self { run, items, closure, .. } = self;
        MapBuilder { run: run.with_serdes(serdes), items, closure, _output: PhantomData }
    }

    /// Serializes the result of the map with another serdes than JSON. If the payload is larger than 256 KiB, it is not
    /// recorded: replays compute it again from the items.
    pub fn result_serdes<RS2>(self, serdes: RS2) -> MapBuilder<I, O, F, Fut, IS, RS2>
    where
        RS2: Serdes<BatchSummary>,
    {
        let Self { run, items, closure, .. } = self;
        MapBuilder { run: run.with_result_serdes(serdes), items, closure, _output: PhantomData }
    }

    /// Sets whether items have their own contexts in the history.
    pub fn nesting(mut self, mode: NestingMode) -> Self {
        self.run.options.nesting = mode;
        self
    }

    /// Names items in the history and in the result, by their index from 0: 1 to 256 printable ASCII characters, or
    /// none (`""`), the same on every replay. A name that is not allowed fails the map.
    pub fn item_namer(mut self, namer: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.run.options.namer = Some(Arc::new(namer));
        self
    }

    fn into_parts(self) -> (BatchRun<IS, RS>, Bodies<O>) {
        let Self { run, items, closure, .. } = self;
        let total = items.len();
        let closure = Arc::new(closure);
        let each = items.into_iter().enumerate().map(move |(index, item)| -> Body<O> {
            let closure = Arc::clone(&closure);
            Box::new(move |ctx| Box::pin(async move { closure(ctx, item, index).await }))
        });
        (run, Bodies { total, each: Box::new(each) })
    }

    /// Runs the map. The result has an entry for each item that was started, with its value or its error, and the
    /// reason why the map ended.
    ///
    /// # Errors
    /// Only errors that no item causes: an argument that is not allowed, or a recorded payload that the serdes does not
    /// accept.
    pub async fn await_batch(self) -> Result<BatchResult<O>, OperationError>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let (run, bodies) = self.into_parts();
        let name = run.options.name.clone();
        run.result(bodies).await.map_err(|error| error.named(name.as_deref()))
    }

    /// The map as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<Vec<O>>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        self.into_future()
    }

    /// Starts the map now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<Vec<O>>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let ctx = self.run.options.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<I, O, F, Fut, IS, RS> IntoFuture for MapBuilder<I, O, F, Fut, IS, RS>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(DurableContext, I, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
    IS: Serdes<O>,
    RS: Serdes<BatchSummary>,
{
    type Output = Result<Vec<O>, OperationError>;
    type IntoFuture = DurableFuture<Vec<O>>;

    /// Returns the values of the items that succeeded, in the order of the input. If failures ended the map, returns
    /// the failure of the first failed item in the order of the input, as an error of kind
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext).
    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.options.place();
        let (run, bodies) = self.into_parts();
        let name = run.options.name.clone();
        DurableFuture::lazy(place, run.values(bodies)).named(name)
    }
}

/// Builds a parallel: see [`DurableContext::parallel`].
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::Branch;
/// use durawasm_guest::builders::map_parallel::CompletionConfig;
/// use std::time::Duration;
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let quotes = [
///     Branch::new("near", |ctx: DurableContext| async move { Ok(ctx.step(|_| async { Ok(12) }).await?) }),
///     Branch::new("far", |ctx: DurableContext| async move {
///         ctx.wait(Duration::from_secs(60)).await?;
///         Ok(10)
///     }),
/// ];
/// let first: Vec<u32> =
///     ctx.parallel(quotes).name("quotes").completion(CompletionConfig::with_min_successful(1)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "builders do nothing unless awaited or spawned"]
#[non_exhaustive]
pub struct ParallelBuilder<O, IS = JsonSerdes, RS = JsonSerdes> {
    run: BatchRun<IS, RS>,
    bodies: Vec<Body<O>>,
}

impl<O, IS, RS> fmt::Debug for ParallelBuilder<O, IS, RS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelBuilder")
            .field("name", &self.run.options.name)
            .field("branches", &self.bodies.len())
            .field("max_concurrency", &self.run.options.max_concurrency)
            .finish_non_exhaustive()
    }
}

impl<O: Send + 'static> ParallelBuilder<O> {
    pub(crate) fn new(
        ctx: DurableContext,
        position: Position,
        branches: impl IntoIterator<Item = Branch<O>>,
    ) -> Self {
        let (names, bodies): (Vec<_>, Vec<_>) = branches.into_iter().map(Branch::into_parts).unzip();
        let mut run = BatchRun::new(ctx, position, Kind::PARALLEL);
        run.options.namer = Some(Arc::new(move |index| names.get(index).cloned().unwrap_or_default()));
        Self { run, bodies }
    }
}

impl<O: Send + 'static, IS, RS> ParallelBuilder<O, IS, RS> {
    /// Names the parallel in the history: 1 to 256 printable ASCII characters, the same on every replay.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.options.name = Some(name.into());
        self
    }

    /// Limits how many branches run at once, 1 or more; by default all do. A suspended branch counts. 0 is an error of
    /// the operation, which is then not started.
    pub fn max_concurrency(mut self, max: usize) -> Self {
        self.run.options.max_concurrency = Some(max);
        self
    }

    /// Sets when the parallel ends before all branches have ended. By default the first failure ends it.
    pub fn completion(mut self, config: CompletionConfig) -> Self {
        self.run.options.completion = config;
        self
    }

    /// Serializes the results of branches with another serdes than JSON: in the contexts of the branches, and within
    /// the result of the parallel.
    pub fn serdes<IS2>(self, serdes: IS2) -> ParallelBuilder<O, IS2, RS>
    where
        IS2: Serdes<O>,
    {
        ParallelBuilder { run: self.run.with_serdes(serdes), bodies: self.bodies }
    }

    /// Serializes the result of the parallel with another serdes than JSON. If the payload is larger than 256 KiB, it
    /// is not recorded: replays compute it again from the branches.
    pub fn result_serdes<RS2>(self, serdes: RS2) -> ParallelBuilder<O, IS, RS2>
    where
        RS2: Serdes<BatchSummary>,
    {
        ParallelBuilder { run: self.run.with_result_serdes(serdes), bodies: self.bodies }
    }

    /// Sets whether branches have their own contexts in the history.
    pub fn nesting(mut self, mode: NestingMode) -> Self {
        self.run.options.nesting = mode;
        self
    }

    fn into_parts(self) -> (BatchRun<IS, RS>, Bodies<O>) {
        let Self { run, bodies } = self;
        (run, Bodies { total: bodies.len(), each: Box::new(bodies.into_iter()) })
    }

    /// Runs the parallel. The result has an entry for each branch that was started, with its value or its error, and
    /// the reason why the parallel ended.
    ///
    /// # Errors
    /// Only errors that no branch causes: an argument that is not allowed, or a recorded payload that the serdes does
    /// not accept.
    pub async fn await_batch(self) -> Result<BatchResult<O>, OperationError>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let (run, bodies) = self.into_parts();
        let name = run.options.name.clone();
        run.result(bodies).await.map_err(|error| error.named(name.as_deref()))
    }

    /// The parallel as a future that runs it while polled.
    pub fn future(self) -> DurableFuture<Vec<O>>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        self.into_future()
    }

    /// Starts the parallel now, concurrently with the code that follows.
    pub fn spawn(self) -> DurableFuture<Vec<O>>
    where
        IS: Serdes<O>,
        RS: Serdes<BatchSummary>,
    {
        let ctx = self.run.options.ctx.clone();
        self.into_future().spawned(&ctx)
    }
}

impl<O, IS, RS> IntoFuture for ParallelBuilder<O, IS, RS>
where
    O: Send + 'static,
    IS: Serdes<O>,
    RS: Serdes<BatchSummary>,
{
    type Output = Result<Vec<O>, OperationError>;
    type IntoFuture = DurableFuture<Vec<O>>;

    /// Returns the values of the branches that succeeded, in their order. If failures ended the parallel, returns the
    /// failure of the first failed branch, as an error of kind
    /// [`ChildContext`](crate::OperationErrorKind::ChildContext).
    fn into_future(self) -> Self::IntoFuture {
        let place = self.run.options.place();
        let (run, bodies) = self.into_parts();
        let name = run.options.name.clone();
        DurableFuture::lazy(place, run.values(bodies)).named(name)
    }
}
