//! Messages for errors of the AWS API: the request, the response, and what to do.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use crate::TestError;

/// The advice for missing credentials.
pub(super) const NO_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that \
                                         has credentials (from `aws sso login`: turn on the feature `cloud-sso`)";

/// The request that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The operation's name in the service model.
    pub(super) operation: &'static str,
    /// The function, the execution or the callback that the request names.
    pub(super) of: &'a str,
    /// The address of the service.
    pub(super) place: &'a str,
}

/// The error for the test, with a message that names the request.
pub(super) fn explain<E>(asked: Asked<'_>, error: &SdkError<E>) -> TestError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let Asked { operation, of, place } = asked;
    let (said, advice) = match error {
        SdkError::ServiceError(refusal) if refusal.err().code().is_some() => {
            let refusal = refusal.err();
            let code = refusal.code().unwrap_or_default();
            let message = refusal.message().unwrap_or("no message");
            let request = error.request_id().map(|id| format!(", request {id}")).unwrap_or_default();
            (format!("{message} ({code}{request})"), advice(operation, code))
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            (chain(error), Some("is the endpoint right, and does something listen there?".to_owned()))
        }
        // An error without a code: the response could not be parsed.
        SdkError::ResponseError(_) | SdkError::ServiceError(_) => {
            let status =
                error.raw_response().map(|response| format!("HTTP status {}: ", response.status().as_u16()));
            let said = format!("{}{}", status.unwrap_or_default(), chain(error));
            (said, Some("what answers is not the AWS Lambda API of this version".to_owned()))
        }
        _ if lacks_credentials(error) => (chain(error), Some(NO_CREDENTIALS.to_owned())),
        _ => (chain(error), None),
    };
    let advice = advice.map(|advice| format!(": {advice}")).unwrap_or_default();
    TestError::AwsError(format!("{operation} of {of} at {place} failed: {said}{advice}"))
}

/// What to do about an error with this code.
fn advice(operation: &str, code: &str) -> Option<String> {
    Some(match code {
        "ResourceNotFoundException" if operation == "Invoke" => {
            "is the function's name right, with its version or alias, and is it deployed in this region and account?".into()
        }
        "AccessDeniedException" | "AccessDenied" => {
            let action = match operation {
                "Invoke" => "InvokeFunction",
                other => other,
            };
            format!("the credentials need the permission lambda:{action}")
        }
        "UnrecognizedClientException" | "InvalidSignatureException" | "IncompleteSignature"
        | "InvalidClientTokenId" | "ExpiredTokenException" | "ExpiredToken" | "MissingAuthenticationToken" => {
            format!("the credentials are not valid, or not any more; {NO_CREDENTIALS}")
        }
        "TooManyRequestsException" | "ThrottlingException" => {
            "a longer `poll_interval` asks less often".into()
        }
        "RequestTooLargeException" => "an asynchronous invocation takes a payload of 1 MB at most".into(),
        _ => return None,
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

/// An error and its sources in one line, without repetitions.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

/// Whether the request could not be signed for want of credentials.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    // The client has no type for a missing source of credentials, only a message.
    let in_words = |cause: &(dyn Error + 'static)| cause.to_string().contains("no identity resolver");
    causes(error).any(|cause| cause.is::<CredentialsError>() || in_words(cause))
}
