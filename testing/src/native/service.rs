//! The channel between the thread of an invocation and its future: the thread sends requests, the future calls the
//! service.
//!
//! Invariants: the thread needs no asynchronous runtime; after the future is dropped, each request of the thread fails
//! at once.

use std::sync::{Arc, mpsc::SyncSender};

use durawasm_core::{
    ambient::Clock,
    invocation::{CheckpointRequest, Ended, InvocationReport},
    protocol::{CheckpointResponse, DurableServiceClient, ExecutionArn, ServiceError},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A message from the thread to the future.
enum Message {
    /// A checkpoint, with the channel for its response.
    Checkpoint { request: CheckpointRequest, answer: SyncSender<Answer> },
    /// The invocation has ended.
    Over(InvocationReport),
}

/// The response to a checkpoint.
pub(super) type Answer = Result<CheckpointResponse, ServiceError>;

/// The thread's end of the channel.
#[derive(Clone)]
pub(super) struct Service(UnboundedSender<Message>);

/// The future's end of the channel.
pub(super) struct Requests {
    messages: UnboundedReceiver<Message>,
    client: Arc<dyn DurableServiceClient>,
    clock: Arc<dyn Clock>,
    arn: ExecutionArn,
}

impl Service {
    /// Sends a checkpoint, and waits for the response.
    pub(super) fn checkpoint(&self, request: CheckpointRequest) -> Answer {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.0.send(Message::Checkpoint { request, answer }).map_err(|_| unreachable())?;
        answered.recv().map_err(|_| unreachable())?
    }

    /// Whether the future was dropped.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    /// Reports the end of the invocation.
    pub(super) fn over(&self, report: InvocationReport) {
        // The receiver is gone if the invocation was abandoned.
        let _ = self.0.send(Message::Over(report));
    }
}

fn unreachable() -> ServiceError {
    ServiceError::Unavailable("the invocation was given up".to_owned())
}

/// The reason for ending a run whose invocation was abandoned.
pub(super) fn given_up() -> Ended {
    Ended::Service(unreachable())
}

impl Requests {
    /// Both ends of a new channel.
    pub(super) fn new(
        client: Arc<dyn DurableServiceClient>,
        clock: Arc<dyn Clock>,
        arn: ExecutionArn,
    ) -> (Service, Self) {
        let (sender, messages) = unbounded_channel();
        (Service(sender), Self { messages, client, clock, arn })
    }

    /// Processes the requests of the thread until the invocation ends; `None` if the thread ends without a report.
    pub(super) async fn serve(mut self) -> Option<InvocationReport> {
        loop {
            match self.messages.recv().await? {
                Message::Checkpoint { request, answer } => {
                    let answered = request.send(&*self.client, &*self.clock, &self.arn).await;
                    // The receiver is gone if the thread has ended.
                    let _ = answer.send(answered);
                }
                Message::Over(report) => return Some(report),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use durawasm_core::{
        ambient::SystemClock,
        protocol::{
            CheckpointToken, InvocationOutput, InvocationResult, OperationUpdate, ServiceCall, StatePage,
        },
    };

    use super::*;

    /// A service that accepts every checkpoint.
    struct AcceptingService;

    impl DurableServiceClient for AcceptingService {
        fn checkpoint<'a>(
            &'a self,
            _: &'a ExecutionArn,
            token: &'a CheckpointToken,
            _: Vec<OperationUpdate>,
        ) -> ServiceCall<'a, CheckpointResponse> {
            let answer = CheckpointResponse { checkpoint_token: token.clone(), operations: Vec::new() };
            Box::pin(std::future::ready(Ok(answer)))
        }

        fn get_state<'a>(
            &'a self,
            _: &'a ExecutionArn,
            _: &'a CheckpointToken,
            _: &'a str,
        ) -> ServiceCall<'a, StatePage> {
            Box::pin(std::future::ready(Ok(StatePage { operations: Vec::new(), next_marker: None })))
        }
    }

    fn sides() -> (Service, Requests) {
        Requests::new(Arc::new(AcceptingService), Arc::new(SystemClock::new()), "arn:test".into())
    }

    fn request() -> CheckpointRequest {
        CheckpointRequest { token: "t".into(), updates: Vec::new(), delay: Duration::ZERO }
    }

    fn report() -> InvocationReport {
        let result = InvocationResult::Output(InvocationOutput::pending());
        InvocationReport { result, checkpoints: 2 }
    }

    #[tokio::test]
    async fn a_thread_is_served_until_it_is_over() {
        let (service, requests) = sides();
        let thread = std::thread::spawn(move || {
            let answers = [0, 1].map(|_| service.checkpoint(request()).is_ok());
            service.over(report());
            answers
        });
        assert_eq!(requests.serve().await, Some(report()));
        assert_eq!(thread.join().unwrap(), [true, true]);
    }

    #[tokio::test]
    async fn each_side_notices_that_the_other_is_gone() {
        let (service, requests) = sides();
        assert!(!service.is_gone());
        drop(requests);
        assert!(service.is_gone());
        assert_eq!(service.checkpoint(request()), Err(unreachable()));
        service.over(report());
        let (service, requests) = sides();
        drop(service);
        assert_eq!(requests.serve().await, None);
    }
}
