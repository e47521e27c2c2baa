//! TLS: the certificate chain and the key of a server, and handshakes.
//!
//! Invariants: TLS 1.2 and 1.3, and HTTP/1.1 above it; nothing of a key is in a message; a handshake ends within its time.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{
    Error, InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use super::slow::Patient;

/// The first byte of every client that begins a handshake (RFC 8446, section 5.1: `handshake`).
const HANDSHAKE: u8 = 22;

/// What a client gets that does not begin a handshake: most likely it speaks HTTP without TLS.
const WITHOUT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 44\r\n\
    connection: close\r\n\r\nthis server speaks TLS: send it to https://\n";

/// How much is read of what such a client sends, in bytes. A client gets no answer if more than that is left.
const READ_WITHOUT_TLS: usize = 16 * 1024;

/// The certificate chain of a server and its private key. The key is not shown.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why a certificate chain and a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificates are not valid PEM.
    #[error("the PEM of the certificates is damaged: a block has no end, or is not base64")]
    CertificatePem,
    /// There is no certificate.
    #[error("there is no certificate in it: a PEM block `-----BEGIN CERTIFICATE-----` is expected")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("the first certificate cannot be read: {0}")]
    Certificate(String),
    /// The key is not valid PEM.
    #[error("the PEM of the key is damaged: a block has no end, or is not base64")]
    KeyPem,
    /// There is no key.
    #[error(
        "there is no private key in it: a PEM block `-----BEGIN PRIVATE KEY-----` is expected, and not encrypted"
    )]
    NoKey,
    /// There are several keys.
    #[error("there are {0} private keys in it, and one is expected: that of the first certificate")]
    SeveralKeys(usize),
    /// The key cannot be used.
    #[error(
        "the private key cannot be used: {0}; ECDSA on P-256 or P-384, Ed25519, and RSA of 2048 to 4096 bits can"
    )]
    Key(String),
    /// The key is that of another certificate.
    #[error("the private key is not that of the certificate, which has to be the first one of its chain")]
    Mismatch,
}

impl TlsError {
    /// Whether the file with the certificates is wrong, and not the one with the key.
    pub fn is_of_certificates(&self) -> bool {
        matches!(self, Self::CertificatePem | Self::NoCertificate | Self::Certificate(_))
    }
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and the private key of that (PKCS #8, PKCS #1 or
    /// SEC 1), each as PEM. Blocks of other kinds are ignored.
    ///
    /// # Errors
    /// [`TlsError`]. Whether the certificate is valid now, and for which names, is for clients to say.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| TlsError::CertificatePem)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let keys: Result<Vec<_>, _> = PrivateKeyDer::pem_slice_iter(key).collect();
        let mut keys = keys.map_err(|_| TlsError::KeyPem)?;
        let key = match (keys.pop(), keys.len()) {
            (Some(key), 0) => key,
            (Some(_), more) => return Err(TlsError::SeveralKeys(more + 1)),
            (None, _) => return Err(TlsError::NoKey),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// Completes a handshake within this time. Returns `None` if the client does not, or does not speak TLS.
    pub(crate) async fn accept(&self, client: Patient, time: Duration) -> Option<Secured> {
        match timeout(time, self.handshake(client)).await {
            Ok(Ok(Some(secured))) => return Some(secured),
            Ok(Ok(None)) => debug!("a client does not speak TLS"),
            Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
        None
    }

    /// Returns `None` if the client does not speak TLS.
    async fn handshake(&self, mut client: Patient) -> io::Result<Option<Secured>> {
        let mut first = [0];
        // Nothing is taken from the connection.
        let length = client.peek(&mut first).await?;
        if length > 0 && first != [HANDSHAKE] {
            let mut sent = vec![0; READ_WITHOUT_TLS];
            // The system drops an answer to a client of which something was not read.
            let _ = client.read(&mut sent).await?;
            client.write_all(WITHOUT_TLS).await?;
            client.shutdown().await?;
            return Ok(None);
        }
        self.0.accept(client).await.map(Some)
    }
}

/// A connection after its handshake.
pub(crate) type Secured = TlsStream<Patient>;

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn unusable(error: Error) -> TlsError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch,
        Error::InvalidCertificate(why) => TlsError::Certificate(format!("{why:?}")),
        other => TlsError::Key(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn block(label: &str, text: &str) -> String {
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = STANDARD.encode(signing_key.serialize_der());
        (block("CERTIFICATE", &STANDARD.encode(cert.der())), block("PRIVATE KEY", &key))
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let ((chain, key), (other_chain, other_key)) = (made(), made());
        let read = |chain: &str, key: &str| Tls::from_pem(chain.as_bytes(), key.as_bytes()).map(drop);
        assert_eq!(read(&chain, &key), Ok(()));
        // One file with everything, and what else there is in such files.
        let all =
            format!("Subject: me\n{}{chain}{other_chain}{key}", block("EC PARAMETERS", "BggqhkjOPQMBBw=="));
        assert_eq!(read(&all, &all), Ok(()));
        let cut = chain.get(..chain.len() / 2).unwrap();
        for (chain, key, error) in [
            ("", &*key, TlsError::NoCertificate),
            (&*key, &*key, TlsError::NoCertificate),
            (cut, &*key, TlsError::CertificatePem),
            (&*block("CERTIFICATE", "!"), &*key, TlsError::CertificatePem),
            (&*chain, "", TlsError::NoKey),
            (&*chain, &*chain, TlsError::NoKey),
            (&*chain, &*block("ENCRYPTED PRIVATE KEY", "AAAA"), TlsError::NoKey),
            (&*chain, &*block("PRIVATE KEY", "!"), TlsError::KeyPem),
            (&*chain, &*format!("{key}{other_key}"), TlsError::SeveralKeys(2)),
            (&*chain, &*other_key, TlsError::Mismatch),
            (&*format!("{other_chain}{chain}"), &*key, TlsError::Mismatch),
        ] {
            assert_eq!(read(chain, key), Err(error.clone()), "{error}");
        }
        assert!(matches!(read(&chain, &block("PRIVATE KEY", "AAAA")), Err(TlsError::Key(_))));
        assert!(matches!(read(&block("CERTIFICATE", "AAAA"), &key), Err(TlsError::Certificate(_))));
    }
}
