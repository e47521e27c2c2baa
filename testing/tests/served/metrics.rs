//! `GET /metrics` after known requests.

use std::collections::BTreeMap;

use durawasm_core::server::StartExecution;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Served, path, until};

/// The samples of an answer to `GET /metrics`, by name and labels as they are written.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    async fn of(served: &Served) -> Self {
        let answer = served.raw("GET", "/metrics", &[], b"").await;
        assert_eq!(answer.status, 200);
        let content_type = answer.header("content-type").unwrap();
        assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::read(&answer.text)
    }

    fn read(text: &str) -> Self {
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        let lines = text.strip_suffix("# EOF\n").unwrap().lines();
        for line in lines {
            if let Some(described) = line.strip_prefix("# ") {
                if let Some(typed) = described.strip_prefix("TYPE ") {
                    let (name, kind) = typed.split_once(' ').unwrap();
                    assert_eq!(
                        types.insert(name.to_owned(), kind.to_owned()),
                        None,
                        "{name} is described twice"
                    );
                }
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let of = |suffix: &str, kind: &str| {
                name.strip_suffix(suffix).and_then(|name| types.get(name)).is_some_and(|found| found == kind)
            };
            let histogram = ["_bucket", "_sum", "_count"].iter().any(|suffix| of(suffix, "histogram"));
            assert!(histogram || of("_total", "counter") || of("", "gauge") || of("_info", "info"), "{line}");
            assert!(name.starts_with("durawasm_"), "{line}");
            assert_eq!(
                samples.insert(series.to_owned(), value.parse().unwrap()),
                None,
                "{series} is there twice"
            );
        }
        Self(samples)
    }

    /// The value of a series; 0 for one that is not there.
    fn get(&self, series: &str) -> f64 {
        self.0.get(&format!("durawasm_{series}")).copied().unwrap_or_default()
    }

    fn is(&self, expected: &[(&str, f64)]) {
        let found: Vec<(&str, f64)> =
            expected.iter().map(|(series, _)| (*series, self.get(series))).collect();
        assert_eq!(found, expected);
    }
}

/// The metrics when this one of them has this value.
async fn when(served: &Served, series: &str, value: f64) -> Metrics {
    until(format_args!("{value} of {series}"), async || {
        let metrics = Metrics::of(served).await;
        // All are integers.
        ((metrics.get(series) - value).abs() < 0.5).then_some(metrics)
    })
    .await
}

#[tokio::test]
async fn requests_executions_and_invocations_are_counted() {
    let served = Served::start().await;
    let invoke = "/2015-03-31/functions/greet:$LATEST/invocations";
    assert_eq!(served.raw("POST", invoke, &[], b"\"Ada\"").await.status, 200);
    assert_eq!(served.raw("POST", invoke, &[], b"7").await.status, 200);
    assert_eq!(served.raw("POST", invoke, &[], b"{").await.status, 400);
    assert_eq!(served.raw("POST", &invoke.replace("greet", "nobody"), &[], b"1").await.status, 404);
    assert_eq!(served.raw("PUT", invoke, &[], b"1").await.status, 404);
    let arn = served.started("callback", &json!({ "name": "reply" })).await;
    served.callback(&arn).await;
    let waits = when(&served, "executions_at_work", 0.0).await;
    waits.is(&[
        (r#"executions_started_total{function="callback"}"#, 1.0),
        (r#"executions_ended_total{function="callback",status="STOPPED"}"#, 0.0),
        (r#"invocations_total{function="callback",outcome="pending"}"#, 1.0),
        // The callback, and a step that says its id.
        (r#"checkpoints_total{function="callback"}"#, 2.0),
    ]);
    assert_eq!(served.raw("POST", &path(&arn, "/stop"), &[], b"").await.status, 200);
    let acts = json!([{"invoke": ["called", "sequence", [{"step": ["x", 1]}]]}]).to_string();
    let sequence = invoke.replace("greet", "sequence");
    assert_eq!(served.raw("POST", &sequence, &[], acts.as_bytes()).await.status, 200);
    when(&served, "executions_at_work", 0.0).await;
    // The one that asks.
    let metrics = when(&served, "connections", 1.0).await;
    metrics.is(&[
        (r#"requests_total{operation="Invoke",status="200"}"#, 3.0),
        (r#"requests_total{operation="Invoke",status="202"}"#, 1.0),
        (r#"requests_total{operation="Invoke",status="400"}"#, 1.0),
        (r#"requests_total{operation="Invoke",status="404"}"#, 1.0),
        (r#"requests_total{operation="unknown",status="404"}"#, 1.0),
        (r#"requests_total{operation="StopDurableExecution",status="200"}"#, 1.0),
        (r#"request_duration_seconds_count{operation="Invoke"}"#, 6.0),
        (r#"request_duration_seconds_bucket{le="+Inf",operation="Invoke"}"#, 6.0),
        (r#"requests_refused_total{reason="bodies"}"#, 0.0),
        ("request_body_bytes", 0.0),
        ("tls_handshake_failures_total", 0.0),
        (r#"executions_started_total{function="greet"}"#, 2.0),
        (r#"executions_started_total{function="sequence"}"#, 2.0),
        (r#"executions_ended_total{function="greet",status="SUCCEEDED"}"#, 1.0),
        (r#"executions_ended_total{function="greet",status="FAILED"}"#, 1.0),
        (r#"executions_ended_total{function="callback",status="STOPPED"}"#, 1.0),
        (r#"executions_ended_total{function="sequence",status="SUCCEEDED"}"#, 2.0),
        (r#"invocations_total{function="greet",outcome="succeeded"}"#, 1.0),
        (r#"invocations_total{function="greet",outcome="failed"}"#, 1.0),
        (r#"invocation_duration_seconds_count{function="greet"}"#, 2.0),
        ("invocations_running", 0.0),
        ("invocations_waiting", 0.0),
        // Without a store.
        ("store_commit_duration_seconds_count", 0.0),
        (r#"build_info{version="0.1.0"}"#, 1.0),
    ]);
}

#[tokio::test]
async fn labels_have_few_values_whatever_clients_say() {
    let served = Served::start().await;
    for number in 0..40 {
        let name = format!("nobody-{number}");
        let invoke = format!("/2015-03-31/functions/{name}:$LATEST/invocations");
        served.raw("POST", &invoke, &[("x-amz-durable-execution-name", &name)], b"1").await;
        served.raw("GET", &format!("/{name}"), &[], b"").await;
        served.raw("GET", &format!("/2025-12-01/functions/{name}/durable-executions"), &[], b"").await;
        served.api.server().start_execution(StartExecution::new(&name, None)).await.unwrap();
    }
    let metrics = Metrics::of(&served).await;
    metrics.is(&[(r#"executions_started_total{function="other"}"#, 40.0)]);
    let named = metrics.0.keys().find(|series| series.contains("nobody"));
    assert_eq!(named, None);
    let operations: Vec<&String> =
        metrics.0.keys().filter(|series| series.starts_with("durawasm_requests_total")).collect();
    assert_eq!(operations.len(), 3, "{operations:?}");
}

#[tokio::test]
async fn what_is_there_now_is_told() {
    let served = Served::start().await;
    let begin = async |length: usize, body: &str| {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = "POST /2015-03-31/functions/callback:$LATEST/invocations HTTP/1.1\r\nhost: localhost\r\n";
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream
    };
    let half = begin(100_000, &" ".repeat(5000)).await;
    when(&served, "request_body_bytes", 5000.0).await;
    when(&served, "connections", 2.0).await;
    drop(half);
    when(&served, "request_body_bytes", 0.0).await;
    let body = json!({ "name": "reply" }).to_string();
    let waits = begin(body.len(), &body).await;
    when(&served, r#"executions_started_total{function="callback"}"#, 1.0).await;
    // A client that goes away gets no answer.
    drop(waits);
    when(&served, r#"requests_total{operation="Invoke",status="none"}"#, 1.0).await;
}
