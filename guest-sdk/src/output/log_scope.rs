//! Which operation the code that runs now belongs to, for its log lines.
//!
//! Always true here: the current scope is set while a step's body or a child's code is polled, and only then. Scopes
//! nest; the innermost one counts.

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

/// An operation, as log lines show it.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))] // read by the log of components
pub(crate) struct LogScope {
    operation: Arc<dyn Operation>,
    id: OnceLock<String>,
    pub(crate) name: Option<Arc<str>>,
    /// Which attempt of a body this is; none for a child's code.
    pub(crate) attempt: Option<u32>,
    /// How many deterministic values the attempt has drawn.
    drawn: AtomicU64,
}

#[cfg_attr(not(target_family = "wasm"), allow(dead_code))] // read by the log of components
impl LogScope {
    pub(crate) fn new(operation: Arc<dyn Operation>, name: Option<&str>, attempt: Option<u32>) -> Arc<Self> {
        let name = name.map(Arc::from);
        Arc::new(Self { operation, id: OnceLock::new(), name, attempt, drawn: AtomicU64::new(0) })
    }

    /// Counts one more deterministic value of the attempt, from 0.
    pub(crate) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    /// The operation's id, asked for once.
    pub(crate) fn id(&self) -> &str {
        self.id.get_or_init(|| self.operation.id())
    }

    /// The innermost operation whose code runs now.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs something as a part of the operation.
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

    /// Polls a future as a part of the operation.
    pub(crate) fn instrument<F: Future>(self: Arc<Self>, future: F) -> Instrumented<F> {
        Instrumented { scope: self, future }
    }
}

pin_project! {
    /// A future that is polled as a part of an operation.
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
