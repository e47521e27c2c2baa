//! Methods of a context whose values repeat on every replay: the time, ids, random numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::durable_context::DurableContext;
use super::values::{LENGTH, finish, hash};
use crate::output::LogScope;
use crate::values::Uuid;

impl DurableContext {
    /// Draws the next value for the code that runs now.
    fn draw(&self) -> [u8; LENGTH] {
        let arn = self.execution_arn();
        match LogScope::current().and_then(|scope| Some((scope.attempt?, scope))) {
            None => self.state().values.draw(arn),
            Some((attempt, scope)) => {
                let mut state = hash(arn, "attempt");
                state.update(scope.id().as_bytes()).update(&[0]).update(&attempt.to_le_bytes());
                finish(&mut state, scope.draw())
            }
        }
    }

    /// The time of the latest outcome that was delivered to the handler; before the first, the start time of the
    /// execution. The same on every replay, with a precision of milliseconds.
    ///
    /// In a component, `SystemTime::now` returns the same time between operations. In the body of a step both return
    /// the live time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// use std::time::Duration;
    ///
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let deadline = ctx.now() + Duration::from_secs(60 * 60);
    /// ctx.wait(Duration::from_secs(30)).await?;
    /// let in_time = ctx.now() < deadline;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.engine().runtime().now()
    }

    /// [`now`](Self::now), in whole milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// A new id, the same on every replay, for example for idempotency keys, orders and correlation ids.
    ///
    /// Ids differ between executions, contexts and calls. Clones of a context share one sequence; each child context
    /// has its own. In the body of a step the ids belong to the attempt, and are the same when an interrupted attempt
    /// runs again.
    ///
    /// The ids are not secret: they can be computed from the ARN of the execution.
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let key = ctx.uuid();
    /// ctx.step(move |_| async move { Ok(println!("pay once for {key}")) }).name("pay").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        Uuid::from_random(self.draw())
    }

    /// A number from 0 (inclusive) to 1 (exclusive), the same on every replay: for samples, shuffles and jitter, not
    /// for secrets. It uses the same sequences as [`uuid`](Self::uuid).
    ///
    /// # Examples
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// if ctx.random() < 0.1 {
    ///     ctx.step(|_| async { Ok(println!("one in ten is looked at")) }).name("audit").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn random(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let bits = (self.random_u64() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// A number from the full range of `u64`, otherwise like [`random`](Self::random).
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation)] // half of a value is enough
        let half = u128::from_le_bytes(self.draw()) as u64;
        half
    }
}
