//! Deletes executions that ended long ago.

use std::{sync::Arc, time::Duration};

use durawasm_core::protocol::{ServiceError, Timestamp};

use super::api::Api;

/// How often executions are looked for, at most and at least.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How many executions are deleted before others are looked for.
const AT_ONCE: usize = 256;

/// Deletes executions when the retention of the bounds has passed since their end. Never returns.
pub(crate) async fn sweep(api: Arc<Api>) {
    let Some(retention) = api.options.bounds.retention else { return std::future::pending().await };
    let millis = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep((retention / 10).clamp(PAUSES.0, PAUSES.1)).await;
        let before = Timestamp::from_millis(api.now().as_millis().saturating_sub(millis));
        // What the store cannot tell or delete now, it may later.
        let mut ended = api.server().ended_before(before, AT_ONCE).await.unwrap_or_default();
        while !ended.is_empty() {
            let mut gone = 0;
            for arn in &ended {
                let deleted = api.server().delete_execution(arn).await;
                // A request may have deleted it meanwhile.
                gone += usize::from(matches!(deleted, Ok(()) | Err(ServiceError::NotFound(_))));
            }
            let more = gone > 0 && ended.len() == AT_ONCE;
            ended = if more {
                api.server().ended_before(before, AT_ONCE).await.unwrap_or_default()
            } else {
                Vec::new()
            };
        }
    }
}
