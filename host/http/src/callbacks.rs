//! `SendDurableExecutionCallbackSuccess`, `...Failure`, `...Heartbeat`.

use durawasm_core::server::Answer;
use serde_json::json;

use super::{api::Api, error::ApiError, names::callback_id, reply::Reply, request::ApiRequest};

impl Api {
    /// The body is the result: any text, for the handler's serdes.
    pub(crate) async fn succeed_callback(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        self.answer_callback(request, Answer::Success(request.text()?)).await
    }

    pub(crate) async fn fail_callback(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        self.answer_callback(request, Answer::Failure(request.error()?.unwrap_or_default())).await
    }

    pub(crate) async fn beat_callback(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        self.answer_callback(request, Answer::Heartbeat).await
    }

    async fn answer_callback(&self, request: &ApiRequest, answer: Answer) -> Result<Reply, ApiError> {
        self.server().complete_callback(&callback_id(&request.of)?, answer).await?;
        Ok(Reply::json(200, &json!({})))
    }
}
