//! What an instance of a component needs.
//!
//! Invariants: a component that needs more than one instance may have is refused when it is loaded, so that no
//! invocation waits for what can never be free.

use wasmparser::{CanonicalFunction, Parser, Payload};
use wasmtime::component::Component;

use super::{
    SandboxError, SandboxLimits,
    capacity::Needs,
    engine::{INSTANCE_MEMORY, MEMORIES, TABLES},
};

/// The most handles of a component that defines resources of its own. It makes handles of those without a call of the
/// host, so their memory is reserved.
const OWN_HANDLES: usize = 100_000;

/// The memory for that many handles, in bytes.
pub(super) const OWN_HANDLES_MEMORY: usize = 5 << 20;

/// What an instance of the component needs, and whether the component defines resources of its own.
///
/// # Errors
/// [`SandboxError::TooLarge`]
pub(super) fn needs(component: &Component, wasm: &[u8]) -> Result<(Needs, bool), SandboxError> {
    let Some(required) = component.resources_required() else {
        return Err(SandboxError::Imports("it imports a core module".to_owned()));
    };
    for (number, limit, what) in
        [(required.num_memories, MEMORIES, "linear memories"), (required.num_tables, TABLES, "tables")]
    {
        if number > limit {
            return Err(SandboxError::TooLarge(format!("it has {number} {what}; the limit is {limit}")));
        }
    }
    let needs =
        Needs { memories: required.num_memories, tables: required.num_tables, bytes: INSTANCE_MEMORY };
    Ok(if has_own_resources(wasm) {
        (Needs { bytes: INSTANCE_MEMORY + OWN_HANDLES_MEMORY, ..needs }, true)
    } else {
        (needs, false)
    })
}

/// wasmtime's limit on the handles of an instance.
pub(super) fn most_handles(limits: &SandboxLimits, own_resources: bool) -> usize {
    let most = limits.component_handles();
    if own_resources { most.min(OWN_HANDLES) } else { most }
}

/// Whether the component, or one that it contains, makes handles of its own resources. Bytes that cannot be read count
/// as one that does.
fn has_own_resources(wasm: &[u8]) -> bool {
    Parser::new(0).parse_all(wasm).any(|payload| match payload {
        Ok(Payload::ComponentCanonicalSection(functions)) => functions
            .into_iter()
            .any(|function| matches!(function, Ok(CanonicalFunction::ResourceNew { .. }) | Err(_))),
        Ok(_) => false,
        Err(_) => true,
    })
}

/// Why a component cannot be compiled.
pub(super) fn unusable(error: &wasmtime::Error) -> SandboxError {
    let whole = format!("{error:#}");
    if whole.contains("pooling allocator") {
        return SandboxError::TooLarge(error.root_cause().to_string());
    }
    SandboxError::Invalid(whole.lines().next().unwrap_or("it cannot be compiled").to_owned())
}
