//! The thread of a server with a store: nothing is answered before it is committed, and what waits is committed together.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};

use tokio::task::JoinHandle;

use crate::{
    ambient::{SeededEntropy, VirtualClock},
    budget::HostBudget,
    protocol::{ExecutionArn, ExecutionStatus, Limits, ServiceError, Timestamp},
    server::{
        Changes, CheckpointServer, ExecutionSummary, ListExecutions, Lookup, Next, OpenExecution, Saved,
        ServerConfig, ServerHandle, StartExecution, Store, StoreError, Tally,
    },
};

/// A store whose commits the test ends, and says how.
struct Gate {
    begun: Sender<usize>,
    ends: Receiver<Result<(), StoreError>>,
}

impl Store for Gate {
    fn commit(&mut self, changes: &[Changes], _: &[ExecutionArn]) -> Result<(), StoreError> {
        self.begun.send(changes.len()).unwrap();
        self.ends.recv().unwrap()
    }

    fn list(&mut self, _: &ListExecutions) -> Result<Vec<ExecutionSummary>, StoreError> {
        Ok(Vec::new())
    }

    fn open(&mut self) -> Result<Vec<OpenExecution>, StoreError> {
        Ok(Vec::new())
    }

    fn ended_before(&mut self, _: Timestamp, _: usize) -> Result<Vec<ExecutionArn>, StoreError> {
        Ok(Vec::new())
    }

    fn load(&mut self, _: &ExecutionArn) -> Result<Option<Saved>, StoreError> {
        Ok(None)
    }

    fn find(&mut self, _: Lookup<'_>) -> Result<Option<ExecutionArn>, StoreError> {
        Ok(None)
    }

    fn process(&self) -> u64 {
        1
    }
}

struct Gated {
    server: CheckpointServer,
    begun: Receiver<usize>,
    ends: Sender<Result<(), StoreError>>,
}

fn gated() -> Gated {
    let (begun, seen) = channel();
    let (ends, told) = channel();
    let config = ServerConfig {
        clock: Arc::new(VirtualClock::new(Timestamp::Y2025)),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: Limits::default(),
    };
    let store = Box::new(Gate { begun, ends: told });
    let server = CheckpointServer::spawn_with(config, HostBudget::default(), Some(store)).unwrap();
    Gated { server, begun: seen, ends }
}

type Started = JoinHandle<Result<ExecutionArn, ServiceError>>;

/// Starts so many executions, each on a task, and returns when all requests are queued.
async fn start(server: &ServerHandle, count: usize) -> Vec<Started> {
    let started = (0..count).map(|_| {
        let server = server.clone();
        tokio::spawn(async move { server.start_execution(StartExecution::new("f", None)).await })
    });
    let started = started.collect();
    // On a runtime of one thread, each task runs until its request waits.
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
    started
}

#[tokio::test]
async fn what_waits_is_committed_together() {
    let Gated { server, begun, ends } = gated();
    let server_handle = server.handle();
    let first = start(&server_handle, 1).await;
    assert_eq!(begun.recv(), Ok(1));
    // The thread is in the first commit.
    let rest = start(&server_handle, 9).await;
    assert!(
        first.iter().chain(&rest).all(|started| !started.is_finished()),
        "nothing is answered before its commit"
    );
    ends.send(Ok(())).unwrap();
    assert_eq!(begun.recv(), Ok(9));
    for started in first {
        started.await.unwrap().unwrap();
    }
    assert!(rest.iter().all(|started| !started.is_finished()));
    ends.send(Ok(())).unwrap();
    for started in rest {
        started.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn all_of_a_group_get_the_error_of_its_commit() {
    let Gated { server, begun, ends } = gated();
    let server = &server.handle();
    let first = start(server, 1).await;
    begun.recv().unwrap();
    let rest = start(server, 5).await;
    ends.send(Ok(())).unwrap();
    begun.recv().unwrap();
    ends.send(Err(StoreError("the disk is full".to_owned()))).unwrap();
    for started in rest {
        let error = started.await.unwrap().unwrap_err();
        assert_eq!(error, ServiceError::Store("the disk is full".to_owned()));
    }
    // The server goes on with what it had.
    for started in first {
        let arn = started.await.unwrap().unwrap();
        assert_eq!(server.poll(&arn).await, Ok(Next::Invoke));
    }
    let again = start(server, 1).await;
    assert_eq!(begun.recv(), Ok(1));
    ends.send(Ok(())).unwrap();
    for started in again {
        started.await.unwrap().unwrap();
    }
}

/// What was processed before a shutdown is committed and answered.
#[tokio::test]
async fn a_shutdown_commits_what_came_before() {
    let Gated { server, begun, ends } = gated();
    let handle = server.handle();
    let first = start(&handle, 1).await;
    begun.recv().unwrap();
    let rest = start(&handle, 3).await;
    let stopped = std::thread::spawn(move || server.shutdown());
    ends.send(Ok(())).unwrap();
    ends.send(Ok(())).unwrap();
    for started in first.into_iter().chain(rest) {
        started.await.unwrap().unwrap();
    }
    stopped.join().unwrap();
    let late = handle.start_execution(StartExecution::new("f", None)).await;
    assert!(matches!(late, Err(ServiceError::Unavailable(_))), "{late:?}");
}

/// What a tally was told.
#[derive(Default)]
struct Told(Mutex<Vec<(ExecutionArn, Option<ExecutionStatus>)>>);

impl Tally for Told {
    fn started(&self, arn: &ExecutionArn) {
        self.0.lock().unwrap().push((arn.clone(), None));
    }

    fn ended(&self, arn: &ExecutionArn, status: ExecutionStatus) {
        self.0.lock().unwrap().push((arn.clone(), Some(status)));
    }
}

#[tokio::test]
async fn what_is_committed_is_counted_once() {
    let Gated { server, begun, ends } = gated();
    let (server, told) = (&server.handle(), Arc::new(Told::default()));
    server.count(told.clone());
    let mut arns = Vec::new();
    for end in [Err(StoreError("the disk is full".to_owned())), Ok(())] {
        let started = start(server, 1).await;
        begun.recv().unwrap();
        ends.send(end).unwrap();
        for started in started {
            arns.extend(started.await.unwrap());
        }
    }
    let [arn] = &*arns else { panic!("{arns:?}") };
    for _ in 0..2 {
        let (server, arn) = (server.clone(), arn.clone());
        let stopped = tokio::spawn(async move { server.stop_execution(&arn, None).await });
        tokio::task::yield_now().await;
        // The second one changes nothing.
        if told.0.lock().unwrap().len() < 2 {
            begun.recv().unwrap();
            ends.send(Ok(())).unwrap();
        }
        drop(stopped.await.unwrap());
    }
    assert_eq!(*told.0.lock().unwrap(), [(arn.clone(), None), (arn.clone(), Some(ExecutionStatus::Stopped))]);
}
