//! Plugins in components: their notifications, and that they do not affect the execution.

use crate::common::{bounded, handler, history, value};
use durawasm_testing::{Disturbance, Isolation, LocalDurableTestRunner, LogLevel, SandboxLimits, TestResult};
use serde_json::{Value, json};

const HOOKS: [&str; 7] = [
    "on_invocation_start",
    "on_invocation_end",
    "on_operation_start",
    "on_operation_end",
    "on_operation_change",
    "on_user_function_start",
    "on_user_function_end",
];

fn lines(result: &TestResult) -> Vec<&str> {
    result.get_log().iter().map(|line| &*line.message).collect()
}

fn no_trouble() -> Value {
    json!({"hook": "", "how": ""})
}

/// Everything recorded, except what differs between any two runs.
fn record(result: &TestResult) -> (Vec<String>, Value, usize) {
    let mut operations = serde_json::to_value(result.get_operations()).unwrap();
    for operation in operations.as_array_mut().unwrap() {
        for field in ["StartTimestamp", "EndTimestamp", "WaitDetails"] {
            operation.as_object_mut().unwrap().remove(field);
        }
        if let Some(step) = operation.get_mut("StepDetails").and_then(Value::as_object_mut) {
            step.remove("NextAttemptTimestamp");
        }
    }
    (history(result), operations, result.get_invocations().len())
}

#[tokio::test]
async fn hooks_are_called_in_order_over_retry_suspension_and_replay() {
    let result = handler("watched_by_teller").run(no_trouble()).await.unwrap();
    let seen = lines(&result);
    let seen: Vec<&str> = seen.into_iter().filter(|line| !line.contains("since the start")).collect();
    let expected = [
        r#"["invocation",true,0,0]"#,
        "before flaky",
        r#"["starts","flaky","STEP","Step",false]"#,
        r#"["runs","flaky",1,false,false]"#,
        r#"["ran","flaky",1,"FAILED","not yet"]"#,
        r#"["change",["flaky PENDING"],true,1]"#,
        r#"["end","PENDING",1,null,null]"#,
        r#"["invocation",false,1,1]"#,
        r#"["starts","flaky","STEP","Step",true]"#,
        r#"["runs","flaky",2,false,true]"#,
        r#"["ran","flaky",2,"SUCCEEDED",null]"#,
        r#"["change",["flaky SUCCEEDED"],true,1]"#,
        r#"["ends","flaky","SUCCEEDED",2,"2",null]"#,
        "before once",
        r#"["starts","once","STEP","Step",false]"#,
        r#"["change",["once STARTED"],true,2]"#,
        r#"["runs","once",1,false,false]"#,
        r#"["ran","once",1,"SUCCEEDED",null]"#,
        r#"["change",["once SUCCEEDED"],true,2]"#,
        r#"["ends","once","SUCCEEDED",1,"1",null]"#,
        "before child",
        r#"["starts","child","CONTEXT","RunInChildContext",false]"#,
        r#"["runs","child",null,false,false]"#,
        r#"["starts",null,"WAIT","Wait",false]"#,
        r#"["change",["WAIT STARTED","child STARTED"],true,4]"#,
        r#"["ran","child",null,"INCOMPLETE",null]"#,
        r#"["end","PENDING",4,null,null]"#,
        r#"["invocation",false,4,1]"#,
        r#"["starts","child","CONTEXT","RunInChildContext",true]"#,
        r#"["runs","child",null,false,true]"#,
        r#"["ends",null,"SUCCEEDED",null,null,null]"#,
        r#"["starts","inner","STEP","Step",false]"#,
        r#"["runs","inner",1,true,false]"#,
        r#"["ran","inner",1,"SUCCEEDED",null]"#,
        r#"["change",["inner SUCCEEDED"],true,5]"#,
        r#"["ends","inner","SUCCEEDED",1,"\"inner\"",null]"#,
        r#"["ran","child",null,"SUCCEEDED",null]"#,
        r#"["change",["child SUCCEEDED"],true,5]"#,
        r#"["ends","child","SUCCEEDED",null,"\"inner\"",null]"#,
        r#"["starts","left","STEP","Step",false]"#,
        r#"["starts","right","STEP","Step",false]"#,
        r#"["change",["left STARTED","right STARTED"],true,7]"#,
        r#"["runs","left",1,false,false]"#,
        r#"["ran","left",1,"SUCCEEDED",null]"#,
        r#"["runs","right",1,false,false]"#,
        r#"["ran","right",1,"SUCCEEDED",null]"#,
        r#"["change",["left SUCCEEDED","right SUCCEEDED"],true,7]"#,
    ];
    assert_eq!(seen[..expected.len().min(seen.len())], expected, "{}", seen.join("\n"));
    let mut both = seen[expected.len()..expected.len() + 2].to_vec();
    both.sort_unstable();
    let ends = [
        r#"["ends","left","SUCCEEDED",1,"\"left\"",null]"#,
        r#"["ends","right","SUCCEEDED",1,"\"right\"",null]"#,
    ];
    assert_eq!(both, ends);
    let result_text = r#"["end","SUCCEEDED",7,"[2,1,\"inner\",\"left\",\"right\"]",null]"#;
    assert_eq!(seen[expected.len() + 2..], ["at the end", result_text]);
}

/// The runners in which fresh instances take over within an invocation.
fn taken_over(name: &str) -> [(&'static str, LocalDurableTestRunner); 3] {
    [
        ("isolation", handler(name).isolation(Isolation::Step)),
        ("every checkpoint", handler(name).disturb(Disturbance::ReplayAtEveryCheckpoint)),
        ("not at all", handler(name)),
    ]
}

#[tokio::test]
async fn the_end_of_each_operation_is_told_once_however_many_instances_an_invocation_takes() {
    for (how, runner) in taken_over("watched_by_teller") {
        let result = runner.run(no_trouble()).await.unwrap();
        let mut ends: Vec<&str> =
            lines(&result).into_iter().filter(|line| line.starts_with(r#"["ends""#)).collect();
        ends.sort_unstable();
        let expected = [
            r#"["ends","child","SUCCEEDED",null,"\"inner\"",null]"#,
            r#"["ends","flaky","SUCCEEDED",2,"2",null]"#,
            r#"["ends","inner","SUCCEEDED",1,"\"inner\"",null]"#,
            r#"["ends","left","SUCCEEDED",1,"\"left\"",null]"#,
            r#"["ends","once","SUCCEEDED",1,"1",null]"#,
            r#"["ends","right","SUCCEEDED",1,"\"right\"",null]"#,
            r#"["ends",null,"SUCCEEDED",null,null,null]"#,
        ];
        assert_eq!(ends, expected, "{how}");
    }
}

#[tokio::test]
async fn hooks_see_the_live_clock_and_who_they_watch() {
    let result = handler("watched_by_teller").run(no_trouble()).await.unwrap();
    let told = lines(&result).into_iter().filter(|line| line.contains("since the start"));
    let told: Vec<Value> = told.map(|line| serde_json::from_str(line).unwrap()).collect();
    let invocations = result.get_invocations();
    assert_eq!((told.len(), invocations.len()), (3, 3));
    for ((told, seconds), invocation) in told.iter().zip([0, 1, 2]).zip(invocations) {
        assert_eq!(told[1], seconds);
        assert_eq!(told[2], *invocation.request_id.as_deref().unwrap());
        assert!(told[3].as_str().unwrap().starts_with("arn:aws:lambda:"));
    }
}

#[tokio::test]
async fn the_record_is_the_same_with_a_plugin_as_without() {
    let alone = handler("watched").run(no_trouble()).await.unwrap();
    let watched = handler("watched_by_teller").run(no_trouble()).await.unwrap();
    assert_eq!(value(&alone), json!([2, 1, "inner", "left", "right"]));
    assert_eq!(record(&watched), record(&alone));
    assert_eq!(watched.get_checkpoints(), alone.get_checkpoints());
}

#[tokio::test]
async fn whatever_a_hook_does_the_execution_is_the_same() {
    let alone = record(&handler("watched").run(no_trouble()).await.unwrap());
    let limits = SandboxLimits {
        cpu: std::time::Duration::from_millis(300),
        log: 1 << 16,
        ..SandboxLimits::default()
    };
    for how in ["fails", "panics", "exits", "floods"] {
        for hook in HOOKS {
            let trouble = json!({"hook": hook, "how": how});
            let result = bounded("watched_by_both", &limits).run(&trouble).await.unwrap();
            assert_eq!(record(&result), alone, "{how} in {hook}");
            let warnings = result.get_log().iter().filter(|line| line.level == LogLevel::Warn);
            let warnings: Vec<&str> = warnings.map(|line| &*line.message).collect();
            let expected = match how {
                "fails" => format!("plugin troubled failed in {hook}, and is ignored: no {hook} today"),
                "panics" => {
                    "without plugins: the handler panicked at testing/guests/src/plugins.rs:".to_owned()
                }
                _ => {
                    "a plugin's hook ended the instance; the invocation goes on without plugins: ".to_owned()
                }
            };
            assert!(warnings.iter().any(|line| line.contains(&expected)), "{expected}: {warnings:#?}");
            let first = lines(&result).iter().filter(|line| **line == "before flaky").count();
            assert!(first >= 1 && lines(&result).contains(&"at the end"), "{how} in {hook}");
        }
    }
    for of in ["once", "child", "inner", "left", "right"] {
        for hook in
            ["on_operation_start", "on_user_function_start", "on_user_function_end", "on_operation_end"]
        {
            let trouble = json!({"hook": hook, "how": "panics", "of": of});
            let result = bounded("watched_by_troubled", &limits).run(&trouble).await.unwrap();
            assert_eq!(record(&result), alone, "{hook} of {of}");
        }
    }
    let trouble = json!({"hook": "on_operation_end", "how": "spins"});
    let result = bounded("watched_by_troubled", &limits).run(&trouble).await.unwrap();
    assert_eq!(record(&result), alone);
}

#[tokio::test]
async fn a_hook_that_takes_time_does_not_touch_what_the_handler_sees() {
    let result = handler("clocked_watched_by_slow").run(()).await.unwrap();
    // The handler names its steps after what it observes, so a replay that observes something else fails.
    assert_eq!(value(&result).as_array().unwrap().len(), 4);
    let warnings = result.get_log().iter().filter(|line| line.level == LogLevel::Warn).count();
    assert_eq!(warnings, 0, "{:#?}", lines(&result));
}
