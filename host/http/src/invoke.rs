//! `Invoke`: starts an execution of a durable function, or runs a plain one.

use durawasm_core::{
    budget::Budget,
    orchestrator::{Function, Version, VersionError, plain_arn},
    protocol::{ErrorObject, ExecutionArn, ExecutionStatus, LATEST, ServiceError},
    server::{InvokeOutcome, StartExecution},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    api::Api,
    bounds::AFTER_FAILURE,
    error::{ApiError, Exception, Scarce, invalid},
    names::{FunctionRef, execution_name, refuse_tenant, shortened},
    reply::Reply,
    request::{ApiRequest, header},
    tail::Following,
};

/// How a function is invoked (service model: `InvocationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

impl InvocationType {
    /// Reads it from the headers of a request.
    pub(crate) fn of(headers: &hyper::HeaderMap) -> Result<Self, ApiError> {
        match header(headers, "x-amz-invocation-type")? {
            None | Some("RequestResponse") => Ok(Self::RequestResponse),
            Some("Event") => Ok(Self::Event),
            Some("DryRun") => Ok(Self::DryRun),
            Some(other) => invalid(format!(
                "X-Amz-Invocation-Type is {:?}: RequestResponse, Event or DryRun is expected",
                shortened(other)
            )),
        }
    }
}

/// What an invocation was asked for.
struct Asked {
    kind: InvocationType,
    name: Option<String>,
    tail: bool,
    payload: Option<String>,
}

impl Asked {
    fn read(request: &ApiRequest) -> Result<Self, ApiError> {
        let kind = InvocationType::of(&request.headers)?;
        let name = request.header("x-amz-durable-execution-name")?.map(execution_name).transpose()?;
        let tail = match request.header("x-amz-log-type")? {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => {
                return invalid(format!(
                    "X-Amz-Log-Type is {:?}: None or Tail is expected",
                    shortened(other)
                ));
            }
        };
        if let Some(tenant) = request.header("x-amz-tenant-id")? {
            refuse_tenant(tenant)?;
        }
        if request.header("x-amz-client-context")?.is_some() {
            return invalid("functions here get no client context: remove X-Amz-Client-Context");
        }
        let not_json = |why: String| {
            let message = format!("Could not parse request body into json: {why}");
            Err(ApiError::new(Exception::InvalidRequestContent, message))
        };
        let Ok(payload) = request.text() else {
            return not_json("it is not UTF-8".to_owned());
        };
        if let Some(payload) = &payload
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(payload)
        {
            return not_json(error.to_string());
        }
        Ok(Self { kind, name, tail: tail && kind == InvocationType::RequestResponse, payload })
    }
}

impl Api {
    pub(crate) async fn invoke(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let qualifier = request.query.one("Qualifier")?.map(ToOwned::to_owned);
        let named = FunctionRef::parse(&request.of)?.qualified(qualifier)?;
        let asked = Asked::read(request)?;
        let Version { function, version, origin } = match self.environment.find(&named.to_string()).await {
            Ok(version) => version,
            Err(missing) => return self.invoke_without_code(asked, missing).await,
        };
        self.check_open()?;
        if !function.durable {
            if asked.name.is_some() {
                return invalid(format!("{} is not durable: it has no executions to name", function.name));
            }
            if asked.kind == InvocationType::DryRun {
                return Ok(Reply::empty(204));
            }
            return self.invoke_plain(function, &version, asked, &request.id).await;
        }
        if named.qualifier.is_none() {
            return invalid(format!(
                "You cannot invoke a durable function using an unqualified ARN: use {}:{LATEST}, or \
                 Qualifier={LATEST}",
                function.name
            ));
        }
        if asked.kind == InvocationType::DryRun {
            return Ok(Reply::empty(204));
        }
        let settings = self.settings(&function.name);
        let mut start = StartExecution::new(&*function.name, asked.payload);
        start.execution_name = asked.name;
        start.timeout_seconds = settings.execution_timeout;
        start.invocation_retry = settings.invocation_retry;
        start.idempotent = true;
        version.as_ref().clone_into(&mut start.function_version);
        start.origin = origin;
        let tails = asked.tail.then(|| self.tails.clone());
        let follow = move |arn: &ExecutionArn| tails.map(|tails| tails.follow(arn));
        let (arn, tail) = self.server().start_execution_then(start, follow).await?;
        self.begun(asked.kind, &arn, tail.as_ref()).await
    }

    /// Answers a request for code that is not there. Names are looked up before code: an execution that has the name of the
    /// request began when its code was there, and is the one that is asked for.
    async fn invoke_without_code(&self, asked: Asked, missing: VersionError) -> Result<Reply, ApiError> {
        let Asked { kind, name, tail, payload } = asked;
        let function = match &missing {
            VersionError::Qualifier { function, .. } | VersionError::Code { function, .. } => {
                function.clone()
            }
            VersionError::Function(_) => return Err(missing.into()),
        };
        let Some(name) = name.filter(|_| kind != InvocationType::DryRun) else { return Err(missing.into()) };
        self.check_open()?;
        let Some(arn) = self.server().find_started(&function, &name, payload).await? else {
            return Err(missing.into());
        };
        let tail = tail.then(|| self.tails.follow(&arn));
        self.begun(kind, &arn, tail.as_ref()).await
    }

    /// The answer to a request whose execution has begun.
    async fn begun(
        &self,
        kind: InvocationType,
        arn: &ExecutionArn,
        tail: Option<&Following>,
    ) -> Result<Reply, ApiError> {
        let reply = match kind {
            InvocationType::RequestResponse => self.outcome(arn).await?,
            InvocationType::Event | InvocationType::DryRun => Reply::empty(202),
        };
        let executed = arn.parts().map_or("", |(_, version, _)| version);
        Ok(finished(reply, executed, tail).with("x-amz-durable-execution-arn", arn.as_str()))
    }

    /// Waits until an execution has ended, and returns the answer. It was started, so a store that fails meanwhile is no
    /// answer: the client would start another.
    async fn outcome(&self, arn: &ExecutionArn) -> Result<Reply, ApiError> {
        let view = loop {
            let ended = async {
                self.server().ended(arn).await?;
                self.server().view(arn).await
            };
            match ended.await {
                Ok(view) => break view,
                Err(ServiceError::Store(_)) => sleep(AFTER_FAILURE).await,
                Err(error) => return Err(error.into()),
            }
        };
        match view.status {
            ExecutionStatus::Succeeded => Ok(succeeded(view.result.map(|result| result.to_string()))),
            ExecutionStatus::Running => {
                let message = format!("{arn} goes on without this request: ask for it by its ARN");
                Err(ApiError::new(Exception::Service, message))
            }
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Stopped => {
                Ok(failed(&view.error.unwrap_or_default()))
            }
        }
    }

    async fn invoke_plain(
        &self,
        function: Function,
        version: &str,
        asked: Asked,
        id: &str,
    ) -> Result<Reply, ApiError> {
        let Ok(place) = self.plain.clone().try_acquire_owned() else {
            let message = "too many functions are running: try again when some have ended";
            return Err(ApiError::new(Exception::TooManyRequests(Scarce::PlainFunctions), message));
        };
        let arn = plain_arn(&function.name, id);
        let tail = asked.tail.then(|| self.tails.follow(&arn));
        let budget = Budget::new(self.options.limits.execution_bytes, self.options.host.clone());
        let environment = self.environment.clone();
        let (id, payload) = (id.to_owned(), asked.payload);
        // In a task: the function runs to its end, whatever the client does.
        let running = tokio::spawn(async move {
            let payload = payload.map(Into::into);
            let outcome = environment.run_plain_function(&function, payload, &id, budget).await;
            drop(place);
            outcome
        });
        if asked.kind == InvocationType::Event {
            return Ok(finished(Reply::empty(202), version, None));
        }
        let reply = match running.await {
            Ok(InvokeOutcome::Succeeded(result)) => succeeded(result),
            Ok(
                InvokeOutcome::Failed(error) | InvokeOutcome::TimedOut(error) | InvokeOutcome::Stopped(error),
            ) => failed(&error),
            Err(_) => return Err(ApiError::new(Exception::Service, "the function did not end")),
        };
        Ok(finished(reply, version, tail.as_ref()))
    }
}

fn finished(reply: Reply, version: &str, tail: Option<&Following>) -> Reply {
    let reply = reply.with("x-amz-executed-version", version);
    match tail {
        Some(tail) => reply.with("x-amz-log-result", &tail.encoded()),
        None => reply,
    }
}

fn succeeded(result: Option<String>) -> Reply {
    Reply::text(200, result.unwrap_or_else(|| "null".to_owned()))
}

/// A function's error, with the members that AWS Lambda gives the errors of all functions.
fn failed(error: &ErrorObject) -> Reply {
    let members = [
        ("errorType", json!(error.error_type)),
        ("errorMessage", json!(error.error_message)),
        ("errorData", json!(error.error_data)),
        ("stackTrace", if error.stack_trace.is_empty() { Value::Null } else { json!(error.stack_trace) }),
    ];
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    let body: Value = members.map(|(name, value)| (name.to_owned(), value)).collect();
    Reply::json(200, &body).with("x-amz-function-error", "Unhandled")
}
