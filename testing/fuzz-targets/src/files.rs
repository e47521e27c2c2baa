//! Files: recorded executions and components.

use std::{cell::RefCell, fs, path::Path};

use durawasm_check::read_history;
use durawasm_report::is_unsafe;
use tempfile::TempDir;

/// The longest message about a file.
const LONGEST: usize = 20_000;

/// Gives a function a file with this content.
pub(crate) fn with_file<T>(name: &str, data: &[u8], act: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| TempDir::new().expect("a folder"));
        let path = folder.path().join(name);
        fs::write(&path, data).expect("a file");
        act(&path)
    })
}

pub(crate) fn assert_short(message: &str) {
    assert!(message.len() < LONGEST, "{} bytes: {}", message.len(), message.get(..200).unwrap_or_default());
}

/// A recorded execution, for `check --history`.
pub fn history(data: &[u8]) {
    match with_file("history.json", data, read_history) {
        Ok(read) => assert!(!read.is_empty()),
        Err(error) => assert_short(&error.to_string()),
    }
}

/// The bytes of a component.
pub fn component(data: &[u8]) {
    match durawasm_build::inspect(data) {
        Ok(summary) => {
            let _ = summary.contract_version();
            for capability in summary.capabilities() {
                assert!(!capability.imports.iter().any(|name| name.chars().any(is_unsafe)));
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert_short(&message);
            assert!(!message.chars().any(is_unsafe), "{message:?}");
        }
    }
}
