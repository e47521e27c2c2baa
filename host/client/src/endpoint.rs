//! Where requests go.
//!
//! Invariants: an endpoint is an `http` or `https` URL of a host, without user, query and fragment; its path is a
//! prefix of the paths of all requests.

use std::{fmt, net::IpAddr};

use hyper::{
    Uri,
    http::uri::{Authority, Scheme},
};

/// The URL of a server that implements the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or a path without a slash at its end.
    prefix: String,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no endpoint: {reason}; it is written as http://127.0.0.1:9001 or https://lambda.eu-north-1.amazonaws.com"
)]
pub struct EndpointError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is no URL, has another scheme than `http` and `https`, or contains a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = |reason| EndpointError { text: text.to_owned(), reason };
        let uri: Uri = text.trim().parse().map_err(|_| wrong("it is no URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| wrong("it does not begin with http:// or https://"))?;
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it contains a user"));
        }
        let path = parts.path_and_query;
        if path.as_ref().is_some_and(|path| path.query().is_some()) || text.contains('#') {
            return Err(wrong("it contains a query or a fragment"));
        }
        let prefix = path.as_ref().map_or("", |path| path.path()).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, prefix })
    }

    /// Whether it is on this machine: its host is `localhost`, or a loopback address. Names are not resolved.
    pub fn is_loopback(&self) -> bool {
        let host = self.authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether connections are encrypted.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The header `host` of requests.
    pub(crate) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// The URI of a path of the API, and its path and query alone.
    pub(crate) fn uri(&self, path: &str) -> Result<(Uri, String), hyper::http::Error> {
        let path = format!("{}{path}", self.prefix);
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        Ok((uri.path_and_query(&*path).build()?, path))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, shown, loopback) in [
            ("http://127.0.0.1:9001", "http://127.0.0.1:9001", true),
            (" http://localhost:9001/ ", "http://localhost:9001", true),
            ("http://LOCALHOST", "http://LOCALHOST", true),
            ("http://[::1]:80", "http://[::1]:80", true),
            ("https://lambda.eu-north-1.amazonaws.com", "https://lambda.eu-north-1.amazonaws.com", false),
            ("http://proxy.example/lambda/", "http://proxy.example/lambda", false),
            ("http://10.0.0.1:9001", "http://10.0.0.1:9001", false),
            ("http://localhost.example", "http://localhost.example", false),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.is_loopback()), (shown, loopback), "{text}");
        }
        let (uri, path) = Endpoint::parse("http://h/p/").unwrap().uri("/a?b=c").unwrap();
        assert_eq!((uri.to_string().as_str(), path.as_str()), ("http://h/p/a?b=c", "/p/a?b=c"));
    }

    #[test]
    fn what_is_no_endpoint() {
        for (text, says) in [
            ("", "it is no URL"),
            ("127.0.0.1:9001", "http://"),
            ("ftp://127.0.0.1", "http://"),
            ("/path", "http://"),
            ("http://user:secret@host", "contains a user"),
            ("http://host/?a=b", "a query or a fragment"),
            ("http://ho st", "it is no URL"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
