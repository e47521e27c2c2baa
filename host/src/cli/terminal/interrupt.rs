//! Ctrl-C: the first one is the command's to handle; the second one ends the process at once.

use std::{sync::Arc, thread};

use tokio::sync::Notify;

use crate::cli::exit::Exit;

/// Tells when somebody has pressed Ctrl-C.
#[derive(Clone, Default)]
pub(in super::super) struct Interrupts(Arc<Notify>);

impl Interrupts {
    /// Listens from now on, on a thread of its own: it hears also while a handler computes.
    pub(in super::super) fn listen() -> std::io::Result<Self> {
        let interrupts = Self::default();
        let first = Arc::clone(&interrupts.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let listen = move || {
            runtime.block_on(async {
                // Where signals cannot be had, they do what they always do.
                if tokio::signal::ctrl_c().await.is_ok() {
                    first.notify_one();
                    if tokio::signal::ctrl_c().await.is_ok() {
                        std::process::exit(Exit::Interrupted as i32);
                    }
                }
            });
        };
        thread::Builder::new().name("durawasm-signals".to_owned()).spawn(listen)?;
        Ok(interrupts)
    }

    /// Ends with the first Ctrl-C.
    pub(in super::super) async fn first(&self) {
        self.0.notified().await;
    }
}
