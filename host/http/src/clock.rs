//! The clock of the functions: which time it is for them, and how it is advanced where time is skipped.

use std::time::Duration;

use durawasm_core::parse_duration;
use serde::Deserialize;
use serde_json::json;

use super::{
    api::Api,
    error::{ApiError, invalid},
    names::shortened,
    reply::Reply,
    request::ApiRequest,
};

/// The longest time that the clock is advanced at once.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// The body of a request to advance the clock.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Advance {
    duration: String,
}

impl Api {
    /// The time of the functions, and whether it is skipped.
    pub(crate) fn clock(&self) -> Reply {
        let clock = self.environment.clock();
        Reply::json(200, &json!({ "Now": clock.now().to_string(), "Skips": clock.skips() }))
    }

    /// Advances the clock, also past timeouts that only the outside can prevent. What is due on the way happens in its order.
    pub(crate) async fn advance_clock(&self, request: &ApiRequest) -> Result<Reply, ApiError> {
        let Advance { duration } = request.json()?;
        let clock = self.environment.clock();
        if !clock.skips() {
            return invalid("time is real here and cannot be advanced: serve with --skip-time for that");
        }
        let by = match parse_duration(&duration) {
            Ok(by) if by <= LONGEST => by,
            Ok(_) => return invalid("the clock is advanced by 366 days at most"),
            Err(error) => return invalid(format!("Duration is {:?}: {error}", shortened(&duration))),
        };
        let _actor = clock.actor();
        let until = clock.now().plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        let _permit = clock.permit(until);
        clock.sleep(Some(until)).await;
        // What is due at the same instant and was scheduled meanwhile comes first.
        clock.sleep(Some(until)).await;
        Ok(self.clock())
    }
}
