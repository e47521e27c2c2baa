//! Tests of plugins: which hooks are called, in which order, and that they do not affect the execution.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::fake::run;
use super::{Shared, second};
use crate::entry::Function;
use crate::plugin::{
    InvocationEndInfo, InvocationInfo, OperationChangeInfo, OperationEndInfo, OperationInfo, Operations,
    UserFunctionEndInfo, UserFunctionInfo,
};
use crate::{
    BoxError, CheckpointMode, DurableContext, Options, OptionsBuilder, Plugin, RetryDecision, TypedError,
};

type Journal = Arc<Mutex<Vec<String>>>;

/// Writes down all calls of hooks.
struct Scribe {
    world: Shared,
    journal: Journal,
}

impl Scribe {
    fn note(&self, line: String) -> Result<(), BoxError> {
        if !self.world.lock().unwrap().observed.in_observer_section {
            return Err("a hook outside of an observer section".into());
        }
        self.journal.lock().unwrap().push(line);
        Ok(())
    }
}

fn ids(operations: &Operations) -> String {
    operations.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn replayed(is_replay: bool) -> &'static str {
    if is_replay { " again" } else { "" }
}

impl Plugin for Scribe {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        assert_eq!((info.execution_arn(), info.execution_start_timestamp().as_millis()), ("arn:test", 0));
        assert_eq!(info.input(), "null");
        assert_eq!(info.is_first_invocation(), info.request_id() == "1");
        let updated = ids(info.updated_operations());
        self.note(format!(
            "invocation {} [{}] updated [{updated}]",
            info.request_id(),
            ids(info.operations())
        ))
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        let error = info.error().map(ToString::to_string);
        let what = info.result().map(str::to_owned).or(error).unwrap_or_default();
        self.note(format!(
            "end of {} [{}] {} {what}",
            info.request_id(),
            ids(info.operations()),
            info.status()
        ))
    }

    fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
        let name = info.name().unwrap_or(info.id());
        self.note(format!("  {name} starts{} {}", replayed(info.is_replay()), info.status()))
    }

    fn on_operation_end(&mut self, info: &OperationEndInfo) -> Result<(), BoxError> {
        let name = info.name().unwrap_or(info.id());
        let error = info.error().and_then(|error| error.error_message());
        let what = info.result().or(error).unwrap_or("nothing");
        assert!(info.end_timestamp().is_some());
        self.note(format!("  {name} ends{} {} {what}", replayed(info.is_replay()), info.status()))
    }

    fn on_operation_change(&mut self, info: &OperationChangeInfo) -> Result<(), BoxError> {
        let updated = info.updated_operations();
        assert!(updated.keys().all(|id| info.operations().contains_key(id)));
        let change: Vec<_> = updated.values().map(|o| format!("{}={}", o.id(), o.status())).collect();
        self.note(format!("  change {} of [{}]", change.join(" "), ids(info.operations())))
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        let attempt = info.attempt().map(|attempt| format!(" #{attempt}")).unwrap_or_default();
        let parent = info.parent_id().map(|id| format!(" in {id}")).unwrap_or_default();
        self.note(format!("    {}{attempt} runs{}{parent}", info.id(), replayed(info.is_replay())))
    }

    fn on_user_function_end(&mut self, info: &UserFunctionEndInfo) -> Result<(), BoxError> {
        let attempt = info.attempt().map(|attempt| format!(" #{attempt}")).unwrap_or_default();
        let error = info.error().map(|error| format!(" {error}")).unwrap_or_default();
        self.note(format!("    {}{attempt} {}{error}", info.id(), info.outcome()))
    }
}

/// Runs a handler with these options.
fn with_options<F, Fut>(
    world: &Shared,
    options: impl Fn() -> OptionsBuilder + Clone + Send + Sync + 'static,
    handler: F,
) -> Result<String, String>
where
    F: Fn(Value, DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let function = || Function::durable("test", handler.clone()).with_options(options.clone());
    run(world, function, "null").map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

/// Runs a handler with a plugin that writes down calls, and returns what it has written.
fn watched<F, Fut>(handler: F) -> (Shared, Result<String, String>, Vec<String>)
where
    F: Fn(Value, DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let (world, journal) = (Shared::default(), Journal::default());
    let scribe = {
        let (world, journal) = (Arc::clone(&world), Arc::clone(&journal));
        move || Scribe { world: Arc::clone(&world), journal: Arc::clone(&journal) }
    };
    let outcome = with_options(&world, move || Options::builder().plugin(scribe()), handler);
    assert_eq!(world.lock().unwrap().observed.warnings, [""; 0]);
    let lines = std::mem::take(&mut *journal.lock().unwrap());
    (world, outcome, lines)
}

#[test]
fn hooks_follow_a_retry_a_child_and_a_suspension() {
    let (_, outcome, lines) = watched(|_, ctx| async move {
        let flaky = ctx.step(|step| async move {
            if step.attempt() == 1 { Err("not yet".into()) } else { Ok(step.attempt()) }
        });
        let retry = |_: &_, _| RetryDecision::Retry { delay: second() };
        flaky.name("flaky").retry_strategy(retry).await?;
        let child = ctx.run_in_child_context(|ctx| async move {
            ctx.wait(second()).await?;
            Ok(ctx.step(|_| async { Ok(7) }).await?)
        });
        Ok(child.name("child").await?.into())
    });
    assert_eq!(outcome.unwrap(), "7");
    let expected = [
        "invocation 1 [] updated []",
        "  flaky starts STARTED",
        "    /1 #1 runs",
        "    /1 #1 FAILED Error: not yet",
        "  change /1=PENDING of [/1]",
        "end of 1 [/1] PENDING ",
        "invocation 2 [/1] updated [/1]",
        "  flaky starts again READY",
        "    /1 #2 runs again",
        "    /1 #2 SUCCEEDED",
        "  change /1=SUCCEEDED of [/1]",
        "  flaky ends SUCCEEDED 2",
        "  child starts STARTED",
        "    /2 runs",
        "  /2/1 starts STARTED",
        "  change /2=STARTED /2/1=STARTED of [/1 /2 /2/1]",
        "    /2 INCOMPLETE",
        "end of 2 [/1 /2 /2/1] PENDING ",
        "invocation 3 [/1 /2 /2/1] updated [/2/1]",
        "  child starts again STARTED",
        "    /2 runs again",
        "  /2/1 ends again SUCCEEDED nothing",
        "  /2/2 starts STARTED",
        "    /2/2 #1 runs in /2",
        "    /2/2 #1 SUCCEEDED",
        "  change /2/2=SUCCEEDED of [/1 /2 /2/1 /2/2]",
        "  /2/2 ends SUCCEEDED 7",
        "    /2 SUCCEEDED",
        "  change /2=SUCCEEDED of [/1 /2 /2/1 /2/2]",
        "  child ends SUCCEEDED 7",
        "end of 3 [/1 /2 /2/1 /2/2] SUCCEEDED 7",
    ];
    assert_eq!(lines, expected, "{}", lines.join("\n"));
}

#[test]
fn failures_and_incomplete_functions_are_reported() {
    let (_, outcome, lines) = watched(|_, ctx| async move {
        let left = ctx.run_in_child_context(|ctx| async move { Ok(ctx.wait(second()).await?) }).spawn();
        let fails = ctx.step(|_| async { Err::<(), _>(TypedError::with_type("Declined", "boom").into()) });
        let failed = fails.retry_strategy(|_, _| RetryDecision::Stop).await;
        drop(left);
        failed?;
        Ok(Value::Null)
    });
    assert!(outcome.unwrap_err().starts_with("Declined: "));
    let expected = [
        "invocation 1 [] updated []",
        "  /2 starts STARTED",
        "    /2 #1 runs",
        "    /2 #1 FAILED Declined: Declined: boom",
        "  /1 starts STARTED",
        "    /1 runs",
        "  /1/1 starts STARTED",
        "  change /1=STARTED /1/1=STARTED /2=FAILED of [/1 /1/1 /2]",
        "  /2 ends FAILED Declined: boom",
        "    /1 INCOMPLETE",
    ];
    assert_eq!(lines[..lines.len() - 1], expected, "{}", lines.join("\n"));
    assert!(lines[lines.len() - 1].starts_with("end of 1 [/1 /1/1 /2] FAILED Declined: "), "{lines:?}");
}

#[test]
fn inner_functions_end_before_outer_ones() {
    let (_, outcome, lines) = watched(|_, ctx| async move {
        let outer = ctx.run_in_child_context(|ctx| async move {
            let inner = ctx.run_in_child_context(|ctx| async move { Ok(ctx.wait(second()).await?) });
            Ok(inner.await?)
        });
        Ok(outer.await.map(|()| Value::Null)?)
    });
    outcome.unwrap();
    let at = lines.iter().position(|line| line.contains("INCOMPLETE")).unwrap();
    assert_eq!(lines[at..at + 2], ["    /1/1 INCOMPLETE", "    /1 INCOMPLETE"]);
    assert!(lines[at + 2].ends_with("PENDING "), "{lines:?}");
}

#[test]
fn changes_sent_at_the_end_are_reported_before_the_end() {
    let (world, journal) = (Shared::default(), Journal::default());
    let scribe = Scribe { world: Arc::clone(&world), journal: Arc::clone(&journal) };
    let scribe = Arc::new(Mutex::new(Some(scribe)));
    let options = move || {
        let scribe = scribe.lock().unwrap().take().unwrap();
        Options::builder().plugin(scribe).checkpoint_mode(CheckpointMode::Optimistic)
    };
    let handler =
        |_: Value, ctx: DurableContext| async move { Ok(ctx.step(|_| async { Ok(1) }).await?.into()) };
    with_options(&world, options, handler).unwrap();
    let lines = journal.lock().unwrap();
    let expected = ["  change /1=SUCCEEDED of [/1]", "  /1 ends SUCCEEDED 1", "end of 1 [/1] SUCCEEDED 1"];
    assert_eq!(lines[lines.len() - 3..], expected);
}

#[test]
fn a_completion_that_the_handler_does_not_reach_is_reported_at_the_end() {
    let (_, outcome, lines) = watched(|_, ctx| async move {
        // Called first, but not started in the second invocation, in which the other has already ended.
        let other = ctx.wait(second());
        if ctx.is_replaying() {
            return Ok(Value::Null);
        }
        other.await?;
        Ok(Value::Null)
    });
    outcome.unwrap();
    let expected = [
        "invocation 2 [/1] updated [/1]",
        "  /1 ends again SUCCEEDED nothing",
        "end of 2 [/1] SUCCEEDED null",
    ];
    assert_eq!(lines[lines.len() - 3..], expected);
}

#[test]
fn without_hooks_plugins_change_nothing() {
    struct Nothing;
    impl Plugin for Nothing {}
    let handler = |_: Value, ctx: DurableContext| async move {
        let both = tokio::join!(ctx.wait(second()), ctx.step(|_| async { Ok(1) }));
        Ok(both.1?.into())
    };
    let records = |options: fn() -> OptionsBuilder| {
        let world = Shared::default();
        let outcome = with_options(&world, options, handler);
        let world = world.lock().unwrap();
        let records = world
            .records
            .iter()
            .map(|(id, r)| format!("{id} {} {:?}", r.kind, r.outcome))
            .collect::<Vec<_>>();
        (outcome, records, world.invocations, world.checkpoints)
    };
    assert_eq!(records(|| Options::builder().plugin(Nothing)), records(Options::builder));
}

#[test]
fn plugins_fail_without_consequences_and_are_all_called() {
    struct Fails(Journal);
    impl Plugin for Fails {
        fn name(&self) -> &'static str {
            "fails"
        }
        fn on_invocation_start(&mut self, _: &InvocationInfo) -> Result<(), BoxError> {
            self.0.lock().unwrap().push("fails".to_owned());
            Err(TypedError::with_type("Lost", "no collector").into())
        }
        fn on_operation_start(&mut self, _: &OperationInfo) -> Result<(), BoxError> {
            panic!("at {}", "once")
        }
    }
    struct Works(Journal);
    impl Plugin for Works {
        fn on_invocation_start(&mut self, _: &InvocationInfo) -> Result<(), BoxError> {
            self.0.lock().unwrap().push("works".to_owned());
            Ok(())
        }
        fn on_operation_start(&mut self, info: &OperationInfo) -> Result<(), BoxError> {
            self.0.lock().unwrap().push(info.operation_type().to_string());
            Ok(())
        }
    }
    let (world, journal) = (Shared::default(), Journal::default());
    let kept = Arc::clone(&journal);
    let options =
        move || Options::builder().plugin(Fails(Arc::clone(&kept))).plugin(Works(Arc::clone(&kept)));
    let outcome = with_options(&world, options.clone(), |_, ctx| async move {
        Ok(ctx.step(|_| async { Ok(1) }).await?.into())
    });
    assert_eq!(outcome.unwrap(), "1");
    assert_eq!(*journal.lock().unwrap(), ["fails", "works", "STEP"]);
    let expected = [
        "plugin fails failed in on_invocation_start, and is ignored: Lost: no collector",
        "plugin fails failed in on_operation_start, and is ignored: it panicked: at once",
    ];
    assert_eq!(world.lock().unwrap().observed.warnings, expected);
    journal.lock().unwrap().clear();
    let world = Shared::default();
    world.lock().unwrap().observed.off = true;
    with_options(&world, options, |_, ctx| async move { Ok(ctx.step(|_| async { Ok(1) }).await?.into()) })
        .unwrap();
    assert!(journal.lock().unwrap().is_empty());
}

#[test]
fn options_are_applied_or_fail_the_execution() {
    let mode =
        |_: Value, ctx: DurableContext| async move { Ok(format!("{:?}", ctx.checkpoint_mode()).into()) };
    let eager = || Options::builder().checkpoint_mode(CheckpointMode::Eager);
    assert_eq!(with_options(&Shared::default(), eager, mode).unwrap(), "\"Eager\"");
    let wrong = move || eager().checkpoint_batching(true);
    let error = with_options(&Shared::default(), wrong, mode).unwrap_err();
    assert!(error.starts_with("InvalidOptions: invalid options: checkpoint_mode says Eager"), "{error}");
}
