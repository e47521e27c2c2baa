//! Tests of every limit of the service model that the server's requests can reach: at the limit, and one beyond it.
//!
//! Limits that only a network front end checks (ARNs, tokens and callback ids of requests, page sizes, filters) are
//! outside of this list. `AttemptCount`, `DurationSeconds` and `EventId` are output of the server.

use super::world::*;
use crate::{
    protocol::{
        CallbackOptions, ChainedInvokeOptions, ErrorObject, Limits, OperationType as Type, OperationUpdate,
        ServiceError,
    },
    server::{Answer, ScriptedAnswer, StartExecution},
};

/// A request that contains a value.
enum Given {
    Batch(Vec<OperationUpdate>),
    Start(Box<StartExecution>),
    Answer(Answer),
}

impl Given {
    /// Whether a new execution accepts it.
    fn give(self, limits: Limits) -> bool {
        let refused = |error: ServiceError| {
            assert!(matches!(error, ServiceError::InvalidParameterValue(_)), "{error:?}");
        };
        match self {
            Self::Batch(batch) => {
                let mut world = World::of(StartExecution::new("f", None), limits);
                world.checkpoint(vec![start("open", Type::Step)]);
                world.try_checkpoint(batch).map_err(refused).is_ok()
            }
            Self::Start(start) => {
                let mut world = World::idle(StartExecution::new("f", None), limits);
                world.manager.start_execution(world.now, *start).map_err(refused).is_ok()
            }
            Self::Answer(answer) => {
                let mut world = World::of(StartExecution::new("f", None), limits);
                world.checkpoint(vec![callback("c", 0, 0)]);
                world.answer("c", answer).map_err(refused).is_ok()
            }
        }
    }
}

fn text(length: u64) -> String {
    "x".repeat(usize::try_from(length).unwrap())
}

fn one(update: OperationUpdate) -> Given {
    Given::Batch(vec![update])
}

fn start_with(change: impl FnOnce(&mut StartExecution)) -> Given {
    let mut start = StartExecution::new("f", None);
    change(&mut start);
    Given::Start(Box::new(start))
}

/// A limit: the shape, the minimum and the maximum, and the request for a number.
type Bound = (&'static str, Option<u64>, Option<u64>, fn(u64) -> Given);

/// Texts and payloads are measured by length, numbers by value. A limit that is `None` in the model has a comment with
/// the reason.
const BOUNDS: &[Bound] = &[
    ("OperationId", Some(1), Some(64), |n| one(start(&text(n), Type::Step))),
    ("OperationName", Some(1), Some(256), |n| one(start("new", Type::Step).name(&text(n)))),
    ("OperationSubType", Some(1), Some(32), |n| {
        one(start("new", Type::Step).with(|update| update.sub_type = Some(text(n).into())))
    }),
    ("OperationPayload", None, Some(6_291_456), |n| one(succeed("open", Type::Step, &text(n)))),
    ("ErrorObject, 32 KiB as the service says, not the model", None, Some(32_768), |n| {
        one(fail("open", Type::Step).with(|update| {
            update.error = Some(ErrorObject { error_message: Some(text(n)), ..ErrorObject::default() });
        }))
    }),
    ("WaitOptionsWaitSecondsInteger", Some(1), Some(31_622_400), |n| one(wait("new", n))),
    ("StepOptionsNextAttemptDelaySecondsInteger", Some(1), Some(31_622_400), |n| one(retry("open", n))),
    ("CallbackOptionsTimeoutSecondsInteger", None, Some(99_999_999), |n| one(callback("new", n, 0))),
    ("CallbackOptionsHeartbeatTimeoutSecondsInteger", None, Some(99_999_999), |n| {
        one(start("new", Type::Callback).with(|update| {
            update.callback_options =
                Some(CallbackOptions { timeout_seconds: None, heartbeat_timeout_seconds: Some(n) });
        }))
    }),
    ("NamespacedFunctionName", Some(1), Some(256), |n| one(invoke("new", &text(n)))),
    ("TenantId", Some(1), Some(256), |n| {
        one(invoke("new", "f").with(|update| {
            update.chained_invoke_options =
                Some(ChainedInvokeOptions { function_name: "f".into(), tenant_id: Some(text(n).into()) });
        }))
    }),
    ("a checkpoint's updates, as the service has it", None, Some(250), |n| {
        Given::Batch((0..n).map(|i| start(&format!("s{i}"), Type::Step)).collect())
    }),
    ("BinaryOperationPayload", None, Some(1_048_576), |n| Given::Answer(ok(&text(n)))),
    ("ErrorObject of an answer", None, Some(1_048_576), |n| {
        Given::Answer(Answer::Failure(ErrorObject { error_message: Some(text(n)), ..ErrorObject::default() }))
    }),
    ("the name of a function that is started", Some(1), Some(256), |n| {
        start_with(|start| start.function_name = text(n))
    }),
    ("the version of a function that is started", Some(1), Some(64), |n| {
        start_with(|start| start.function_version = text(n).replace('x', "7"))
    }),
    ("DurableExecutionName", Some(1), Some(64), |n| start_with(|start| start.execution_name = Some(text(n)))),
    ("ExecutionTimeout", Some(1), Some(31_622_400), |n| start_with(|start| start.timeout_seconds = Some(n))),
    ("InputPayload", Some(2), Some(6_291_456), |n| {
        start_with(|start| {
            start.input = Some(if n < 2 { String::new() } else { format!("\"{}\"", text(n - 2)) });
        })
    }),
    ("a scripted BinaryOperationPayload", None, Some(1_048_576), |n| {
        start_with(|start| {
            let answer = Answer::Success(Some(text(n)));
            start.answers = vec![ScriptedAnswer::new("c", std::time::Duration::ZERO, answer)];
        })
    }),
];

#[test]
fn each_holds_at_its_ends_and_not_one_beyond() {
    for (shape, least, most, given) in BOUNDS {
        let taken = |n: u64| given(n).give(Limits::default());
        if let Some(least) = *least {
            assert!(taken(least), "{shape}: {least}");
            assert!(!taken(least - 1), "{shape}: {}", least - 1);
        }
        if let Some(most) = *most {
            assert!(taken(most), "{shape}: {most}");
            assert!(!taken(most + 1), "{shape}: {}", most + 1);
        }
    }
}

#[test]
fn texts_are_made_of_the_characters_that_the_model_allows() {
    type Text = fn(&str) -> Given;
    let id: Text = |text| one(start(text, Type::Step));
    let name: Text = |text| one(start("new", Type::Step).name(text));
    let sub_type: Text =
        |text| one(start("new", Type::Step).with(|update| update.sub_type = Some(text.into())));
    let function: Text = |text| one(invoke("new", text));
    let tenant: Text = |text| {
        let tenant_id = Some(text.into());
        one(invoke("new", "f").with(|update| {
            update.chained_invoke_options =
                Some(ChainedInvokeOptions { function_name: "f".into(), tenant_id });
        }))
    };
    let execution: Text = |text| start_with(|start| start.execution_name = Some(text.to_owned()));
    for (shape, given, good, bad) in [
        ("OperationId", id, "aZ09-_", &["a b", "a.b", "\u{e4}"][..]),
        ("OperationName", name, " ~aZ09!", &["\n", "\u{7f}", "\u{e4}"][..]),
        ("OperationSubType", sub_type, "aZ09-_", &["a b", "a.b"][..]),
        (
            "NamespacedFunctionName",
            function,
            "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
            &["a b", "a/b"][..],
        ),
        ("TenantId", tenant, "aZ09._:/=+-@ ", &["a#b", "a\n", "\u{e4}"][..]),
        ("DurableExecutionName", execution, "aZ09-_", &["a b", "a.b", "a:b"][..]),
    ] {
        assert!(given(good).give(Limits::default()), "{shape}: {good}");
        for bad in bad {
            assert!(!given(bad).give(Limits::default()), "{shape}: {bad:?}");
        }
    }
}
