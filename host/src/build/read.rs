//! Components from files.

use std::path::Path;

use super::{BuildError, InspectError, MAX_COMPONENT_SIZE, componentize, inspect};

/// Reads a component with durable handlers. A core module that holds one, such as an older linker leaves, is made into a
/// component on the way.
///
/// # Errors
/// A [`BuildError`] says what the file is instead.
pub fn read_component(path: &Path) -> Result<Vec<u8>, BuildError> {
    let failed = |source| BuildError::Inspect { wasm: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(|e| failed(e.into()))?;
    // A pipe or a device could block, or never end.
    if !metadata.is_file() {
        return Err(failed(InspectError::NotAFile));
    }
    if metadata.len() > MAX_COMPONENT_SIZE {
        return Err(failed(InspectError::TooLarge { size: metadata.len() }));
    }
    let mut bytes = std::fs::read(path).map_err(|e| failed(e.into()))?;
    if componentize::is_core_module(&bytes) {
        bytes = componentize::encode(&bytes, path)?;
    }
    let summary = inspect(&bytes).map_err(failed)?;
    summary.contract_version().map_err(|source| BuildError::Contract { wasm: path.to_owned(), source })?;
    Ok(bytes)
}
