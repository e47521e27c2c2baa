//! Handlers with rollbacks, with checkpoint modes, and with random values that replays repeat.

use std::time::Duration;

use durawasm_guest::{
    BoxError, CheckpointMode, CompensationResult, DurableContext, RetryDecision, TypedError, Uuid, logging,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a compensation behaves.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum Undo {
    /// It returns.
    #[default]
    Ok,
    /// It fails with error type `Stuck`.
    Fails,
    /// It waits for 10 seconds between two lines.
    Waits,
    /// It panics when it runs for the first time.
    Traps,
}

/// How checkpoints are sent.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The default.
    #[default]
    Batched,
    /// At once.
    Eager,
    /// On a flush.
    Optimistic,
}

impl From<Mode> for CheckpointMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Batched => Self::Batched,
            Mode::Eager => Self::Eager,
            Mode::Optimistic => Self::Optimistic,
        }
    }
}

/// The steps to take, each with how its compensation behaves.
#[derive(Deserialize)]
pub struct Trip {
    steps: Vec<(String, Undo)>,
    #[serde(default)]
    mode: Mode,
}

/// A step that returns its name in capitals and has a compensation, which writes `undo NAME` whenever it runs.
async fn book(ctx: &DurableContext, name: &str, undo: Undo) -> Result<(), BoxError> {
    let booking = name.to_uppercase();
    let step = ctx.step(move |_| async move { Ok(booking) }).name(name);
    let booked = match undo {
        Undo::Ok | Undo::Fails => step.compensate_with(move |booking: String| async move {
            println!("undo {booking}");
            match undo {
                Undo::Fails => Err(TypedError::with_type("Stuck", format!("{booking} stays")).into()),
                _ => Ok(()),
            }
        }),
        Undo::Waits => step.compensate_in_context(|ctx, booking: String| async move {
            println!("undo {booking}");
            ctx.wait(Duration::from_secs(10)).name("settle").await?;
            println!("undone {booking}");
            Ok(())
        }),
        Undo::Traps => step.compensate_in_context(|ctx, booking: String| async move {
            println!("undo {booking}");
            let again = ctx.is_replaying();
            ctx.step(|_| async { Ok(()) }).name("mark").await?;
            assert!(again, "the compensation panics");
            Ok(())
        }),
    };
    booked.await?;
    Ok(())
}

/// Event: steps, and a mode. Takes the steps, fails at step `payment`, undoes them, then step `apologize`. Lines of
/// replays are kept. Result: what the rollback tells, and how many compensations were registered before and after.
pub async fn saga(event: Trip, ctx: DurableContext) -> Result<Value, BoxError> {
    logging::keep_replayed(true);
    ctx.set_checkpoint_mode(event.mode.into());
    for (name, undo) in &event.steps {
        book(&ctx, name, *undo).await?;
    }
    let payment = ctx
        .step(|_| async { Err::<(), BoxError>("declined".into()) })
        .name("payment")
        .retry_strategy(|_, _| RetryDecision::Stop)
        .compensate_with(|()| async { Err("never registered".into()) });
    let refused = payment.await.is_err();
    let registered = ctx.registered_compensations();
    let undone: CompensationResult = ctx.run_compensations().await?;
    let left = ctx.compensation_count();
    ctx.step(|_| async { Ok(()) }).name("apologize").await?;
    Ok(json!({ "refused": refused, "registered": registered, "undone": undone, "left": left }))
}

/// Event: anything. Step `outer` with a compensation, a child `child` that takes and undoes step `inner` and takes step
/// `kept`, a wait of 1 second, then the rollback. Result: how many compensations the child began with, how many it
/// undid, and how many the handler undid.
pub async fn saga_in_child(_event: Value, ctx: DurableContext) -> Result<[usize; 3], BoxError> {
    logging::keep_replayed(true);
    book(&ctx, "outer", Undo::Ok).await?;
    let (inherited, undone) = ctx
        .run_in_child_context(|child| async move {
            let inherited = child.compensation_count();
            book(&child, "inner", Undo::Waits).await?;
            let undone = child.run_compensations().await?.items.len();
            book(&child, "kept", Undo::Ok).await?;
            Ok((inherited, undone))
        })
        .name("child")
        .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok([inherited, undone, ctx.run_compensations().await?.items.len()])
}

/// Event: anything. Steps `HOTEL` and `FLIGHT` in a `try_join_all`, step `CAR` in a race against a wait of a minute; a
/// wait of 1 second, then the rollback. Result: the names of the steps whose compensations were registered after the
/// wait.
pub async fn saga_of_many(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    logging::keep_replayed(true);
    let step = |name: &'static str| {
        let step = ctx.step(move |_| async move { Ok(name.to_owned()) }).name(name);
        let step = step.compensate_with(|name| async move {
            println!("undo {name}");
            Ok(())
        });
        step.future()
    };
    ctx.try_join_all([step("HOTEL"), step("FLIGHT")]).name("both").await?;
    let slow = ctx.run_in_child_context(|ctx| async move {
        ctx.wait(Duration::from_mins(1)).await?;
        Ok("nothing".to_owned())
    });
    ctx.race([slow.future(), step("CAR")]).name("first").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    let registered = ctx.registered_compensations();
    ctx.run_compensations().await?;
    Ok(registered)
}

/// A mode, a number of steps, after how many of them the batch is flushed, and how many seconds are waited at the end.
#[derive(Deserialize)]
pub struct Costs {
    mode: Mode,
    steps: u32,
    #[serde(default)]
    flush_every: Option<u32>,
    #[serde(default)]
    wait: Option<u64>,
}

/// Steps one after another in a mode. Each writes `body` when it runs. Result: the sum of their numbers, and the
/// highest number of reports that were pending between them.
pub async fn checkpoint_costs(event: Costs, ctx: DurableContext) -> Result<(u32, usize), BoxError> {
    match event.mode {
        Mode::Optimistic => ctx.enable_batch_mode(),
        mode => ctx.set_checkpoint_mode(mode.into()),
    }
    let (mut sum, mut pending) = (0, 0);
    for number in 0..event.steps {
        let step = ctx.step(move |_| async move {
            println!("body");
            Ok(number)
        });
        sum += step.await?;
        pending = pending.max(ctx.pending_update_count());
        if event.flush_every.is_some_and(|every| (number + 1) % every == 0) {
            ctx.flush_batch().await?;
        }
    }
    if let Some(seconds) = event.wait {
        ctx.wait(Duration::from_secs(seconds)).await?;
        sum += ctx.step(|_| async { Ok(1000) }).await?;
    }
    Ok((sum, pending))
}

/// What was drawn at one place.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Drawn {
    id: Uuid,
    /// As text: numbers lose digits in JSON.
    fraction: String,
    number: u64,
    millis: u64,
}

impl Drawn {
    fn new(ctx: &DurableContext) -> Self {
        let (id, fraction, number) = (ctx.uuid(), ctx.random().to_string(), ctx.random_u64());
        Self { id, fraction, number, millis: ctx.now_millis() }
    }

    /// Records what was drawn, under a name that only a handler gives that drew the same.
    async fn record(ctx: &DurableContext) -> Result<Self, BoxError> {
        let drawn = Self::new(ctx);
        let name = format!("{} {} {} {}", drawn.id, drawn.fraction, drawn.number, drawn.millis);
        let recorded = drawn.clone();
        let recorded = ctx.step(move |_| async move { Ok(recorded) }).name(name).await?;
        if recorded == drawn { Ok(drawn) } else { Err(format!("{drawn:?} became {recorded:?}").into()) }
    }
}

/// Event: the seconds that two concurrent children wait for. Draws before, in and after the children, and in a step's
/// body. Replays that draw something else are not deterministic. Result: all that was drawn, in the order of the
/// places.
pub async fn draws(event: (u64, u64), ctx: DurableContext) -> Result<Vec<Drawn>, BoxError> {
    let mut all = vec![Drawn::record(&ctx).await?];
    let branch = |seconds| {
        ctx.run_in_child_context(move |child| async move {
            let first = Drawn::record(&child).await?;
            child.wait(Duration::from_secs(seconds)).await?;
            Ok(vec![first, Drawn::record(&child).await?])
        })
        .spawn()
    };
    let (a, b) = (branch(event.0), branch(event.1));
    let (a, b) = tokio::join!(a, b);
    all.extend(a?);
    all.extend(b?);
    let inside = ctx.clone();
    all.push(ctx.step(move |_| async move { Ok(Drawn::new(&inside)) }).name("inside").await?);
    ctx.wait(Duration::from_secs(1)).await?;
    all.push(Drawn::record(&ctx).await?);
    Ok(all)
}

/// Event: anything. Step `look` and a wait of 1 second. Result: what the context tells, and whether it was replaying
/// before the step and after the wait.
pub async fn tells(_event: Value, ctx: DurableContext) -> Result<Value, BoxError> {
    let replaying = ctx.is_replaying();
    ctx.step(|_| async { Ok(()) }).name("look").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    let child = ctx.run_in_child_context(|child| async move { Ok(child.context_id().map(str::to_owned)) });
    let child = child.name("child").await?;
    let lambda = ctx.lambda_context();
    Ok(json!({
        "arn": ctx.arn(),
        "function": [ctx.function_name(), ctx.function_version(), lambda.invoked_function_arn],
        "request_id": lambda.request_id,
        "deadline": lambda.deadline,
        "now": ctx.now_millis(),
        "ids": [ctx.context_id().map(str::to_owned), child],
        "replaying": [replaying, ctx.is_replaying()],
        "mode": format!("{:?}", ctx.execution_mode()),
    }))
}

/// Event: anything. A line of each level with fields, before and in step `log` and in child `child`; then a wait of 1
/// second, and a line that only a replay writes.
pub async fn logs(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    tracing::trace!("trace");
    tracing::debug!(number = -7, "debug");
    tracing::info!(truth = true, ratio = 0.5, "info");
    tracing::warn!(text = "a b", "warn");
    tracing::error!(list = ?[1, 2], shown = %"c", "error");
    let step = ctx.step(|_| async {
        tracing::info!(own = 1, "in the step");
        Ok(())
    });
    step.name("log").await?;
    let child = ctx.run_in_child_context(|_| async {
        tracing::info!("in the child");
        Ok(())
    });
    child.name("child").await?;
    ctx.keep_replayed_logs(true);
    if ctx.is_replaying() {
        tracing::info!("kept");
    }
    ctx.keep_replayed_logs(false);
    if ctx.is_replaying() {
        tracing::info!("dropped");
    }
    ctx.wait(Duration::from_secs(1)).await?;
    Ok(())
}

/// Event: anything. A step on the first run, and a callback at its place on a replay, whose error nobody looks at; then
/// a wait of 1 second: not deterministic, and not to be hidden.
pub async fn hides_divergence(_event: Value, ctx: DurableContext) -> Result<String, BoxError> {
    if ctx.is_replaying() {
        let outcome = ctx.create_callback::<Value>().name("place").await;
        return Ok(format!("hidden: {outcome:?}"));
    }
    ctx.step(|_| async { Ok(()) }).name("place").await?;
    ctx.wait(Duration::from_secs(1)).await?;
    Ok("not reached".to_owned())
}
