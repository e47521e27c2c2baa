//! What an answer that is no success says.

use hyper::header::LOCATION;
use serde_json::Value;

use super::{error::Problem, transport::Answer};

/// What an answer that is no success says.
pub(crate) fn refusal(answer: &Answer) -> Problem {
    let status = answer.status;
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str);
    // The name may be followed by a URL, or preceded by a namespace.
    let name = header("x-amzn-errortype").or_else(|| text("__type")).or_else(|| text("code"));
    let name =
        name.map(|name| name.split(':').next().unwrap_or(name)).and_then(|name| name.rsplit('#').next());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let message = text("message").or_else(|| text("Message")).unwrap_or("no message");
        return Problem::Refused { status, name: name.to_owned(), message: message.to_owned() };
    }
    if let (300..400, Some(to)) = (status, header(LOCATION.as_str())) {
        return Problem::Answer(format!("it redirects to {to}, and redirects are not followed"));
    }
    match status {
        408 | 429 | 500.. => Problem::Refused {
            status,
            name: format!("HTTP status {status}"),
            message: "no message".to_owned(),
        },
        _ => Problem::Answer(format!("HTTP status {status} without the name of an error")),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Answer { status, headers: headers.iter().map(header).collect(), body: body.into() }
    }

    #[test]
    fn what_an_error_says() {
        let refused = |status, name: &str, message: &str| Problem::Refused {
            status,
            name: name.to_owned(),
            message: message.to_owned(),
        };
        let url = ("x-amzn-errortype", "ResourceNotFoundException:http://internal.example/");
        for (answer, expected) in [
            (
                answer(404, &[url], r#"{"Message": "gone"}"#),
                refused(404, "ResourceNotFoundException", "gone"),
            ),
            (answer(400, &[], r#"{"__type": "a.b#X", "message": "m"}"#), refused(400, "X", "m")),
            (answer(502, &[], "<html>"), refused(502, "HTTP status 502", "no message")),
        ] {
            assert_eq!(refusal(&answer), expected);
        }
        for (answer, says) in [
            (answer(404, &[], "<html>"), "HTTP status 404"),
            (
                answer(301, &[("location", "http://elsewhere.example/")], ""),
                "redirects to http://elsewhere.example/",
            ),
        ] {
            let Problem::Answer(said) = refusal(&answer) else { panic!("{says}") };
            assert!(said.contains(says), "{said}");
        }
    }
}
