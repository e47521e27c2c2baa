//! `durawasm serve --tls-cert --tls-key` as a process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

mod common;
mod serving;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::err;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use serde_json::Value;
use serving::{Serving, durawasm, guests, read};
use tempfile::TempDir;

/// Files of a test.
struct Files {
    folder: TempDir,
    certificate: CertifiedKey<KeyPair>,
}

fn block(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

impl Files {
    fn new() -> Self {
        let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), certificate }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn chain(&self) -> String {
        block("CERTIFICATE", self.certificate.cert.der())
    }

    fn key(&self) -> String {
        block("PRIVATE KEY", &self.certificate.signing_key.serialize_der())
    }
}

/// Connects to a server.
fn connected(files: &Files, serving: &Serving) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(files.certificate.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(&serving.address).unwrap())
}

/// Sends a request over TLS, and returns the answer's status and body.
fn send(files: &Files, serving: &Serving, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = connected(files, serving);
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    let serving::Answer { status, body, .. } = read(&mut stream).unwrap();
    (status, body)
}

#[test]
fn functions_are_served_over_tls_and_not_without() {
    let files = Files::new();
    let chain = files.write("chain.pem", &files.chain(), 0o644);
    let key = files.write("key.pem", &files.key(), 0o600);
    let function = format!("greet={}", guests());
    let serving = Serving::start(&["--function", &function, "--tls-cert", &chain, "--tls-key", &key]);
    assert_eq!(serving.scheme, "https");
    assert_eq!(send(&files, &serving, "GET", "/health", "").0, 200);
    let greet = "/2015-03-31/functions/greet:$LATEST/invocations";
    assert_eq!(send(&files, &serving, "POST", greet, "\"Ada\""), (200, "\"Hello, Ada\"".to_owned()));
    let (status, body) = serving.send("GET", "/health", "");
    assert_eq!(status, 400);
    assert!(body.contains("https://"), "{body}");
    // A client that says nothing keeps nobody else.
    let mut silent = TcpStream::connect(&serving.address).unwrap();
    assert_eq!(send(&files, &serving, "GET", "/health", "").0, 200);
    drop(serving);
    let _ = silent.read(&mut [0]);
}

#[test]
fn connections_that_fail_are_traced() {
    let files = Files::new();
    let chain = files.write("chain.pem", &files.chain(), 0o644);
    let key = files.write("key.pem", &files.key(), 0o600);
    let function = format!("greet={}", guests());
    let arguments = ["--store", ":memory:", "--function", &function, "--quiet", "--trace", "debug"];
    let arguments = [&arguments[..], &["--tls-cert", &chain, "--tls-key", &key]].concat();
    let mut serving = Serving::start_heard(&arguments, Stdio::piped());
    assert_eq!(serving.send("GET", "/health", "").0, 400);
    // It begins like a handshake, and ends.
    let mut stranger = TcpStream::connect(&serving.address).unwrap();
    stranger.write_all(&[22]).unwrap();
    stranger.shutdown(Shutdown::Write).unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    // Nonsense within TLS.
    let mut secured = connected(&files, &serving);
    secured.write_all(b"\x1b[2J\r\n\r\n").unwrap();
    let _ = secured.read_to_end(&mut Vec::new());
    let told = serving.terminate();
    let events = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut events: Vec<String> = events.map(|event| event["fields"]["message"].to_string()).collect();
    events.sort();
    let expected = ["a TLS handshake failed", "a client does not speak TLS", "a connection failed"];
    assert_eq!(events, expected.map(|message| format!("{message:?}")), "{told}");
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_refused_in_one_line() {
    let (files, other) = (Files::new(), Files::new());
    let chain = files.write("chain.pem", &files.chain(), 0o644);
    let key = files.write("key.pem", &files.key(), 0o600);
    let open = files.write("open.pem", &files.key(), 0o640);
    let none = files.write("none.pem", "nothing\n", 0o600);
    let two = files.write("two.pem", &(files.key() + &other.key()), 0o600);
    let another = files.write("another.pem", &other.key(), 0o600);
    let cut = files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", 0o600);
    let bad = files.write("bad.pem", &block("PRIVATE KEY", b"secret"), 0o600);
    let missing = files.folder.path().join("missing.pem");
    let missing = missing.to_str().unwrap();
    for (certificates, private, file, words) in [
        (missing, &*key, missing, "cannot read it"),
        (&*chain, missing, missing, "cannot read it"),
        (&*none, &*key, &*none, "there is no certificate in it"),
        (&*key, &*key, &*key, "there is no certificate in it"),
        (&*cut, &*key, &*cut, "is damaged"),
        (&*chain, &*none, &*none, "there is no private key in it"),
        (&*chain, &*two, &*two, "there are 2 private keys in it"),
        (&*chain, &*another, &*another, "not that of the certificate"),
        (&*chain, &*open, &*open, "its mode is 0640, and only its owner may read it: use `chmod 600`"),
        (&*chain, &*bad, &*bad, "cannot be used"),
    ] {
        let arguments = ["--tls-cert", certificates, "--tls-key", private, "--function", "a=x.wasm"];
        let refused = durawasm(&[&["serve", "--store", ":memory:"], &arguments[..]].concat());
        let said = err(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {file}: ")) && said.contains(words), "{words}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    for (given, value, needed) in [("--tls-cert", &chain, "--tls-key"), ("--tls-key", &key, "--tls-cert")] {
        let refused = durawasm(&["serve", "--function", "a=x.wasm", given, value]);
        assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
        assert!(err(&refused).contains(needed), "{}", err(&refused));
    }
    // TLS alone says who the server is, and not who may send requests.
    let listen = ["serve", "--listen", "0.0.0.0:0", "--tls-cert", &chain, "--tls-key", &key];
    let said = err(&durawasm(&[&listen[..], &["--function", "a=x.wasm"]].concat()));
    assert!(said.contains("--credentials"), "{said}");
}
