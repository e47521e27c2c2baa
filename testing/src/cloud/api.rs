//! `CloudApi`: the calls of the AWS Lambda API that a test makes.

use aws_sdk_lambda::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::InvocationType,
};
use durawasm_core::{
    protocol::{CallbackId, ErrorObject, Event, ExecutionArn, FunctionName},
    server::Answer,
};

use super::{
    convert::{self, Standing},
    errors::{Asked, explain},
};
use crate::{DurableApiClient, TestError, tracking::ApiCall};

/// The maximum of the service.
const EVENTS_PER_PAGE: i32 = 1000;

/// The AWS Lambda API. Cheap to clone: clones share connections.
#[derive(Debug, Clone)]
pub struct CloudApi {
    client: Client,
    place: String,
}

/// A page of the history, and the marker of the next page.
pub(super) type HistoryPage = (Vec<Event>, Option<String>);

impl CloudApi {
    /// The API behind this client.
    pub fn new(client: Client) -> Self {
        let region = client.config().region().map(|region| format!("AWS Lambda in {region}"));
        Self { client, place: region.unwrap_or_else(|| "AWS Lambda".to_owned()) }
    }

    /// The API behind a client of this endpoint.
    pub(super) fn at(client: Client, endpoint: &str) -> Self {
        Self { client, place: endpoint.to_owned() }
    }

    fn asked<'a>(&'a self, operation: &'static str, of: &'a str) -> Asked<'a> {
        Asked { operation, of, place: &self.place }
    }

    /// Starts an execution by an asynchronous invocation.
    pub(super) async fn start(
        &self,
        function: &FunctionName,
        execution_name: &str,
        payload: Vec<u8>,
    ) -> Result<ExecutionArn, TestError> {
        let answer = self
            .client
            .invoke()
            .function_name(function.as_str())
            .set_qualifier(function.qualifier().map(ToOwned::to_owned))
            .invocation_type(InvocationType::Event)
            .durable_execution_name(execution_name)
            .payload(Blob::new(payload))
            .send()
            .await
            .map_err(|error| explain(self.asked("Invoke", function.as_str()), &error))?;
        answer.durable_execution_arn.map(Into::into).ok_or_else(|| {
            TestError::AwsError(format!(
                "function {} at {} is not durable: the answer to its invocation names no execution; deploy it with a \
                 DurableConfig",
                function.as_str(),
                self.place
            ))
        })
    }

    /// The status of an execution.
    pub(super) async fn execution(&self, arn: &ExecutionArn) -> Result<Standing, TestError> {
        let answer = self
            .client
            .get_durable_execution()
            .durable_execution_arn(arn.as_str())
            .include_execution_data(true)
            .send()
            .await
            .map_err(|error| explain(self.asked("GetDurableExecution", arn.as_str()), &error))?;
        convert::standing(answer)
    }

    /// A page of an execution's history: the first page, or the page of this marker.
    pub(super) async fn history(
        &self,
        arn: &ExecutionArn,
        marker: Option<&str>,
    ) -> Result<HistoryPage, TestError> {
        let answer = self
            .client
            .get_durable_execution_history()
            .durable_execution_arn(arn.as_str())
            .include_execution_data(true)
            .max_items(EVENTS_PER_PAGE)
            .set_marker(marker.map(ToOwned::to_owned))
            .send()
            .await
            .map_err(|error| explain(self.asked("GetDurableExecutionHistory", arn.as_str()), &error))?;
        let next = answer.next_marker.filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == marker {
            return Err(TestError::AwsError(format!(
                "the history of {arn} at {} has no end: its page names itself as the next",
                self.place
            )));
        }
        let mut events = Vec::with_capacity(answer.events.len());
        for event in answer.events {
            events.extend(convert::event(event)?);
        }
        Ok((events, next))
    }

    /// Answers a callback, as an external system does (service model: `SendDurableExecutionCallbackSuccess`,
    /// `...Failure`, `...Heartbeat`).
    ///
    /// # Errors
    /// [`TestError::CallbackAlreadyCompleted`] if the callback cannot be answered any more,
    /// [`TestError::CallbackNotFound`] if there is no such callback, [`TestError::AwsError`] otherwise.
    pub async fn complete_callback(&self, id: &CallbackId, answer: Answer) -> Result<(), TestError> {
        let client = &self.client;
        match answer {
            Answer::Success(result) => {
                let call = client.send_durable_execution_callback_success().callback_id(id.as_str());
                let sent = call.set_result(result.map(Blob::new)).send().await;
                sent.map(drop)
                    .map_err(|error| self.refused(id, "SendDurableExecutionCallbackSuccess", &error))
            }
            Answer::Failure(error) => {
                let call = client.send_durable_execution_callback_failure().callback_id(id.as_str());
                let sent = call.error(convert::to_sdk(error)).send().await;
                sent.map(drop)
                    .map_err(|error| self.refused(id, "SendDurableExecutionCallbackFailure", &error))
            }
            Answer::Heartbeat => {
                let call = client.send_durable_execution_callback_heartbeat().callback_id(id.as_str());
                let sent = call.send().await;
                sent.map(drop)
                    .map_err(|error| self.refused(id, "SendDurableExecutionCallbackHeartbeat", &error))
            }
        }
    }

    /// Stops an execution (service model: `StopDurableExecution`).
    ///
    /// # Errors
    /// [`TestError::AwsError`], also if the execution has ended.
    pub async fn stop(&self, arn: &ExecutionArn, error: Option<ErrorObject>) -> Result<(), TestError> {
        let call = self.client.stop_durable_execution().durable_execution_arn(arn.as_str());
        let sent = call.set_error(error.map(convert::to_sdk)).send().await;
        sent.map(drop).map_err(|error| explain(self.asked("StopDurableExecution", arn.as_str()), &error))
    }

    fn refused<E>(&self, id: &CallbackId, operation: &'static str, error: &SdkError<E>) -> TestError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let refusal = error.as_service_error();
        let said =
            || format!("{id}: {}", refusal.and_then(|refusal| refusal.message()).unwrap_or("no message"));
        match refusal.and_then(ProvideErrorMetadata::code) {
            Some("CallbackTimeoutException") => TestError::CallbackAlreadyCompleted(said()),
            Some("ResourceNotFoundException") => TestError::CallbackNotFound(said()),
            _ => explain(self.asked(operation, id.as_str()), error),
        }
    }
}

impl DurableApiClient for CloudApi {
    fn complete_callback<'a>(&'a self, id: &'a CallbackId, answer: Answer) -> ApiCall<'a> {
        Box::pin(self.complete_callback(id, answer))
    }

    fn stop<'a>(&'a self, arn: &'a ExecutionArn, error: Option<ErrorObject>) -> ApiCall<'a> {
        Box::pin(self.stop(arn, error))
    }
}
