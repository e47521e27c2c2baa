//! `GetDurableExecution`.

use serde_json::{Map, Value, json};

use super::{
    api::Api,
    error::ApiError,
    names::{execution_arn, function_arn},
    reply::Reply,
    request::ApiRequest,
};

/// Adds a member that has a value.
pub(crate) fn add(members: &mut Map<String, Value>, name: &str, value: Value) {
    if !value.is_null() {
        members.insert(name.to_owned(), value);
    }
}

impl Api {
    pub(crate) async fn get(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let with_data = request.query.flag("IncludeExecutionData", true)?;
        let (view, control) = self.server().whole_view(&arn).await?;
        let (_, version, name) = arn.parts().unwrap_or_default();
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| add(&mut members, name, value);
        add("DurableExecutionArn", json!(arn));
        add("DurableExecutionName", json!(name));
        add("FunctionArn", json!(function_arn(&arn)));
        add("Version", json!(version));
        add("Status", json!(control.standing.as_str()));
        add("StartTimestamp", json!(view.start));
        add("EndTimestamp", json!(view.end));
        add("ExpectedExecutionTimeoutTimestamp", json!(control.times_out));
        add("ExecutionDataIncluded", json!(with_data));
        if with_data {
            add("InputPayload", json!(view.input));
            add("Result", json!(view.result));
            add("Error", json!(view.error));
        }
        if let Some(pause) = control.pause {
            let mut details = json!({
                "PauseRequestTimestamp": pause.requested,
                "ExecutionTimeoutPaused": pause.timeout_paused,
            });
            if let (Some(reason), true, Some(details)) = (pause.reason, with_data, details.as_object_mut()) {
                details.insert("Reason".to_owned(), json!(reason));
            }
            add("PauseDetails", details);
        }
        Ok(Reply::json(200, &Value::Object(members)))
    }
}
