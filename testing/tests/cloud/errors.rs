//! Error messages name the request, the error and what to do.

use aws_credential_types::provider::{error::CredentialsError, future::ProvideCredentials as Provided};
use aws_sdk_lambda::{
    Client, Config,
    config::{BehaviorVersion, ProvideCredentials, Region, retry::RetryConfig},
};
use durawasm_testing::{CloudDurableTestRunner, TestError};
use serde_json::{Value, json};

use super::{
    http::{Answering, Reply},
    lambda::{Asked, Instead, Lambda, LambdaOptions, quick},
};

async fn failure(runner: CloudDurableTestRunner<Value>) -> String {
    match runner.run("Ada").await {
        Err(TestError::AwsError(what)) => what,
        other => panic!("{other:?}"),
    }
}

fn says(what: &str, words: &[&str]) {
    for word in words {
        assert!(what.contains(word), "{word:?} is not in: {what}");
    }
}

/// Sends this response to the first `times` requests of this operation.
fn replies(operation: &'static str, times: usize, reply: Reply) -> LambdaOptions {
    let instead: Instead = Box::new(move |asked: &Asked, before| {
        let reply = reply.clone();
        let answer = || Box::pin(async move { reply }) as Answering;
        (asked.operation == operation && before < times).then(answer)
    });
    LambdaOptions { instead: Some(instead), ..LambdaOptions::default() }
}

#[tokio::test]
async fn a_function_that_is_not_there() {
    let lambda = Lambda::start().await;
    let what = failure(lambda.runner("nowhere")).await;
    says(
        &what,
        &[
            "Invoke of nowhere at http://127.0.0.1:",
            "Function not found: nowhere (ResourceNotFoundException, request req-1)",
            "is it deployed in this region and account",
        ],
    );
}

#[tokio::test]
async fn a_function_that_is_not_durable() {
    let lambda = Lambda::start().await;
    let what = failure(lambda.runner("plain")).await;
    says(&what, &["function plain at http://127.0.0.1:", "is not durable", "DurableConfig"]);
}

#[tokio::test]
async fn what_the_credentials_do_not_permit() {
    for (operation, action) in [
        ("Invoke", "lambda:InvokeFunction"),
        ("GetDurableExecution", "lambda:GetDurableExecution"),
        ("GetDurableExecutionHistory", "lambda:GetDurableExecutionHistory"),
    ] {
        let refused = Reply::error(403, "AccessDeniedException", "Ada may not");
        let lambda = Lambda::with(replies(operation, 99, refused)).await;
        let what = failure(lambda.runner("greet")).await;
        says(&what, &[operation, "Ada may not (AccessDeniedException, request req-1)", action]);
    }
}

#[tokio::test]
async fn credentials_that_are_not_valid() {
    let refused = Reply::error(403, "ExpiredTokenException", "the token has expired");
    let lambda = Lambda::with(replies("Invoke", 99, refused)).await;
    says(&failure(lambda.runner("greet")).await, &["the token has expired", "not valid", "AWS_PROFILE"]);
}

#[derive(Debug)]
struct Nowhere;

impl ProvideCredentials for Nowhere {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded("looked everywhere")))
    }
}

#[tokio::test]
async fn no_credentials() {
    let lambda = Lambda::start().await;
    let config = || {
        Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-north-1"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(lambda.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
    };
    let runner = |config| CloudDurableTestRunner::with_client("greet", Client::from_conf(config));
    let what = failure(runner(config().credentials_provider(Nowhere).build())).await;
    says(
        &what,
        &["Invoke of greet at AWS Lambda in eu-north-1", "looked everywhere", "set AWS_ACCESS_KEY_ID"],
    );
    let what = failure(runner(config().build())).await;
    says(&what, &["Invoke of greet", "set AWS_ACCESS_KEY_ID"]);
    assert!(lambda.asked("Invoke").is_empty(), "nothing is sent");
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections() {
    // A socket that has a port but does not listen.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let what = failure(CloudDurableTestRunner::with_endpoint("greet", &url)).await;
    says(&what, &[&format!("Invoke of greet at {url} failed"), "refused", "does something listen there?"]);
}

#[tokio::test]
async fn an_endpoint_that_is_no_url() {
    let what = failure(CloudDurableTestRunner::with_endpoint("greet", "not a url")).await;
    says(&what, &["Invoke of greet at not a url failed"]);
}

#[tokio::test]
async fn what_answers_is_something_else() {
    let page = Reply { status: 200, headers: Vec::new(), body: "<html>welcome</html>".into() };
    let lambda = Lambda::with(replies("GetDurableExecution", 99, page)).await;
    says(
        &failure(lambda.runner("greet")).await,
        &["GetDurableExecution of arn:", "HTTP status 200", "not the AWS Lambda API"],
    );
}

#[tokio::test]
async fn an_execution_that_is_deleted_has_no_end() {
    let answer = json!({
        "DurableExecutionArn": "arn:x", "DurableExecutionName": "n", "FunctionArn": "f", "Status": "DELETING",
        "StartTimestamp": 1,
    });
    let lambda = Lambda::with(replies("GetDurableExecution", 99, Reply::json(200, &answer))).await;
    says(&failure(lambda.runner("greet")).await, &["execution arn:x is DELETING"]);
}

#[tokio::test]
async fn a_history_whose_pages_go_in_circles() {
    let page = json!({"Events": [], "NextMarker": "again"});
    let lambda = Lambda::with(replies("GetDurableExecutionHistory", 99, Reply::json(200, &page))).await;
    says(&failure(lambda.runner("greet")).await, &["the history of arn:", "has no end"]);
}

#[tokio::test]
async fn what_is_throttled_is_asked_again() {
    for operation in ["Invoke", "GetDurableExecution"] {
        let throttled = Reply::error(429, "TooManyRequestsException", "slow down");
        let lambda = Lambda::with(replies(operation, 1, throttled)).await;
        lambda.runner::<Value>("greet").with_config(quick()).run("Ada").await.unwrap();
        assert!(lambda.asked(operation).len() >= 2);
    }
}

#[tokio::test]
async fn a_payload_that_is_no_json() {
    let lambda = Lambda::start().await;
    let payload = std::collections::HashMap::from([((1, 2), 3)]);
    let refused = lambda.runner::<Value>("greet").run(payload).await;
    assert!(matches!(refused, Err(TestError::SerializationError { .. })), "{refused:?}");
}
