//! Deletes executions that ended long ago.

use std::{sync::Arc, time::Duration};

use durawasm_core::protocol::Timestamp;

use super::api::Api;

/// How often executions are looked for, at most and at least.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Deletes executions when the retention of the bounds has passed since their end. Never returns.
pub(crate) async fn sweep(api: Arc<Api>) {
    let Some(retention) = api.options.bounds.retention else { return std::future::pending().await };
    let millis = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep((retention / 10).clamp(PAUSES.0, PAUSES.1)).await;
        let before = Timestamp::from_millis(api.now().as_millis().saturating_sub(millis));
        let Ok(ended) = api.server().ended_before(before).await else { return std::future::pending().await };
        for arn in ended {
            // One that a request has deleted meanwhile is gone as well.
            if api.server().delete_execution(&arn).await.is_ok() {
                api.executions.forget(&arn).await;
            }
        }
    }
}
