//! `--tls-cert FILE --tls-key FILE`: the certificate chain and the private key of a server.
//!
//! Invariants: both files are read once, before anything is built; no message contains a part of the key.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use durawasm_core::files::read_file;
use durawasm_http::Tls;

use super::{
    exit::{Exit, Failure, OrExit},
    secret::check_owner_only,
};

/// The largest file, in bytes.
const MOST: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct TlsArgs {
    /// Speak TLS, with the certificates of this PEM file, the server's own first; needs --tls-key
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the first certificate, in a PEM file that only its owner may read; needs --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    /// Reads the files; `None` if the server is to speak HTTP without TLS.
    pub(super) fn read(&self) -> Result<Option<Tls>, Failure> {
        let (Some(certificates), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        check_owner_only(key)?;
        let tls = Tls::from_pem(&bytes(certificates)?, &bytes(key)?).map_err(|error| {
            let file = if error.is_of_certificates() { certificates } else { key };
            anyhow!("{}: {error}", file.display())
        });
        tls.map(Some).or_exit(Exit::Usage)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = read_file(path, MOST);
    read.map_err(|error| anyhow!("{}: cannot read it: {error}", path.display())).or_exit(Exit::Usage)
}
