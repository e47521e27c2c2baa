//! Output whose last line is not terminated.

use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext, ReplayFilterLayer};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// Event: how it ends, "returns" or "panics". Prints parts of lines between operations, in bodies, before a suspension
/// and at its end, to both streams.
#[allow(clippy::panic, clippy::print_stdout, clippy::print_stderr)]
pub async fn prints_parts(how: String, ctx: DurableContext) -> Result<(), BoxError> {
    print!("one");
    eprint!("first");
    ctx.step(|_| async {
        print!("in a body");
        eprint!("error in a body");
        Ok(())
    })
    .await?;
    print!(", two");
    ctx.wait(Duration::from_secs(1)).await?;
    eprint!("between");
    print!("three");
    ctx.step(|_| async { Ok(()) }).await?;
    print!(" and four");
    if how == "panics" {
        print!(", last words");
        panic!("at the end");
    }
    Ok(())
}

/// Event: whether it fails. The same in a plain function.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub fn plain_prints(fails: bool) -> Result<(), BoxError> {
    print!("no end");
    eprint!("no end of an error");
    if fails { Err("as it was told".into()) } else { Ok(()) }
}

/// Event: whether its subscriber filters. Writes lines with a subscriber of its own, to standard output: one before and
/// one after a wait of 1 second, and one in a body before it. Lines of replays are kept.
pub async fn subscribes(filters: bool, ctx: DurableContext) -> Result<(), BoxError> {
    ctx.keep_replayed_logs(true);
    let lines = || tracing_subscriber::fmt::layer().without_time().with_level(false).with_target(false);
    let registry = tracing_subscriber::registry();
    let _subscriber = if filters {
        tracing::subscriber::set_default(registry.with(lines().with_filter(ReplayFilterLayer::new())))
    } else {
        tracing::subscriber::set_default(registry.with(lines()))
    };
    tracing::info!("before");
    ctx.step(|_| async {
        tracing::info!("in a body");
        Ok(())
    })
    .await?;
    ctx.wait(Duration::from_secs(1)).await?;
    tracing::info!("after");
    Ok(())
}
