//! Components from files.

use std::path::Path;

use super::{
    BuildError, componentize,
    inspect::{inspect, read_bounded},
};

/// Reads a component with durable handlers. A core module that holds one, such as an older linker leaves, is made into
/// a component on the way.
///
/// # Errors
/// A [`BuildError`] says what the file is instead.
pub fn read_component(path: &Path) -> Result<Vec<u8>, BuildError> {
    let failed = |source| BuildError::Inspect { wasm: path.to_owned(), source };
    let mut bytes = read_bounded(path).map_err(failed)?;
    if componentize::is_core_module(&bytes) {
        bytes = componentize::encode(&bytes, path)?;
    }
    let summary = inspect(&bytes).map_err(failed)?;
    summary.contract_version().map_err(|source| BuildError::Contract { wasm: path.to_owned(), source })?;
    Ok(bytes)
}
