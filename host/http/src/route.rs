//! Which operation a request is for: its method and its path.
//!
//! Invariants: the table below is that of the service model; a part of a path is decoded once.

use percent_encoding::percent_decode_str;

use super::{
    bounds,
    error::{ApiError, Exception, invalid},
};

/// An operation of the service model, or one of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Invoke,
    GetDurableExecution,
    GetDurableExecutionHistory,
    GetDurableExecutionState,
    CheckpointDurableExecution,
    ListDurableExecutionsByFunction,
    StopDurableExecution,
    PauseDurableExecution,
    ResumeDurableExecution,
    DeleteDurableExecution,
    SendDurableExecutionCallbackSuccess,
    SendDurableExecutionCallbackFailure,
    SendDurableExecutionCallbackHeartbeat,
    /// `GET /health`, of our own.
    Health,
    /// `GET /durawasm/clock`, of our own.
    Clock,
    /// `POST /durawasm/clock/advance`, of our own.
    AdvanceClock,
    /// `GET /metrics`, of our own.
    Metrics,
}

impl Operation {
    /// The name in metrics: that of the service model.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invoke => "Invoke",
            Self::GetDurableExecution => "GetDurableExecution",
            Self::GetDurableExecutionHistory => "GetDurableExecutionHistory",
            Self::GetDurableExecutionState => "GetDurableExecutionState",
            Self::CheckpointDurableExecution => "CheckpointDurableExecution",
            Self::ListDurableExecutionsByFunction => "ListDurableExecutionsByFunction",
            Self::StopDurableExecution => "StopDurableExecution",
            Self::PauseDurableExecution => "PauseDurableExecution",
            Self::ResumeDurableExecution => "ResumeDurableExecution",
            Self::DeleteDurableExecution => "DeleteDurableExecution",
            Self::SendDurableExecutionCallbackSuccess => "SendDurableExecutionCallbackSuccess",
            Self::SendDurableExecutionCallbackFailure => "SendDurableExecutionCallbackFailure",
            Self::SendDurableExecutionCallbackHeartbeat => "SendDurableExecutionCallbackHeartbeat",
            Self::Clock => "Clock",
            Self::AdvanceClock => "AdvanceClock",
            Self::Health => "Health",
            Self::Metrics => "Metrics",
        }
    }

    /// The largest body, in bytes.
    pub(crate) fn body_limit(self, asynchronous: bool) -> usize {
        match self {
            Self::Invoke if asynchronous => bounds::ASYNCHRONOUS_PAYLOAD,
            Self::Invoke => bounds::SYNCHRONOUS_PAYLOAD,
            Self::CheckpointDurableExecution => bounds::CHECKPOINT_BODY,
            Self::SendDurableExecutionCallbackSuccess => bounds::CALLBACK_RESULT,
            Self::SendDurableExecutionCallbackFailure | Self::StopDurableExecution => bounds::ERROR_BODY,
            Self::PauseDurableExecution | Self::ResumeDurableExecution => bounds::REASON_BODY,
            // Clients may send an empty object.
            _ => 1024,
        }
    }
}

/// An operation, and what it is on: a function, an execution or a callback, as the request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    pub(crate) of: String,
}

/// The longest path, in bytes: every byte of an ARN may be encoded as three.
const LONGEST_PATH: usize = 4 * 1024;

/// Finds the operation of a request.
pub(crate) fn route(method: &str, path: &str) -> Result<Route, ApiError> {
    use Operation as O;
    if path.len() > LONGEST_PATH {
        return invalid(format!("the path has {} bytes; at most {LONGEST_PATH} are allowed", path.len()));
    }
    let ours = match (method, path) {
        ("GET", "/health") => Some(O::Health),
        ("GET", "/metrics") => Some(O::Metrics),
        ("GET", "/durawasm/clock") => Some(O::Clock),
        ("POST", "/durawasm/clock/advance") => Some(O::AdvanceClock),
        _ => None,
    };
    if let Some(operation) = ours {
        return Ok(Route { operation, of: String::new() });
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let (operation, of) = match (method, &*parts) {
        ("POST", ["2015-03-31", "functions", of, "invocations"]) => (O::Invoke, decoded(of)?),
        ("GET", ["2025-12-01", "functions", of, "durable-executions"]) => {
            (O::ListDurableExecutionsByFunction, decoded(of)?)
        }
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "succeed"]) => {
            (O::SendDurableExecutionCallbackSuccess, decoded(of)?)
        }
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "fail"]) => {
            (O::SendDurableExecutionCallbackFailure, decoded(of)?)
        }
        ("POST", ["2025-12-01", "durable-execution-callbacks", of, "heartbeat"]) => {
            (O::SendDurableExecutionCallbackHeartbeat, decoded(of)?)
        }
        (_, ["2025-12-01", "durable-executions", rest @ ..]) => {
            let (of, action) = execution(rest)?;
            let operation = match (method, action) {
                ("GET", []) => O::GetDurableExecution,
                ("DELETE", []) => O::DeleteDurableExecution,
                ("GET", ["history"]) => O::GetDurableExecutionHistory,
                ("GET", ["state"]) => O::GetDurableExecutionState,
                ("POST", ["checkpoint"]) => O::CheckpointDurableExecution,
                ("POST", ["stop"]) => O::StopDurableExecution,
                ("POST", ["pause"]) => O::PauseDurableExecution,
                ("POST", ["resume"]) => O::ResumeDurableExecution,
                _ => return unknown(),
            };
            (operation, of)
        }
        _ => return unknown(),
    };
    Ok(Route { operation, of })
}

fn unknown<T>() -> Result<T, ApiError> {
    let message = "no operation of the durable execution API has this method and path";
    Err(ApiError::new(Exception::UnknownOperation, message))
}

fn decoded(part: &str) -> Result<String, ApiError> {
    match percent_decode_str(part).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => invalid("a part of the path is not UTF-8"),
    }
}

/// The execution that a path names, and the rest of the path. Clients encode the slashes of an ARN; who writes a path by
/// hand may not.
fn execution<'a>(parts: &'a [&'a str]) -> Result<(String, &'a [&'a str]), ApiError> {
    match parts {
        [arn, "durable-execution", name, id, rest @ ..] => {
            Ok((decoded(&format!("{arn}/durable-execution/{name}/{id}"))?, rest))
        }
        [arn, rest @ ..] => Ok((decoded(arn)?, rest)),
        [] => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_with_and_without_encoded_slashes() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST/durable-execution/n/0-1";
        let encoded = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%3A%24LATEST%2Fdurable-execution%2Fn%2F0-1";
        for written in [arn, encoded] {
            let path = format!("/2025-12-01/durable-executions/{written}");
            let found = |method: &str, more: &str| route(method, &format!("{path}{more}")).unwrap();
            assert_eq!(found("GET", ""), Route { operation: Operation::GetDurableExecution, of: arn.into() });
            let operation = Operation::GetDurableExecutionHistory;
            assert_eq!(found("GET", "/history"), Route { operation, of: arn.into() });
        }
    }

    #[test]
    fn what_is_no_operation() {
        for (method, path) in [
            ("GET", "/"),
            ("GET", ""),
            ("PUT", "/2015-03-31/functions/f/invocations"),
            ("POST", "/2015-03-31/functions/f/invocations/"),
            ("GET", "/2025-12-01/durable-executions"),
            ("POST", "/2025-12-01/durable-executions/x"),
            ("GET", "/2025-12-01/durable-executions/x/nothing"),
        ] {
            let error = route(method, path).unwrap_err();
            assert_eq!(error.exception, Exception::UnknownOperation, "{method} {path}");
        }
        assert!(route("GET", "/2025-12-01/functions/%ff/durable-executions").is_err());
        assert!(route("GET", &"x".repeat(5000)).is_err());
    }
}
