//! Signatures: what the client signs passes, and nothing else.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_lambda::primitives::Blob;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use durawasm_http::{AccessKeys, Bounds};
use serde_json::json;

use super::{Raw, Served, refused};

const KEY: &str = "AKIDEXAMPLE00001";
const SECRET: &str = "an-example-of-a-secret";

async fn served() -> Served {
    let keys = AccessKeys::new([(KEY.to_owned(), SECRET.to_owned())]).unwrap();
    Served::with(Bounds::default(), Some(keys)).await
}

#[tokio::test]
async fn a_client_with_a_key_is_served() {
    let served = served().await;
    let client = served.client_with(KEY, SECRET);
    let invoke =
        client.invoke().function_name("arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST");
    let answer = invoke.payload(Blob::new("\"Ada\"")).send().await.unwrap();
    let arn = answer.durable_execution_arn().unwrap();
    for _ in 0..3 {
        // Reading twice within a second signs the same request twice.
        client.get_durable_execution().durable_execution_arn(arn).send().await.unwrap();
        let history = client.get_durable_execution_history().durable_execution_arn(arn);
        history.max_items(3).reverse_order(true).send().await.unwrap();
    }
    let list = client.list_durable_executions_by_function().function_name("greet");
    let list = list.statuses("RUNNING".into()).statuses("SUCCEEDED".into()).send().await.unwrap();
    assert_eq!(list.durable_executions().len(), 1);
    let stop = client.stop_durable_execution().durable_execution_arn(arn).send().await;
    assert_eq!(refused(stop).1, "InvalidParameterValueException", "it has ended");
}

#[tokio::test]
async fn other_keys_and_no_key_are_refused() {
    let served = served().await;
    let get = |key: &str, secret: &str| {
        let client = served.client_with(key, secret);
        async move { client.list_durable_executions_by_function().function_name("greet").send().await }
    };
    assert!(get(KEY, SECRET).await.is_ok());
    let (status, name, message) = refused(get(KEY, "another-secret-of-mine").await);
    assert_eq!((status, &*name), (403, "InvalidSignatureException"));
    assert!(!message.contains(SECRET));
    let (status, name, _) = refused(get("AKIDEXAMPLE00002", SECRET).await);
    assert_eq!((status, &*name), (403, "UnrecognizedClientException"));
    let unsigned = served.raw("GET", "/2025-12-01/functions/greet/durable-executions", &[], b"").await;
    assert_eq!(
        (unsigned.status, unsigned.header("x-amzn-errortype")),
        (403, Some("missingauthenticationtokenexception"))
    );
    assert_eq!(served.raw("GET", "/health", &[], b"").await.status, 200);
}

#[tokio::test]
async fn metrics_name_functions_and_are_told_to_who_has_a_key() {
    let served = served().await;
    is_refused(&served.raw("GET", "/metrics", &[], b"").await, "MissingAuthenticationTokenException");
    let signed =
        Signed::of(&served, "GET", "/metrics", Vec::new(), &[], SystemTime::now()).send(&served).await;
    assert_eq!(signed.status, 200);
    let refused = "durawasm_requests_total{operation=\"Metrics\",status=\"403\"} 1";
    assert!(signed.text.lines().any(|line| line == refused), "{}", signed.text);
}

/// A signed request, which a test may change before it sends it.
struct Signed {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Signed {
    /// An invocation of `greet`.
    fn new(served: &Served, more: &[(&str, &str)], at: SystemTime) -> Self {
        let path = "/2015-03-31/functions/greet/invocations?Qualifier=%24LATEST";
        Self::of(served, "POST", path, json!("Ada").to_string().into_bytes(), more, at)
    }

    fn of(
        served: &Served,
        method: &'static str,
        path: &str,
        body: Vec<u8>,
        more: &[(&str, &str)],
        at: SystemTime,
    ) -> Self {
        let identity = Credentials::new(KEY, SECRET, None, None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-north-1")
            .name("lambda")
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let host = served.address.to_string();
        let headers = more.iter().copied().chain([("host", &*host)]);
        let request = SignableRequest::new(method, path, headers, SignableBody::Bytes(&body)).unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { method, path: path.to_owned(), headers: signed.chain(more).collect(), body }
    }

    fn now(served: &Served) -> Self {
        Self::new(served, &[("x-amz-invocation-type", "RequestResponse")], SystemTime::now())
    }

    async fn send(&self, served: &Served) -> Raw {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        served.raw(self.method, &self.path, &headers, &self.body).await
    }
}

fn is_refused(answer: &Raw, name: &str) {
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (403, Some(&*name.to_lowercase())),
        "{answer:?}"
    );
}

#[tokio::test]
async fn whatever_is_changed_after_signing_is_refused() {
    let served = served().await;
    let changed = async |change: &dyn Fn(&mut Signed)| {
        let mut signed = Signed::now(&served);
        change(&mut signed);
        signed.send(&served).await
    };
    let invalid = "InvalidSignatureException";
    is_refused(&changed(&|signed| signed.body = b"\"Bob\"".to_vec()).await, invalid);
    is_refused(&changed(&|signed| signed.path = signed.path.replace("greet", "hello")).await, invalid);
    is_refused(&changed(&|signed| signed.path += "&MaxItems=1").await, invalid);
    let header = |signed: &mut Signed, name: &str, value: &str| {
        signed.headers.retain(|(other, _)| other != name);
        signed.headers.push((name.to_owned(), value.to_owned()));
    };
    is_refused(&changed(&|signed| header(signed, "x-amz-invocation-type", "Event")).await, invalid);
    is_refused(&changed(&|signed| header(signed, "x-amz-durable-execution-name", "n")).await, invalid);
    is_refused(
        &changed(&|signed| header(signed, "authorization", "Basic x")).await,
        "IncompleteSignatureException",
    );
    assert_eq!(changed(&|_| {}).await.body, json!("Hello, Ada"));
}

#[tokio::test]
async fn a_request_passes_once_and_only_about_now() {
    let served = served().await;
    let signed = Signed::now(&served);
    assert_eq!(signed.send(&served).await.status, 200);
    is_refused(&signed.send(&served).await, "InvalidSignatureException");
    for minutes in [6, 60 * 24] {
        let away = std::time::Duration::from_mins(minutes);
        for at in [SystemTime::now() - away, SystemTime::now() + away] {
            is_refused(&Signed::new(&served, &[], at).send(&served).await, "InvalidSignatureException");
        }
    }
    let recent = SystemTime::now() - std::time::Duration::from_mins(4);
    assert_eq!(Signed::new(&served, &[], recent).send(&served).await.status, 200);
}
