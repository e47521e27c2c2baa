//! A stand-in for AWS Lambda with durable functions: the API's paths and shapes, and the real host with the test
//! handlers.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Attendant, Environment, EnvironmentOptions},
    protocol::{CallbackId, ExecutionArn, ServiceError},
    server::{Answer, Change, ExecutionView, Observer, PendingExternal, ServerHandle, StartExecution},
};
use durawasm_sandbox::{Handler, Sandbox, SandboxLimits};
use durawasm_testing::{CloudDurableTestRunner, CloudTestRunnerConfig, LocalDurableTestRunner};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::http::{Answering, Received, Reply, Server};

/// Overrides the response to a request. The number is that of earlier requests of the same operation.
pub type Instead = Box<dyn Fn(&Asked, usize) -> Option<Answering> + Send + Sync>;

/// A request that was parsed.
#[derive(Debug, Clone)]
pub struct Asked {
    pub operation: &'static str,
    /// The function, the execution or the callback that the request names.
    pub of: String,
    pub request: Received,
}

/// The stand-in. It stops when it is dropped.
pub struct Lambda {
    server: Server,
    environment: Arc<Environment>,
}

/// The options of a stand-in.
#[derive(Default)]
pub struct LambdaOptions {
    /// The maximum number of events in a page of a history; 0 for no maximum.
    pub page: usize,
    pub instead: Option<Instead>,
}

/// The test handlers, compiled once per process. They have no mutable state.
pub fn guests() -> Handler {
    static GUESTS: OnceLock<Handler> = OnceLock::new();
    let compile = || {
        let component =
            LocalDurableTestRunner::build(concat!(env!("CARGO_MANIFEST_DIR"), "/guests")).unwrap();
        let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
        sandbox.load(&std::fs::read(component).unwrap()).unwrap()
    };
    GUESTS.get_or_init(compile).clone()
}

/// An environment like that of a local runner.
pub async fn environment() -> Environment {
    let log = Arc::new(LogBuffer::default());
    Environment::new(EnvironmentOptions::default(), &[guests()], log).await.unwrap()
}

impl Lambda {
    pub async fn start() -> Self {
        Self::with(LambdaOptions::default()).await
    }

    pub async fn with(options: LambdaOptions) -> Self {
        let environment = Arc::new(environment().await);
        let (behind, counts) = (environment.clone(), Mutex::new(Vec::<&'static str>::new()));
        let LambdaOptions { page, instead } = options;
        let answers = move |request: Received| -> Answering {
            let Some(asked) = meaning(request) else {
                return Box::pin(async {
                    Reply::error(404, "UnknownOperationException", "no such operation")
                });
            };
            let before = {
                let mut counts = counts.lock().unwrap();
                counts.push(asked.operation);
                counts.iter().filter(|operation| **operation == asked.operation).count() - 1
            };
            let instead = instead.as_ref().and_then(|instead| instead(&asked, before));
            instead.unwrap_or_else(|| Box::pin(answer(behind.clone(), asked, page)))
        };
        Self { server: Server::start(Arc::new(answers)).await, environment }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A runner for one of the test handlers, with a short polling interval.
    pub fn runner<O>(&self, function: &str) -> CloudDurableTestRunner<O> {
        CloudDurableTestRunner::with_endpoint(function, self.url()).with_config(quick())
    }

    /// The requests of this operation so far.
    pub fn asked(&self, operation: &str) -> Vec<Asked> {
        let all = self.server.received().into_iter().filter_map(meaning);
        all.filter(|asked| asked.operation == operation).collect()
    }

    /// The execution as the host stores it.
    pub async fn view(&self, arn: &ExecutionArn) -> ExecutionView {
        self.environment.server().view(arn).await.unwrap()
    }
}

pub fn quick() -> CloudTestRunnerConfig {
    CloudTestRunnerConfig { poll_interval: 2, timeout: Duration::from_mins(1) }
}

fn meaning(request: Received) -> Option<Asked> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let (operation, of) = match (request.method.as_str(), path.as_slice()) {
        ("POST", ["2015-03-31", "functions", of, "invocations"]) => ("Invoke", of),
        ("GET", ["2025-12-01", "durable-executions", of]) => ("GetDurableExecution", of),
        ("GET", ["2025-12-01", "durable-executions", of, "history"]) => ("GetDurableExecutionHistory", of),
        ("POST", ["2025-12-01", "durable-executions", of, "stop"]) => ("StopDurableExecution", of),
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "succeed"]) => {
            ("SendDurableExecutionCallbackSuccess", of)
        }
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "fail"]) => {
            ("SendDurableExecutionCallbackFailure", of)
        }
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "heartbeat"]) => {
            ("SendDurableExecutionCallbackHeartbeat", of)
        }
        _ => return None,
    };
    let of = (*of).to_owned();
    Some(Asked { operation, of, request })
}

async fn answer(environment: Arc<Environment>, asked: Asked, page: usize) -> Reply {
    let server = environment.server().clone();
    let request = &asked.request;
    match asked.operation {
        "Invoke" => invoke(environment, &asked).await,
        "GetDurableExecution" => match server.view(&asked.of.as_str().into()).await {
            Ok(view) => Reply::json(200, &execution(&view)),
            Err(error) => refusal(&error),
        },
        "GetDurableExecutionHistory" => match server.view(&asked.of.as_str().into()).await {
            Ok(view) => Reply::json(200, &history(&view, request, page)),
            Err(error) => refusal(&error),
        },
        "StopDurableExecution" => {
            let error = serde_json::from_str(&request.body).ok();
            match server.stop_execution(&asked.of.as_str().into(), error).await {
                Ok(()) => Reply::json(200, &json!({ "StopTimestamp": 1 })),
                Err(error) => refusal(&error),
            }
        }
        "SendDurableExecutionCallbackSuccess" => {
            let result = Some(request.body.clone()).filter(|body| !body.is_empty());
            complete(&server, &asked, Answer::Success(result)).await
        }
        "SendDurableExecutionCallbackFailure" => {
            complete(&server, &asked, Answer::Failure(serde_json::from_str(&request.body).unwrap())).await
        }
        _ => complete(&server, &asked, Answer::Heartbeat).await,
    }
}

async fn complete(server: &ServerHandle, asked: &Asked, answer: Answer) -> Reply {
    match server.complete_callback(&CallbackId::from(asked.of.as_str()), answer).await {
        Ok(()) => Reply::json(200, &json!({})),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ServiceError) -> Reply {
    let (status, exception) = match error {
        ServiceError::NotFound(_) | ServiceError::CallbackNotFound(_) => (404, "ResourceNotFoundException"),
        ServiceError::CallbackOver(_) => (400, "CallbackTimeoutException"),
        ServiceError::InvalidParameterValue(_)
        | ServiceError::InvalidToken
        | ServiceError::InvocationNotRunning(_) => (400, "InvalidParameterValueException"),
        ServiceError::Conflict(_) => (409, "ResourceConflictException"),
        ServiceError::AlreadyStarted(_) => (409, "DurableExecutionAlreadyStartedException"),
        ServiceError::TooManyRequests(_) => (429, "TooManyRequestsException"),
        ServiceError::Store(_) | ServiceError::Unavailable(_) => (500, "ServiceException"),
    };
    Reply::error(status, exception, error.message())
}

async fn invoke(environment: Arc<Environment>, asked: &Asked) -> Reply {
    let Ok(function) = environment.functions().find(&asked.of) else {
        return Reply::error(404, "ResourceNotFoundException", &format!("Function not found: {}", asked.of));
    };
    let request = &asked.request;
    assert_eq!(request.headers["x-amz-invocation-type"], "Event");
    assert!(request.headers["authorization"].starts_with("AWS4-HMAC-SHA256"));
    let answer = Reply::json(202, &json!({}));
    if !function.durable {
        return answer;
    }
    let mut start = StartExecution::new(&*function.name, Some(request.body.clone()));
    start.execution_name = request.headers.get("x-amz-durable-execution-name").cloned();
    let (started, arn) = oneshot::channel();
    let attendant: Arc<dyn Attendant> = Arc::new(Announces(Mutex::new(Some(started))));
    // The task ends with the execution, or with the runtime of the test.
    tokio::spawn(async move { environment.run_attended(start, &attendant).await.map(drop) });
    answer.with("x-amz-durable-execution-arn", arn.await.unwrap().to_string())
}

/// Reports which execution was started, and lets it wait for answers without a limit.
struct Announces(Mutex<Option<oneshot::Sender<ExecutionArn>>>);

impl Observer for Announces {
    fn observe(&self, _: Change) {}
}

impl Attendant for Announces {
    fn started(&self, arn: &ExecutionArn, _: &ServerHandle) {
        let started = self.0.lock().unwrap().take().unwrap();
        started.send(arn.clone()).unwrap();
    }

    fn may_answer(&self, _: &[PendingExternal]) -> bool {
        true
    }

    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(pending())
    }
}

/// The response to `GetDurableExecution`.
pub fn execution(view: &ExecutionView) -> Value {
    let (function, version, name) = view.arn.parts().unwrap();
    let mut answer = json!({
        "DurableExecutionArn": view.arn,
        "DurableExecutionName": name,
        "FunctionArn": format!("arn:aws:lambda:us-east-1:000000000000:function:{function}:{version}"),
        "Version": version,
        "Status": view.status,
        "StartTimestamp": view.start,
        "ExecutionDataIncluded": true,
    });
    let optional = [
        ("InputPayload", json!(view.input)),
        ("Result", json!(view.result)),
        ("Error", json!(view.error)),
        ("EndTimestamp", json!(view.end)),
    ];
    for (member, value) in optional {
        if !value.is_null() {
            answer[member] = value;
        }
    }
    answer
}

fn history(view: &ExecutionView, request: &Received, page: usize) -> Value {
    assert_eq!(request.query["IncludeExecutionData"], "true");
    let asked: usize = request.query["MaxItems"].parse().unwrap();
    let size = if page == 0 { asked } else { asked.min(page) };
    let from: usize =
        request.query.get("Marker").map_or(0, |m| m.strip_prefix("from=").unwrap().parse().unwrap());
    let events: Vec<_> = view.events.iter().skip(from).take(size).collect();
    let mut answer = json!({ "Events": events });
    if from + events.len() < view.events.len() {
        answer["NextMarker"] = json!(format!("from={}", from + events.len()));
    }
    answer
}
