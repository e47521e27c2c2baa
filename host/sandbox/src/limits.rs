//! Limits of one instance.

use std::{future::Future, sync::Arc, time::Duration};

use durawasm_core::invocation::InvocationBounds;
use wasmtime::{ResourceLimiterAsync, component::ResourceTableError};
use wasmtime_wasi::async_trait;

use super::{
    capacity::Share,
    engine::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES},
    grants::MAX_WASI_HANDLES,
    resources::MAX_NUMBER,
};

/// Limits of one invocation. Exceeding one ends the invocation with a named error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Memory of one instance, in bytes: all its linear memories, tables and handles together:
    /// `Sandbox.MemoryLimitExceeded`.
    pub memory: usize,
    /// Memory of all instances of the sandbox together, in bytes. An invocation for which there is not enough waits for
    /// others to end; that time does not count as its own. One instance always gets what `memory` allows.
    pub total_memory: usize,
    /// CPU time of the thread that runs the invocation, in code of the guest and in calls of the host alike:
    /// `Sandbox.CpuLimitExceeded`. It is checked about every 10 ms.
    pub cpu: Duration,
    /// Real time from the start of the invocation to its end, checked by a thread of the sandbox's own:
    /// `Sandbox.TimeLimitExceeded`.
    pub wall: Duration,
    /// Number of operations started: `Sandbox.OperationLimitExceeded`.
    pub operations: usize,
    /// Total size of log lines, in bytes: `Sandbox.LogLimitExceeded`.
    pub log: usize,
    /// Number of contexts and pollables held at once, without timers: `Sandbox.HandleLimitExceeded`.
    pub handles: u32,
    /// Number of timers held at once: `Sandbox.TimerLimitExceeded`.
    pub timers: u32,
    /// Outgoing HTTP requests.
    pub http: HttpLimits,
}

/// Limits of the HTTP requests of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Real time of one request, from its start to the last byte of its response. A request that takes longer fails
    /// with `HTTP-response-timeout`, or the error of what it waits for.
    pub time: Duration,
    /// Number of requests: `Sandbox.HttpLimitExceeded`.
    pub requests: u32,
    /// Bytes of all requests and responses, with their header fields: `Sandbox.HttpLimitExceeded`.
    pub bytes: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), requests: 1_000, bytes: 64 << 20 }
    }
}

impl Default for SandboxLimits {
    fn default() -> Self {
        let InvocationBounds { wall, operations, log } = InvocationBounds::default();
        Self {
            memory: 512 << 20,
            total_memory: 1 << 30,
            cpu: Duration::from_secs(10),
            wall,
            operations,
            log,
            handles: 2_000_000,
            timers: 100_000,
            http: HttpLimits::default(),
        }
    }
}

impl SandboxLimits {
    /// The limits that the invocation driver enforces.
    pub(super) fn invocation(&self) -> InvocationBounds {
        let operations = self.operations.min(MAX_NUMBER as usize);
        InvocationBounds { wall: self.wall, operations, log: self.log }
    }

    /// The number of timers, of which each has a number of its own.
    pub(super) fn timers(&self) -> u32 {
        self.timers.min(MAX_NUMBER)
    }

    /// The limit of wasmtime on handles, which is never reached before the limits on operations, handles and timers are.
    /// wasmtime counts a handle once more while it is lent to a call.
    pub(super) fn component_handles(&self) -> usize {
        let held = [self.operations, self.handles as usize, self.timers as usize, MAX_WASI_HANDLES, SPARE];
        held.into_iter().fold(0, usize::saturating_add).saturating_mul(2)
    }
}

/// Handles of wait sets, and those that wasmtime makes for itself.
const SPARE: usize = 4096;

/// The size of a table's element in the host's memory, in bytes.
const ELEMENT: usize = 16;

/// The size of a handle in wasmtime's tables, in bytes, with the room to grow.
const HANDLE: usize = 48;

/// The most data that one call between guest and host may copy, in bytes.
pub(super) const CALL_DATA: usize = 64 << 20;

/// So many handles are charged at once.
const HANDLES: usize = 4096;

/// Enforces the limit on memory: the sum of all linear memories and tables of an instance, and of its handles.
///
/// Invariants: what an instance uses is taken from the sandbox's memory first, and given back when the limiter is
/// dropped.
pub(super) struct Limiter {
    limit: usize,
    used: usize,
    /// The last growth that was allowed, in bytes. It fails if the machine has no memory.
    growth: usize,
    /// The part of `used` that is for handles.
    for_handles: usize,
    /// The first request that was refused. A trap that follows is most likely caused by that.
    refused: Option<String>,
    /// wasmtime's limit on handles.
    handles: usize,
    share: Arc<Share>,
}

impl Limiter {
    pub(super) fn new(limits: &SandboxLimits, handles: usize, share: Arc<Share>) -> Self {
        Self { handles, limit: limits.memory, used: 0, growth: 0, for_handles: 0, refused: None, share }
    }

    /// Why memory was refused, if it was.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Counts memory, if it is within the limit.
    fn count(&mut self, bytes: usize) -> bool {
        let reached = self.used.saturating_add(bytes);
        if reached > self.limit {
            let [reached, limit] = [reached, self.limit].map(kibibytes);
            self.refused.get_or_insert_with(|| {
                format!(
                    "the handler asked for more memory than an invocation may have: {reached} for all its memories, \
                     tables and handles; the limit is {limit}"
                )
            });
            return false;
        }
        self.used = reached;
        true
    }

    async fn grow(&mut self, bytes: usize) -> bool {
        if !self.count(bytes) {
            return false;
        }
        self.share.grow(bytes).await;
        self.growth = bytes;
        true
    }

    fn growth_failed(&mut self, error: &wasmtime::Error) {
        // wasmtime also reports requests that it did not ask the limiter for: those that no memory could have.
        let error = error.root_cause().to_string();
        if !error.contains("os error") {
            return;
        }
        let growth = std::mem::take(&mut self.growth);
        self.refused.get_or_insert_with(|| {
            let asked = kibibytes(growth);
            format!("the machine has not enough memory for the handler, which asked for {asked}: {error}")
        });
        self.used -= growth;
        self.share.shrink(growth);
    }

    /// Counts the memory of handles. The future takes it; there is none if nothing is to be taken.
    ///
    /// # Errors
    /// Why the memory is refused.
    pub(super) fn charge_handles(
        &mut self,
        most: usize,
    ) -> Result<Option<impl Future<Output = ()> + Send + use<>>, String> {
        let owed = (most / HANDLES * HANDLES * HANDLE).saturating_sub(self.for_handles);
        if owed == 0 {
            return Ok(None);
        }
        if !self.count(owed) {
            return Err(self.refused.clone().unwrap_or_default());
        }
        self.for_handles += owed;
        let share = self.share.clone();
        Ok(Some(async move { share.grow(owed).await }))
    }

    /// Takes memory of the host for the guest, until [`give_back`](Self::give_back).
    ///
    /// # Errors
    /// Why the memory is refused.
    pub(super) async fn take(&mut self, bytes: usize) -> Result<(), String> {
        if !self.count(bytes) {
            return Err(self.refused.clone().unwrap_or_default());
        }
        self.share.grow(bytes).await;
        Ok(())
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used -= bytes;
        self.share.shrink(bytes);
    }

    /// Why the data of a call of the host was refused, if the error says that it was.
    pub(super) fn data_refused(error: &wasmtime::Error) -> Option<String> {
        let exhausted = error.root_cause().to_string().contains("fuel allocated for hostcalls");
        exhausted.then(|| {
            format!("the handler exchanged more data with the host in one call than {}", kibibytes(CALL_DATA))
        })
    }

    /// Why wasmtime refused a handle, if the error says that it did.
    pub(super) fn handle_refused(&self, error: &wasmtime::Error) -> Option<String> {
        if let Some(ResourceTableError::Full) = error.downcast_ref() {
            let held = MAX_WASI_HANDLES + 1;
            return Some(format!(
                "the handler holds {held} files, directories, streams and other handles of WASI at once; the limit is \
                 {MAX_WASI_HANDLES}"
            ));
        }
        error.root_cause().to_string().contains("store handle limit exceeded").then(|| {
            let (held, limit) = (self.handles + 1, self.handles);
            format!("the handler holds {held} handles of all kinds at once; the limit is {limit}")
        })
    }

    pub(super) fn share(&self) -> &Arc<Share> {
        &self.share
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.share.shrink(self.used);
    }
}

/// Rounded up.
fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

#[async_trait]
impl ResourceLimiterAsync for Limiter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // It is the memory's own maximum.
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)).await)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.growth_failed(&error);
        Ok(())
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum && maximum < TABLE_ELEMENTS) {
            // It is the table's own maximum.
            return Ok(false);
        }
        if desired > TABLE_ELEMENTS {
            self.refused.get_or_insert_with(|| {
                format!("the handler asked for a table of {desired} elements; the limit is {TABLE_ELEMENTS}")
            });
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT)).await)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.growth_failed(&error);
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }
}
