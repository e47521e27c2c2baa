//! TLS: who speaks it is served, and who does not holds no place.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use durawasm_http::{Bounds, Tls};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Raw, Served, Setup, until};

struct Secured {
    served: Served,
    certificate: CertifiedKey<KeyPair>,
}

impl Secured {
    async fn with(bounds: Bounds) -> Self {
        let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let block = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        let chain = block("CERTIFICATE", certificate.cert.der());
        let key = block("PRIVATE KEY", &certificate.signing_key.serialize_der());
        let tls = Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let setup = Setup { bounds, tls: Some(tls), ..Setup::default() };
        Self { served: Served::set_up(setup).await, certificate }
    }

    async fn connect(
        &self,
        version: &'static SupportedProtocolVersion,
        protocol: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(&[version]).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.served.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn health(&self) -> io::Result<Raw> {
        answer(self.connect(&TLS13, "http/1.1").await?).await
    }

    /// Asks until there is an answer: a client that is slower than the server waits for is disconnected.
    async fn is_well_in_the_end(&self) {
        let well = async || self.health().await.ok().filter(|answer| answer.status == 200);
        until("an answer", well).await;
    }
}

async fn answer(mut stream: TlsStream<TcpStream>) -> io::Result<Raw> {
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    // Without a `close_notify` at its end this would be an error.
    stream.read_to_end(&mut answer).await?;
    Ok(Raw::read(&answer))
}

#[tokio::test]
async fn both_versions_are_spoken_and_no_protocol_but_http_1() {
    let secured = Secured::with(Bounds::default()).await;
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = secured.connect(version, "http/1.1").await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(
            (session.protocol_version(), session.alpn_protocol()),
            (Some(number), Some(&b"http/1.1"[..]))
        );
        assert_eq!(answer(stream).await.unwrap().status, 200);
        let refused = match secured.connect(version, "h2").await {
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    }
}

#[tokio::test]
async fn a_client_without_tls_is_told() {
    let secured = Secured::with(Bounds::default()).await;
    let mut stream = TcpStream::connect(secured.served.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
    assert!(body.contains("https://"), "{body}");
    // Neither TLS nor HTTP.
    for nonsense in [&[0_u8, 1, 2][..], &[22, 3, 3, 0, 2, 0, 0]] {
        let mut stream = TcpStream::connect(secured.served.address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        // Otherwise more could come, for as long as a handshake may take.
        drop(stream.shutdown().await);
        drop(stream.read_to_end(&mut Vec::new()).await);
    }
    assert_eq!(secured.health().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_holds_no_place() {
    let quick = Duration::from_millis(300);
    let secured = Secured::with(Bounds { connections: 1, head_time: quick, ..Bounds::default() }).await;
    for begun in [&[][..], &[22], &[22, 3, 1, 2, 0, 1, 0]] {
        let mut silent = TcpStream::connect(secured.served.address).await.unwrap();
        silent.write_all(begun).await.unwrap();
        secured.is_well_in_the_end().await;
        // The server has closed it.
        drop(silent.read_to_end(&mut Vec::new()).await);
    }
    // Nor does a client that says nothing after its handshake.
    let silent = until("a handshake", async || secured.connect(&TLS13, "http/1.1").await.ok()).await;
    secured.is_well_in_the_end().await;
    drop(silent);
}

#[tokio::test]
async fn a_handshake_does_not_keep_a_server_that_stops() {
    let mut secured = Secured::with(Bounds::default()).await;
    let _silent = TcpStream::connect(secured.served.address).await.unwrap();
    assert_eq!(secured.health().await.unwrap().status, 200);
    secured.served.stop(Duration::from_hours(1));
    secured.served.serving.take().unwrap().await.unwrap().unwrap();
}
