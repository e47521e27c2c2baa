//! Grants of outgoing HTTP requests: by host, port and method.
//!
//! Invariants:
//! - a host has one spelling: lower case, without the dot at its end; an address has one as well, however it is written;
//! - an address that is not public is reached only if it is granted itself, or is loopback and granted as `localhost`:
//!   what a name resolves to gives no access to it;
//! - a host that a resolver could take for a number in another form, such as `127.1`, is no host.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::addresses::is_public;

/// The ports of a grant that names none: those of `http` and `https`.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// The longest host name.
const LONGEST_NAME: usize = 253;

/// The longest method.
const LONGEST_METHOD: usize = 20;

/// The methods that are never sent: one asks for a tunnel, the other for a copy of the request.
const NEVER: [&str; 2] = ["CONNECT", "TRACE"];

/// A host of requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpHost {
    /// An address. An IPv4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
    /// A name, in lower case.
    Name(String),
}

/// A grant of requests, written `HOST[:PORT][=METHOD,..]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    host: HttpHost,
    /// `None`: 80 and 443.
    port: Option<u16>,
    /// `None`: every method.
    methods: Option<BTreeSet<String>>,
}

/// Why a text is not a grant of requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpGrantError {
    /// It has another form.
    #[error(
        "{0:?} is not HOST[:PORT][=METHOD,..], such as api.example.com, 127.0.0.1:8080 or [::1]:8080=GET,POST"
    )]
    Form(String),
    /// It is a URL.
    #[error(
        "{0:?} is a URL; give the host and the port alone, such as api.example.com or api.example.com:8443"
    )]
    Url(String),
    /// The host is neither a name nor an address.
    #[error("{0:?} is neither a host name nor an IP address; patterns and ranges cannot be granted")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} is not a port: a number from 1 to 65535")]
    Port(String),
    /// A method is not one that can be granted.
    #[error("{0:?} is not a method that can be granted, such as GET or POST")]
    Method(String),
}

impl FromStr for HttpHost {
    type Err = HttpGrantError;

    /// The host of a URL or of a grant. An IPv6 address is in brackets.
    fn from_str(text: &str) -> Result<Self, HttpGrantError> {
        let wrong = || HttpGrantError::Host(text.to_owned());
        if let Some(address) = text.strip_prefix('[') {
            let address = address.strip_suffix(']').ok_or_else(wrong)?;
            let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // A resolver takes `127.1`, `0x7f.1` and `2130706433` for addresses.
        let is_number = |label: &str| {
            label.bytes().all(|byte| byte.is_ascii_digit())
                || label
                    .strip_prefix("0x")
                    .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) || is_number(last) {
            return Err(wrong());
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl HttpHost {
    /// Whether it is the machine itself, by name. RFC 6761 reserves the name for that.
    fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost" || name.ends_with(".localhost"))
    }
}

impl FromStr for HttpGrant {
    type Err = HttpGrantError;

    fn from_str(text: &str) -> Result<Self, HttpGrantError> {
        if text.contains("://") {
            return Err(HttpGrantError::Url(text.to_owned()));
        }
        let (target, methods) = match text.split_once('=') {
            Some((target, methods)) => (target, Some(methods)),
            None => (text, None),
        };
        let form = || HttpGrantError::Form(text.to_owned());
        // An IPv6 address has colons, and a port follows its bracket.
        let bracket = target.rfind(']').unwrap_or(0);
        let (host, port) = match target.get(bracket..).and_then(|rest| rest.find(':')) {
            Some(colon) => {
                let (host, port) = target.split_at(bracket + colon);
                (host, port.strip_prefix(':'))
            }
            None => (target, None),
        };
        // Without brackets, the last part of an IPv6 address would be its port.
        if host.is_empty() || target.parse::<Ipv6Addr>().is_ok() {
            return Err(form());
        }
        let host = host.parse()?;
        let port = port.map(port_number).transpose()?;
        let methods = methods.map(|list| list.split(',').map(method).collect()).transpose()?;
        Ok(Self { host, port, methods })
    }
}

fn port_number(text: &str) -> Result<u16, HttpGrantError> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.ok_or_else(|| HttpGrantError::Port(text.to_owned()))
}

/// A method that can be granted, in capitals.
fn method(text: &str) -> Result<String, HttpGrantError> {
    let method = text.trim().to_ascii_uppercase();
    let is_token =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_method = (1..=LONGEST_METHOD).contains(&method.len()) && method.bytes().all(is_token);
    if !is_method || NEVER.contains(&&*method) {
        return Err(HttpGrantError::Method(text.to_owned()));
    }
    Ok(method)
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let methods: Vec<&str> = self.methods.iter().flatten().map(String::as_str).collect();
        if methods.is_empty() { Ok(()) } else { write!(f, "={}", methods.join(",")) }
    }
}

impl HttpGrant {
    /// The host.
    pub fn host(&self) -> &HttpHost {
        &self.host
    }

    /// The ports.
    pub fn ports(&self) -> Vec<u16> {
        self.port.map_or_else(|| USUAL_PORTS.to_vec(), |port| vec![port])
    }

    /// The methods; `None` for every method.
    pub fn methods(&self) -> Option<&BTreeSet<String>> {
        self.methods.as_ref()
    }

    fn allows(&self, host: &HttpHost, port: u16, method: &str) -> bool {
        let port = self.port.map_or_else(|| USUAL_PORTS.contains(&port), |granted| granted == port);
        let method = self.methods.as_ref().is_none_or(|granted| granted.contains(method));
        self.host == *host && port && method
    }
}

/// The grants of requests of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrants(Vec<HttpGrant>);

impl HttpGrants {
    /// Adds a grant. It replaces an earlier one of the same host and port.
    pub fn add(&mut self, grant: HttpGrant) {
        self.0.retain(|other| (&other.host, other.port) != (&grant.host, grant.port));
        self.0.push(grant);
    }

    /// The grants, in the order in which they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, HttpGrant> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request with this method may be sent to this host and port.
    pub fn allows(&self, host: &HttpHost, port: u16, method: &str) -> bool {
        !NEVER.contains(&method) && self.0.iter().any(|grant| grant.allows(host, port, method))
    }

    /// Whether a request that [`allows`](Self::allows) accepts may connect to this address, to which its host was
    /// resolved.
    pub fn reaches(&self, host: &HttpHost, address: IpAddr, port: u16, method: &str) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || (host.is_localhost() && address.is_loopback())
            || self.allows(&HttpHost::Address(address), port, method)
    }
}

impl<'a> IntoIterator for &'a HttpGrants {
    type Item = &'a HttpGrant;
    type IntoIter = std::slice::Iter<'a, HttpGrant>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Whether a method only reads: sending such a request again has no further effect.
pub fn only_reads(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grants(texts: &[&str]) -> HttpGrants {
        let mut grants = HttpGrants::default();
        for text in texts {
            grants.add(text.parse().unwrap());
        }
        grants
    }

    fn host(text: &str) -> HttpHost {
        text.parse().unwrap()
    }

    #[test]
    fn a_grant_has_one_spelling() {
        for (text, expected) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("api.example.com=get, post", "api.example.com=GET,POST"),
            ("my_host:1=PURGE", "my_host:1=PURGE"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:8080=GET", "[::1]:8080=GET"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
            ("localhost:65535", "localhost:65535"),
        ] {
            let grant: HttpGrant = text.parse().unwrap();
            assert_eq!(grant.to_string(), expected);
            assert_eq!(grant, expected.parse().unwrap());
        }
    }

    #[test]
    fn what_is_no_grant_is_refused_with_a_reason() {
        for (text, says) in [
            ("", "is not HOST[:PORT][=METHOD,..]"),
            (":80", "is not HOST[:PORT][=METHOD,..]"),
            ("::1", "is not HOST[:PORT][=METHOD,..]"),
            ("fe80::1", "is not HOST[:PORT][=METHOD,..]"),
            ("https://api.example.com", "is a URL"),
            ("api.example.com/path", "neither a host name nor an IP address"),
            ("user@example.com", "neither a host name nor an IP address"),
            ("*", "neither a host name nor an IP address"),
            ("*.example.com", "neither a host name nor an IP address"),
            ("10.0.0.0/8", "neither a host name nor an IP address"),
            ("[::1", "neither a host name nor an IP address"),
            ("[fe80::1%eth0]:80", "neither a host name nor an IP address"),
            ("127.1", "neither a host name nor an IP address"),
            ("2130706433", "neither a host name nor an IP address"),
            ("0x7f000001", "neither a host name nor an IP address"),
            ("0x7f.0.0.0x1", "neither a host name nor an IP address"),
            ("0177.0.0.1", "neither a host name nor an IP address"),
            ("a..b", "neither a host name nor an IP address"),
            ("b\u{fc}cher.example", "neither a host name nor an IP address"),
            ("a b", "neither a host name nor an IP address"),
            ("a:", "is not a port"),
            ("a:0", "is not a port"),
            ("a:+80", "is not a port"),
            ("a:65536", "is not a port"),
            ("a:80:90", "is not a port"),
            ("a=", "is not a method"),
            ("a=GET,", "is not a method"),
            ("a=G ET", "is not a method"),
            ("a=CONNECT", "is not a method"),
            ("a=trace", "is not a method"),
        ] {
            let refused = text.parse::<HttpGrant>().expect_err(text).to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
        let long = format!("{}.example", "a.".repeat(130));
        assert!(long.parse::<HttpGrant>().is_err());
    }

    #[test]
    fn host_port_and_method_decide() {
        let granted = grants(&["api.example.com", "api.example.com:8443=GET", "127.0.0.1:8080=GET,POST"]);
        for (target, port, method, expected) in [
            ("api.example.com", 443, "DELETE", true),
            ("api.example.com", 80, "GET", true),
            ("API.EXAMPLE.COM.", 443, "GET", true),
            ("api.example.com", 8080, "GET", false),
            ("api.example.com", 8443, "GET", true),
            ("api.example.com", 8443, "POST", false),
            ("api.example.com", 443, "CONNECT", false),
            ("api.example.com", 443, "TRACE", false),
            ("example.com", 443, "GET", false),
            ("x.api.example.com", 443, "GET", false),
            ("127.0.0.1", 8080, "POST", true),
            ("127.0.0.1", 8080, "get", false),
            ("127.0.0.1", 8080, "PUT", false),
            ("127.0.0.1", 80, "GET", false),
            ("[::ffff:127.0.0.1]", 8080, "GET", true),
            ("127.0.0.2", 8080, "GET", false),
        ] {
            assert_eq!(granted.allows(&host(target), port, method), expected, "{method} {target}:{port}");
        }
    }

    #[test]
    fn the_later_grant_of_a_host_and_port_counts() {
        let granted = grants(&["a.example=GET", "a.example:80=GET", "a.example=POST"]);
        assert_eq!(granted, grants(&["a.example:80=GET", "a.example=POST"]));
    }

    #[test]
    fn what_a_name_resolves_to_gives_no_access_to_the_machine_or_its_network() {
        let named = grants(&["api.example.com", "localhost", "db.internal", "10.0.0.5=GET"]);
        for (name, address, method, expected) in [
            ("api.example.com", "93.184.215.14", "GET", true),
            ("api.example.com", "127.0.0.1", "GET", false),
            ("api.example.com", "::ffff:127.0.0.1", "GET", false),
            ("api.example.com", "169.254.169.254", "GET", false),
            ("api.example.com", "fd00:ec2::254", "GET", false),
            ("db.internal", "10.0.0.5", "GET", true),
            ("db.internal", "::ffff:10.0.0.5", "GET", true),
            ("db.internal", "10.0.0.5", "POST", false),
            ("db.internal", "10.0.0.6", "GET", false),
            ("localhost", "127.0.0.1", "GET", true),
            ("localhost", "127.8.8.8", "GET", true),
            ("localhost", "::1", "GET", true),
            ("localhost", "10.0.0.6", "GET", false),
            ("localhost", "169.254.169.254", "GET", false),
        ] {
            let reached = named.reaches(&host(name), address.parse().unwrap(), 80, method);
            assert_eq!(reached, expected, "{name} {address} {method}");
        }
    }

    proptest! {
        /// With names alone granted, no address but public ones is reached.
        #[test]
        fn a_name_reaches_public_addresses_only(bits in any::<u128>(), v4 in any::<bool>()) {
            #[expect(clippy::cast_possible_truncation, reason = "the low half")]
            let address: IpAddr = if v4 { Ipv4Addr::from_bits(bits as u32).into() } else { Ipv6Addr::from_bits(bits).into() };
            let granted = grants(&["api.example.com"]);
            prop_assert_eq!(granted.reaches(&host("api.example.com"), address, 443, "GET"), is_public(address));
        }

        /// Reading never panics, and what was read is read again from its text.
        #[test]
        fn any_text_is_read_or_refused(text in "[a-zA-Z0-9.:=,\\[\\]@/ %*_-]{0,40}|\\PC{0,20}") {
            if let Ok(grant) = text.parse::<HttpGrant>() {
                prop_assert_eq!(grant.to_string().parse::<HttpGrant>().unwrap(), grant);
            }
            if let Ok(host) = text.parse::<HttpHost>() {
                prop_assert_eq!(host.to_string().parse::<HttpHost>().unwrap(), host);
            }
        }
    }
}
