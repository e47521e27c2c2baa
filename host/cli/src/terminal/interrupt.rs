//! Ctrl-C and, on Unix, SIGTERM: the command handles the first signal; the second one ends the process at once.

use std::{io, sync::Arc, thread};

use tokio::sync::Notify;

use crate::exit::Exit;

/// Notifies the command of interrupts.
#[derive(Clone, Default)]
pub(in super::super) struct Interrupts(Arc<Notify>);

impl Interrupts {
    /// Starts to listen, on its own thread, so that signals are handled while a handler computes.
    pub(in super::super) fn listen() -> io::Result<Self> {
        let interrupts = Self::default();
        let first = Arc::clone(&interrupts.0);
        Self::listen_and(move || first.notify_one())?;
        Ok(interrupts)
    }

    /// Starts to listen, and calls `first` at the first interrupt.
    pub(in super::super) fn listen_and(first: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        let listen = move || {
            runtime.block_on(async {
                let mut signals = signals;
                signals.next().await;
                first();
                signals.next().await;
                std::process::exit(Exit::Interrupted as i32);
            });
        };
        thread::Builder::new().name("durawasm-signals".to_owned()).spawn(listen)?;
        Ok(())
    }

    /// Completes at the first interrupt. Only one caller is notified.
    pub(in super::super) async fn first(&self) {
        self.0.notified().await;
    }
}

/// The signals that interrupt the command. SIGHUP is not handled, so that `nohup` works.
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

/// The signals that interrupt the command.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // If Ctrl-C cannot be handled, it has its default effect.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
