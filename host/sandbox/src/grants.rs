//! Opens the grants of a function.
//!
//! Invariants: a guest sees only what is granted; the number of files that it holds open is limited
//! ([`MAX_WASI_HANDLES`]).

use durawasm_core::{
    invocation::{Access, Grants},
    protocol::{ErrorObject, error_types},
};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The most WASI handles (files, directories, streams, HTTP requests) that an instance with directories or HTTP may
/// hold: each may be a file descriptor of the process. Opening one more fails.
pub(super) const MAX_WASI_HANDLES: usize = 256;

/// Applies the grants of directories to the WASI context of a guest.
///
/// # Errors
/// `Sandbox.GrantFailed`: a directory cannot be opened.
pub(super) fn apply(grants: &Grants, wasi: &mut WasiCtxBuilder) -> Result<(), ErrorObject> {
    for (guest, host, access) in grants.directories() {
        let permissions = match access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(host, guest, permissions).map_err(|error| {
            let host = host.display();
            ErrorObject::new(
                error_types::GRANT_FAILED,
                format!("the directory {host}, granted as {guest}, cannot be opened: {error:#}"),
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_a_named_error() {
        let mut grants = Grants::default();
        grants.directory("/no/such/directory", "/data", Access::ReadOnly).unwrap();
        let error = apply(&grants, &mut WasiCtxBuilder::new()).unwrap_err();
        assert_eq!(error.error_type.as_deref(), Some("Sandbox.GrantFailed"));
        assert!(error.error_message.unwrap_or_default().contains("/no/such/directory"));
    }
}
