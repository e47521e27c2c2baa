//! Starts executions, and knows which ones have not ended.
//!
//! Invariants:
//! - an execution runs in a task of its own, so it does not depend on the request that started it;
//! - a name is one execution of a function for as long as that execution is kept;
//! - at most a number of executions are open; who wants another is refused at once.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use blake2b_simd::blake2b;
use durawasm_core::{
    orchestrator::{Attendant, Environment, RunError},
    protocol::ExecutionArn,
    server::{Change, Observer, PendingExternal, ServerHandle, StartExecution},
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, oneshot, watch};

use super::{
    error::{ApiError, Exception},
    tail::{LogTails, Tail},
};

/// A started execution, or one that was started before by the same request.
pub(crate) struct Started {
    pub(crate) arn: ExecutionArn,
    /// The end of its log, if that was asked for.
    pub(crate) tail: Option<Arc<Tail>>,
}

/// The executions that requests have started.
pub(crate) struct Executions {
    environment: Arc<Environment>,
    tails: Arc<LogTails>,
    names: AsyncMutex<HashMap<Key, Named>>,
    open: Arc<Mutex<HashMap<ExecutionArn, watch::Receiver<()>>>>,
    places: Arc<Semaphore>,
    closed: AtomicBool,
}

/// A function and the name of an execution.
type Key = (String, String);

struct Named {
    arn: ExecutionArn,
    payload: [u8; 64],
}

fn digest(payload: Option<&str>) -> [u8; 64] {
    *blake2b(payload.unwrap_or_default().as_bytes()).as_array()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executions {
    pub(crate) fn new(environment: Arc<Environment>, tails: Arc<LogTails>, most: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            environment,
            tails,
            names: AsyncMutex::default(),
            open: Arc::default(),
            places,
            closed: AtomicBool::new(false),
        })
    }

    /// Refuses to start executions from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Refuses an invocation if the server is about to end.
    pub(crate) fn check_open(&self) -> Result<(), ApiError> {
        if self.closed.load(Ordering::Acquire) {
            let message = "the server is about to end: it starts nothing more";
            return Err(ApiError::new(Exception::Service, message));
        }
        Ok(())
    }

    /// Starts an execution. With the name and the payload of one that is kept, returns that one.
    pub(crate) async fn start(
        self: &Arc<Self>,
        start: StartExecution,
        tail: bool,
    ) -> Result<Started, ApiError> {
        let this = self.clone();
        // In a task, so that a client that goes away does not leave an execution without its name.
        let starting = tokio::spawn(async move { this.start_named(start, tail).await });
        starting.await.unwrap_or_else(|_| Err(ApiError::new(Exception::Service, "the start did not end")))
    }

    async fn start_named(&self, start: StartExecution, tail: bool) -> Result<Started, ApiError> {
        let Some(name) = start.execution_name.clone() else { return self.start_another(start, tail).await };
        let key = (start.function_name.clone(), name);
        let payload = digest(start.input.as_deref());
        // Held while the execution starts, so that a name is given once.
        let mut names = self.names.lock().await;
        if let Some(known) = names.get(&key) {
            if known.payload != payload {
                let (function, name) = key;
                let message = format!(
                    "{function} has an execution {name} with another payload: use another name, or delete it"
                );
                return Err(ApiError::new(Exception::DurableExecutionAlreadyStarted, message));
            }
            let tail = (tail && self.is_open(&known.arn)).then(|| self.tails.follow(&known.arn));
            return Ok(Started { arn: known.arn.clone(), tail });
        }
        let started = self.start_another(start, tail).await?;
        names.insert(key, Named { arn: started.arn.clone(), payload });
        Ok(started)
    }

    async fn start_another(&self, start: StartExecution, tail: bool) -> Result<Started, ApiError> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let message = "too many executions have not ended: try again when some have";
            return Err(ApiError::new(Exception::TooManyRequests, message));
        };
        let (reply, started) = oneshot::channel();
        let (running, ended) = watch::channel(());
        let wants = tail.then(|| self.tails.clone());
        let starting = Starting { reply, ended, open: self.open.clone(), tails: wants };
        let announces = Arc::new(Announces(Mutex::new(Some(starting))));
        let (environment, open, tails) = (self.environment.clone(), self.open.clone(), self.tails.clone());
        tokio::spawn(async move {
            let attendant: Arc<dyn Attendant> = announces.clone();
            let run = environment.run_attended(start, &attendant).await;
            match run {
                Ok(run) => {
                    lock(&open).remove(&run.view.arn);
                    tails.over(&run.view.arn);
                }
                Err(error) => {
                    // It never started, or the server was lost with all executions.
                    if let Some(starting) = lock(&announces.0).take() {
                        drop(starting.reply.send(Err(error)));
                    }
                }
            }
            drop((running, place));
        });
        match started.await {
            Ok(Ok(started)) => Ok(started),
            Ok(Err(RunError::Service(error))) => Err(error.into()),
            Ok(Err(RunError::Function(unknown))) => Err(unknown.into()),
            Err(_) => Err(ApiError::new(Exception::Service, "the execution did not start")),
        }
    }

    fn is_open(&self, arn: &ExecutionArn) -> bool {
        lock(&self.open).contains_key(arn)
    }

    /// Waits until an execution has ended that was started here. Returns at once if there is none.
    pub(crate) async fn ended(&self, arn: &ExecutionArn) {
        let open = lock(&self.open).get(arn).cloned();
        if let Some(mut open) = open {
            // Nothing is ever sent: the sender is dropped at the end.
            while open.changed().await.is_ok() {}
        }
    }

    /// Forgets the name of an execution that was deleted.
    pub(crate) async fn forget(&self, arn: &ExecutionArn) {
        let Some((function, _, name)) = arn.parts() else { return };
        let key = (function.to_owned(), name.to_owned());
        let mut names = self.names.lock().await;
        if names.get(&key).is_some_and(|known| known.arn == *arn) {
            names.remove(&key);
        }
    }
}

/// Reports which execution was started.
struct Announces(Mutex<Option<Starting>>);

struct Starting {
    reply: oneshot::Sender<Result<Started, RunError>>,
    ended: watch::Receiver<()>,
    open: Arc<Mutex<HashMap<ExecutionArn, watch::Receiver<()>>>>,
    tails: Option<Arc<LogTails>>,
}

impl Observer for Announces {
    fn observe(&self, _: Change) {}
}

impl Attendant for Announces {
    fn started(&self, arn: &ExecutionArn, _: &ServerHandle) {
        let Some(Starting { reply, ended, open, tails }) = lock(&self.0).take() else { return };
        lock(&open).insert(arn.clone(), ended);
        let tail = tails.map(|tails| tails.follow(arn));
        drop(reply.send(Ok(Started { arn: arn.clone(), tail })));
    }

    fn may_answer(&self, _: &[PendingExternal]) -> bool {
        true
    }

    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}
