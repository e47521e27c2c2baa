//! Machine code that wasmtime's compiler made.

use wasmtime::{Engine, component::Component};

/// The machine code of a component.
#[derive(Clone)]
pub struct Machine(Vec<u8>);

impl Machine {
    /// Compiles a component, without any bound. The error is one line.
    pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Self, String> {
        engine.precompile_component(wasm).map(Self).map_err(|error| {
            format!("{error:#}").lines().next().unwrap_or("it cannot be compiled").to_owned()
        })
    }

    /// Machine code from another place.
    ///
    /// # Safety
    /// The bytes were made by wasmtime's compiler, and nothing has changed them.
    pub(crate) unsafe fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The component, ready to be instantiated by this engine.
    ///
    /// # Errors
    /// When it was compiled by another version of wasmtime, with other settings, or for another machine.
    pub fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes come from wasmtime's compiler: nothing else makes a `Machine`, see the crate's documentation.
        unsafe { deserialize(engine, &self.0) }
    }
}

/// The component of this machine code. It is copied.
///
/// # Safety
/// As for [`Machine::from_bytes`].
pub(crate) unsafe fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the caller promises what wasmtime requires.
    unsafe { Component::deserialize(engine, code) }
}
