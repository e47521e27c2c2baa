//! Methods of a context whose values repeat on every replay: the time, ids, random numbers.
//!
//! Ids and random numbers are hashes of the ARN, the context and a count. They are unpredictable to nobody who knows the
//! ARN, which is in logs, histories and URLs of callbacks.

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
    /// # Security
    ///
    /// The ids are not secret, in the bodies of steps either: whoever knows the ARN of the execution can compute all of
    /// them. Do not use them as tokens, passwords, keys, nonces, or links that give access. For those, draw from the
    /// system's generator in the body of a step:
    ///
    /// ```
    /// # use durawasm_guest::{BoxError, DurableContext};
    /// # mod getrandom { pub fn fill(_: &mut [u8]) -> std::io::Result<()> { Ok(()) } }
    /// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
    /// let token = ctx
    ///     .step(|_| async {
    ///         let mut token = [0_u8; 32];
    ///         getrandom::fill(&mut token)?; // from the crate `getrandom`
    ///         Ok(token.to_vec())
    ///     })
    ///     .name("token")
    ///     .await?;
    /// # drop(token);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The result of a step is recorded as it is. Where the history must not hold the secret, encrypt it with serdes of
    /// your own, or write it to a store in the step and return a reference.
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

    /// A number from 0 (inclusive) to 1 (exclusive), the same on every replay: for samples, shuffles and jitter. It uses
    /// the same sequences as [`uuid`](Self::uuid).
    ///
    /// # Security
    ///
    /// The numbers are not secret: whoever knows the ARN of the execution can compute them, and those of a generator
    /// that is seeded with them. See [`uuid`](Self::uuid).
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

    /// A number from the full range of `u64`, otherwise like [`random`](Self::random): not for secrets.
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation)] // half of a value is enough
        let half = u128::from_le_bytes(self.draw()) as u64;
        half
    }
}
