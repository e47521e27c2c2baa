//! The thread of a server, and the state that it shares with handles.
//!
//! Not only the thread processes requests. A caller that finds the state unlocked and no request queued processes its
//! own request on its own thread: this saves two thread switches, which cost more than the request. The thread
//! processes requests that are sent while the state is locked, so callers never wait for the lock.
//!
//! With a store, the requests that wait for the thread form a group, whose changes are committed together before any of
//! them is answered. While one group is committed, the next one collects. Only a checkpoint, while no other execution is at
//! work, is processed on its caller's thread, which the commit blocks: nothing would be committed together with it.
//!
//! Invariants:
//! - requests are processed one after another, in the order in which they were made: only the holder of the lock
//!   processes requests, and a caller may do so only while nothing is queued;
//! - with a store, no answer is sent and nobody is notified before the commit; if the commit fails, all requests of the
//!   group get its error;
//! - a request that panics ends the server, and neither the process nor the callers, which get the reason;
//! - after the shutdown reason is set, no request is processed;
//! - the thread uses no CPU while nothing is queued.

use std::{
    any::Any,
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use super::{
    api::{Next, NextAction},
    dispatching::Taken,
    execution_manager::ExecutionManager,
};
use crate::{
    ambient::{Actor, Clock},
    protocol::{ChangeSubscription, ExecutionArn, ExecutionStatus, ServiceError, Timestamp},
};

/// The state of a server.
pub(super) struct Server {
    pub(super) manager: ExecutionManager,
    /// The subscribers of each execution.
    subscribers: HashMap<ExecutionArn, Vec<Subscriber>>,
    /// Whoever waits for executions that can go on.
    dispatcher: Option<Subscriber>,
    /// Provides the actors for subscribers, before virtual time can advance.
    clock: Arc<dyn Clock>,
    /// Keeps virtual time from advancing while requests are processed and not concluded.
    acts: Option<Actor>,
}

/// The receiver of one notification.
type Subscriber = oneshot::Sender<Option<Actor>>;

/// A message to the thread.
enum Message {
    Request(Request),
    Crash(String),
    Stop,
}

/// A request that carries its own reply.
type Request = Box<dyn FnOnce(&Shared, &mut Option<Server>) -> Reply + Send>;

/// Sends the answer of a request, or the error with which its commit failed.
type Reply = Box<dyn FnOnce(Result<(), ServiceError>) + Send>;

/// The most requests that are committed together.
const GROUP: usize = 1024;

/// The state that the thread and the handles share.
pub(super) struct Shared {
    /// `None` after the shutdown.
    server: Mutex<Option<Server>>,
    /// The number of messages that were sent to the thread and are not processed yet.
    queued: AtomicUsize,
    messages: Sender<Message>,
    /// The shutdown reason. It is set before any pending reply is dropped.
    shutdown_reason: OnceLock<String>,
    /// Whether executions are kept in a store.
    has_store: bool,
}

/// Starts the thread of a server with this state.
pub(super) fn spawn(
    manager: ExecutionManager,
    clock: Arc<dyn Clock>,
) -> io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let (shared, messages) = share(manager, clock);
    let thread = thread::Builder::new().name("checkpoint-server".to_owned()).spawn({
        let shared = shared.clone();
        move || run(&shared, &messages)
    })?;
    Ok((shared, thread))
}

/// The state of a server, and the messages for its thread.
fn share(manager: ExecutionManager, clock: Arc<dyn Clock>) -> (Arc<Shared>, Receiver<Message>) {
    let (messages, received) = unbounded();
    let has_store = manager.kept.is_some();
    let shared = Arc::new(Shared {
        server: Mutex::new(Some(Server {
            manager,
            subscribers: HashMap::new(),
            dispatcher: None,
            clock,
            acts: None,
        })),
        queued: AtomicUsize::new(0),
        messages,
        shutdown_reason: OnceLock::new(),
        has_store,
    });
    (shared, received)
}

impl Shared {
    pub(super) fn has_store(&self) -> bool {
        self.has_store
    }

    /// The shutdown reason; `None` while the server is running.
    pub(super) fn shutdown_reason(&self) -> Option<&str> {
        self.shutdown_reason.get().map(String::as_str)
    }

    pub(super) fn unavailable(&self) -> ServiceError {
        ServiceError::Unavailable(self.shutdown_reason().unwrap_or("its thread ended").to_owned())
    }

    /// Processes a request on the calling thread, if the state is unlocked and nothing is queued. With a store, only if
    /// `may_commit`, and if no other execution is at work whose requests could be committed together with this one.
    /// Otherwise returns the request.
    pub(super) fn process_here<T, W>(&self, may_commit: bool, work: W) -> Result<Result<T, ServiceError>, W>
    where
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError>,
    {
        if self.has_store && !may_commit {
            return Err(work);
        }
        let mut server = match self.server.try_lock() {
            Ok(server) => server,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(work),
        };
        // Read while holding the lock: the thread decrements the count only after it has processed a message.
        if self.queued.load(Ordering::Acquire) > 0 {
            return Err(work);
        }
        if self.has_store && !server.as_ref().is_some_and(|server| server.manager.is_one_at_work()) {
            return Err(work);
        }
        let outcome = self.process(&mut server, work);
        let told = self.conclude(&mut server);
        Ok(told.and(outcome))
    }

    /// Queues a request for the thread. If the thread has ended, the receiver gets an error.
    pub(super) fn process_on_thread<T, W>(&self, work: W) -> oneshot::Receiver<Result<T, ServiceError>>
    where
        T: Send + 'static,
        W: FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // The caller may have dropped the receiver.
        self.send(Message::Request(Box::new(move |shared, server| {
            let outcome = shared.process(server, work);
            Box::new(move |concluded| drop(reply.send(concluded.and(outcome))))
        })));
        answer
    }

    /// Makes the thread end the server with this reason.
    pub(super) fn crash(&self, why: String) {
        self.send(Message::Crash(why));
    }

    /// Makes the thread end the server after it has processed all queued messages.
    pub(super) fn stop(&self) {
        self.send(Message::Stop);
    }

    fn send(&self, message: Message) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        // If the thread has ended, the message is dropped together with its reply channel.
        drop(self.messages.send(message));
    }

    /// Processes a request, which has to be concluded.
    fn process<T>(
        &self,
        state: &mut Option<Server>,
        work: impl FnOnce(&mut Server, Timestamp) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        self.catching(state, |server| {
            // Virtual time does not advance until the request is concluded.
            if server.acts.is_none() {
                server.acts = Some(server.clock.actor());
            }
            let now = server.clock.now();
            work(server, now)
        })
    }

    /// Concludes the requests that were processed: commits their changes, and notifies subscribers. The result has to
    /// come before the answer of each of them.
    fn conclude(&self, state: &mut Option<Server>) -> Result<(), ServiceError> {
        if state.is_none() {
            // What was processed before the end is lost if a store did not get it.
            return if self.has_store { Err(self.unavailable()) } else { Ok(()) };
        }
        self.catching(state, |server| {
            // Dropped after all notified subscribers have an actor of their own.
            let _acts = server.acts.take();
            let (used, now) = (server.manager.touched(), server.clock.now());
            let committed = server.manager.commit(now);
            server.manager.tallied.conclude(committed.is_ok());
            server.manager.look_at_touched(now, committed.is_err());
            server.tell_dispatcher();
            committed?;
            server.spread_news();
            server.release(used);
            Ok(())
        })
    }

    /// Runs a part of a request. A panic ends the server.
    fn catching<T>(
        &self,
        state: &mut Option<Server>,
        work: impl FnOnce(&mut Server) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let Some(server) = state else { return Err(self.unavailable()) };
        let worked = catch_unwind(AssertUnwindSafe(|| work(server)));
        worked.unwrap_or_else(|panic| {
            self.end(state, format!("it panicked: {}", panic_text(&*panic)));
            // Wakes the thread, which then ends.
            self.stop();
            Err(self.unavailable())
        })
    }

    /// Ends the server: sets the reason before replies are dropped, so that callers whose reply was dropped find the
    /// reason.
    fn end(&self, state: &mut Option<Server>, why: String) {
        let _ = self.shutdown_reason.set(why);
        *state = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processes messages until the server ends.
fn run(shared: &Shared, messages: &Receiver<Message>) {
    let most = if shared.has_store { GROUP } else { 1 };
    let mut replies = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut server = shared.lock();
        let (mut processed, mut end, mut next) = (0, None, Some(first));
        while let Some(message) = next {
            processed += 1;
            match message {
                Message::Request(request) => replies.push(request(shared, &mut server)),
                Message::Crash(why) => end = Some(why),
                Message::Stop => end = Some("it was shut down".to_owned()),
            }
            let more = end.is_none() && server.is_some() && processed < most;
            next = if more { messages.try_recv().ok() } else { None };
        }
        let concluded = shared.conclude(&mut server);
        for reply in replies.drain(..) {
            reply(concluded.clone());
        }
        if let Some(why) = end {
            shared.end(&mut server, why);
        }
        shared.queued.fetch_sub(processed, Ordering::AcqRel);
        if server.is_none() {
            return;
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

impl Server {
    /// Returns what the execution needs next, the invokes to run, and, if it waits, a subscription to its next change. An
    /// execution that waits may be left instead.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        arn: &ExecutionArn,
        may_leave: bool,
    ) -> Result<NextAction, ServiceError> {
        let (next, invokes, pending) = self.manager.next(now, arn)?;
        let waits = matches!(next, Next::WaitUntil(_) | Next::WaitForExternal { .. });
        let left = next == Next::Closed || may_leave && waits && !pending && invokes.is_empty();
        if left {
            self.manager.leave_with_commit(arn);
        }
        let news = match next {
            _ if left => ChangeSubscription::never(),
            Next::Invoke | Next::Closed => ChangeSubscription::never(),
            Next::Running { .. } | Next::WaitUntil(_) | Next::WaitForExternal { .. } => {
                self.subscribe(arn.clone(), pending)
            }
        };
        Ok(NextAction { next, invokes, news, left })
    }

    /// Dispatches executions from now on.
    pub(super) fn dispatch(&mut self, now: Timestamp, most: usize) -> Result<(), ServiceError> {
        if self.clock.skips() {
            self.manager.hold_timeouts(self.clock.clone());
        }
        self.manager.dispatch(now, most)
    }

    /// Takes executions that can go on, and subscribes to further ones.
    pub(super) fn take_ready(&mut self, now: Timestamp, most: usize) -> (Taken, ChangeSubscription) {
        let taken = self.manager.take_ready(now, most);
        let (subscriber, news) = oneshot::channel();
        self.dispatcher = Some(subscriber);
        (taken, ChangeSubscription::new(async { news.await.unwrap_or_default() }))
    }

    fn tell_dispatcher(&mut self) {
        if self.manager.has_dispatch_news()
            && let Some(dispatcher) = self.dispatcher.take()
        {
            let _ = dispatcher.send(Some(self.clock.actor()));
        }
    }

    /// Subscribes to the next change. The subscriber is notified immediately if a change is pending or the execution does
    /// not exist.
    pub(super) fn watch(&mut self, now: Timestamp, arn: ExecutionArn) -> ChangeSubscription {
        let pending = self.manager.has_news(now, &arn).unwrap_or(true);
        self.subscribe(arn, pending)
    }

    /// Subscribes to the next change, unless the execution has ended.
    pub(super) fn watch_end(
        &mut self,
        now: Timestamp,
        arn: ExecutionArn,
    ) -> Result<Option<ChangeSubscription>, ServiceError> {
        let is_open = self.manager.control_view(now, &arn)?.standing.status() == ExecutionStatus::Running;
        Ok(is_open.then(|| self.subscribe(arn, false)))
    }

    fn subscribe(&mut self, arn: ExecutionArn, pending: bool) -> ChangeSubscription {
        let (subscriber, news) = oneshot::channel();
        if pending {
            let _ = subscriber.send(Some(self.clock.actor()));
        } else {
            let subscribers = self.subscribers.entry(arn).or_default();
            subscribers.retain(|subscriber| !subscriber.is_closed());
            subscribers.push(subscriber);
        }
        // An error means that the server has ended, which the next request reports.
        ChangeSubscription::new(async { news.await.unwrap_or_default() })
    }

    /// Forgets executions that only a later request needs.
    fn release(&mut self, used: Vec<ExecutionArn>) {
        for arn in used {
            if let Some(subscribers) = self.subscribers.get_mut(&arn) {
                subscribers.retain(|subscriber| !subscriber.is_closed());
                if !subscribers.is_empty() {
                    continue;
                }
                self.subscribers.remove(&arn);
            }
            self.manager.release(&arn);
        }
    }

    fn spread_news(&mut self) {
        for arn in self.manager.take_news() {
            for subscriber in self.subscribers.remove(&arn).unwrap_or_default() {
                let _ = subscriber.send(Some(self.clock.actor()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ambient::{SeededEntropy, VirtualClock},
        protocol::Limits,
    };

    /// The thread is the test itself, so nothing depends on which of two threads is faster.
    #[test]
    fn a_caller_processes_its_request_itself_only_while_nothing_is_queued() {
        let manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), Limits::default());
        let (shared, messages) = share(manager, Arc::new(VirtualClock::new(Timestamp::Y2025)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = order.clone();
            move |_: &mut Server, _: Timestamp| {
                order.lock().unwrap().push(name);
                Ok(())
            }
        };
        assert!(matches!(shared.process_here(false, note("first")), Ok(Ok(()))));
        let mut second = shared.process_on_thread(note("second"));
        let Err(third) = shared.process_here(false, note("third")) else {
            panic!("it went before the second")
        };
        let mut third = shared.process_on_thread(third);
        shared.stop();
        run(&shared, &messages);
        assert_eq!((second.try_recv(), third.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
        assert!(matches!(shared.process_here(false, note("fourth")), Ok(Err(ServiceError::Unavailable(_)))));
        assert_eq!(*order.lock().unwrap(), ["first", "second", "third"]);
    }
}
