//! The operation that the current code belongs to, for its log lines.
//!
//! Invariants: the current scope is set only while the body of a step or the code of a child is polled. Scopes nest;
//! the innermost one applies.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::contract::Operation;

thread_local! {
    static CURRENT: RefCell<Option<Arc<LogScope>>> = const { RefCell::new(None) };
}

/// An operation, with the properties that log lines have.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))] // read by the log of components
pub(crate) struct LogScope {
    operation: Arc<dyn Operation>,
    id: OnceLock<String>,
    pub(crate) name: Option<Arc<str>>,
    /// The attempt of a body; `None` for the code of a child.
    pub(crate) attempt: Option<u32>,
    /// The number of deterministic values that the attempt has drawn.
    drawn: AtomicU64,
}

#[cfg_attr(not(target_family = "wasm"), allow(dead_code))] // read by the log of components
impl LogScope {
    pub(crate) fn new(operation: Arc<dyn Operation>, name: Option<&str>, attempt: Option<u32>) -> Arc<Self> {
        let name = name.map(Arc::from);
        Arc::new(Self { operation, id: OnceLock::new(), name, attempt, drawn: AtomicU64::new(0) })
    }

    /// Counts a deterministic value of the attempt. Returns its number, from 0.
    pub(crate) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    /// The id of the operation, requested from the host once.
    pub(crate) fn id(&self) -> &str {
        self.id.get_or_init(|| self.operation.id())
    }

    /// The innermost operation whose code runs.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs a function as part of the operation.
    pub(crate) fn within<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        struct Outer(Option<Arc<LogScope>>);
        impl Drop for Outer {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _outer = Outer(CURRENT.replace(Some(Arc::clone(self))));
        run()
    }

    /// Polls a future as part of the operation.
    pub(crate) fn instrument<F: Future>(self: Arc<Self>, future: F) -> Instrumented<F> {
        Instrumented { scope: self, future }
    }
}

pin_project! {
    /// A future that is polled as part of an operation.
    pub(crate) struct Instrumented<F> {
        scope: Arc<LogScope>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.scope.within(|| this.future.poll(cx))
    }
}
