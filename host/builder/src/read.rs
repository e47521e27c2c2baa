//! Reads components from files.

use std::path::Path;

use super::{
    BuildError, componentize,
    inspect::{inspect, read_bounded},
};

/// Reads a component with durable handlers. A core module that contains one, as older linkers produce, is converted to
/// a component.
///
/// # Errors
/// When the file is not a component with durable handlers.
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
