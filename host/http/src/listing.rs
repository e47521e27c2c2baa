//! `ListDurableExecutionsByFunction`.

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{ExecutionSummary, ListExecutions},
};
use serde_json::{Map, Value, json};

use super::{
    api::Api,
    error::{ApiError, invalid},
    names::{FunctionRef, execution_name, function_arn, shortened},
    read::add,
    reply::Reply,
    request::ApiRequest,
};

/// The statuses of executions (service model: `ExecutionStatus`).
const STATUSES: [&str; 8] =
    ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "DELETING", "PAUSING", "PAUSED"];

/// The most statuses to filter by (service model: `ExecutionStatusList`).
const MOST_STATUSES: usize = 10;

impl Api {
    pub(crate) async fn list(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let query = &request.query;
        let qualifier = query.one("Qualifier")?.map(ToOwned::to_owned);
        let named = FunctionRef::parse(&request.of)?.qualified(qualifier)?;
        // Executions of a version are listed after it was deleted, too.
        let number = named.qualifier.as_deref().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let version = match number {
            Some(number) => {
                self.resolve(&FunctionRef { qualifier: None, ..named.clone() })?;
                number.into()
            }
            None => self.resolve(&named)?,
        };
        let statuses: Vec<String> = query.all("Statuses").map(ToOwned::to_owned).collect();
        if let Some(unknown) = statuses.iter().find(|status| !STATUSES.contains(&&***status)) {
            return invalid(format!("{:?} is no status: use {}", shortened(unknown), STATUSES.join(", ")));
        }
        if statuses.len() > MOST_STATUSES {
            return invalid(format!("there are more than {MOST_STATUSES} statuses"));
        }
        let mut list = ListExecutions {
            version: named.qualifier.map(|_| version.to_string()),
            function: named.name,
            name: query.one("DurableExecutionName")?.map(execution_name).transpose()?,
            statuses,
            started_after: query.time("StartedAfter")?,
            started_before: query.time("StartedBefore")?,
            oldest_first: query.flag("ReverseOrder", false)?,
            after: None,
            most: 0,
        };
        // A marker is for this list with these filters.
        let scope = format!("list {list:?}");
        if let Some(marker) = query.one("Marker")?.filter(|marker| !marker.is_empty()) {
            let (start, arn): (i64, ExecutionArn) = self.markers.read(&scope, marker, self.real_now())?;
            list.after = Some((Timestamp::from_millis(start), arn));
        }
        let most = query.max_items()?;
        // One more tells whether there is another page.
        list.most = most + 1;
        let mut found = self.server().list_executions(list).await?;
        let more = found.len() > most;
        found.truncate(most);
        let mut members = Map::new();
        if let Some(last) = found.last().filter(|_| more) {
            let place = (last.start.as_millis(), &last.arn);
            add(&mut members, "NextMarker", json!(self.markers.make(&scope, place, self.real_now())));
        }
        let executions: Vec<Value> = found.iter().map(listed).collect();
        add(&mut members, "DurableExecutions", json!(executions));
        Ok(Reply::json(200, &Value::Object(members)))
    }
}

fn listed(execution: &ExecutionSummary) -> Value {
    let (_, _, name) = execution.arn.parts().unwrap_or_default();
    let mut members = Map::new();
    add(&mut members, "DurableExecutionArn", json!(execution.arn));
    add(&mut members, "DurableExecutionName", json!(name));
    add(&mut members, "FunctionArn", json!(function_arn(&execution.arn)));
    add(&mut members, "Status", json!(execution.standing.as_str()));
    add(&mut members, "StartTimestamp", json!(execution.start));
    add(&mut members, "EndTimestamp", json!(execution.end));
    Value::Object(members)
}
