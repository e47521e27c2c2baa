//! `GetDurableExecutionHistory`.
//!
//! Invariants: a page that continues another neither misses nor repeats events, whatever happens meanwhile: recorded
//! events do not change their numbers.

use std::sync::Arc;

use durawasm_core::protocol::Event;
use serde_json::{Value, json};

use super::{
    api::Api,
    bounds::PAGE_BYTES,
    error::{ApiError, Exception},
    names::execution_arn,
    reply::Reply,
    request::ApiRequest,
};

impl Api {
    pub(crate) async fn history(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let arn = execution_arn(&request.of)?;
        let with_data = request.query.flag("IncludeExecutionData", true)?;
        let reverse = request.query.flag("ReverseOrder", false)?;
        let most = request.query.max_items()?;
        let scope = format!("history {reverse} {arn}");
        let marker = request.query.one("Marker")?.filter(|marker| !marker.is_empty());
        let from: Option<u64> =
            marker.map(|marker| self.markers.read(&scope, marker, self.real_now())).transpose()?;
        let events = self.server().view(&arn).await?.events;
        let ordered: Box<dyn Iterator<Item = &Arc<Event>> + Send> =
            if reverse { Box::new(events.iter().rev()) } else { Box::new(events.iter()) };
        let mut ordered = ordered
            .skip_while(|event| {
                from.is_some_and(|from| if reverse { event.event_id > from } else { event.event_id < from })
            })
            .peekable();
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < most
            && bytes < PAGE_BYTES
            && let Some(event) = ordered.next()
        {
            let text = written(event, with_data)?;
            bytes += text.len();
            page.push(text);
        }
        let next =
            ordered.peek().and_then(|event| self.markers.make(&scope, event.event_id, self.real_now()));
        let marker = next.map(|next| format!(",\"NextMarker\":{}", json!(next))).unwrap_or_default();
        Ok(Reply::text(200, format!("{{\"Events\":[{}]{marker}}}", page.join(","))))
    }
}

fn written(event: &Event, with_data: bool) -> Result<String, ApiError> {
    let unwritable =
        |error| ApiError::new(Exception::Service, format!("an event cannot be written: {error}"));
    if with_data {
        return serde_json::to_string(event).map_err(unwritable);
    }
    let mut event = serde_json::to_value(event).map_err(unwritable)?;
    let details = event.as_object_mut().into_iter().flatten();
    for (_, details) in details.filter(|(name, _)| name.ends_with("Details")) {
        for data in ["Input", "Result", "Error", "Reason"] {
            if let Some(Value::Object(data)) = details.get_mut(data) {
                let had = data.remove("Payload").is_some();
                data.insert("Truncated".to_owned(), json!(had));
            }
        }
    }
    Ok(event.to_string())
}
