//! AWS Signature Version 4, in the header `Authorization`.
//!
//! Invariants: method, path, query, body and all headers of a request but `user-agent` are signed. AWS's own code
//! computes the signature.

use std::time::SystemTime;

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use hyper::{
    HeaderMap, Method,
    header::{HeaderName, HeaderValue},
};

use super::access::SigningKey;

/// The service that requests are signed for.
const SERVICE: &str = "lambda";

/// Adds the signature of a request to its headers. `path` includes the query.
///
/// # Errors
/// Why the request cannot be signed.
pub(crate) fn add_signature(
    key: &SigningKey,
    at: SystemTime,
    method: &Method,
    path: &str,
    headers: &mut HeaderMap,
    body: &[u8],
) -> Result<(), String> {
    let token = key.credentials.session_token();
    if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
        // The variable of a session's token may hold anything.
        return Err(
            "x-amz-security-token has characters that no header may have: are the credentials complete?"
                .to_owned(),
        );
    }
    let identity = key.credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&key.region)
        .name(SERVICE)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let signed = {
        let written: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| Ok((name.as_str(), value.to_str().map_err(|error| error.to_string())?)))
            .collect::<Result<_, String>>()?;
        let request =
            SignableRequest::new(method.as_str(), path, written.into_iter(), SignableBody::Bytes(body))
                .map_err(|error| error.to_string())?;
        sign(request, &parameters).map_err(|error| error.to_string())?.into_parts().0
    };
    for (name, value) in signed.headers() {
        let name: HeaderName = name.parse().map_err(|_| "a header cannot be written".to_owned())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| "a header cannot be written".to_owned())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn signed(token: Option<&str>) -> Result<HeaderMap, String> {
        let key = SigningKey::new("AKID", "hidden", token.map(str::to_owned), "eu-north-1");
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:1"));
        headers.insert("x-amz-invocation-type", HeaderValue::from_static("Event"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(482_136);
        add_signature(&key, at, &Method::POST, "/a%24b?c=d", &mut headers, b"{}").map(|()| headers)
    }

    #[test]
    fn all_that_means_something_is_signed() {
        let headers = signed(Some("token")).unwrap();
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(
            authorization.contains("Credential=AKID/20250101/eu-north-1/lambda/aws4_request"),
            "{authorization}"
        );
        let signed = "SignedHeaders=host;x-amz-date;x-amz-invocation-type;x-amz-security-token";
        assert!(authorization.contains(signed), "{authorization}");
        assert_eq!(headers["x-amz-date"], "20250101T000000Z");
        assert_eq!(headers["x-amz-security-token"], "token");
        assert!(!format!("{headers:?}").contains("hidden"));
    }

    #[test]
    fn a_token_that_is_no_header_is_an_error() {
        let error = signed(Some("a\nb")).unwrap_err();
        assert!(error.contains("x-amz-security-token"), "{error}");
    }
}
