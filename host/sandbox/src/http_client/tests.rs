//! Names, addresses and certificates: what a connection is made to.

use std::{
    net::Ipv4Addr,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use durawasm_core::budget::Budget;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A certificate for `tls.example`, which the clients of the tests trust.
static TRUSTED: LazyLock<CertifiedKey<KeyPair>> = LazyLock::new(|| certificate("tls.example"));

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(TRUSTED.cert.der().clone()).unwrap();
    roots
}

#[expect(clippy::unnecessary_wraps, reason = "a lookup can fail")]
fn loopback(_: &str) -> io::Result<Vec<IpAddr>> {
    Ok(vec![Ipv4Addr::LOCALHOST.into()])
}

/// Reads the head of a request. Returns whether there was a whole one.
async fn read_head(stream: &mut impl Stream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return false };
        head.push(byte);
    }
    true
}

async fn answer(mut stream: impl Stream) {
    if read_head(&mut stream).await {
        stream.write_all(RESPONSE).await.unwrap();
        // The client has closed the connection when there is nothing more.
        let _ = stream.read_u8().await;
    }
}

/// A server for a single connection. Returns its port.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { answer(listener.accept().await.unwrap().0).await });
    port
}

async fn tls_server(certificate: &CertifiedKey<KeyPair>) -> u16 {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
            answer(stream).await;
        }
    });
    port
}

/// Sends a GET request to a host, with these grants. Returns the body of the response.
async fn ask(
    client: &HttpClient,
    host: &str,
    port: u16,
    tls: bool,
    granted: &[String],
) -> Result<Bytes, Error> {
    ask_within(client, host, port, tls, granted, Duration::from_secs(30)).await
}

async fn ask_within(
    client: &HttpClient,
    host: &str,
    port: u16,
    tls: bool,
    granted: &[String],
    time: Duration,
) -> Result<Bytes, Error> {
    let mut grants = Grants::default();
    for grant in granted {
        grants.http_request(grant.parse().unwrap());
    }
    let host: HttpHost = host.parse().unwrap();
    assert!(grants.http().allows(&host, port, "GET"));
    let open = Traffic::new(1 << 20, &Budget::default()).open().unwrap().unwrap();
    let method = "GET".to_owned();
    let plan = Plan { grants: Arc::new(grants), host, port, method, tls, time, open };
    let body = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::builder().uri("http://unused/").body(body).unwrap();
    let (response, _) = Pin::from(client.send(plan, request, None)).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

#[tokio::test]
async fn a_certificate_is_checked_for_the_host_that_was_asked_for() {
    let other = certificate("tls.example");
    let elsewhere = certificate("other.example");
    for (certificate, host, trusted) in [
        (&*TRUSTED, "tls.example", true),
        (&*TRUSTED, "other.example", false),
        (&*TRUSTED, "127.0.0.1", false),
        (&other, "tls.example", false),
        (&elsewhere, "tls.example", false),
    ] {
        let port = tls_server(certificate).await;
        let client = HttpClient::new(loopback, roots);
        let granted = [format!("{host}:{port}"), format!("127.0.0.1:{port}")];
        let answered = ask(&client, host, port, true, &granted).await;
        match (trusted, answered) {
            (true, Ok(body)) => assert_eq!(body, "ok"),
            (false, Err(Error::TlsCertificateError)) => {}
            (_, other) => panic!("{host}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_reaches_it_only_if_the_address_is_granted() {
    let client = HttpClient::new(loopback, roots);
    let port = server().await;
    let named = format!("api.example:{port}");
    let refused = ask(&client, "api.example", port, false, std::slice::from_ref(&named)).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
    let granted = [named, format!("127.0.0.1:{port}=GET")];
    assert_eq!(ask(&client, "api.example", port, false, &granted).await.unwrap(), "ok");
}

#[tokio::test]
async fn localhost_is_this_machine_and_nothing_else() {
    let port = server().await;
    let granted = [format!("localhost:{port}")];
    let client = HttpClient::new(loopback, roots);
    assert_eq!(ask(&client, "localhost", port, false, &granted).await.unwrap(), "ok");
    let elsewhere = HttpClient::new(|_| Ok(vec![Ipv4Addr::new(169, 254, 169, 254).into()]), roots);
    let refused = ask(&elsewhere, "localhost", port, false, &granted).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
}

#[tokio::test]
async fn a_name_is_resolved_once() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    // Another address each time: what was checked is what is connected to.
    let client = HttpClient::new(
        |_| match LOOKUPS.fetch_add(1, Ordering::Relaxed) {
            0 => loopback(""),
            _ => Ok(vec![Ipv4Addr::new(169, 254, 169, 254).into()]),
        },
        roots,
    );
    let port = server().await;
    let granted = [format!("api.example:{port}"), format!("127.0.0.1:{port}")];
    assert_eq!(ask(&client, "api.example", port, false, &granted).await.unwrap(), "ok");
    assert_eq!(LOOKUPS.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn addresses_that_are_refused_are_left_out() {
    let client =
        HttpClient::new(|_| Ok(vec![Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::LOCALHOST.into()]), roots);
    let port = server().await;
    let granted = [format!("api.example:{port}"), format!("127.0.0.1:{port}")];
    assert_eq!(ask(&client, "api.example", port, false, &granted).await.unwrap(), "ok");
}

#[tokio::test]
async fn names_that_cannot_be_resolved_are_named_errors() {
    let granted = ["api.example".to_owned()];
    let none = HttpClient::new(|_| Ok(Vec::new()), roots);
    let error = ask(&none, "api.example", 80, false, &granted).await;
    assert!(matches!(error, Err(Error::DestinationNotFound)), "{error:?}");
    let fails = HttpClient::new(|_| Err(io::Error::other("no such name")), roots);
    let error = ask(&fails, "api.example", 80, false, &granted).await;
    assert!(matches!(error, Err(Error::DnsError { .. })), "{error:?}");
}

/// A server that reads a request, sends these bytes again and again, so often, and then closes the connection or leaves it
/// open.
async fn raw_server(bytes: &'static [u8], times: usize, closes: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(read_head(&mut stream).await);
        for _ in 0..times {
            // The client may have had enough.
            if stream.write_all(bytes).await.is_err() {
                return;
            }
        }
        if !closes {
            std::future::pending::<()>().await;
        }
        // Without reading what was sent, the connection would be reset.
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    port
}

async fn ask_raw(bytes: &'static [u8], times: usize, closes: bool) -> Result<Bytes, Error> {
    let port = raw_server(bytes, times, closes).await;
    let client = HttpClient::new(loopback, roots);
    let granted = [format!("127.0.0.1:{port}")];
    // A server that leaves the connection open and sends little is waited for until then.
    let time = Duration::from_millis(if closes || times > 1 { 30_000 } else { 300 });
    ask_within(&client, "127.0.0.1", port, false, &granted, time).await
}

/// What the server sends, how often, whether it then closes the connection, and whether the error is right.
type Case = (&'static [u8], usize, bool, fn(&Error) -> bool);

#[tokio::test]
async fn a_hostile_server_is_a_named_error() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let endless = b"x: 0123456789012345678901234567890123456789\r\n";
    let status = b"HTTP/1.1 200 OK\r\n";
    let cases: [Case; 6] = [
        (head, 1, true, |error| matches!(error, Error::HttpResponseIncomplete)),
        (head, 1, false, |error| matches!(error, Error::HttpResponseTimeout)),
        (status, 1, false, |error| matches!(error, Error::HttpResponseTimeout)),
        (b"not HTTP\r\n\r\n", 1, true, |error| matches!(error, Error::HttpProtocolError)),
        (b"", 1, true, |error| matches!(error, Error::HttpResponseIncomplete)),
        (endless, 100_000, true, |error| {
            matches!(error, Error::HttpProtocolError | Error::HttpResponseHeaderSectionSize(_))
        }),
    ];
    for (bytes, times, closes, expected) in cases {
        let error = ask_raw(bytes, times, closes).await.unwrap_err();
        assert!(expected(&error), "{}: {error:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_response_without_end_ends_at_the_limit_of_bytes() {
    let chunk = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789012345678901234567890123456789";
    // The head repeats as part of the body, and the limit is 1 MiB.
    let error = ask_raw(chunk, 1_000_000, false).await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseBodySize(Some(total)) if total > 1 << 20), "{error:?}");
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_a_named_error() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = HttpClient::new(loopback, roots);
    let error = ask(&client, "127.0.0.1", port, false, &[format!("127.0.0.1:{port}")]).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionRefused), "{error:?}");
}
