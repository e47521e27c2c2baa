//! Handlers that observe clocks, random numbers and output.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use durawasm_guest::{BoxError, DurableContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The values that the handler observed between two operations.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Sight {
    epoch_ms: u128,
    since_start_ms: u128,
    random: u64,
    order: String,
}

impl Sight {
    fn now(start: Instant) -> Result<Self, BoxError> {
        let letters: HashSet<char> = ('a'..='p').collect();
        Ok(Self {
            epoch_ms: SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
            since_start_ms: start.elapsed().as_millis(),
            random: RandomState::new().hash_one(0),
            order: letters.into_iter().collect(),
        })
    }

    /// An operation name that depends on all observed values.
    fn name(&self) -> String {
        format!("{}-{}-{}-{}", self.epoch_ms, self.since_start_ms, self.random, self.order)
    }
}

/// Event: how often to look. Looks at clocks, random numbers and the order of a hash set; a step named after what it
/// saw returns it; a wait of 1 second. Replays that see something else are not deterministic. Result: all that was
/// seen.
pub async fn nondeterminism_probe(count: u32, ctx: DurableContext) -> Result<Vec<Sight>, BoxError> {
    let start = Instant::now();
    let mut sights = Vec::new();
    for _ in 0..count {
        let sight = Sight::now(start)?;
        let name = sight.name();
        let seen = sight.clone();
        let recorded = ctx.step(move |_| async move { Ok(seen) }).name(name).await?;
        if recorded != sight {
            return Err(format!("saw {sight:?}, where the record has {recorded:?}").into());
        }
        sights.push(recorded);
        ctx.wait(Duration::from_secs(1)).await?;
    }
    Ok(sights)
}

/// Event: seconds. Step `sleep` sleeps so long and measures it. Result: the milliseconds that it measured.
pub async fn sleeps_in_step(seconds: u64, ctx: DurableContext) -> Result<u64, BoxError> {
    let milliseconds = ctx
        .step(move |_| async move {
            let start = Instant::now();
            std::thread::sleep(Duration::from_secs(seconds));
            Ok(u64::try_from(start.elapsed().as_millis())?)
        })
        .name("sleep")
        .await?;
    Ok(milliseconds)
}

/// Event: anything. Writes a line to standard output, standard error and the log before, in and after step `print`, in
/// a child `child` and after a wait of 1 second. A host that drops what replays repeat shows each once.
pub async fn prints(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    print("before");
    ctx.step(|_| async {
        print("in the step");
        Ok(())
    })
    .name("print")
    .await?;
    print("after the step");
    ctx.run_in_child_context(|ctx| async move {
        print("in the child");
        ctx.wait(Duration::from_secs(1)).await?;
        print("in the child, after the wait");
        Ok(())
    })
    .name("child")
    .await?;
    print("after the child");
    Ok(())
}

fn print(place: &str) {
    println!("stdout {place}");
    eprintln!("stderr {place}");
    tracing::info!(place, number = 7, "log {place}");
}

/// Event: a number. No durable operations. Result: the number plus 1. A plain function that is not async.
pub fn plain(number: i64) -> Result<i64, BoxError> {
    number.checked_add(1).ok_or_else(|| "too large".into())
}

/// Event: a text. Result: the text, reversed. A plain function that is async.
pub async fn plain_async(text: String) -> Result<String, BoxError> {
    Ok(text.chars().rev().collect())
}

/// Event: a text of JSON. A step `verbatim` returns it as it is. Result: that.
pub async fn verbatim(text: String, ctx: DurableContext) -> Result<Box<RawValue>, BoxError> {
    Ok(ctx.step(|_| async { Ok(RawValue::from_string(text)?) }).name("verbatim").await?)
}
