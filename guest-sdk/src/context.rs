//! The handles that handlers and step bodies get.
//!
//! Always true here: an operation's place in the history is claimed by the call of the method, in the order of the calls,
//! whatever becomes of the builder.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::builders::map_parallel::ItemBatcher;
use crate::builders::{
    ChildBuilder, CreateCallbackBuilder, InvokeBuilder, JoinAllBuilder, MapBuilder, ParallelBuilder,
    RaceBuilder, SelectOkBuilder, StepBuilder, TryJoinAllBuilder, WaitBuilder, WaitForCallbackBuilder,
    WaitForConditionBuilder, WithRetryBuilder,
};
use crate::deterministic::Values;
use crate::engine::Engine;
use crate::future::{Branch, DurableFuture, Place};
use crate::retry::seconds;
use crate::runtime::{InvalidArgument, Operation, Position, Scope};
use crate::saga::Compensations;
use crate::section::Section;
use crate::serdes::SerdesContext;

/// The durable operations: what a handler is given beside its event.
///
/// Each method returns a builder. Awaiting the builder runs the operation: the first time for real, on a replay from the
/// record. `future()` makes a [`DurableFuture`](crate::DurableFuture) that runs when it is polled, `spawn()` one that
/// runs at once.
///
/// **What replays need.** A handler runs from its beginning after each suspension. It must call the same operations in
/// the same order each time: decide by the event and by what operations returned. Clocks, random numbers, thread sleeps and
/// the environment are the same on every replay in a component, outside of step bodies; what is not is state that
/// step bodies leave behind, since bodies do not run on replays.
///
/// Cloning is cheap. A clone is the same context, with the same sequence of places.
///
/// # Examples
///
/// ```
/// use durawasm_guest::{BoxError, DurableContext};
/// use std::time::Duration;
///
/// async fn remind(name: String, ctx: DurableContext) -> Result<String, BoxError> {
///     let text = ctx.step(move |_| async move { Ok(format!("Time is up, {name}")) }).name("text").await?;
///     ctx.wait(Duration::from_secs(24 * 60 * 60)).name("a-day").await?;
///     Ok(text)
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DurableContext {
    engine: Arc<Engine>,
    scope: Arc<dyn Scope>,
    section: Arc<Section>,
    own: Arc<Own>,
}

/// What belongs to one context, and not to its children. Clones share it.
#[derive(Default)]
pub(crate) struct Own {
    id: OnceLock<Option<String>>,
    pub(crate) values: Values,
    pub(crate) compensations: Compensations,
}

impl DurableContext {
    /// The execution's own context.
    pub(crate) fn new(engine: Arc<Engine>, scope: Arc<dyn Scope>) -> Self {
        let section = Section::root(Arc::clone(&scope));
        Self { engine, scope, section, own: Arc::default() }
    }

    /// The context of what stands at a place of this one, under this name: a child, or a scope without an operation.
    pub(crate) fn nested(&self, position: Position, scope: Arc<dyn Scope>, name: Option<Arc<str>>) -> Self {
        let section = self.section.context(position, Arc::clone(&scope), name);
        let values = self.own.values.nested(position);
        let own = Own { values, ..Own::default() };
        Self { engine: Arc::clone(&self.engine), scope, section, own: Arc::new(own) }
    }

    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// The id of the operation that the context belongs to, asked for once.
    pub(crate) fn scope_id(&self) -> Option<&str> {
        self.own.id.get_or_init(|| self.scope.id()).as_deref()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn scope(&self) -> &dyn Scope {
        &*self.scope
    }

    /// The scope, to start an operation in.
    ///
    /// # Errors
    /// When code of another context is about to start it, or this one's has ended.
    pub(crate) fn starting(&self) -> Result<&dyn Scope, InvalidArgument> {
        self.section.check_start()?;
        // What was printed until now belongs to what ran until now: that may be a replay, and what comes may be none.
        crate::output::flush();
        Ok(&*self.scope)
    }

    /// What the context's code runs in.
    pub(crate) fn section(&self) -> &Arc<Section> {
        &self.section
    }

    /// What stands, or would stand, at a place of this context.
    pub(crate) fn place(&self, position: Position) -> Place {
        Place::new(Arc::clone(&self.scope), position)
    }

    pub(crate) fn serdes_context(&self, operation: Arc<dyn Operation>) -> SerdesContext {
        SerdesContext::of(operation, Arc::clone(&self.engine))
    }

    /// A step: runs the body and records its result. On a replay, the result comes from the record.
    ///
    /// The body sees live clocks and random numbers. It gets no durable operations: they do not nest in a step. It may
    /// await futures of its own, but none that another task of the handler completes: a body is never suspended, and one
    /// that waits while nothing else can run fails with a `StepStalled` error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let lucky: u32 = ctx.step(|_| async { Ok(7) }).name("draw").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn step<O, F, Fut>(&self, f: F) -> StepBuilder<O, F, Fut>
    where
        F: FnOnce(StepContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
    {
        StepBuilder::new(self.clone(), self.scope.claim(), f)
    }

    /// A wait, rounded up to whole seconds: 1 second to 366 days. The execution is suspended meanwhile.
    pub fn wait(&self, duration: Duration) -> WaitBuilder {
        WaitBuilder::new(self.clone(), self.scope.claim(), seconds(duration))
    }

    /// An invocation of another function, durable or plain: its result. The execution is suspended until the function has ended.
    ///
    /// `function_id` is a function's name, a name with a qualifier or an ARN: 1 to 256 printable ASCII characters. The payload
    /// may have 6 MiB as text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let total: f64 = ctx.invoke("price", vec![("apples".to_owned(), 3)]).name("price").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn invoke<O, I>(&self, function_id: impl Into<String>, input: I) -> InvokeBuilder<O, I>
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        InvokeBuilder::new(self.clone(), self.scope.claim(), function_id.into(), input)
    }

    /// A wait for a condition: a check that is repeated, with a state that each check hands to the next, until a strategy says
    /// that it is met. The execution is suspended between checks. The state of the last check is the result.
    ///
    /// A check is a step's body: it sees live clocks and random numbers, and gets no durable operations. When it fails, the
    /// operation fails. Without a strategy there is one check.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::builders::wait_for_condition::WaitStrategy;
    ///
    /// # async fn status_of(job: &str) -> Result<String, BoxError> { Ok(job.to_owned()) }
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// ctx.wait_for_condition(|_step, _| async { status_of("job-7").await }, "NEW".to_owned())
    ///     .name("job-done")
    ///     .wait_strategy(WaitStrategy::builder(|status: &String| status == "DONE").build())
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_condition<S, F, Fut>(
        &self,
        check: F,
        initial_state: S,
    ) -> WaitForConditionBuilder<S, F, Fut>
    where
        F: Fn(StepContext, S) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, BoxError>> + Send + 'static,
        S: Clone + Send + Sync + 'static,
    {
        WaitForConditionBuilder::new(self.clone(), self.scope.claim(), initial_state, check)
    }

    /// A callback: an id for an external system, and a future of its answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<bool, BoxError> {
    /// let callback = ctx.create_callback::<bool>().name("approval").await?;
    /// let id = callback.id().to_owned();
    /// ctx.step(move |_| async move { Ok(println!("answer to {id}")) }).await?;
    /// let approved = callback.result().await?;
    /// # Ok(approved)
    /// # }
    /// ```
    pub fn create_callback<O>(&self) -> CreateCallbackBuilder<O>
    where
        O: Send + 'static,
    {
        CreateCallbackBuilder::new(self.clone(), self.scope.claim())
    }

    /// A callback, a step that hands its id to the external system, and the wait for the answer, in one operation.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let approved = ctx
    ///     .wait_for_callback::<bool, _, _>(|_, id| async move { Ok(println!("answer to {id}")) })
    ///     .name("approval")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_callback<O, F, Fut>(&self, submitter: F) -> WaitForCallbackBuilder<O, F, Fut>
    where
        F: FnOnce(StepContext, String) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
        O: DeserializeOwned + Send + 'static,
    {
        WaitForCallbackBuilder::new(self.clone(), self.scope.claim(), submitter)
    }

    /// A child context: operations with a sequence of their own, and one result. When it has ended, replays take
    /// that result and do not run its code, unless the result is larger than 256 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let sum = ctx
    ///     .run_in_child_context(|child| async move {
    ///         let a = child.step(|_| async { Ok(1) }).await?;
    ///         let b = child.step(|_| async { Ok(2) }).await?;
    ///         Ok(a + b)
    ///     })
    ///     .name("sum")
    ///     .await?;
    /// assert_eq!(sum, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_in_child_context<O, F, Fut>(&self, f: F) -> ChildBuilder<O, F, Fut>
    where
        F: FnOnce(DurableContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
    {
        ChildBuilder::new(self.clone(), self.scope.claim(), f)
    }

    /// One function for many items, side by side: each in a context of its own, with its index from 0. The result has what
    /// they returned in the order of the items.
    ///
    /// Without options all items run at once, and the first failure ends the map and is its error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(orders: Vec<String>, ctx: DurableContext) -> Result<(), BoxError> {
    /// let lengths: Vec<usize> = ctx
    ///     .map(orders, |child, order, index| async move {
    ///         let name = format!("ship-{index}");
    ///         Ok(child.step(move |_| async move { Ok(order.len()) }).name(name).await?)
    ///     })
    ///     .name("ship-all")
    ///     .max_concurrency(10)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<Items, I, O, F, Fut>(&self, items: Items, f: F) -> MapBuilder<I, O, F, Fut>
    where
        Items: IntoIterator<Item = I>,
        F: Fn(DurableContext, I, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        I: Send + 'static,
        O: Send + 'static,
    {
        MapBuilder::new(self.clone(), self.scope.claim(), items.into_iter().collect(), f)
    }

    /// The same for items that are small: several of them are one item of the map. Each batch has its index from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::builders::map_parallel::ItemBatcher;
    ///
    /// # async fn handler(rows: Vec<u64>, ctx: DurableContext) -> Result<(), BoxError> {
    /// let sums: Vec<u64> = ctx
    ///     .map_batched(rows, ItemBatcher::with_max_items(100), |child, rows, _index| async move {
    ///         Ok(child.step(move |_| async move { Ok(rows.iter().sum()) }).name("import").await?)
    ///     })
    ///     .name("import-all")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_batched<Items, I, O, F, Fut>(
        &self,
        items: Items,
        batcher: ItemBatcher,
        f: F,
    ) -> MapBuilder<Vec<I>, O, F, Fut>
    where
        Items: IntoIterator<Item = I>,
        F: Fn(DurableContext, Vec<I>, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        I: Serialize + Send + 'static,
        O: Send + 'static,
    {
        MapBuilder::new(self.clone(), self.scope.claim(), Vec::new(), f).with_items(batcher.batch(items))
    }

    /// Several branches side by side, each in a context of its own. The result has what they returned in their order.
    ///
    /// Without options all branches run at once, and the first failure ends the parallel and is its error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::Branch;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let branches = [
    ///     Branch::new("hotel", |child: DurableContext| async move { Ok(child.step(|_| async { Ok(120) }).await?) }),
    ///     Branch::new("flight", |child: DurableContext| async move { Ok(child.step(|_| async { Ok(340) }).await?) }),
    /// ];
    /// let prices: Vec<u32> = ctx.parallel(branches).name("quotes").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn parallel<Branches, O>(&self, branches: Branches) -> ParallelBuilder<O>
    where
        Branches: IntoIterator<Item = Branch<O>>,
        O: Serialize + DeserializeOwned + Send + 'static,
    {
        ParallelBuilder::new(self.clone(), self.scope.claim(), branches)
    }

    /// All futures side by side: their values in the order of the futures, or the first failure, which drops the others.
    /// The error
    /// is then of kind [`JoinFailed`](crate::CombinatorErrorKind::JoinFailed).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let a = ctx.step(|_| async { Ok(1) }).future();
    /// let b = ctx.step(|_| async { Ok(2) }).future();
    /// let both: Vec<i32> = ctx.try_join_all([a, b]).name("both").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_join_all<O>(&self, futures: impl IntoIterator<Item = DurableFuture<O>>) -> TryJoinAllBuilder<O>
    where
        O: Serialize + DeserializeOwned + Send + 'static,
    {
        TryJoinAllBuilder::new(self.clone(), self.scope.claim(), futures)
    }

    /// All futures side by side: how each ended, in the order of the futures. Failures are outcomes like others.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::Settled;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let a = ctx.step(|_| async { Ok(1) }).future();
    /// let b = ctx.step(|_| async { Err::<i32, _>("no".into()) }).future();
    /// for settled in ctx.join_all([a, b]).await? {
    ///     match settled {
    ///         Settled::Fulfilled(value) => println!("{value}"),
    ///         Settled::Rejected(error) => println!("{error:#}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_all<O>(&self, futures: impl IntoIterator<Item = DurableFuture<O>>) -> JoinAllBuilder<O>
    where
        O: Serialize + DeserializeOwned + Send + 'static,
    {
        JoinAllBuilder::new(self.clone(), self.scope.claim(), futures)
    }

    /// The first future that succeeds; the others are dropped. If all fail, the error is of kind
    /// [`AllFailed`](crate::CombinatorErrorKind::AllFailed) and has all failures; of no futures,
    /// [`EmptyInput`](crate::CombinatorErrorKind::EmptyInput).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let primary = ctx.step(|_| async { Ok("primary".to_owned()) }).future();
    /// let fallback = ctx.step(|_| async { Ok("fallback".to_owned()) }).future();
    /// let answer: String = ctx.select_ok([primary, fallback]).name("answer").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn select_ok<O>(&self, futures: impl IntoIterator<Item = DurableFuture<O>>) -> SelectOkBuilder<O>
    where
        O: Serialize + DeserializeOwned + Send + 'static,
    {
        SelectOkBuilder::new(self.clone(), self.scope.claim(), futures)
    }

    /// The first future that ends, however; the others are dropped. The winner is on record: it wins on every replay, although by
    /// then others have ended too. A failure that comes first is an error of kind
    /// [`FirstSettledFailed`](crate::CombinatorErrorKind::FirstSettledFailed); no futures are one of kind
    /// [`EmptyInput`](crate::CombinatorErrorKind::EmptyInput).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let answer = ctx.wait_for_callback(|_, id| async move { Ok(println!("{id}")) }).future();
    /// let deadline = ctx
    ///     .run_in_child_context(|child| async move {
    ///         child.wait(Duration::from_secs(3600)).await?;
    ///         Ok("no answer".to_owned())
    ///     })
    ///     .future();
    /// let answer: String = ctx.race([answer, deadline]).name("answer-or-deadline").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn race<O>(&self, futures: impl IntoIterator<Item = DurableFuture<O>>) -> RaceBuilder<O>
    where
        O: Serialize + DeserializeOwned + Send + 'static,
    {
        RaceBuilder::new(self.clone(), self.scope.claim(), futures)
    }

    /// A block of operations that is repeated as one when it fails: each attempt is a child context of its own, so nothing of a
    /// failed attempt is replayed into the next. The execution is suspended between attempts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use durawasm_guest::builders::RetryStrategyConfig;
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let booking: String = ctx
    ///     .with_retry(|ctx| async move {
    ///         let hold = ctx.step(|_| async { Ok("hold-1".to_owned()) }).name("hold").await?;
    ///         Ok(ctx.step(move |_| async move { Ok(format!("booked {hold}")) }).name("book").await?)
    ///     })
    ///     .name("booking")
    ///     .retry_strategy_config(RetryStrategyConfig::fixed(3, Duration::from_secs(30)))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_retry<O, F, Fut>(&self, f: F) -> WithRetryBuilder<O, F, Fut>
    where
        F: Fn(DurableContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, BoxError>> + Send + 'static,
        O: Send + 'static,
    {
        WithRetryBuilder::new(self.clone(), self.scope.claim(), f)
    }
}

impl fmt::Debug for DurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableContext").finish_non_exhaustive()
    }
}

/// What the body of a step knows of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepContext {
    attempt: u32,
}

impl StepContext {
    pub(crate) fn new(attempt: u32) -> Self {
        Self { attempt }
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
