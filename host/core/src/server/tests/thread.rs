use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use super::world::{callback, ok, start, wait};
use crate::{
    ambient::{Actor, Clock, Entropy, SeededEntropy, Sleep, VirtualClock},
    protocol::{
        DurableServiceClient, InvocationOutput, InvocationResult, Limits, OperationType as Type,
        ServiceError, Timestamp,
    },
    server::{CheckpointServer, Next, ServerConfig, StartExecution},
};

fn config(clock: Arc<dyn Clock>) -> ServerConfig {
    ServerConfig { clock, entropy: Arc::new(SeededEntropy::new(1)), limits: Limits::default() }
}

fn server() -> CheckpointServer {
    CheckpointServer::spawn(config(Arc::new(VirtualClock::new(Timestamp::from_millis(0))))).unwrap()
}

async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_whole_execution() {
    let server = server();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    assert_eq!(handle.poll(&arn).await.unwrap(), Next::Invoke);
    let invocation = handle.start_invocation(&arn).await.unwrap();
    let token = invocation.input.checkpoint_token;
    let client: &dyn DurableServiceClient = &handle;
    let answer = client.checkpoint(&arn, &token, vec![start("s", Type::Step)]).await.unwrap();
    assert!(client.get_state(&arn, &answer.checkpoint_token, "marker").await.is_err());
    let output = InvocationResult::Output(InvocationOutput::succeeded(None));
    assert_eq!(handle.complete_invocation(&arn, &invocation.request_id, output).await.unwrap(), Next::Closed);
    assert_eq!(handle.view(&arn).await.unwrap().events.len(), 4);
    server.shutdown();
    let gone = Err(ServiceError::Unavailable("it was shut down".into()));
    assert_eq!(handle.poll(&arn).await, gone);
}

#[tokio::test]
async fn changed_ends_with_news_and_not_before() {
    let server = server();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    handle.changed(&arn).await;
    let invocation = handle.start_invocation(&arn).await.unwrap();
    let token = invocation.input.checkpoint_token;
    let started = handle.checkpoint(&arn, &token, vec![callback("c", 0, 0), wait("w", 1)]).await.unwrap();
    let callback_id = started.operations[0].callback_details.clone().unwrap().callback_id.unwrap();

    let mut changed = pin!(handle.changed(&arn));
    assert!(is_pending(changed.as_mut()).await);
    handle.checkpoint(&arn, &started.checkpoint_token, vec![start("s", Type::Step)]).await.unwrap();
    assert!(is_pending(changed.as_mut()).await);
    handle.complete_callback(&callback_id, ok("1")).await.unwrap();
    changed.await;
    // A pending change completes it immediately.
    handle.changed(&arn).await;

    handle.stop_execution(&arn, None).await.unwrap();
    handle.changed(&arn).await;
    handle.changed(&"arn:other".into()).await;
    server.shutdown();
    handle.changed(&arn).await;
}

#[tokio::test]
async fn the_server_s_end_ends_who_waits_for_news() {
    let server = server();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    handle.start_invocation(&arn).await.unwrap();
    let mut changed = pin!(handle.changed(&arn));
    assert!(is_pending(changed.as_mut()).await);
    drop(server);
    changed.await;
}

#[tokio::test]
async fn all_who_wait_for_news_are_told_and_none_before() {
    let server = server();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    handle.start_invocation(&arn).await.unwrap();
    let (mut first, mut second) = (pin!(handle.changed(&arn)), pin!(handle.changed(&arn)));
    for _ in 0..2 {
        assert!(is_pending(first.as_mut()).await && is_pending(second.as_mut()).await);
    }
    handle.stop_execution(&arn, None).await.unwrap();
    first.await;
    second.await;
}

#[tokio::test]
async fn a_request_to_an_idle_server_is_processed_by_its_caller() {
    let server = server();
    let handle = server.handle();
    for _ in 0..3 {
        let start = StartExecution::new("f", None);
        let (_, processed) =
            handle.start_execution_then(start, |_| std::thread::current().id()).await.unwrap();
        assert_eq!(processed, std::thread::current().id());
    }
}

/// A clock that panics on request.
struct Bomb(AtomicBool);

impl Clock for Bomb {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock broke");
        Timestamp::from_millis(0)
    }

    fn actor(&self) -> Actor {
        VirtualClock::new(Timestamp::from_millis(0)).actor()
    }

    fn sleep(&self, _: Option<Timestamp>) -> Sleep {
        Box::pin(std::future::pending())
    }

    fn skips(&self) -> bool {
        true
    }
}

/// Entropy that suffices for the server's own key only, which is made before its thread starts.
struct LittleEntropy(AtomicBool);

impl Entropy for LittleEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        assert!(!self.0.swap(true, Ordering::SeqCst), "the entropy broke");
        buffer.fill(0);
    }

    fn fork(&self, _: &str) -> Arc<dyn Entropy> {
        Arc::new(Self(AtomicBool::new(false)))
    }
}

#[tokio::test]
async fn a_panic_reaches_every_caller() {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(0)));
    let entropy = Arc::new(LittleEntropy(AtomicBool::new(false)));
    let server = CheckpointServer::spawn(ServerConfig { entropy, ..config(clock) }).unwrap();
    let handle = server.handle();
    let mut reasons = Vec::new();
    for _ in 0..100 {
        if let Err(error) = handle.start_execution(StartExecution::new("f", None)).await {
            reasons.push(error);
        }
    }
    let why = ServiceError::Unavailable("it panicked: the entropy broke".into());
    assert!(reasons.len() > 80 && reasons.iter().all(|reason| *reason == why), "{reasons:?}");
    handle.changed(&"arn".into()).await;
    server.shutdown();
}

#[tokio::test]
async fn a_clock_that_panics_is_no_different() {
    let bomb = Arc::new(Bomb(AtomicBool::new(false)));
    let server = CheckpointServer::spawn(config(bomb.clone())).unwrap();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    bomb.0.store(true, Ordering::SeqCst);
    let why = ServiceError::Unavailable("it panicked: the clock broke".into());
    assert_eq!(handle.poll(&arn).await, Err(why.clone()));
    assert_eq!(handle.poll(&arn).await, Err(why));
}

#[test]
fn many_callers_at_once() {
    let server = server();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let handle = server.handle();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
                    let mut token = handle.start_invocation(&arn).await.unwrap().input.checkpoint_token;
                    for i in 0..200 {
                        let updates = vec![start(&format!("s{i}"), Type::Step)];
                        let answer = handle.checkpoint(&arn, &token, updates).await.unwrap();
                        assert_eq!(answer.operations.len(), 1);
                        token = answer.checkpoint_token;
                    }
                    assert_eq!(handle.view(&arn).await.unwrap().operations.len(), 201);
                });
            });
        }
    });
}
