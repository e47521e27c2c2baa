//! Requests that make no sense: each gets an error of the API, and the server goes on.

use proptest::{prelude::*, test_runner::Config};

use super::Served;
use crate::common::random_cases;

const ARN: &str = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Agreet%3A%24LATEST%2Fdurable-execution%2Fn%2F0-1";

/// Something for a path that is often nearly right.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("2015-03-31".to_owned()),
        Just("2025-12-01".to_owned()),
        Just("functions".to_owned()),
        Just("invocations".to_owned()),
        Just("greet".to_owned()),
        Just("durable-executions".to_owned()),
        Just("durable-execution-callbacks".to_owned()),
        Just("succeed".to_owned()),
        Just("bm9uZQ==".to_owned()),
        Just(ARN.to_owned()),
        "[!-.0-~]{0,12}",
        "(%[0-9a-f]{2}){1,4}",
    ]
}

fn target() -> impl Strategy<Value = String> {
    let actions = ["", "/history", "/state", "/checkpoint", "/stop", "/pause", "/resume"];
    let execution = prop::sample::select(actions.to_vec())
        .prop_map(|action| format!("/2025-12-01/durable-executions/{ARN}{action}"));
    let callback = prop::sample::select(&["succeed", "fail", "heartbeat"][..])
        .prop_map(|action| format!("/2025-12-01/durable-execution-callbacks/bm9uZQ%3D%3D/{action}"));
    let function = part().prop_map(|name| format!("/2015-03-31/functions/{name}/invocations"));
    let list = part().prop_map(|name| format!("/2025-12-01/functions/{name}/durable-executions"));
    let any = prop::collection::vec(part(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")));
    let path = prop_oneof![execution, callback, function, list, any];
    let query = prop::option::of(prop::collection::vec(
        (
            prop::sample::select(
                &[
                    "MaxItems",
                    "Marker",
                    "ReverseOrder",
                    "Statuses",
                    "StartedAfter",
                    "Qualifier",
                    "CheckpointToken",
                    "x",
                ][..],
            ),
            "[!-\"$%'-~]{0,9}",
        ),
        0..4,
    ));
    (path, query).prop_map(|(path, query)| {
        let path = path.replace(['?', '#'], "_");
        match query {
            None => path,
            Some(pairs) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{path}?{}", pairs.join("&"))
            }
        }
    })
}

fn header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "x-amz-invocation-type",
        "x-amz-durable-execution-name",
        "x-amz-log-type",
        "x-amz-tenant-id",
        "x-amz-client-context",
        "authorization",
        "content-type",
        "expect",
        "x-y",
    ];
    (prop::sample::select(names.to_vec()), "[ -~\u{e9}]{0,20}")
        .prop_map(|(name, value)| (name.to_owned(), value))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"{}".to_vec()),
        prop::collection::vec(any::<u8>(), 0..64),
        "\\{\"(Reason|ClientToken|CheckpointToken|Updates|ErrorType)\":(1|null|\"x\"|\\[\\]|\\{\\})\\}"
            .prop_map(String::into_bytes),
        (1_usize..400).prop_map(|depth| "[".repeat(depth).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 200, ..random_cases(24) })]

    #[test]
    fn every_request_gets_an_answer(
        requests in prop::collection::vec(
            (prop::sample::select(&["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "X"][..]), target(),
             prop::collection::vec(header(), 0..4), body()),
            1..40,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let served = Served::start().await;
            for (method, target, headers, body) in &requests {
                let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
                let answer = served.raw(method, target, &headers, body).await;
                let what = format!("{method} {target} {headers:?} {body:?}: {answer:?}");
                assert!(answer.status != 0, "{what}");
                // What is no HTTP at all is answered by the HTTP library.
                let ours = answer.header("x-amzn-requestid").is_some();
                if ours && answer.status >= 300 {
                    assert!((400..=599).contains(&answer.status), "{what}");
                    assert!(answer.header("x-amzn-errortype").is_some(), "{what}");
                    assert!(answer.status != 500, "{what}");
                }
                assert!(ours || answer.status == 400 || answer.status == 417 || answer.status == 431, "{what}");
            }
            let well = served.raw("GET", "/health", &[], b"").await;
            assert_eq!(well.status, 200);
        });
    }
}
