//! Tests of values that can be serialized but not deserialized: their failure is recorded, on the first run as on a
//! replay.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batches::everywhere;
use super::{execute, second};
use crate::builders::map_parallel::NestingMode;
use crate::{BoxError, DurableContext, DurableFuture, OperationError, Settled};

/// Deserializes less than it serializes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
struct Small(u32);

impl TryFrom<u32> for Small {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number < 10 { Ok(Self(number)) } else { Err(format!("{number} is not small")) }
    }
}

type Outcomes<T> = Vec<(&'static str, Result<T, OperationError>)>;

/// The value as the result of each kind of operation.
async fn outcomes<T>(ctx: &DurableContext, value: T) -> Outcomes<T>
where
    T: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    let one = |values: Result<Vec<T>, OperationError>| values.map(|values| values[0].clone());
    let mut all = Outcomes::new();
    let made = value.clone();
    all.push(("step", ctx.step(move |_| async move { Ok(made) }).await));
    let made = value.clone();
    all.push(("child", ctx.run_in_child_context(move |_| async move { Ok(made) }).await));
    let made = value.clone();
    all.push(("with_retry", {
        let block = ctx.with_retry(move |_| {
            let made = made.clone();
            async move { Ok(made) }
        });
        block.retry_strategy(|_, _| crate::RetryDecision::Stop).await
    }));
    for nesting in [NestingMode::Normal, NestingMode::Flat] {
        let map = ctx.map([value.clone()], |_, item, _| async move { Ok(item) }).nesting(nesting);
        all.push(("map", one(map.await)));
    }
    let made = value.clone();
    all.push((
        "condition",
        ctx.wait_for_condition(
            move |_, _| {
                let made = made.clone();
                async move { Ok(made) }
            },
            value,
        )
        .await,
    ));
    all
}

/// The value through each combinator, with an input type that accepts it.
async fn combined<T>(ctx: &DurableContext, value: T) -> Outcomes<T>
where
    T: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    let input = || {
        let value = value.clone();
        DurableFuture::started(async move { Ok(value) })
    };
    let one = |values: Vec<T>| values[0].clone();
    let join_all = ctx.join_all([input()]).await.and_then(|mut all| match all.pop() {
        Some(Settled::Fulfilled(value)) => Ok(value),
        Some(Settled::Rejected(error)) => Err(error),
        None => panic!("nothing is settled"),
    });
    vec![
        ("try_join_all", ctx.try_join_all([input()]).await.map(one)),
        ("join_all", join_all),
        ("select_ok", ctx.select_ok([input()]).await),
        ("race", ctx.race([input()]).await),
    ]
}

fn refusals<T: std::fmt::Debug>(outcomes: Outcomes<T>) -> Value {
    let refused = |(name, outcome): (&str, Result<T, OperationError>)| {
        let error = outcome.expect_err(name);
        let wire = error.wire().unwrap_or_else(|| panic!("{name} has no record: {error:#}"));
        json!([name, wire.error_type(), wire.error_message()])
    };
    outcomes.into_iter().map(refused).collect()
}

#[test]
fn a_value_that_cannot_be_deserialized_is_recorded_as_a_failure() {
    let (outcome, world) = everywhere(|ctx| async move {
        let mut all = vec![
            refusals(outcomes(&ctx, f64::NAN).await),
            refusals(outcomes(&ctx, Some(f32::INFINITY)).await),
            refusals(outcomes(&ctx, Small(10)).await),
        ];
        all.push(refusals(combined(&ctx, Some(f64::NAN)).await));
        all.push(refusals(combined(&ctx, Small(10)).await));
        ctx.wait(second()).await?;
        Ok(all.into())
    });
    for refusals in outcome.unwrap().as_array().unwrap() {
        for refusal in refusals.as_array().unwrap() {
            // For a block, the failure is in the record of its attempt.
            let error_type = if refusal[0] == "with_retry" { "ChildFnError" } else { "SerializationError" };
            assert_eq!(refusal[1], error_type, "{refusal}");
            let message = refusal[2].as_str().unwrap();
            assert!(message.contains("JSON cannot hold") || message.contains("10 is not small"), "{refusal}");
        }
    }
    let world = world.lock().unwrap();
    assert!(!world.lines().is_empty());
}

#[test]
fn the_result_of_an_execution_is_checked_too() {
    let (_, outcome) = execute(|_, _| async { Ok(Value::Null) });
    assert_eq!(outcome.unwrap(), "null");
    let function = || {
        crate::entry::Function::durable("test", |_: Value, _| async {
            Ok::<_, BoxError>(json_like(vec![1.0, f64::NAN]))
        })
    };
    let error = super::fake::run(&Arc::default(), function, "null").unwrap_err();
    assert_eq!(error.to_string(), "SerializationError: numbers[1] is NaN, which JSON cannot hold");
}

fn json_like(numbers: Vec<f64>) -> HashMapped {
    HashMapped { numbers }
}

#[derive(Serialize)]
struct HashMapped {
    numbers: Vec<f64>,
}

#[test]
fn a_join_supports_wide_integers_and_numeric_keys() {
    let (outcome, _) = everywhere(|ctx| async move {
        let wide = combined(&ctx, (u128::MAX, i128::MIN)).await;
        assert!(wide.into_iter().all(|(_, outcome)| outcome.unwrap() == (u128::MAX, i128::MIN)));
        let keyed = HashMap::from([(7_u32, true)]);
        assert!(
            combined(&ctx, keyed.clone()).await.into_iter().all(|(_, outcome)| outcome.unwrap() == keyed)
        );
        assert!(combined(&ctx, ()).await.into_iter().all(|(_, outcome)| outcome.is_ok()));
        ctx.wait(second()).await?;
        Ok(Value::Null)
    });
    outcome.unwrap();
}
