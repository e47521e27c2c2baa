//! The Lambda context of an invocation, with the names of the Rust runtime.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::data::ExecutionInfo;
use super::runtime::Runtime;

/// The context of one invocation, in the form of the Lambda runtime: returned by
/// [`DurableContext::lambda_context`](crate::DurableContext::lambda_context).
///
/// Names are those of the crate `lambda_runtime`. A component has no mobile clients, Cognito identities and log
/// streams: those fields are always empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LambdaContext {
    /// The id of this invocation. Different on every replay.
    pub request_id: String,
    /// When the invocation is stopped if it has not ended, in milliseconds since the Unix epoch. Different on every
    /// replay.
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

/// The configuration of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LambdaConfig {
    /// The name of the function, without qualifier.
    pub function_name: String,
    /// The memory limit of an invocation, in MB. Always 0, because the host does not report it.
    pub memory: i32,
    /// The version of the function, such as `$LATEST`.
    pub version: String,
    /// The log stream. Always empty here.
    pub log_stream: String,
    /// The log group. Always empty here.
    pub log_group: String,
}

/// A mobile client, in the form of the Lambda runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientContext {
    /// Custom values of the client.
    pub custom: HashMap<String, String>,
    /// The environment of the client.
    pub environment: HashMap<String, String>,
}

/// A Cognito identity, in the form of the Lambda runtime.
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
        // The ARN of the execution starts with that of the function.
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

    /// When the invocation is stopped if it has not ended.
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.deadline)
    }
}
