//! Signatures of requests: AWS Signature Version 4, in the header `Authorization`.
//!
//! Invariants: a request passes if an access key signed its method, path, query, body, and all headers that mean something
//! here, at most five minutes ago; one that changes something passes once. The signature is computed by AWS's own code and
//! compared in constant time.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use chrono::NaiveDateTime;
use durawasm_core::{ambient::Clock, protocol::Timestamp};
use hyper::{HeaderMap, Method, header::AUTHORIZATION, http::request::Parts};
use subtle::ConstantTimeEq;

use super::{
    error::{ApiError, Exception, Scarce},
    keys::AccessKeys,
    names::shortened,
    request::header,
};

/// How far the time of a request may be from that of this machine.
const SKEW: Duration = Duration::from_mins(5);

/// The most signatures that are kept to recognize a repetition.
const MOST_KEPT: usize = 200_000;

/// The service that requests are signed for.
const SERVICE: &str = "lambda";

/// Verifies signatures.
pub(crate) struct Verifier {
    keys: AccessKeys,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// The signatures of the recent past.
#[derive(Default)]
struct Seen {
    until: HashMap<String, Timestamp>,
    order: VecDeque<(Timestamp, String)>,
}

/// The header `Authorization`.
struct Authorization<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

fn refuse<T>(exception: Exception, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new(exception, message))
}

impl<'a> Authorization<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            match name {
                "Credential" => credential = Some(value),
                "SignedHeaders" => signed = Some(value),
                "Signature" => signature = Some(value),
                _ => return None,
            }
        }
        let scope: Vec<&str> = credential?.split('/').collect();
        let [key, date, region, SERVICE, "aws4_request"] = *scope else { return None };
        let signed: Vec<&str> = signed?.split(';').collect();
        // Clients write each name once, in lower case and in order.
        let in_order = signed.is_sorted_by(|one, next| one < next);
        let lower = signed.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase()));
        (in_order && lower).then_some(Self { key, date, region, signed, signature: signature? })
    }
}

impl Verifier {
    pub(crate) fn new(keys: AccessKeys, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock, seen: Mutex::default() }
    }

    /// Refuses what the head of a request shows to be refused, before its body is read.
    pub(crate) fn verify_head(&self, head: &Parts) -> Result<(), ApiError> {
        self.authorized(head).map(drop)
    }

    /// What signed a request, when, and the secret that it should have been signed with.
    fn authorized<'a>(
        &'a self,
        head: &'a Parts,
    ) -> Result<(Authorization<'a>, SystemTime, &'a str), ApiError> {
        let Some(text) = header(&head.headers, AUTHORIZATION.as_str())? else {
            let message = "the request is not signed: give your client an access key of this server";
            return refuse(Exception::MissingAuthenticationToken, message);
        };
        let Some(authorization) = Authorization::read(text) else {
            let message = "the header Authorization is not `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/lambda/aws4_request, \
                           SignedHeaders=.., Signature=..`";
            return refuse(Exception::IncompleteSignature, message);
        };
        check_signed(&authorization.signed, &head.headers)?;
        let time = self.time(&head.headers, authorization.date)?;
        let Some(secret) = self.keys.secret(authorization.key) else {
            let message = format!("there is no access key {:?}", shortened(authorization.key));
            return refuse(Exception::UnrecognizedClient, message);
        };
        Ok((authorization, time, secret))
    }

    /// Accepts a request, or says why not.
    pub(crate) fn verify(&self, head: &Parts, body: &[u8]) -> Result<(), ApiError> {
        let (authorization, time, secret) = self.authorized(head)?;
        let expected = signature(head, body, &authorization, secret, time);
        let equal = expected
            .is_some_and(|expected| expected.as_bytes().ct_eq(authorization.signature.as_bytes()).into());
        if !equal {
            let message = "the signature is not that of this request: is the secret right, and is the request what was \
                           signed?";
            return refuse(Exception::InvalidSignature, message);
        }
        // Clients that read twice within a second sign the same request twice.
        if head.method == Method::GET { Ok(()) } else { self.once(authorization.signature, time) }
    }

    /// When the request was signed. It must be about now.
    fn time(&self, headers: &HeaderMap, day: &str) -> Result<SystemTime, ApiError> {
        let written = header(headers, "x-amz-date")?.unwrap_or_default();
        let parsed = NaiveDateTime::parse_from_str(written, "%Y%m%dT%H%M%SZ").ok();
        let Some(time) = parsed.map(|time| time.and_utc()).filter(|_| written.starts_with(day)) else {
            let message =
                "the header x-amz-date is not a time such as 20250131T090000Z, of the day in Credential";
            return refuse(Exception::IncompleteSignature, message);
        };
        let (time, now) = (Timestamp::from(time), self.clock.now());
        let away = now.since(time).max(time.since(now));
        if away > SKEW {
            let message = format!(
                "Signature expired: the request was signed at {time}, and it is {now}; {} minutes are allowed",
                SKEW.as_secs() / 60
            );
            return refuse(Exception::InvalidSignature, message);
        }
        let since_1970 = u64::try_from(time.as_millis()).unwrap_or(0);
        Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(since_1970))
    }

    /// Refuses a signature that was accepted before.
    fn once(&self, signature: &str, signed_at: SystemTime) -> Result<(), ApiError> {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, old)) = seen.order.front()
            && *until < now
        {
            let old = old.clone();
            seen.until.remove(&old);
            seen.order.pop_front();
        }
        if seen.until.contains_key(signature) {
            let message = "the request was received before: sign it again";
            return refuse(Exception::InvalidSignature, message);
        }
        if seen.order.len() >= MOST_KEPT {
            return refuse(
                Exception::TooManyRequests(Scarce::Signatures),
                "too many requests in the last minutes: try again later",
            );
        }
        // From then on its time is too old.
        let until = Timestamp::from(chrono::DateTime::from(signed_at)).plus_seconds(SKEW.as_secs() + 1);
        seen.until.insert(signature.to_owned(), until);
        seen.order.push_back((until, signature.to_owned()));
        Ok(())
    }
}

/// Checks that everything is signed that means something.
fn check_signed(signed: &[&str], headers: &HeaderMap) -> Result<(), ApiError> {
    for needed in ["host", "x-amz-date"] {
        if !signed.contains(&needed) {
            return refuse(Exception::IncompleteSignature, format!("the header {needed} is not signed"));
        }
    }
    if let Some(missing) = signed.iter().find(|name| !headers.contains_key(**name)) {
        let message = format!("the header {:?} is signed, and missing", shortened(missing));
        return refuse(Exception::IncompleteSignature, message);
    }
    let loose = headers.keys().find(|name| {
        let name = name.as_str();
        name.starts_with("x-amz-") && !signed.contains(&name)
    });
    match loose {
        Some(name) => refuse(Exception::InvalidSignature, format!("the header {name} is not signed")),
        None => Ok(()),
    }
}

/// The signature that the request has if the holder of the secret signed it; `None` if it cannot be signed.
fn signature(
    head: &Parts,
    body: &[u8],
    authorization: &Authorization<'_>,
    secret: &str,
    time: SystemTime,
) -> Option<String> {
    let mut settings = SigningSettings::default();
    // Exactly what the client signed.
    settings.excluded_headers = None;
    let mut signed = Vec::new();
    for name in &authorization.signed {
        match *name {
            // The signer writes these two itself: the time, and the hash of the body.
            "x-amz-date" => {}
            "x-amz-content-sha256" => settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256,
            name => {
                for value in head.headers.get_all(name) {
                    signed.push((name, value.to_str().ok()?));
                }
            }
        }
    }
    let identity = Credentials::new(authorization.key, secret, None, None, "durawasm").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(authorization.region)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let path = head.uri.path_and_query()?.as_str();
    let request =
        SignableRequest::new(head.method.as_str(), path, signed.into_iter(), SignableBody::Bytes(body))
            .ok()?;
    sign(request, &parameters).ok().map(|output| output.signature().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authorization_says() {
        let text = "AWS4-HMAC-SHA256 Credential=KEY/20250101/us-east-1/lambda/aws4_request, \
                    SignedHeaders=host;x-amz-date, Signature=00ff";
        let read = Authorization::read(text).unwrap();
        assert_eq!((read.key, read.date, read.region), ("KEY", "20250101", "us-east-1"));
        assert_eq!((read.signed, read.signature), (vec!["host", "x-amz-date"], "00ff"));
        for bad in [
            "",
            "Basic x",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=KEY, SignedHeaders=host, Signature=00",
            &text.replace("lambda", "s3"),
            &text.replace(", Signature=00ff", ""),
        ] {
            assert!(Authorization::read(bad).is_none(), "{bad}");
        }
    }
}
