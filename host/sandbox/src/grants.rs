//! Opens what a function was granted.
//!
//! Invariants: what is not granted is not there; files that a guest holds open at the same time are bounded
//! ([`MAX_WASI_HANDLES`]).

use durawasm_core::{
    invocation::{Access, Grants},
    protocol::{ErrorObject, error_types},
};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// How many WASI handles (files, directories, streams) an instance with directories may hold at the same time: each may
/// be one of the process's file descriptors. Who opens one more is refused.
pub(super) const MAX_WASI_HANDLES: usize = 256;

/// Gives a guest what it was granted.
///
/// # Errors
/// `Sandbox.GrantFailed`: a directory cannot be opened.
pub(super) fn apply(grants: &Grants, wasi: &mut WasiCtxBuilder) -> Result<(), ErrorObject> {
    for (name, value) in grants.variables() {
        wasi.env(name, value);
    }
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
