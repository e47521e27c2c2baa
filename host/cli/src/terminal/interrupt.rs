//! Ctrl-C and, on Unix, SIGTERM: the first one is the command's to handle; the second one ends the process at once.

use std::{io, sync::Arc, thread};

use tokio::sync::Notify;

use crate::exit::Exit;

/// Tells when somebody interrupts the command.
#[derive(Clone, Default)]
pub(in super::super) struct Interrupts(Arc<Notify>);

impl Interrupts {
    /// Listens from now on, on a thread of its own: it hears also while a handler computes.
    pub(in super::super) fn listen() -> io::Result<Self> {
        let interrupts = Self::default();
        let first = Arc::clone(&interrupts.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        let listen = move || {
            runtime.block_on(async {
                let mut signals = signals;
                signals.next().await;
                first.notify_one();
                signals.next().await;
                std::process::exit(Exit::Interrupted as i32);
            });
        };
        thread::Builder::new().name("durawasm-signals".to_owned()).spawn(listen)?;
        Ok(interrupts)
    }

    /// Ends with the first interruption. It is told once.
    pub(in super::super) async fn first(&self) {
        self.0.notified().await;
    }
}

/// The signals that interrupt. SIGHUP is none: whoever starts a command with `nohup` wants it to go on.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals that interrupt.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Where Ctrl-C cannot be had, it does what it always does.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
