//! Tests of invocations of other functions.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fake::{World, run};
use super::second;
use crate::entry::Function;
use crate::runtime::{EndStatus, Outcome};
use crate::serdes::{PayloadOrigin, Serdes, SerdesContext};
use crate::{BoxError, DurableContext, InvokeErrorKind, OperationError, OperationErrorKind, WireError};

/// Runs a handler whose invokes with these names end as given.
fn execute<F, Fut>(answers: &[(&str, Outcome)], handler: F) -> (Arc<Mutex<World>>, Outcome)
where
    F: Fn(Value, DurableContext) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let answers = answers.iter().map(|(name, outcome)| ((*name).to_owned(), outcome.clone())).collect();
    // Each end has its own name in these tests.
    let ends =
        [("late", EndStatus::TimedOut), ("ended", EndStatus::Stopped), ("dropped", EndStatus::Cancelled)];
    let ends = ends.map(|(name, end)| (name.to_owned(), end)).into();
    let mut world = World::default();
    (world.answers, world.ends) = (answers, ends);
    let world = Arc::new(Mutex::new(world));
    let outcome = run(&world, || Function::durable("test", handler.clone()), "null");
    (world, outcome)
}

fn kind(error: &OperationError) -> &InvokeErrorKind {
    let OperationErrorKind::Invoke(error) = error.kind() else { panic!("{error:#}") };
    error.kind()
}

#[test]
fn an_invoke_passes_the_payload_and_returns_the_result() {
    let price = [("ask", Ok(Some("[7]".to_owned())))];
    let (world, outcome) = execute(&price, |_, ctx| async move {
        let invoke = ctx.invoke::<Vec<u32>, _>("price", json!({"sku": 1}));
        let prices = invoke.name("ask").tenant_id("blue").await?;
        ctx.wait(second()).await?;
        Ok(prices.into())
    });
    assert_eq!(outcome.unwrap().unwrap(), "[7]");
    let world = world.lock().unwrap();
    assert_eq!(world.invocations, 3);
    let record = &world.records["/1"];
    assert_eq!((record.kind, record.name.as_deref()), ("invoke", Some("ask")));
    let (options, payload) = record.invoke.as_ref().unwrap();
    assert_eq!((options.function_name.as_str(), options.tenant_id.as_deref()), ("price", Some("blue")));
    assert_eq!(payload.as_deref(), Some("{\"sku\":1}"));
}

#[test]
fn a_function_without_a_result_returns_null() {
    let (_, outcome) = execute(&[("quiet", Ok(None))], |_, ctx| async move {
        ctx.invoke::<(), _>("target", ()).name("quiet").spawn().await?;
        Ok(Value::Null)
    });
    assert_eq!(outcome.unwrap().unwrap(), "null");
}

#[test]
fn each_end_status_has_its_own_error() {
    let missing = "ResourceNotFoundException";
    let ends = [
        ("failed", "Declined", "FAILED", "function failed"),
        ("late", "Execution.Timeout", "TIMED_OUT", "function failed"),
        ("ended", missing, "STOPPED", "function failed"),
        ("dropped", "Cancelled", "CANCELLED", "function failed"),
        ("missing", missing, "FAILED", "function not found: target"),
    ];
    for (name, error_type, status, text) in ends {
        let error = WireError::from_parts(
            Some(error_type.to_owned()),
            Some("told why".to_owned()),
            Some("{\"code\":5}".to_owned()),
            vec!["at pay".to_owned()],
        );
        let (_, outcome) = execute(&[(name, Err(error))], move |_, ctx| async move {
            let error = ctx.invoke::<u32, _>("target", 1).name(name).await.unwrap_err();
            assert_eq!((error.status(), error.operation_id()), (Some(status), Some("/1")));
            let expected = format!("operation error: invoke: {text}: told why");
            assert_eq!(format!("{error:#}"), expected);
            match kind(&error) {
                InvokeErrorKind::FunctionNotFound(details) => assert_eq!(details.function_id(), "target"),
                InvokeErrorKind::FunctionFailed => {}
                InvokeErrorKind::SerializationFailed => panic!("{error:#}"),
            }
            Err(error.into())
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.error_type(), Some(error_type), "the type survives");
        assert_eq!(error.error_data(), Some("{\"code\":5}"));
        assert_eq!(error.stack_trace(), ["at pay"]);
    }
}

/// Serializes text between pipes.
struct Piped;

impl Serdes<String> for Piped {
    async fn serialize(&self, text: String, context: SerdesContext) -> Result<String, BoxError> {
        if text.is_empty() {
            return Err("nothing to send".into());
        }
        Ok(format!("|{text}|{}|", context.operation_id()))
    }

    async fn deserialize(&self, wire: String, context: SerdesContext) -> Result<String, BoxError> {
        assert_eq!(context.origin(), PayloadOrigin::External, "somebody else wrote it");
        assert_eq!(context.operation_id(), "/1/2");
        Ok(wire.strip_prefix('|').ok_or("no pipe")?.to_owned())
    }
}

#[test]
fn payload_and_result_have_their_own_serdes() {
    let functions = [("good", Ok(Some("|yes".to_owned()))), ("bad", Ok(Some("no".to_owned())))];
    let (world, outcome) = execute(&functions, |_, ctx| async move {
        let answer = ctx.run_in_child_context(|ctx| async move {
            let refused =
                ctx.invoke::<u32, _>("target", String::new()).payload_serdes(Piped).await.unwrap_err();
            assert!(matches!(kind(&refused), InvokeErrorKind::SerializationFailed), "{refused:#}");
            assert_eq!(
                format!("{refused:#}"),
                "operation error: invoke: serialization failed: payload serdes: nothing to send"
            );
            assert_eq!((refused.status(), refused.operation_id()), (None, None), "nothing was started");
            Ok(ctx
                .invoke("target", "ask".to_owned())
                .name("good")
                .payload_serdes(Piped)
                .serdes(Piped)
                .await?)
        });
        let answer: String = answer.await?;
        let unreadable = ctx.invoke::<u32, _>("target", ()).name("bad").await.unwrap_err();
        assert!(matches!(kind(&unreadable), InvokeErrorKind::SerializationFailed), "{unreadable:#}");
        assert!(format!("{unreadable:#}").contains("result serdes: "), "{unreadable:#}");
        Ok(answer.into())
    });
    assert_eq!(outcome.unwrap().unwrap(), "\"yes\"");
    let world = world.lock().unwrap();
    assert!(!world.records.contains_key("/1/1"), "what could not be serialized is not on record");
    assert_eq!(world.records["/1/2"].invoke.as_ref().unwrap().1.as_deref(), Some("|ask|/1-2|"));
}

#[test]
fn functions_run_concurrently() {
    let (world, outcome) = execute(&[], |_, ctx| async move {
        let one = ctx.invoke::<String, _>("one", 1).name("one").spawn();
        let two = ctx.invoke::<String, _>("two", 2).name("two").future();
        let (one, two) = tokio::join!(one, two);
        Ok(json!([one?, two?]))
    });
    assert_eq!(outcome.unwrap().unwrap(), "[\"answer\",\"answer\"]");
    assert_eq!(world.lock().unwrap().invocations, 3, "both were started in the first");
}
