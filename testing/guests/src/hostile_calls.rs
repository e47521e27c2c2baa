//! Handlers that use the contract past the SDK: in a wrong order, or with arguments that the SDK does not pass.

use std::hint::black_box;

use durawasm_guest::{BoxError, DurableContext};
use serde_json::Value;

use raw::durawasm::durable::{
    observing,
    operations::{
        ChildContext, ChildResult, ChildState, Context, Identity, Step, StepOptions, StepSemantics,
    },
    types::ErrorObject,
};
use raw::wasi::io::poll;

/// The imports as they are.
#[expect(clippy::pedantic, reason = "generated")]
mod raw {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package durawasm:hostile;
            world past-the-sdk {
                import durawasm:durable/operations@0.1.0;
                import durawasm:durable/observing@0.1.0;
            }
        ",
        generate_all,
    });
}

/// Event: how many pollables, and how often. Polls a few that are ready, as often in the list as asked for. Result:
/// how often.
pub async fn polls_long_lists(event: (usize, u32), _ctx: DurableContext) -> Result<u32, BoxError> {
    let (length, times) = event;
    let step = raw_step(StepSemantics::AtLeastOncePerRetry)?;
    // A handle can be lent 65,535 times in one call.
    let ready: Vec<_> = (0..=length / 60_000).map(|_| step.subscribe()).collect();
    let list: Vec<_> = ready.iter().cycle().take(length).collect();
    for _ in 0..times {
        black_box(poll::poll(&list));
    }
    step.succeed(None);
    Ok(times)
}

/// Event: how many frames. A step fails with an error of as many frames of 100 bytes. Result: the same number.
pub async fn fails_with_frames(frames: usize, _ctx: DurableContext) -> Result<usize, BoxError> {
    let step = raw_step(StepSemantics::AtLeastOncePerRetry)?;
    step.fail(&ErrorObject {
        message: Some("deep".to_owned()),
        error_type: None,
        data: None,
        stack_trace: vec!["x".repeat(100); frames],
    });
    Ok(frames)
}

fn raw_step(semantics: StepSemantics) -> Result<Step, BoxError> {
    let options = StepOptions { semantics, timeout_ms: None };
    Context::root().step(&identity(), options).map_err(|error| error.reason.into())
}

fn at_least_once() -> StepOptions {
    StepOptions { semantics: StepSemantics::AtLeastOncePerRetry, timeout_ms: None }
}

fn identity() -> Identity {
    Identity { position: None, name: None, sub_type: None }
}

/// Event: which rule of the contract to break. Never returns if the host notices.
pub async fn breaks_the_contract(rule: String, _ctx: DurableContext) -> Result<(), BoxError> {
    let step = || raw_step(StepSemantics::AtLeastOncePerRetry);
    match rule.as_str() {
        "enter a step that is over" => {
            let step = step()?;
            step.enter();
            step.succeed(None);
            step.next();
            step.enter();
        }
        "enter a step that is being closed" => {
            let step = step()?;
            step.succeed(None);
            step.enter();
        }
        "enter a step that waits" => {
            let step = raw_step(StepSemantics::AtMostOncePerRetry)?;
            step.enter();
        }
        "enter twice" => {
            let step = step()?;
            step.enter();
            step.enter();
        }
        "enter another" => {
            let (one, other) = (step()?, step()?);
            one.enter();
            other.enter();
        }
        "leave twice" => {
            let step = step()?;
            step.enter();
            step.leave();
            step.leave();
        }
        "leave another" => {
            let (one, other) = (step()?, step()?);
            one.enter();
            other.leave();
        }
        "leave after the end" => {
            let step = step()?;
            step.enter();
            step.succeed(None);
            step.leave();
        }
        "close another" => {
            let (one, other) = (step()?, step()?);
            one.enter();
            other.succeed(None);
        }
        "retry another" => {
            let (one, other) = (step()?, step()?);
            one.enter();
            let error = ErrorObject { error_type: None, message: None, data: None, stack_trace: Vec::new() };
            drop(other.retry(&error, 1));
        }
        "close a child in a body" => {
            let one = step()?;
            let child = Context::root().child(&identity()).map_err(|error| error.reason)?;
            one.enter();
            child.succeed(&ChildResult::Inline(None));
        }
        "enter a condition twice" => {
            let condition = Context::root().condition(&identity(), "1").map_err(|error| error.reason)?;
            condition.enter();
            condition.enter();
        }
        "enter a hook twice" => {
            observing::enter();
            observing::enter();
        }
        "leave a hook twice" => {
            observing::enter();
            observing::leave();
            observing::leave();
        }
        "begin twice" => {
            observing::begin();
            observing::begin();
        }
        "poll nothing" => {
            poll::poll(&[]);
        }
        "close twice" => {
            let step = step()?;
            step.succeed(None);
            step.succeed(None);
        }
        "start in a context that is over" => {
            let child = Context::root().child(&identity()).map_err(|error| error.reason)?;
            let over = is_done(&child);
            let inner = child.context().step(&identity(), at_least_once()).map_err(|error| error.reason)?;
            inner.succeed(None);
            if !over {
                child.succeed(&ChildResult::Inline(None));
            }
            let _slept = Context::root().wait(&identity(), 1).map_err(|error| error.reason)?.finish();
        }
        other => return Err(format!("{other:?} is no rule").into()),
    }
    Ok(())
}

fn is_done(child: &ChildContext) -> bool {
    loop {
        match child.state() {
            ChildState::Done(_) => return true,
            ChildState::Run | ChildState::Rebuild(_) => return false,
            ChildState::Pending => {
                child.next();
            }
        }
    }
}

/// Event: anything. A child context with a step, then a wait of a second; the replay opens a scope without an operation
/// at the child's place, and starts a step in it.
pub async fn opens_a_scope_over_a_child(_event: Value, ctx: DurableContext) -> Result<(), BoxError> {
    let root = Context::root();
    if ctx.is_replaying() {
        let flat = root.flat(Some(1));
        flat.step(&identity(), at_least_once()).map_err(|error| error.reason)?.succeed(None);
    } else {
        let child = root.child(&identity()).map_err(|error| error.reason)?;
        let step = child.context().step(&identity(), at_least_once()).map_err(|error| error.reason)?;
        step.succeed(None);
        child.succeed(&ChildResult::Inline(None));
    }
    let _slept = root.wait(&identity(), 1).map_err(|error| error.reason)?.finish();
    Ok(())
}
