//! The data of one instance.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use durawasm_core::{
    invocation::{CheckpointRequest, Driver, Ended, LogLevel, LogSource, Need, Surroundings},
    protocol::error_types,
    replay::{Code, Draw, ImportCall, Key, Probe},
};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    SandboxLimits,
    grants::MAX_WASI_HANDLES,
    limits::Limiter,
    output::Output,
    randomness::Streams,
    requests::{Http, Requests},
    watchdog::{Overdue, Watch},
    writers::Writers,
};

/// The number of random bytes that the standard library draws as keys of its hash tables.
const KEY_BYTES: usize = 16;

/// How many of the last lines of standard error are kept for error messages.
const LAST_LINES: usize = 20;

/// The data of a store.
pub(super) struct State {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) durable: Durable,
    pub(super) http: Http,
    pub(super) writers: Writers,
}

impl State {
    pub(super) fn new(wasi: WasiCtx, limiter: Limiter, durable: Durable, http: Http) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_WASI_HANDLES);
        Self { wasi, table, limiter, durable, http, writers: Writers::default() }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The durable part of an instance: the invocation's driver, and the data that only components have.
pub(super) struct Durable {
    pub(super) driver: Driver,
    pub(super) around: Surroundings,
    /// The time that the invocation has used.
    pub(super) watch: Arc<Watch>,
    /// The bodies with a timeout.
    pub(super) bodies: Bodies,
    /// The number of handles of contexts and pollables. Handles of operations are limited by the number of operations.
    handles: Handles,
    pub(super) timers: Timers,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    /// The last lines of standard error, which contain the message of a panic.
    pub(super) last_lines: VecDeque<String>,
    /// The randomness of replayed code.
    pub(super) streams: Streams,
    /// The first random bytes that the guest drew, which are the keys of its hash tables.
    first_drawn: Vec<u8>,
    /// How far the last reading of a perturbed clock was ahead.
    ahead: Duration,
    /// The HTTP requests.
    pub(super) sent: Requests,
}

impl Durable {
    pub(super) fn new(
        driver: Driver,
        around: Surroundings,
        watch: Arc<Watch>,
        (stdout, stderr): (Output, Output),
        limits: &SandboxLimits,
    ) -> Self {
        Self {
            watch,
            streams: Streams::new(driver.engine().root()),
            driver,
            around,
            bodies: Bodies::default(),
            handles: Handles { limit: limits.handles, ..Handles::default() },
            timers: Timers { limit: limits.timers(), ..Timers::default() },
            stdout,
            stderr,
            last_lines: VecDeque::new(),
            first_drawn: Vec::new(),
            ahead: Duration::ZERO,
            sent: Requests::default(),
        }
    }

    /// Ends the guest's run: the returned error unwinds the guest, and the driver keeps the reason.
    pub(super) fn end(&mut self, why: Ended) -> wasmtime::Error {
        self.driver.end(why);
        wasmtime::Error::msg("the host ended the invocation")
    }

    /// Ends the guest's run if the result is an error.
    pub(super) fn trap<T>(&mut self, result: Result<T, impl Into<Ended>>) -> wasmtime::Result<T> {
        result.map_err(|why| self.end(why.into()))
    }

    /// Suspends the guest: it can continue only after a durable event.
    pub(super) fn suspend(&mut self) -> wasmtime::Error {
        let why = self.driver.suspension();
        self.end(why)
    }

    /// Repeats a call of the driver, sending its requests, until the call is done.
    pub(super) async fn drive<T>(
        &mut self,
        mut call: impl FnMut(&mut Driver) -> Result<Need<T>, Ended>,
    ) -> wasmtime::Result<T> {
        loop {
            let need = call(&mut self.driver);
            match self.trap(need)? {
                Need::Done(done) => return Ok(done),
                Need::Send(request) => self.send(request).await?,
            }
        }
    }

    /// Sends a request, and passes the answer to the driver.
    pub(super) async fn send(&mut self, request: CheckpointRequest) -> wasmtime::Result<()> {
        let Surroundings { client, clock, .. } = &self.around;
        let answer = request.send(&**client, &**clock, &self.driver.facts().arn).await;
        let taken_in = self.driver.answered(answer);
        self.trap(taken_in)
    }

    /// Sends the requests that are due.
    pub(super) async fn send_due(&mut self) -> wasmtime::Result<()> {
        self.drive(Driver::send).await
    }

    /// Sends all queued updates.
    pub(super) async fn flush(&mut self) -> wasmtime::Result<()> {
        self.driver.flush();
        self.send_due().await
    }

    /// The deadline of the body that is running.
    pub(super) fn body_deadline(&self) -> Option<Duration> {
        self.driver.body().and_then(|key| self.bodies.0.get(&key)).map(|body| body.deadline)
    }

    /// Ends the instance if the running body exceeded its timeout.
    pub(super) fn check_body_deadline(&mut self) -> wasmtime::Result<()> {
        match (self.driver.body(), self.body_deadline()) {
            (Some(key), Some(deadline)) if self.around.clock.precise_now() >= deadline => {
                Err(self.end(Ended::StepTimedOut(key)))
            }
            _ => Ok(()),
        }
    }

    /// Ends the guest's run because its time is over.
    pub(super) fn overdue(&mut self, why: Overdue) -> wasmtime::Error {
        // A body that has a timeout of its own is stopped, and its step continues as timed out. The extension is granted
        // once: else a handler could go on for ever, a body at a time.
        if let (Overdue::Cpu(_), Some(key), Some(_)) = (why, self.driver.body(), self.body_deadline())
            && self.watch.extend()
        {
            return self.end(Ended::StepTimedOut(key));
        }
        let (name, reason) = self.watch.explain(why);
        self.end(Ended::Limit(name, reason))
    }

    /// Checks how much time the guest has used.
    pub(super) fn check_time(&mut self) -> wasmtime::Result<()> {
        let checked = self.watch.check();
        self.charge_body();
        if let Some(key) = self.driver.body()
            && self.bodies.is_over(key)
        {
            return Err(self.end(Ended::StepTimedOut(key)));
        }
        self.check_body_deadline()?;
        checked.map_err(|why| self.overdue(why))
    }

    /// Called where the guest calls the host: code without loops passes no other check, however long its calls take.
    pub(super) fn called(&mut self) -> wasmtime::Result<()> {
        if self.watch.has_ticked() { self.check_time() } else { Ok(()) }
    }

    /// Records the CPU time of the body that is running, if it has a timeout.
    pub(super) fn charge_body(&mut self) {
        if let Some(key) = self.driver.body() {
            self.bodies.charge(key, &self.watch);
        }
    }

    /// Counts a handle that the guest is given, for which wasmtime allocates a table entry.
    pub(super) fn handle_given(&mut self) -> wasmtime::Result<()> {
        let Handles { held, most, limit } = &mut self.handles;
        *held += 1;
        *most = (*most).max(*held);
        if held > limit {
            let reason =
                format!("the handler holds {held} contexts and pollables at once; the limit is {limit}");
            return Err(self.end(Ended::Limit(error_types::HANDLE_LIMIT, reason)));
        }
        Ok(())
    }

    /// The most handles that the guest held at once, timers included. wasmtime keeps the memory for so many.
    pub(super) fn most_handles(&self) -> usize {
        self.handles.most as usize + self.timers.deadlines.len()
    }

    /// Counts a handle that the guest has dropped.
    pub(super) fn handle_returned(&mut self) {
        debug_assert!(self.handles.held > 0, "only a handle that was given can be given back");
        self.handles.held -= 1;
    }

    /// The time that the guest sees, since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        self.driver.now(&*self.around.clock)
    }

    /// Called where the running code calls the host: a body may be ended there by fault injection.
    pub(super) fn point_in_body(&mut self) -> wasmtime::Result<()> {
        self.called()?;
        let ended = self.driver.point_in_body();
        self.trap(ended)
    }

    /// The probe of the invocation, and the code that is running.
    pub(super) fn probe(&self) -> Option<(&dyn Probe, Code)> {
        self.driver.engine().probe().get().map(|probe| (probe, self.driver.code()))
    }

    /// Tells the probe of an import that returns.
    pub(super) fn imported(&self, name: &'static str, describe: impl FnOnce() -> (String, String)) {
        if let Some((probe, code)) = self.probe() {
            let (arguments, result) = describe();
            probe.imported(ImportCall { code, name, arguments, result });
        }
    }

    /// Reads a clock, as the guest sees it.
    pub(super) fn read_clock(&mut self, name: &'static str) -> wasmtime::Result<Duration> {
        self.point_in_body()?;
        let mut now = self.now();
        if let Some((probe, code)) = self.probe() {
            let seen = probe.time(code, now);
            debug_assert!(seen >= now, "a perturbed clock is ahead");
            self.ahead = seen.saturating_sub(now);
            now = seen;
        }
        self.imported(name, || (String::new(), format!("{now:?}")));
        Ok(now)
    }

    /// The deadline on the execution's clock for one on the clock that the guest read last.
    pub(super) fn deadline(&self, seen: Duration) -> Duration {
        // A guest may name any deadline, also one before the beginning of the clock.
        seen.saturating_sub(self.ahead)
    }

    /// Fills the buffer with the randomness that the guest sees.
    pub(super) fn fill_random(&mut self, name: &'static str, buffer: &mut [u8]) -> wasmtime::Result<()> {
        self.point_in_body()?;
        if self.driver.is_live() {
            self.around.entropy.fill(buffer);
        } else {
            let arn = self.driver.facts().arn.as_str();
            let filled = self.streams.fill(arn, self.driver.engine(), buffer);
            self.trap(filled)?;
        }
        let missing = KEY_BYTES - self.first_drawn.len();
        if let Some((probe, code)) = self.probe() {
            let draw = if missing > 0 { Draw::HashKeys } else { Draw::Random };
            probe.random(code, draw, buffer);
        }
        self.imported(name, || (format!("{} bytes", buffer.len()), hex(buffer)));
        self.first_drawn.extend(buffer.iter().take(missing));
        Ok(())
    }

    /// The keys that the guest's standard library drew for its hash tables, if it has drawn them.
    pub(super) fn hash_keys(&self) -> Option<(u64, u64)> {
        let keys: [u8; KEY_BYTES] = self.first_drawn.as_slice().try_into().ok()?;
        let keys = u128::from_le_bytes(keys);
        #[expect(clippy::cast_possible_truncation, reason = "two halves of one number")]
        Some((keys as u64, (keys >> 64) as u64))
    }

    /// Ends incomplete lines on the guest's standard streams.
    pub(super) fn end_lines(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    /// Takes the reason why output was refused that ended the guest's run.
    pub(super) fn take_refused(&mut self) -> Option<Ended> {
        self.stdout.take_refused().or_else(|| self.stderr.take_refused())
    }

    /// Converts the guest's standard output and error to log lines.
    pub(super) fn drain_output(&mut self) -> wasmtime::Result<()> {
        for (lines, source, level) in [
            (self.stdout.take_lines(), LogSource::Stdout, LogLevel::Info),
            (self.stderr.take_lines(), LogSource::Stderr, LogLevel::Warn),
        ] {
            for message in lines {
                if source == LogSource::Stderr {
                    if self.last_lines.len() == LAST_LINES {
                        self.last_lines.pop_front();
                    }
                    self.last_lines.push_back(message.clone());
                }
                let operation = self.driver.body_operation();
                let logged =
                    self.driver.log(&*self.around.clock, (level, source), message, Vec::new(), operation);
                self.trap(logged)?;
            }
        }
        Ok(())
    }

    /// Called before other code than the replayed code writes to the same streams: ends the incomplete line of the
    /// replayed code.
    pub(super) fn drain_replayed(&mut self) -> wasmtime::Result<()> {
        if self.driver.is_replaying() {
            self.end_lines();
        }
        self.drain_output()
    }

    /// Called before other code than the running body writes to the same streams: ends the incomplete line of the body.
    pub(super) fn drain_body(&mut self) -> wasmtime::Result<()> {
        if self.driver.body().is_some() {
            self.end_lines();
        }
        self.drain_output()
    }
}

/// The first bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(KEY_BYTES) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > KEY_BYTES {
        text.push_str("..");
    }
    text
}

/// The started step bodies that have a timeout, with their remaining time.
#[derive(Debug, Default)]
pub(super) struct Bodies(HashMap<Key, Body>);

#[derive(Debug)]
struct Body {
    /// On the execution's clock. A virtual clock does not advance while the guest computes.
    deadline: Duration,
    /// The CPU time that is left.
    left: Duration,
    /// The CPU time of the invocation up to which it is charged.
    charged: Duration,
}

impl Bodies {
    /// Records that a body is entered. Its timeout begins with the first entry.
    pub(super) fn enter(&mut self, key: Key, timeout: Duration, now: Duration, watch: &Watch) {
        let deadline = now.saturating_add(timeout);
        let body = self.0.entry(key).or_insert(Body { deadline, left: timeout, charged: Duration::ZERO });
        body.charged = watch.used();
    }

    /// Records the CPU time that a body has used since it was last charged or entered.
    fn charge(&mut self, key: Key, watch: &Watch) {
        if let Some(body) = self.0.get_mut(&key) {
            let used = watch.used();
            body.left = body.left.saturating_sub(used.saturating_sub(body.charged));
            body.charged = used;
        }
    }

    /// Whether a body has used up its time.
    fn is_over(&self, key: Key) -> bool {
        self.0.get(&key).is_some_and(|body| body.left.is_zero())
    }
}

/// The number of handles of contexts and pollables.
#[derive(Debug, Default)]
struct Handles {
    held: u32,
    /// The most that were held at once.
    most: u32,
    limit: u32,
}

/// The timers of a guest.
#[derive(Debug, Default)]
pub(super) struct Timers {
    limit: u32,
    /// Deadlines since the Unix epoch; `None` marks a free entry.
    deadlines: Vec<Option<Duration>>,
    free: Vec<u32>,
}

impl Timers {
    /// The most timers.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Adds a timer; `None` if there are too many.
    pub(super) fn add(&mut self, deadline: Duration) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            *self.deadlines.get_mut(index as usize)? = Some(deadline);
            return Some(index);
        }
        let index = u32::try_from(self.deadlines.len()).ok().filter(|n| *n < self.limit)?;
        self.deadlines.push(Some(deadline));
        Some(index)
    }

    pub(super) fn get(&self, index: u32) -> Option<Duration> {
        self.deadlines.get(index as usize).copied().flatten()
    }

    pub(super) fn remove(&mut self, index: u32) {
        if let Some(place) = self.deadlines.get_mut(index as usize)
            && place.take().is_some()
        {
            self.free.push(index);
        }
    }
}
