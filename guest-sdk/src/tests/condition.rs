//! Tests of waits for a condition.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{execute, second};
use crate::builders::JitterStrategy;
use crate::builders::wait_for_condition::{WaitDecision, WaitStrategy};
use crate::serdes::{Serdes, SerdesContext};
use crate::{
    BoxError, OperationError, OperationErrorKind, TypedError, WaitForConditionError,
    WaitForConditionErrorKind,
};

fn condition(error: &OperationError) -> &WaitForConditionError {
    let OperationErrorKind::WaitForCondition(error) = error.kind() else { panic!("{error:#}") };
    error
}

#[test]
fn the_state_is_carried_and_each_check_has_an_invocation() {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let (world, outcome) = execute(|_, ctx| async move {
        let state = ctx
            .wait_for_condition(
                |step, mut seen: Vec<u32>| async move {
                    CHECKS.fetch_add(1, Ordering::Relaxed);
                    seen.push(step.attempt());
                    Ok(seen)
                },
                vec![0],
            )
            .name("collect")
            .wait_strategy_fn(|seen, attempt| match seen.len() {
                4.. => WaitDecision::complete(),
                _ => WaitDecision::continue_with(Duration::from_secs(u64::from(attempt) * 10)),
            })
            .await?;
        ctx.wait(second()).await?;
        Ok(state.into())
    });
    assert_eq!(outcome.unwrap(), "[0,1,2,3]");
    assert_eq!(CHECKS.load(Ordering::Relaxed), 3, "the checks are not repeated by replays");
    let world = world.lock().unwrap();
    assert_eq!(world.invocations, 4);
    assert_eq!(world.records["/1"].name.as_deref(), Some("collect"));
    let passed: Vec<_> = world.passed.iter().map(|(id, seconds)| (id.as_str(), *seconds)).collect();
    assert_eq!(passed, [("/1", 10), ("/1", 20), ("/2", 1)]);
}

#[test]
fn without_a_strategy_there_is_one_check() {
    let (world, outcome) = execute(|_, ctx| async move {
        let done = ctx.wait_for_condition(|_, n: u32| async move { Ok(n + 1) }, 41).await?;
        Ok(done.into())
    });
    assert_eq!(outcome.unwrap(), "42");
    assert_eq!(world.lock().unwrap().invocations, 1);
}

#[test]
fn the_maximum_number_of_checks_fails_the_wait() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let all = std::sync::Arc::clone(&seen);
    let (world, outcome) = execute(move |_, ctx| {
        let seen = std::sync::Arc::clone(&seen);
        async move {
            let strategy = WaitStrategy::builder(|n: &u32| *n > 100)
                .max_attempts(3)
                .initial_delay(Duration::from_secs(2))
                .backoff_rate(3.0)
                .jitter(JitterStrategy::None)
                .build();
            let wait = ctx.wait_for_condition(|_, n: u32| async move { Ok(n + 1) }, 0);
            let error = wait.wait_strategy(strategy).await.unwrap_err();
            let WaitForConditionErrorKind::MaxChecksExceeded(details) = condition(&error).kind() else {
                panic!("{error:#}")
            };
            seen.lock().unwrap().push(format!("{} {error:#} {:?}", details.checks(), error.wire()));
            ctx.wait(second()).await?;
            Err(error.into())
        }
    });
    let error = outcome.unwrap_err();
    assert!(
        error.starts_with("WaitForCondition.MaxChecksExceeded: operation error: wait_for_condition"),
        "{error}"
    );
    let seen = all.lock().unwrap();
    assert!(
        seen[0].starts_with("3 operation error: wait_for_condition: max checks exceeded: 3"),
        "{}",
        seen[0]
    );
    assert!(seen[0].contains("the condition was not met in 3 of 3 checks"), "{}", seen[0]);
    assert_eq!((seen.len(), &seen[0]), (2, &seen[1]), "the same on a replay");
    let passed: Vec<u64> = world.lock().unwrap().passed.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(passed, [2, 6, 1]);
}

#[test]
fn a_failed_check_is_not_retried() {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let (world, outcome) = execute(|_, ctx| async move {
        let error = ctx
            .wait_for_condition(
                |_, n: u32| async move {
                    if CHECKS.fetch_add(1, Ordering::Relaxed) == 1 {
                        return Err(TypedError::with_type("Unreachable", "no route").into());
                    }
                    Ok(n)
                },
                0,
            )
            .wait_strategy_fn(|_, _| WaitDecision::continue_with(Duration::ZERO))
            .await
            .unwrap_err();
        assert!(matches!(condition(&error).kind(), WaitForConditionErrorKind::CheckFailed));
        assert_eq!(error.status(), Some("FAILED"));
        Err(error.into())
    });
    let message = "operation error: wait_for_condition: check failed: Unreachable: no route";
    assert_eq!(outcome.unwrap_err(), format!("Unreachable: {message}"));
    assert_eq!((CHECKS.load(Ordering::Relaxed), world.lock().unwrap().invocations), (2, 2));

    let (_, outcome) = execute(|_, ctx| async move {
        Ok(ctx.wait_for_condition(|_, ()| async { Err("plain".into()) }, ()).await.map(|()| Value::Null)?)
    });
    assert!(outcome.unwrap_err().starts_with("WaitForConditionError: "), "an error without a name");
}

/// Serializes numbers in unary.
struct Strokes;

impl Serdes<usize> for Strokes {
    async fn serialize(&self, n: usize, _: SerdesContext) -> Result<String, BoxError> {
        if n == 3 {
            return Err("three is not to be written".into());
        }
        Ok("|".repeat(n))
    }

    async fn deserialize(&self, wire: String, _: SerdesContext) -> Result<usize, BoxError> {
        if wire.len() == 5 {
            return Err("five is not to be read".into());
        }
        Ok(wire.len())
    }
}

#[test]
fn a_state_that_cannot_be_serialized_is_an_error_and_never_reset() {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let (_, outcome) = execute(|_, ctx| async move {
        let mut errors = Vec::new();
        for (initial, step) in [(1, 1), (3, 2)] {
            let error = ctx
                .wait_for_condition(
                    move |_, n: usize| async move {
                        CHECKS.fetch_add(1, Ordering::Relaxed);
                        Ok(n + step)
                    },
                    initial,
                )
                .serdes(Strokes)
                .wait_strategy_fn(|n, _| {
                    assert_ne!(n, 0);
                    WaitDecision::continue_with(Duration::ZERO)
                })
                .await
                .unwrap_err();
            assert!(
                matches!(condition(&error).kind(), WaitForConditionErrorKind::SerializationFailed),
                "{error:#}"
            );
            assert_eq!(error.wire().unwrap().error_type(), Some("SerializationError"));
            errors.push(format!("{error:#}"));
        }
        ctx.wait(second()).await?;
        Ok(json!(errors))
    });
    let errors: Vec<String> = serde_json::from_str(&outcome.unwrap()).unwrap();
    assert!(errors[0].ends_with("three is not to be written"), "{}", errors[0]);
    assert!(errors[1].ends_with("state deserialization failed: five is not to be read"), "{}", errors[1]);
    assert_eq!(CHECKS.load(Ordering::Relaxed), 3, "what a check found is on record, if only as an error");
}

#[test]
fn a_check_that_can_never_complete_is_an_error() {
    let (_, outcome) = execute(|_, ctx| async move {
        let _hour = ctx.wait(Duration::from_hours(1)).spawn();
        ctx.wait_for_condition(|_, ()| std::future::pending(), ()).await?;
        Ok(Value::Null)
    });
    assert!(outcome.unwrap_err().starts_with("StepStalled: "));
}

#[test]
fn delays_are_whole_seconds_and_rounded_up() {
    let strategy = |jitter| {
        WaitStrategy::builder(|met: &bool| *met)
            .max_attempts(u32::MAX)
            .initial_delay(Duration::from_millis(2100))
            .max_delay(Duration::from_secs(9))
            .backoff_rate(2.0)
            .jitter(jitter)
            .build()
    };
    let seconds = |strategy: &WaitStrategy<bool>, attempt| match strategy.decide(
        &false,
        attempt,
        crate::policy::JitterSeed::any,
    ) {
        WaitDecision::Continue { delay } => delay.as_secs(),
        other => panic!("{other:?}"),
    };
    let exact = strategy(JitterStrategy::None);
    assert_eq!([1, 2, 3, 4, 9999].map(|n| seconds(&exact, n)), [3, 5, 9, 9, 9]);
    let half = strategy(JitterStrategy::Half);
    let full = strategy(JitterStrategy::Full);
    for attempt in 1..200 {
        let most = seconds(&exact, attempt);
        assert!((most.div_ceil(2)..=most).contains(&seconds(&half, attempt)));
        assert!((1..=most).contains(&seconds(&full, attempt)));
    }
    assert_eq!(
        exact.decide(&true, u32::MAX, crate::policy::JitterSeed::any),
        WaitDecision::Complete,
        "met at the last check is met"
    );
    assert!(matches!(
        exact.decide(&false, u32::MAX, crate::policy::JitterSeed::any),
        WaitDecision::Exhausted { .. }
    ));
}
