//! Threads of a check: each has a runtime of its own, so that a check can be made from any code.

use tokio::runtime::Runtime;

use crate::error::CheckError;

/// Runs work on a thread with a runtime of its own.
pub(crate) fn on_a_thread<T: Send>(
    work: impl FnOnce(&Runtime) -> Result<T, CheckError> + Send,
) -> Result<T, CheckError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("durawasm-check".to_owned())
            .spawn_scoped(scope, || work(&runtime()?))
            .map_err(CheckError::Thread)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs work on several threads at the same time, each with a runtime of its own, until all of them are done.
pub(crate) fn on_threads(
    count: usize,
    work: impl Fn(&Runtime) -> Result<(), CheckError> + Sync,
) -> Result<(), CheckError> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count.max(1))
            .map(|_| {
                std::thread::Builder::new()
                    .name("durawasm-check".to_owned())
                    .spawn_scoped(scope, move || work(&runtime()?))
                    .map_err(CheckError::Thread)
            })
            .collect();
        for thread in threads {
            thread?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })
}

/// A runtime for one thread.
fn runtime() -> Result<Runtime, CheckError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CheckError::Thread)
}
