//! `check` and `assert_replay_safe`: what they say of handlers in a test, of the examples, and of random workflows.

use std::path::Path;

use crate::common::workflow::{ANSWERS, Kind, workflow};
use crate::common::{handler, random_cases};
use durawasm_testing::{LocalDurableTestRunner, ReplayReport, ReplayVerdict, TestError, assert_replay_safe};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn example(name: &str) -> LocalDurableTestRunner {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    LocalDurableTestRunner::from_crate(path).unwrap()
}

fn event(example: &str, file: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("events").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The report of a handler that must be deterministic.
fn deterministic(runner: &LocalDurableTestRunner, event: &Value) -> Result<ReplayReport, TestError> {
    let report = block_on(runner.check(event))?;
    assert_eq!(report.verdict, ReplayVerdict::Deterministic, "{report}");
    assert_eq!(report.stalled, None, "{report}");
    let explored = report.explored;
    // On a busy machine a budget of time may leave out a part.
    for [done, of] in [explored.prefixes, explored.crash_points, explored.perturbations] {
        assert!(0 < done && done <= of, "{report}");
    }
    Ok(report)
}

#[test]
fn the_examples_are_deterministic() -> Result<(), TestError> {
    let approved = json!({"approved": true, "by": "kim"});
    let order = example("order").answer("approval", "2h", &approved)?;
    deterministic(&order, &event("order", "good.json"))?;
    deterministic(&order, &event("order", "declined-card.json"))?;
    let approval = example("approval").answer_all("*", "2h", &approved)?;
    deterministic(&approval, &event("approval", "expense.json"))?;
    for (name, file) in [
        ("saga", "good.json"),
        ("saga", "no-car.json"),
        ("poller", "job.json"),
        ("batch-import", "customers.json"),
    ] {
        let report = deterministic(&example(name), &event(name, file))?;
        assert!(report.findings.is_empty(), "{name}: {report}");
    }
    for file in ["regions.json", "one-broken.json"] {
        deterministic(&example("fan-out").function("release"), &event("fan-out", file))?;
    }
    deterministic(&example("function-chain").function("chain"), &event("function-chain", "order.json"))?;
    Ok(())
}

/// Every function of `examples/operations`. `values` draws an id and random numbers between operations.
#[test]
fn the_examples_of_operations_are_deterministic() -> Result<(), TestError> {
    let events = [
        ("step", json!("Ada")),
        ("step-retries", json!(2)),
        ("step-retry-preset", json!(2)),
        ("step-retry-filter", json!("Throttled")),
        ("step-timeout", json!(1)),
        ("step-timeout", json!(60)),
        ("step-at-most-once", json!(null)),
        ("step-serdes", json!(12.999)),
        ("wait", json!(30)),
        ("create-callback", json!(null)),
        ("wait-for-callback", json!(null)),
        ("wait-for-condition", json!(3)),
        ("invoke", json!(21)),
        ("child-context", json!("Ada")),
        ("with-retry", json!(null)),
        ("compensations", json!(null)),
        ("map", json!(["a", "bb", "ccc"])),
        ("parallel", json!(null)),
        ("spawn", json!(null)),
        ("try-join-all", json!(null)),
        ("join-all", json!(null)),
        ("select-ok", json!(null)),
        ("race", json!(null)),
        ("checkpoint-modes", json!(true)),
        ("batch-mode", json!(50)),
        ("logging", json!(null)),
        ("plugin", json!(null)),
        ("values", json!(null)),
    ];
    for (function, event) in events {
        let runner = example("operations").function(function).answer_all("*", "3h", 42)?;
        deterministic(&runner, &event)?;
    }
    Ok(())
}

#[test]
fn a_handler_that_differs_fails_the_test_with_a_diagnosis() {
    let test =
        std::panic::AssertUnwindSafe(|| block_on(assert_replay_safe(&handler("divergent"), &json!(null))));
    let panic = std::panic::catch_unwind(test).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in
        ["tests/check.rs:", "divergent: non-deterministic", "differs at STEP \"live\"", "what to do: "]
    {
        assert!(message.contains(part), "{message}");
    }
    block_on(assert_replay_safe(&handler("child"), &json!(null)));
}

#[test]
fn native_handlers_are_checked_too() {
    use durawasm_guest::{BoxError, DurableContext};
    async fn two(name: String, ctx: DurableContext) -> Result<String, BoxError> {
        ctx.wait(std::time::Duration::from_secs(1)).await?;
        Ok(ctx.step(move |_| async move { Ok(format!("hello, {name}")) }).name("greet").await?)
    }
    let report = block_on(LocalDurableTestRunner::new(two).check("kim".to_owned())).unwrap();
    assert_eq!(report.verdict, ReplayVerdict::Deterministic, "{report}");
    assert_eq!(report.budget.operations, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, ..random_cases(24) })]

    /// Whatever a workflow consists of: no replay and no crash makes a difference. Only the order of completions that are
    /// tied may, where a workflow races.
    #[test]
    fn random_workflows_replay(mut workflow in workflow(Kind::Anywhere), eager in any::<bool>()) {
        // In optimistic mode, what a handler sees before it is on record may rightly differ after a crash.
        workflow[0] = json!({ "mode": u32::from(eager) });
        replays(&workflow)?;
    }
}

/// Fails if the check of a workflow finds more than tied events.
fn replays(workflow: &[Value]) -> Result<(), TestCaseError> {
    let mut runner = handler("workflow");
    for after in ANSWERS {
        runner = runner.answer("outside", after, after).unwrap();
    }
    let report = block_on(runner.check(&workflow)).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(report.verdict <= ReplayVerdict::SandboxDependent, "{report}");
    if let Some(divergence) = &report.divergence {
        prop_assert_eq!(divergence.under.as_str(), "ties", "{}", report);
    }
    prop_assert!(
        !report.findings.iter().any(|finding| finding.kind.as_str() != "value-not-idempotent"),
        "{report}"
    );
    Ok(())
}

/// Workflows that did not replay at one time.
#[test]
fn workflows_that_once_failed_replay() {
    let once_failed = [
        // A step is dropped when another one fails; its body has begun, and its success counts for the rollback.
        json!({"undone": {"after": 1, "fails": [2, 1], "join": 3}}),
        // A step that was interrupted and the code of a context race: the step began first.
        json!({"select_ok": [{"step": {"fails": 0, "once": false}}, "draw"]}),
    ];
    for node in once_failed {
        for mode in [0, 1] {
            let workflow = [json!({"mode": mode}), node.clone()];
            replays(&workflow).unwrap_or_else(|error| panic!("{node} in mode {mode}: {error}"));
        }
    }
}
