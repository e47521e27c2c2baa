//! Ends builds from another thread.
//!
//! Invariants: once a build is cancelled, its cargo is killed, and none is started for it. Compilers that cargo had started
//! end by themselves: nobody reads what they say.

use std::{
    io,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

/// How often a process is asked whether it has ended, after it has closed its output.
const ASKED_EVERY: Duration = Duration::from_millis(5);

/// Cancels builds, from any thread and for ever. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    running: Vec<Weak<Mutex<Child>>>,
}

/// A process that [`Cancel::cancel`] kills.
pub(super) struct Running {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    child: Arc<Mutex<Child>>,
}

impl Cancel {
    /// Kills the cargo of each build that was given this, and lets such builds start none. They end with
    /// [`BuildError::Cancelled`](super::BuildError::Cancelled).
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        for child in state.running.drain(..).filter_map(|child| child.upgrade()) {
            // One that has ended cannot be killed.
            drop(locked(&child).kill());
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// Starts a process; none if it was cancelled.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Option<Running>> {
        let mut state = self.state();
        if state.cancelled {
            return Ok(None);
        }
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        state.running.retain(|running| running.strong_count() > 0);
        state.running.push(Arc::downgrade(&child));
        Ok(Some(Running { stdout, stderr, child }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Waits for the end of the process. It can be killed meanwhile.
    pub(super) fn wait(self) -> io::Result<ExitStatus> {
        loop {
            let ended = locked(&self.child).try_wait()?;
            if let Some(status) = ended {
                return Ok(status);
            }
            thread::sleep(ASKED_EVERY);
        }
    }
}

fn locked(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_killed_and_nothing_is_started_afterwards() {
        let cancel = Cancel::default();
        let running = cancel.spawn(Command::new("sleep").arg("600")).unwrap().unwrap();
        let waits = thread::spawn(move || running.wait().unwrap());
        assert!(!cancel.is_cancelled());
        cancel.clone().cancel();
        assert!(!waits.join().unwrap().success());
        assert!(cancel.is_cancelled());
        assert!(cancel.spawn(&mut Command::new("true")).unwrap().is_none());
        let other = Cancel::default().spawn(&mut Command::new("true")).unwrap().unwrap();
        assert!(other.wait().unwrap().success());
    }
}
