//! `Client`: the operations of the service model, one method for each.
//!
//! Invariants: an error names the operation, what it was on, and the endpoint; a page that names itself as the next one
//! is an error, so that every list ends; what several pages make this process keep has a bound.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use durawasm_core::{
    protocol::{CallbackId, ErrorObject, ExecutionArn, FunctionName, Timestamp},
    server::Answer,
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request,
    header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    access::Access,
    call::{Call, WITHIN},
    endpoint::Endpoint,
    error::{ClientError, Problem},
    refusal::refusal,
    sign::add_signature,
    transport::{self, Transport},
    types::{
        ClockState, Execution, HistoryPage, Invocation, Invoked, ListPage, ListQuery, ListedExecution, Rest,
    },
};

/// The events of a page: the service's maximum.
const EVENTS: u32 = 1000;

/// The executions of a page: the service's maximum.
const EXECUTIONS: usize = 1000;

/// The most pages of a list or a history: more than a million executions or events have.
pub(crate) const PAGES: usize = 10_000;

/// The most bytes of answers of which the content is kept, for one list or one history.
pub(crate) const KEPT: usize = 256 * 1024 * 1024;

/// A client of one endpoint. Cheap to clone: clones share connections.
///
/// Requires a tokio runtime with time and I/O.
#[derive(Clone)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    access: Access,
    transport: Transport,
}

impl Client {
    /// A client of this endpoint.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(endpoint: Endpoint, access: Access) -> Result<Self, Problem> {
        let transport = Transport::new(endpoint.is_https())?;
        Ok(Self { endpoint: Arc::new(endpoint), access, transport })
    }

    /// Where the requests go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Invokes a function (`Invoke`). An asynchronous invocation takes a payload of 1 MiB at most, another one 6 MiB.
    ///
    /// # Errors
    /// [`ClientError`]. An error of the function is part of the answer.
    pub async fn invoke(&self, invocation: Invocation<'_>) -> Result<Invoked, ClientError> {
        let Invocation { function, name, payload, asynchronous, within } = invocation;
        let mut call =
            Call::new("Invoke", Method::POST, "/2015-03-31/functions/", function.as_str(), "/invocations");
        call.query.extend(function.qualifier().map(|qualifier| ("Qualifier", qualifier.to_owned())));
        let kind = if asynchronous { "Event" } else { "RequestResponse" };
        call.headers.push(("x-amz-invocation-type", kind.to_owned()));
        call.headers.extend(name.map(|name| ("x-amz-durable-execution-name", name.to_owned())));
        payload.clone_into(&mut call.body);
        call.within = within;
        let answer = self.send(&call).await?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Invoked {
            execution: header("x-amz-durable-execution-arn").map(ExecutionArn::from),
            function_error: header("x-amz-function-error").map(str::to_owned),
            payload: String::from_utf8_lossy(&answer.body).into_owned(),
        })
    }

    /// Starts an execution by an asynchronous invocation (`Invoke`). If one of this name exists with the same payload,
    /// it is the one that is returned.
    ///
    /// # Errors
    /// [`ClientError`], also if the function is not durable.
    pub async fn start(
        &self,
        function: &FunctionName,
        name: Option<&str>,
        payload: &str,
    ) -> Result<ExecutionArn, ClientError> {
        let invocation = Invocation { function, name, payload, asynchronous: true, within: Some(WITHIN) };
        let invoked = self.invoke(invocation).await?;
        invoked.execution.ok_or_else(|| self.error("Invoke", function.as_str(), Problem::NotDurable))
    }

    /// The state of an execution (`GetDurableExecution`).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn execution(&self, arn: &ExecutionArn) -> Result<Execution, ClientError> {
        let mut call = Call::on_execution("GetDurableExecution", Method::GET, arn, "");
        call.query.push(("IncludeExecutionData", "true".to_owned()));
        self.read(&call).await
    }

    /// A page of an execution's history (`GetDurableExecutionHistory`): the first one, or that of a marker. It has at
    /// most 1000 events.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn history_page(
        &self,
        arn: &ExecutionArn,
        marker: Option<&str>,
    ) -> Result<HistoryPage, ClientError> {
        Ok(self.sized_history_page(arn, marker).await?.0)
    }

    /// The same, with the size of the answer in bytes.
    pub(crate) async fn sized_history_page(
        &self,
        arn: &ExecutionArn,
        marker: Option<&str>,
    ) -> Result<(HistoryPage, usize), ClientError> {
        let mut call = Call::on_execution("GetDurableExecutionHistory", Method::GET, arn, "/history");
        call.query = vec![("IncludeExecutionData", "true".to_owned()), ("MaxItems", EVENTS.to_string())];
        call.query.extend(marker.map(|marker| ("Marker", marker.to_owned())));
        let (mut page, size): (HistoryPage, usize) = self.read_sized(&call).await?;
        page.next_marker = self.next(&call, page.next_marker, marker)?;
        Ok((page, size))
    }

    /// Hands each event of an execution's history to `event`, in their order and as the service writes them. No more
    /// than a page is kept.
    ///
    /// # Errors
    /// [`ClientError`], also if the history has more than 10,000 pages. Then `event` may have got some events.
    pub async fn each_event(
        &self,
        arn: &ExecutionArn,
        mut event: impl FnMut(Value),
    ) -> Result<(), ClientError> {
        let mut marker = None;
        for _ in 0..PAGES {
            let page = self.history_page(arn, marker.as_deref()).await?;
            page.events.into_iter().for_each(&mut event);
            marker = page.next_marker;
            if marker.is_none() {
                return Ok(());
            }
        }
        Err(self.endless("GetDurableExecutionHistory", arn.as_str()))
    }

    /// The executions that a query is for and whose names begin so, the latest first, at most `most` of them; and what
    /// is left out. It ends early, with [`Rest::TooLarge`], when the answers that have some of them are larger than 256
    /// MiB.
    ///
    /// # Errors
    /// [`ClientError`], also if the list has more than 10,000 pages.
    pub async fn list(
        &self,
        query: &ListQuery,
        beginning: &str,
        most: usize,
    ) -> Result<(Vec<ListedExecution>, Rest), ClientError> {
        let (mut found, mut marker, mut kept): (Vec<ListedExecution>, _, _) = (Vec::new(), None, 0);
        for _ in 0..PAGES {
            let page = if beginning.is_empty() { EXECUTIONS.min(most - found.len()) } else { EXECUTIONS };
            let (page, size) = self.list_page(query, marker.as_deref(), page).await?;
            let before = found.len();
            let listed = page.durable_executions.into_iter();
            found.extend(listed.filter(|listed| listed.durable_execution_name.starts_with(beginning)));
            kept += if found.len() > before { size } else { 0 };
            marker = page.next_marker;
            let over = found.len().saturating_sub(most);
            let rest = match marker {
                None if over == 0 => Rest::Nothing,
                None => Rest::Exactly(over),
                Some(_) if found.len() >= most => Rest::AtLeast(over),
                Some(_) if kept > KEPT => Rest::TooLarge,
                Some(_) => continue,
            };
            found.truncate(most);
            return Ok((found, rest));
        }
        Err(self.endless("ListDurableExecutionsByFunction", &query.function))
    }

    /// A page of a function's executions (`ListDurableExecutionsByFunction`), with at most `most` of them, 1 to 1000;
    /// and the size of the answer in bytes.
    ///
    /// # Errors
    /// [`ClientError`]
    async fn list_page(
        &self,
        query: &ListQuery,
        marker: Option<&str>,
        most: usize,
    ) -> Result<(ListPage, usize), ClientError> {
        let (before, behind) = ("/2025-12-01/functions/", "/durable-executions");
        let operation = "ListDurableExecutionsByFunction";
        let mut call = Call::new(operation, Method::GET, before, &query.function, behind);
        call.query.push(("MaxItems", most.to_string()));
        call.query.extend(query.statuses.iter().map(|status| ("Statuses", status.clone())));
        let mut add = |name, value: Option<String>| call.query.extend(value.map(|value| (name, value)));
        add("DurableExecutionName", query.name.clone());
        add("StartedAfter", query.started_after.map(|time| time.to_string()));
        add("StartedBefore", query.started_before.map(|time| time.to_string()));
        add("Marker", marker.map(str::to_owned));
        let (mut page, size): (ListPage, usize) = self.read_sized(&call).await?;
        page.next_marker = self.next(&call, page.next_marker, marker)?;
        Ok((page, size))
    }

    /// Stops an execution (`StopDurableExecution`): it ends as STOPPED with this error. Returns when it ended.
    ///
    /// # Errors
    /// [`ClientError`], also if it has ended.
    pub async fn stop(
        &self,
        arn: &ExecutionArn,
        error: Option<&ErrorObject>,
    ) -> Result<Option<Timestamp>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stopped {
            stop_timestamp: Option<Timestamp>,
        }
        let mut call = Call::on_execution("StopDurableExecution", Method::POST, arn, "/stop");
        call.body = error.map(|error| json!(error).to_string()).unwrap_or_default();
        let stopped: Stopped = self.read(&call).await?;
        Ok(stopped.stop_timestamp)
    }

    /// Deletes an execution (`DeleteDurableExecution`).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn delete(&self, arn: &ExecutionArn) -> Result<(), ClientError> {
        self.send(&Call::on_execution("DeleteDurableExecution", Method::DELETE, arn, "")).await.map(drop)
    }

    /// Pauses an execution (`PauseDurableExecution`), and its timeout, unless `keep_timeout` is set.
    ///
    /// # Errors
    /// [`ClientError`], also if it has ended.
    pub async fn pause(
        &self,
        arn: &ExecutionArn,
        reason: Option<&str>,
        keep_timeout: bool,
    ) -> Result<(), ClientError> {
        let mut call = Call::on_execution("PauseDurableExecution", Method::POST, arn, "/pause");
        let mut body = json!({ "ExecutionTimeoutPaused": !keep_timeout });
        add_reason(&mut body, reason);
        call.body = body.to_string();
        self.send(&call).await.map(drop)
    }

    /// Resumes an execution that is paused (`ResumeDurableExecution`).
    ///
    /// # Errors
    /// [`ClientError`], also if it is not paused.
    pub async fn resume(&self, arn: &ExecutionArn, reason: Option<&str>) -> Result<(), ClientError> {
        let mut call = Call::on_execution("ResumeDurableExecution", Method::POST, arn, "/resume");
        let mut body = json!({});
        add_reason(&mut body, reason);
        call.body = body.to_string();
        self.send(&call).await.map(drop)
    }

    /// Answers a callback (`SendDurableExecutionCallbackSuccess`, `...Failure`, `...Heartbeat`). A result has 1 MiB at
    /// most.
    ///
    /// # Errors
    /// [`ClientError`], also if the callback has ended.
    pub async fn answer(&self, id: &CallbackId, answer: &Answer) -> Result<(), ClientError> {
        let mut call = match answer {
            Answer::Success(_) => Call::on_callback("SendDurableExecutionCallbackSuccess", id, "/succeed"),
            Answer::Failure(_) => Call::on_callback("SendDurableExecutionCallbackFailure", id, "/fail"),
            Answer::Heartbeat => Call::on_callback("SendDurableExecutionCallbackHeartbeat", id, "/heartbeat"),
        };
        call.body = match answer {
            Answer::Success(result) => result.clone().unwrap_or_default(),
            Answer::Failure(error) => json!(error).to_string(),
            Answer::Heartbeat => String::new(),
        };
        self.send(&call).await.map(drop)
    }

    /// The clock of the functions. Only `durawasm serve` tells it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn clock(&self) -> Result<ClockState, ClientError> {
        self.read(&Call::new("Clock", Method::GET, "/durawasm/clock", "", "")).await
    }

    /// Advances the clock of the functions by a duration, as people write it, where time is skipped. Returns the clock
    /// after that. Only `durawasm serve` does this.
    ///
    /// # Errors
    /// [`ClientError`], also where time is real.
    pub async fn advance_clock(&self, by: &str) -> Result<ClockState, ClientError> {
        let mut call = Call::new("AdvanceClock", Method::POST, "/durawasm/clock", "", "/advance");
        call.body = json!({ "Duration": by }).to_string();
        self.read(&call).await
    }

    pub(crate) fn error(&self, operation: &'static str, of: &str, problem: Problem) -> ClientError {
        ClientError { operation, of: of.to_owned(), endpoint: Box::new((*self.endpoint).clone()), problem }
    }

    pub(crate) fn endless(&self, operation: &'static str, of: &str) -> ClientError {
        self.error(operation, of, Problem::Answer(format!("there are more than {PAGES} pages")))
    }

    /// The marker of the page after this one.
    fn next(
        &self,
        call: &Call<'_>,
        next: Option<String>,
        marker: Option<&str>,
    ) -> Result<Option<String>, ClientError> {
        let next = next.filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == marker {
            let problem = Problem::Answer("a page names itself as the next".to_owned());
            return Err(self.error(call.operation, call.of, problem));
        }
        Ok(next)
    }

    /// Sends a request, and reads the JSON of its answer.
    async fn read<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, ClientError> {
        Ok(self.read_sized(call).await?.0)
    }

    /// The same, with the size of the answer in bytes.
    async fn read_sized<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<(T, usize), ClientError> {
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body)
            .map(|read| (read, answer.body.len()))
            .map_err(|error| self.error(call.operation, call.of, Problem::Answer(error.to_string())))
    }

    /// Sends a request. An answer that is no success is an error.
    async fn send(&self, call: &Call<'_>) -> Result<transport::Answer, ClientError> {
        let request = self.request(call);
        let answer = match request {
            Ok(request) => self.transport.send(request, call.within).await,
            Err(why) => Err(Problem::Request(why)),
        };
        let problem = match answer {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
            Ok(answer) => refusal(&answer),
            Err(problem) => problem,
        };
        Err(self.error(call.operation, call.of, problem))
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, String> {
        let (uri, path) = self.endpoint.uri(&call.target()).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        let value =
            |text: &str| HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot be in a header"));
        headers.insert(HOST, value(self.endpoint.host())?);
        // It is signed, so that two requests with the same content differ: a server takes each signature once.
        headers.insert("amz-sdk-invocation-id", value(&Uuid::new_v4().to_string())?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("durawasm/", env!("CARGO_PKG_VERSION"))));
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, text) in &call.headers {
            headers.insert(HeaderName::from_static(name), value(text)?);
        }
        if let Access::Signed(key) = &self.access {
            let now = SystemTime::now();
            add_signature(key, now, &call.method, &path, &mut headers, call.body.as_bytes())?;
        }
        let request = Request::builder().method(call.method.clone()).uri(uri);
        let mut request = request.body(Full::from(call.body.clone())).map_err(|error| error.to_string())?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn add_reason(body: &mut Value, reason: Option<&str>) {
    if let (Some(reason), Some(members)) = (reason, body.as_object_mut()) {
        members.insert("Reason".to_owned(), json!(reason));
    }
}
