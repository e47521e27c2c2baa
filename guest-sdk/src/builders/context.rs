//! The methods of a context that return builders.
//!
//! Invariants: the call of the method claims the position of the operation in the history, in the order of the calls,
//! whether or not the builder is used.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::callback::{CreateCallbackBuilder, WaitForCallbackBuilder};
use super::child::ChildBuilder;
use super::combinator::{JoinAllBuilder, RaceBuilder, SelectOkBuilder, TryJoinAllBuilder};
use super::invoke::InvokeBuilder;
use super::map_parallel::{MapBuilder, ParallelBuilder};
use super::step::StepBuilder;
use super::wait::WaitBuilder;
use super::wait_for_condition::WaitForConditionBuilder;
use super::with_retry::WithRetryBuilder;
use crate::context::{Branch, DurableContext, DurableFuture, StepContext};
use crate::error::BoxError;
use crate::policy::{ItemBatcher, seconds};

impl DurableContext {
    /// A step: runs the body and records its result. On a replay, the result comes from the record.
    ///
    /// The body sees live clocks and random numbers. It has no durable operations: they cannot be nested in a step. It
    /// may await its own futures, but not futures that other tasks of the handler complete: a body is never suspended,
    /// and a body that waits while nothing else can run fails with a `StepStalled` error.
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
        StepBuilder::new(self.clone(), self.scope().claim(), f)
    }

    /// A wait, rounded up to whole seconds: 1 second to 366 days. The execution is suspended during the wait.
    pub fn wait(&self, duration: Duration) -> WaitBuilder {
        WaitBuilder::new(self.clone(), self.scope().claim(), seconds(duration))
    }

    /// An invocation of another function, durable or plain; it returns the result of that function. The execution is
    /// suspended until the function has ended.
    ///
    /// `function_id` is a function name, a name with a qualifier or an ARN: 1 to 256 printable ASCII characters. The
    /// serialized payload may have up to 6 MiB.
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
        InvokeBuilder::new(self.clone(), self.scope().claim(), function_id.into(), input)
    }

    /// A wait for a condition: repeats a check until a strategy decides that the condition is met. Each check gets the
    /// state that the previous check returned. The execution is suspended between checks. The result is the state of
    /// the last check.
    ///
    /// A check runs like the body of a step: it sees live clocks and random numbers, and has no durable operations. If
    /// it fails, the operation fails. Without a strategy there is one check.
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
        WaitForConditionBuilder::new(self.clone(), self.scope().claim(), initial_state, check)
    }

    /// A callback: an id for an external system, and a future of the system's answer.
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
        CreateCallbackBuilder::new(self.clone(), self.scope().claim())
    }

    /// A callback, a step that hands the callback's id to the external system, and the wait for the answer, as one
    /// operation.
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
        WaitForCallbackBuilder::new(self.clone(), self.scope().claim(), submitter)
    }

    /// A child context: a sequence of operations with one result. After the child has ended, replays use its recorded
    /// result and do not run its code, unless the result is larger than 256 KiB.
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
        ChildBuilder::new(self.clone(), self.scope().claim(), f)
    }

    /// Runs one function for many items concurrently, each item in its own context and with its index from 0. The
    /// result has the returned values in the order of the items.
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
        MapBuilder::new(self.clone(), self.scope().claim(), items.into_iter().collect(), f)
    }

    /// The same for small items: several of them are one item of the map. Each batch of items has its index from 0.
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
        MapBuilder::new(self.clone(), self.scope().claim(), Vec::new(), f).with_items(batcher.batch(items))
    }

    /// Runs several branches concurrently, each in its own context. The result has the returned values in the order of
    /// the branches.
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
        ParallelBuilder::new(self.clone(), self.scope().claim(), branches)
    }

    /// Runs all futures concurrently and returns their results in the order of the futures. The first failure drops the
    /// other futures; the error is of kind [`JoinFailed`](crate::CombinatorErrorKind::JoinFailed).
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
        TryJoinAllBuilder::new(self.clone(), self.scope().claim(), futures)
    }

    /// Runs all futures concurrently and returns the outcome of each, in the order of the futures. Failures are
    /// returned like successes.
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
        JoinAllBuilder::new(self.clone(), self.scope().claim(), futures)
    }

    /// Returns the result of the first future that succeeds, and drops the others. If all fail, the error is of kind
    /// [`AllFailed`](crate::CombinatorErrorKind::AllFailed) and has all failures. Without futures the error is of kind
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
        SelectOkBuilder::new(self.clone(), self.scope().claim(), futures)
    }

    /// Returns the outcome of the first future that ends, and drops the others. The winner is recorded: it wins on
    /// every replay, even though other futures have ended by then. If the first outcome is a failure, the error is of
    /// kind [`FirstSettledFailed`](crate::CombinatorErrorKind::FirstSettledFailed). Without futures it is of kind
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
        RaceBuilder::new(self.clone(), self.scope().claim(), futures)
    }

    /// Runs a block of operations, and repeats the whole block if it fails. Each attempt is its own child context, so
    /// operations of a failed attempt are not replayed into the next attempt. The execution is suspended between
    /// attempts.
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
        WithRetryBuilder::new(self.clone(), self.scope().claim(), f)
    }
}
