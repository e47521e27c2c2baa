//! `CheckpointDurableExecution` and `GetDurableExecutionState`: what a handler outside of this process asks.

use durawasm_core::{
    protocol::{CheckpointToken, ExecutionArn, ExecutionStatus, OperationUpdate, ServiceError},
    server::{ServerHandle, decode_checkpoint_token},
};
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    api::Api,
    error::{ApiError, Exception, invalid},
    names::execution_arn,
    read::add,
    reply::Reply,
    request::ApiRequest,
};

/// The body of a checkpoint (service model: `CheckpointDurableExecutionRequest`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint {
    checkpoint_token: String,
    #[serde(default)]
    updates: Option<Vec<OperationUpdate>>,
    client_token: Option<String>,
}

/// The longest checkpoint token (service model: `CheckpointToken`).
const LONGEST_TOKEN: usize = 2048;

fn token(text: &str) -> Result<CheckpointToken, ApiError> {
    if !matches!(text.len(), 1..=LONGEST_TOKEN) {
        return invalid(format!(
            "the checkpoint token has {} bytes; 1 to {LONGEST_TOKEN} are allowed",
            text.len()
        ));
    }
    Ok(text.into())
}

/// These two operations have no exception for what does not exist.
fn refused(error: ServiceError) -> ApiError {
    let mut error = ApiError::from(error);
    if error.exception == Exception::ResourceNotFound {
        error.exception = Exception::InvalidParameterValue;
    }
    error
}

async fn send_checkpoint(
    server: ServerHandle,
    arn: ExecutionArn,
    token: CheckpointToken,
    updates: Vec<OperationUpdate>,
) -> Result<Reply, ApiError> {
    let (next, operations) = match server.checkpoint(&arn, &token, updates).await {
        Ok(response) => (Some(response.checkpoint_token), response.operations),
        // An answer without a token tells the handler that its invocation is over.
        Err(ServiceError::InvocationNotRunning(_)) => (None, Vec::new()),
        Err(ServiceError::InvalidToken) if is_over(&server, &arn, &token).await => (None, Vec::new()),
        Err(error) => return Err(refused(error)),
    };
    let mut members = Map::new();
    add(&mut members, "CheckpointToken", json!(next));
    add(&mut members, "NewExecutionState", json!({ "Operations": operations }));
    Ok(Reply::json(200, &members.into()))
}

/// Whether the token is one of this execution, and the execution has ended.
async fn is_over(server: &ServerHandle, arn: &ExecutionArn, token: &CheckpointToken) -> bool {
    let id = arn.as_str().rsplit('/').next();
    let of = decode_checkpoint_token(token.as_str()).ok().map(|data| data.execution_id);
    let control = server.control_view(arn).await;
    of.as_deref() == id && control.is_ok_and(|control| control.standing.status() != ExecutionStatus::Running)
}

impl Api {
    pub(crate) async fn checkpoint(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let Checkpoint { checkpoint_token, updates, client_token } = request.json()?;
        let token = token(&checkpoint_token)?;
        let of = format!("checkpoint {arn}");
        let parameters = format!("{checkpoint_token} {updates:?}");
        let carry_out = send_checkpoint(self.server().clone(), arn, token, updates.unwrap_or_default());
        self.once
            .carry_out(client_token.as_deref(), &of, parameters.as_bytes(), self.real_now(), carry_out)
            .await
    }

    /// Pages of the server may be larger than those that a client wants: a marker is the server's, and a place in its
    /// page.
    pub(crate) async fn state(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let query = &request.query;
        let Some(text) = query.one("CheckpointToken")? else { return invalid("CheckpointToken is missing") };
        let (token, most) = (token(text)?, query.max_items()?);
        let scope = format!("state {arn}");
        let marker = query.one("Marker")?.filter(|marker| !marker.is_empty());
        let place = marker.map(|marker| self.markers.read(&scope, marker, self.real_now())).transpose()?;
        let (page, skipped): (String, usize) = place.unwrap_or_default();
        let state = self.server().get_state(&arn, &token, &page).await.map_err(refused)?;
        let length = state.operations.len();
        let operations: Vec<_> = state.operations.into_iter().skip(skipped).take(most).collect();
        let end = skipped + operations.len();
        let next = if end < length { Some((page, end)) } else { state.next_marker.map(|next| (next, 0)) };
        let mut members = Map::new();
        let marker = next.and_then(|next| self.markers.make(&scope, next, self.real_now()));
        add(&mut members, "NextMarker", json!(marker));
        add(&mut members, "Operations", json!(operations));
        Ok(Reply::json(200, &members.into()))
    }
}
