//! `StopDurableExecution`, `PauseDurableExecution`, `ResumeDurableExecution`, `DeleteDurableExecution`.

use durawasm_core::server::PauseRequest;
use serde::Deserialize;
use serde_json::json;

use super::{api::Api, error::ApiError, names::execution_arn, reply::Reply, request::ApiRequest};

/// The body of a pause (service model: `PauseDurableExecutionRequest`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pause {
    client_token: Option<String>,
    reason: Option<String>,
    execution_timeout_paused: Option<bool>,
}

/// The body of a resumption (service model: `ResumeDurableExecutionRequest`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resume {
    client_token: Option<String>,
    reason: Option<String>,
}

impl Api {
    pub(crate) async fn stop(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        self.server().stop_execution(&arn, request.error()?).await?;
        let end = self.server().view(&arn).await?.end;
        Ok(Reply::json(200, &json!({ "StopTimestamp": end })))
    }

    pub(crate) async fn pause(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let Pause { client_token, reason, execution_timeout_paused } = request.json()?;
        let pause = PauseRequest { reason, pause_timeout: execution_timeout_paused.unwrap_or(true) };
        let (parameters, of) = (format!("{pause:?}"), format!("pause {arn}"));
        let server = self.server().clone();
        let carry_out = async move {
            server.pause_execution(&arn, pause).await?;
            Ok(Reply::json(202, &json!({})))
        };
        self.once
            .carry_out(client_token.as_deref(), &of, parameters.as_bytes(), self.real_now(), carry_out)
            .await
    }

    pub(crate) async fn resume(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let Resume { client_token, reason } = request.json()?;
        let (parameters, of) = (format!("{reason:?}"), format!("resume {arn}"));
        let server = self.server().clone();
        let carry_out = async move {
            server.resume_execution(&arn, reason).await?;
            Ok(Reply::json(202, &json!({})))
        };
        self.once
            .carry_out(client_token.as_deref(), &of, parameters.as_bytes(), self.real_now(), carry_out)
            .await
    }

    pub(crate) async fn delete(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let now = self.now();
        self.server().delete_execution(&arn).await?;
        Ok(Reply::json(202, &json!({ "DeletionRequestTimestamp": now })))
    }
}
