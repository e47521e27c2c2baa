//! smoke
use durawasm_testing::*;
#[tokio::test]
async fn smoke() {
    let runner = LocalDurableTestRunner::from_component("/tmp/t-sdk/wasm32-wasip2/release/durawasm_test_guests.wasm").unwrap();
    for (f, e) in [("greet", serde_json::json!("x")), ("empty", serde_json::json!(null)), ("two_steps_and_wait", serde_json::json!(30)), ("flaky", serde_json::json!({"failures":2,"max_attempts":4})), ("two_waits", serde_json::json!([10,1])), ("panics", serde_json::json!(null))] {
        let r = runner.clone().function(f).run(e).await;
        match r {
            Ok(r) => { println!("{f}: {:?} {:?} {:?}", r.get_status(), r.get_result::<serde_json::Value>().ok(), r.get_error());
               for e in r.get_history_events() { println!("   {} {:?} {:?} {}", e.event_id, e.event_type, e.name, e.event_timestamp); } }
            Err(e) => println!("{f}: ERR {e}"),
        }
    }
}
