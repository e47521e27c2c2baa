//! The time of invocations: real time and CPU time, and the thread that limits them.
//!
//! Invariants:
//! - the thread runs no code of a guest, waits for none, and holds its lock only while it looks at a list: no guest can
//!   keep it from running;
//! - it interrupts computing guests at every tick, and wakes the task of an invocation whose real time is over, whatever
//!   that task waits for;
//! - CPU time is that of the threads that run an invocation, measured by the system: code of the guest and work of the host
//!   for it count alike. Time in which other invocations have the thread does not count.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    thread::JoinHandle,
    time::Duration,
};

use durawasm_core::{
    ambient::{Clock, SystemClock, thread_cpu_time},
    protocol::error_types,
};
use futures_util::task::AtomicWaker;
use wasmtime::EngineWeak;

use super::{SandboxError, capacity::Share};

/// The interval at which a computing guest is interrupted to check its limits, and then lets others run.
const TICK: Duration = Duration::from_millis(10);

/// After a body was stopped because the invocation had used up its CPU time, the invocation may use a tenth of its limit more,
/// and at least this.
const LEAST_EXTENSION: Duration = Duration::from_millis(100);

/// The part of a watchdog that its thread and the invocations share.
struct Shared {
    clock: SystemClock,
    /// The number of ticks so far.
    ticks: AtomicU64,
    stop: AtomicBool,
    running: Mutex<Vec<Weak<Watch>>>,
}

/// The thread that limits invocations. It ends when this is dropped.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread. It advances the engine's epoch at every tick.
    pub(super) fn spawn(engine: EngineWeak) -> Result<Self, SandboxError> {
        let shared = Arc::new(Shared::new());
        let watching = shared.clone();
        let thread = std::thread::Builder::new()
            .name("durawasm-watchdog".to_owned())
            .spawn(move || {
                while !watching.stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(TICK);
                    watching.tick();
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })
            .map_err(|e| SandboxError::Engine(format!("cannot start the watchdog: {e}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Watches an invocation from now on, until the returned value is dropped.
    /// The time for which `share` waits for memory is not its own.
    pub(super) fn watch(&self, wall: Duration, cpu: Duration, share: Option<Arc<Share>>) -> Arc<Watch> {
        Watch::new(&self.shared, wall, cpu, share)
    }

    /// How many are watched now.
    pub(super) fn watched(&self) -> usize {
        let running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter(|watch| watch.strong_count() > 0).count()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread waits for nothing, and ends within a tick.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            clock: SystemClock::new(),
            ticks: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            running: Mutex::default(),
        }
    }

    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.precise_now();
        let mut late = Vec::new();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            let over = now >= watch.deadline();
            if over {
                late.push(watch);
            }
            !over
        });
        // Outside of the lock: a waker is code of the runtime.
        for watch in late {
            watch.over.store(true, Ordering::Release);
            watch.waker.wake();
        }
    }
}

/// Why an invocation has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It took this long in real time.
    Wall(Duration),
    /// It used this much CPU time.
    Cpu(Duration),
}

/// The time that one invocation has used, over all its instances.
pub(super) struct Watch {
    shared: Arc<Shared>,
    began: Duration,
    /// When its real time is over, unless it waits for memory meanwhile.
    until: Duration,
    share: Option<Arc<Share>>,
    /// Set by the watchdog when its real time is over.
    over: AtomicBool,
    waker: AtomicWaker,
    cpu: Duration,
    /// Nanoseconds of CPU time of the polls that have ended.
    used: AtomicU64,
    /// The CPU time of the thread at the beginning of the poll that is running, in nanoseconds.
    since: AtomicU64,
    /// The number of the last tick at which the limits were checked.
    checked: AtomicU64,
    /// Nanoseconds of CPU time that it has beyond its limit.
    extension: AtomicU64,
}

impl Watch {
    fn new(shared: &Arc<Shared>, wall: Duration, cpu: Duration, share: Option<Arc<Share>>) -> Arc<Self> {
        let began = shared.clock.precise_now();
        let watch = Arc::new(Self {
            shared: shared.clone(),
            began,
            until: began.saturating_add(wall),
            share,
            over: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            cpu,
            used: AtomicU64::new(0),
            since: AtomicU64::new(nanos(thread_cpu_time())),
            checked: AtomicU64::new(0),
            extension: AtomicU64::new(0),
        });
        shared.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&watch));
        watch
    }

    /// A watch without a thread: its real time is never over.
    #[cfg(test)]
    pub(super) fn alone(cpu: Duration) -> Arc<Self> {
        Self::new(&Arc::new(Shared::new()), Duration::MAX, cpu, None)
    }

    /// When its real time is over.
    fn deadline(&self) -> Duration {
        let waited = self.share.as_ref().map_or(Duration::ZERO, |share| share.time_waited());
        self.until.saturating_add(waited)
    }

    /// The CPU time that the invocation has used. To be called on the thread that runs it.
    pub(super) fn used(&self) -> Duration {
        let running = nanos(thread_cpu_time()).saturating_sub(self.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed).saturating_add(running))
    }

    /// The type and the message of the error with which an invocation ends whose time is over.
    pub(super) fn explain(&self, why: Overdue) -> (&'static str, String) {
        match why {
            Overdue::Wall(took) => {
                let limit = self.until.saturating_sub(self.began);
                let reason =
                    format!("the invocation took longer than {limit:?} of real time: {took:.2?} so far");
                (error_types::TIME_LIMIT, reason)
            }
            Overdue::Cpu(used) => {
                let reason = format!(
                    "the handler computed for longer than one invocation may, without coming to an end: {used:.2?} \
                     of CPU time; the limit is {:?}",
                    self.cpu
                );
                (error_types::CPU_LIMIT, reason)
            }
        }
    }

    /// Whether the watchdog has found that its real time is over.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The real time that is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline().saturating_sub(self.shared.clock.precise_now())
    }

    /// Whether a tick has passed since the limits were last checked. Costs a load from memory.
    pub(super) fn has_ticked(&self) -> bool {
        self.shared.ticks.load(Ordering::Relaxed) != self.checked.load(Ordering::Relaxed)
    }

    /// Checks both limits. To be called on the thread that runs the invocation.
    pub(super) fn check(&self) -> Result<(), Overdue> {
        self.checked.store(self.shared.ticks.load(Ordering::Relaxed), Ordering::Relaxed);
        self.check_wall()?;
        self.check_cpu(self.used())
    }

    fn check_wall(&self) -> Result<(), Overdue> {
        if self.is_over() {
            return Err(Overdue::Wall(self.shared.clock.precise_now().saturating_sub(self.began)));
        }
        Ok(())
    }

    fn check_cpu(&self, used: Duration) -> Result<(), Overdue> {
        let extension = Duration::from_nanos(self.extension.load(Ordering::Relaxed));
        if used > self.cpu.saturating_add(extension) { Err(Overdue::Cpu(used)) } else { Ok(()) }
    }

    /// Grants some CPU time beyond the limit, once. Returns false if it was granted before.
    pub(super) fn extend(&self) -> bool {
        let extension = nanos((self.cpu / 10).max(LEAST_EXTENSION));
        self.extension.compare_exchange(0, extension, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Forgets the CPU time that was used. To be called on the thread that runs the invocation.
    pub(super) fn renew_cpu(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.since.store(nanos(thread_cpu_time()), Ordering::Relaxed);
    }

    /// Runs a part of the invocation, and stops it at the first point at which it yields after its time is over.
    pub(super) async fn limit<F: Future>(&self, part: F) -> Result<F::Output, Overdue> {
        let mut part = pin!(part);
        poll_fn(|cx| {
            // Registered before the limit is looked at, so that no wake-up is missed.
            self.waker.register(cx.waker());
            let used = Duration::from_nanos(self.used.load(Ordering::Relaxed));
            if let Err(over) = self.check_wall().and_then(|()| self.check_cpu(used)) {
                return Poll::Ready(Err(over));
            }
            self.since.store(nanos(thread_cpu_time()), Ordering::Relaxed);
            let polled = part.as_mut().poll(cx);
            let used = self.used();
            self.used.store(nanos(used), Ordering::Relaxed);
            match polled {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending => match self.check_cpu(used) {
                    Ok(()) => Poll::Pending,
                    Err(over) => Poll::Ready(Err(over)),
                },
            }
        })
        .await
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(time: Duration) {
        let began = thread_cpu_time();
        while thread_cpu_time() < began + time {}
    }

    #[tokio::test]
    async fn only_the_time_of_the_invocation_counts() {
        let limit = Duration::from_millis(20);
        let watch = Watch::alone(limit);
        spin(limit * 2);
        for _ in 0..3 {
            assert_eq!(watch.limit(async { watch.check() }).await, Ok(Ok(())), "others had the thread");
            spin(limit * 2);
        }
        let over = watch.limit(async {
            spin(limit * 2);
            watch.check()
        });
        let used = match over.await.unwrap().unwrap_err() {
            Overdue::Cpu(used) => used,
            wall @ Overdue::Wall(_) => panic!("{wall:?}"),
        };
        assert!(used >= limit * 2, "{used:?}");
        // What was used by then still counts.
        let stopped = watch.limit(std::future::ready(())).await;
        assert!(matches!(stopped, Err(Overdue::Cpu(_))), "{stopped:?}");
        watch.renew_cpu();
        assert_eq!(watch.limit(async { watch.check() }).await, Ok(Ok(())));
    }

    #[tokio::test]
    async fn an_extension_is_granted_once() {
        let limit = Duration::from_millis(20);
        let watch = Watch::alone(limit);
        let (first, second, third) = watch
            .limit(async {
                spin(limit + Duration::from_millis(5));
                let first = watch.check();
                assert!(watch.extend());
                let second = watch.check();
                spin(LEAST_EXTENSION);
                (first, second, watch.check())
            })
            .await
            .unwrap();
        assert!(first.is_err() && second.is_ok() && third.is_err(), "{first:?} {second:?} {third:?}");
        assert!(!watch.extend());
    }

    #[tokio::test]
    async fn the_watchdog_wakes_what_waits_for_something_else() {
        let engine = wasmtime::Engine::default();
        let watchdog = Watchdog::spawn(engine.weak()).unwrap();
        let watch = watchdog.watch(Duration::from_millis(1), Duration::MAX, None);
        let over = watch.limit(std::future::pending::<()>()).await;
        assert!(matches!(over, Err(Overdue::Wall(took)) if took >= Duration::from_millis(1)), "{over:?}");
        assert!(matches!(watch.check(), Err(Overdue::Wall(_))), "code that does not yield sees it as well");
        assert!(watchdog.shared.running.lock().unwrap().is_empty());
    }
}
