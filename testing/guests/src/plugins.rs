//! Handlers with plugins, and what the plugins do.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use durawasm_guest::plugin::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo,
    UserFunctionEndInfo, UserFunctionInfo,
};
use durawasm_guest::{BoxError, DurableContext, Plugin, RetryDecision, StepSemantics};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a plugin does in which of its hooks.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct Trouble {
    /// The hook's name.
    hook: String,
    /// Only for operations of this name.
    #[serde(default)]
    of: Option<String>,
    /// `fails`, `panics`, `exits`, `spins`, `floods` or `sleeps`.
    how: String,
}

/// Event: a [`Trouble`], for plugins; the handler does not look at it. Step `flaky` fails once, and runs again after 1
/// second; step `once` runs at most once; a child `child` with a wait of 1 second and a step `inner`; two steps beside
/// each other. Prints a line before each. Result: the attempts at which the first two steps succeeded, and what the
/// others returned.
pub async fn watched(_event: Trouble, ctx: DurableContext) -> Result<Value, BoxError> {
    println!("before flaky");
    let flaky =
        ctx.step(|step| async move {
            if step.attempt() == 1 { Err("not yet".into()) } else { Ok(step.attempt()) }
        })
        .name("flaky")
        .retry_strategy(|_, _| RetryDecision::Retry { delay: Duration::from_secs(1) })
        .await?;
    println!("before once");
    let once = ctx
        .step(|step| async move { Ok(step.attempt()) })
        .name("once")
        .semantics(StepSemantics::AtMostOncePerRetry)
        .retry_strategy(|_, _| RetryDecision::Stop)
        .await?;
    println!("before child");
    let child = ctx
        .run_in_child_context(|ctx| async move {
            ctx.wait(Duration::from_secs(1)).await?;
            Ok(ctx.step(|_| async { Ok("inner".to_owned()) }).name("inner").await?)
        })
        .name("child")
        .await?;
    let beside = |name: &'static str| {
        ctx.step(move |_| async move { Ok(name.to_owned()) })
            .name(name)
            .semantics(StepSemantics::AtMostOncePerRetry)
    };
    let (left, right) = tokio::join!(beside("left").future(), beside("right").future());
    println!("at the end");
    Ok(json!([flaky, once, child, left?, right?]))
}

/// Event: anything. Two steps, a wait of 1 second and another two steps, each named after the time that the handler
/// sees before it: replays that see another time are not deterministic. Result: the names.
pub async fn clocked(_event: Value, ctx: DurableContext) -> Result<Vec<String>, BoxError> {
    let start = Instant::now();
    let mut names = Vec::new();
    for number in 0..4 {
        let name = format!("{} {:?}", now()?, start.elapsed());
        ctx.step(|_| async { Ok(()) }).name(name.clone()).await?;
        names.push(name);
        if number == 1 {
            ctx.wait(Duration::from_secs(1)).await?;
        }
    }
    Ok(names)
}

/// Prints each hook as a line of JSON.
#[derive(Default)]
pub struct Teller;

fn tell(line: &Value) -> Result<(), BoxError> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn now() -> Result<u64, BoxError> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

impl Plugin for Teller {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        let (operations, updated) = (info.operations().len(), info.updated_operations().len());
        tell(&json!(["invocation", info.is_first_invocation(), operations, updated]))?;
        let since = now()? - info.execution_start_timestamp().as_millis();
        tell(&json!(["since the start", since / 1000, info.request_id(), info.execution_arn()]))
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        let error = info.error().map(ToString::to_string);
        tell(&json!(["end", info.status().as_str(), info.operations().len(), info.result(), error]))
    }

    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        tell(&json!([
            "starts",
            info.name(),
            info.operation_type().as_str(),
            info.sub_type(),
            info.is_replay()
        ]))
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        let error = info.error().and_then(|error| error.error_message());
        let end = info.end_timestamp().ok_or("no end")?;
        tell(&json!(["ends", info.name(), info.status().as_str(), info.attempt(), info.result(), error]))?;
        if end < info.start_timestamp() { Err("it ended before it began".into()) } else { Ok(()) }
    }

    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        let mut updated: Vec<_> = info
            .updated_operations()
            .values()
            .map(|o| format!("{} {}", o.name().unwrap_or(o.operation_type().as_str()), o.status()))
            .collect();
        updated.sort();
        let known = info.updated_operations().keys().all(|id| info.operations().contains_key(id));
        tell(&json!(["change", updated, known, info.operations().len()]))
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        tell(&json!(["runs", info.name(), info.attempt(), info.parent_id().is_some(), info.is_replay()]))
    }

    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        let error = info.error().and_then(|error| error.error_message());
        tell(&json!(["ran", info.name(), info.attempt(), info.outcome().as_str(), error]))
    }
}

/// Does what the event says, in the hook that it says.
#[derive(Default)]
pub struct Troubled(Trouble);

impl Troubled {
    fn hook(&self, hook: &str, name: Option<&str>) -> Result<(), BoxError> {
        if self.0.hook != hook || self.0.of.as_deref().is_some_and(|of| name != Some(of)) {
            return Ok(());
        }
        match self.0.how.as_str() {
            "fails" => return Err(format!("no {hook} today").into()),
            "panics" => panics(hook),
            "exits" => std::process::exit(1),
            "spins" => loop {
                std::hint::spin_loop();
            },
            "floods" => loop {
                println!(
                    "{hook} {hook} {hook} {hook} {hook} {hook} {hook} {hook} {hook} {hook} {hook} {hook}"
                );
            },
            "sleeps" => {
                let start = Instant::now();
                std::thread::sleep(Duration::from_millis(10));
                if start.elapsed() < Duration::from_millis(10) {
                    return Err("the clock stands still".into());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[allow(clippy::panic)] // what it is for
fn panics(hook: &str) {
    panic!("at {hook}");
}

impl Plugin for Troubled {
    fn name(&self) -> &'static str {
        "troubled"
    }

    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0 = serde_json::from_str(info.input()).unwrap_or_default();
        self.hook("on_invocation_start", None)
    }

    fn on_invocation_end(&mut self, _: &InvocationEndInfo) -> Result<(), BoxError> {
        self.hook("on_invocation_end", None)
    }

    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        self.hook("on_operation_start", info.name())
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        self.hook("on_operation_end", info.name())
    }

    fn on_operation_change(&mut self, _: &OperationChangeInfo) -> Result<(), BoxError> {
        self.hook("on_operation_change", None)
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        self.hook("on_user_function_start", info.name())
    }

    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        self.hook("on_user_function_end", info.name())
    }
}

/// Sleeps in every hook, and makes no other trouble.
#[derive(Default)]
pub struct Slow;

fn sleep() -> Result<(), BoxError> {
    let start = now()?;
    std::thread::sleep(Duration::from_secs(7));
    if now()? < start + 7000 { Err("the clock stands still".into()) } else { Ok(()) }
}

impl Plugin for Slow {
    fn on_invocation_start(&mut self, _: &InvocationInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_invocation_end(&mut self, _: &InvocationEndInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_operation_start(&mut self, _: &OperationInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_operation_end(&mut self, _: &OperationEndInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_operation_change(&mut self, _: &OperationChangeInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_user_function_start(&mut self, _: &UserFunctionInfo) -> Result<(), BoxError> {
        sleep()
    }

    fn on_user_function_end(&mut self, _: &UserFunctionEndInfo) -> Result<(), BoxError> {
        sleep()
    }
}
