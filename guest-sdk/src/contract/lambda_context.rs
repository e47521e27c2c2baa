//! What Lambda tells a function of its invocation, as its Rust runtime names it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::data::ExecutionInfo;
use super::runtime::Runtime;

/// One invocation, as the Lambda runtime describes it: what
/// [`DurableContext::lambda_context`](crate::DurableContext::lambda_context) gives.
///
/// Names are those of the crate `lambda_runtime`. A component knows nothing of mobile clients, Cognito identities and
/// log streams: those fields are always empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LambdaContext {
    /// Identifies this invocation. Another one on every replay.
    pub request_id: String,
    /// When the invocation is ended if it has not ended by itself, in milliseconds since the Unix epoch. Another one on
    /// every replay.
    pub deadline: u64,
    /// The ARN of the function that runs, with its version.
    pub invoked_function_arn: String,
    /// The X-Ray trace id. Always none here.
    pub xray_trace_id: Option<String>,
    /// The mobile client that called. Always none here.
    pub client_context: Option<ClientContext>,
    /// The Cognito identity that called. Always none here.
    pub identity: Option<CognitoIdentity>,
    /// The tenant. Always none here.
    pub tenant_id: Option<String>,
    /// The function's configuration.
    pub env_config: Arc<LambdaConfig>,
}

/// What is known of a function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LambdaConfig {
    /// The function's name, without qualifier.
    pub function_name: String,
    /// The memory that an invocation may have, in MB; 0, as the host does not tell.
    pub memory: i32,
    /// Its version, such as `$LATEST`.
    pub version: String,
    /// The log stream. Always empty here.
    pub log_stream: String,
    /// The log group. Always empty here.
    pub log_group: String,
}

/// A mobile client, as the Lambda runtime describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientContext {
    /// What the client tells of itself.
    pub custom: HashMap<String, String>,
    /// What it tells of its surroundings.
    pub environment: HashMap<String, String>,
}

/// A Cognito identity, as the Lambda runtime describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CognitoIdentity {
    /// The identity.
    pub identity_id: String,
    /// The pool it belongs to.
    pub identity_pool_id: String,
}

impl LambdaContext {
    pub(crate) fn new(runtime: &dyn Runtime, execution: &ExecutionInfo) -> Self {
        let ExecutionInfo { arn, function_name, function_version, .. } = execution;
        // The execution's ARN is the function's and then its own.
        let function = arn.split_once("/durable-execution/").map_or(&**arn, |(function, _)| function);
        Self {
            request_id: runtime.invocation_id(),
            deadline: runtime.deadline_ms(),
            invoked_function_arn: function.to_owned(),
            xray_trace_id: None,
            client_context: None,
            identity: None,
            tenant_id: None,
            env_config: Arc::new(LambdaConfig {
                function_name: function_name.clone(),
                memory: 0,
                log_stream: String::new(),
                log_group: String::new(),
                version: function_version.clone(),
            }),
        }
    }

    /// When the invocation is ended if it has not ended by itself.
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.deadline)
    }
}
