//! Makes a component's file from the output of the linker.
//!
//! A component is kept unchanged; a core module is converted in this process, with the WASI preview 1 adapter that
//! belongs to the host's wasmtime. The file is replaced atomically, and left alone, with its modification time, if
//! nothing has changed.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use durawasm_complexity::check_structure;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::Parser;
use wit_component::ComponentEncoder;

use super::{BuildError, Profile, stack::with_much_stack};

/// Whether this is a core module, which the target wasm32-wasip1 produces.
pub(super) fn is_core_module(wasm: &[u8]) -> bool {
    Parser::is_core_wasm(wasm)
}

/// Converts a core module to a component. It must be linked against WASI preview 1 and contain its WIT world, as all
/// guests made with wit-bindgen do. `path` is its file, for messages.
pub(super) fn encode(module: &[u8], path: &Path) -> Result<Vec<u8>, BuildError> {
    let encode = || {
        let encoder = ComponentEncoder::default()
            .validate(true)
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
        encoder.and_then(|encoder| encoder.module(module)?.encode())
    };
    let encoded = with_much_stack(|| {
        // The module can contain the types of a component, which the encoder reads.
        check_structure(module).map_err(|error| error.to_string())?;
        // The alternate format includes the chain of causes.
        encode().map_err(|error| format!("{error:#}"))
    });
    let encoded = encoded.map_err(|error| error.to_string()).and_then(|encoded| encoded);
    encoded.map_err(|reason| BuildError::Componentize { wasm: path.to_owned(), reason })
}

/// The path of the component made of `wasm`. It depends only on the crate and the profile.
pub(super) fn path_for(wasm: &Path, target_dir: &Path, profile: Profile) -> PathBuf {
    let name = wasm.file_stem().unwrap_or_default().to_string_lossy();
    target_dir.join(match profile {
        Profile::Release => format!("{name}.wasm"),
        Profile::Debug => format!("{name}.debug.wasm"),
    })
}

/// Replaces a file atomically. Returns false if it has these bytes already.
pub(super) fn write_if_changed(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let same_size = fs::metadata(path).is_ok_and(|there| there.len() == bytes.len() as u64);
    if same_size && fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".component-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what the umask takes
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("handler.wasm");
        assert!(write_if_changed(&path, b"one").unwrap());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn profiles_do_not_overwrite_each_other() {
        let wasm = Path::new("/t/guest/wasm32-wasip2/release/my_handler.wasm");
        let path = |profile| path_for(wasm, Path::new("/t/guest"), profile);
        assert_eq!(path(Profile::Release), Path::new("/t/guest/my_handler.wasm"));
        assert_eq!(path(Profile::Debug), Path::new("/t/guest/my_handler.debug.wasm"));
    }

    #[test]
    fn an_empty_module_becomes_an_empty_component() {
        let module = b"\0asm\x01\0\0\0";
        assert!(is_core_module(module));
        let component = encode(module, Path::new("m.wasm")).unwrap();
        assert!(Parser::is_component(&component));
    }

    #[test]
    fn a_damaged_module_is_an_error() {
        let said = encode(b"\0asm\x01\0\0\0\x01", Path::new("m.wasm")).unwrap_err().to_string();
        assert!(said.starts_with("m.wasm cannot be made into a component: "), "{said}");
    }
}
