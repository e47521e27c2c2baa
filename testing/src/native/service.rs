//! Between an invocation's thread and the future that stands for the invocation: the thread asks, the future calls the service.
//!
//! Always true: the thread needs no asynchronous runtime of its own; once the future is dropped, whatever the thread asks for
//! fails at once.

use std::sync::{Arc, mpsc::SyncSender};

use durawasm_host::{
    ambient::Clock,
    protocol::{CheckpointResponse, CheckpointToken, ExecutionArn, OperationUpdate},
    replay::{DurableServiceClient, Ended, ServiceError},
    sandbox::{Blow, Faults, InvocationEnd, InvocationReport},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a thread asks of its invocation.
enum Message {
    /// Sends updates.
    Checkpoint { token: CheckpointToken, updates: Vec<OperationUpdate>, answer: SyncSender<Answer> },
    /// The invocation is over.
    Over(InvocationEnd),
}

/// What becomes of a checkpoint.
pub(super) type Answer = Result<CheckpointResponse, Ended>;

/// The thread's side.
#[derive(Clone)]
pub(super) struct Service(UnboundedSender<Message>);

/// The side of the invocation's future.
pub(super) struct Requests {
    messages: UnboundedReceiver<Message>,
    client: Arc<dyn DurableServiceClient>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    arn: ExecutionArn,
    checkpoints: u32,
}

impl Service {
    /// Sends updates, and waits for the answer.
    pub(super) fn checkpoint(&self, token: CheckpointToken, updates: Vec<OperationUpdate>) -> Answer {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.0.send(Message::Checkpoint { token, updates, answer }).map_err(|_| given_up())?;
        answered.recv().map_err(|_| given_up())?
    }

    /// Whether nobody waits for the invocation any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    /// Says that the invocation is over.
    pub(super) fn over(&self, end: InvocationEnd) {
        // Nobody listens where the invocation was given up.
        let _ = self.0.send(Message::Over(end));
    }
}

/// What is left to a thread whose invocation was given up.
pub(super) fn given_up() -> Ended {
    Ended::Service(ServiceError::Unavailable("the invocation was given up".to_owned()))
}

impl Requests {
    /// Both sides.
    pub(super) fn new(
        client: Arc<dyn DurableServiceClient>,
        faults: Faults,
        clock: Arc<dyn Clock>,
        arn: ExecutionArn,
    ) -> (Service, Self) {
        let (sender, messages) = unbounded_channel();
        (Service(sender), Self { messages, client, faults, clock, arn, checkpoints: 0 })
    }

    /// Does what the thread asks for, until the invocation is over; none if the thread is gone without a word.
    pub(super) async fn serve(mut self) -> Option<InvocationReport> {
        loop {
            match self.messages.recv().await? {
                Message::Checkpoint { token, updates, answer } => {
                    let answered = self.checkpoint(&token, updates).await;
                    // Nobody listens where the thread is gone.
                    let _ = answer.send(answered);
                }
                Message::Over(end) => return Some(InvocationReport { end, checkpoints: self.checkpoints }),
            }
        }
    }

    /// Sends updates, unless the invocation is to suffer on purpose.
    async fn checkpoint(&mut self, token: &CheckpointToken, updates: Vec<OperationUpdate>) -> Answer {
        let fate = self.faults.checkpoint();
        strike(fate.before)?;
        self.checkpoints += 1;
        self.faults.delay(&*self.clock, fate).await;
        let answer = self.client.checkpoint(&self.arn, token, updates).await.map_err(Ended::Service)?;
        strike(fate.after)?;
        Ok(answer)
    }
}

fn strike(blow: Option<Blow>) -> Result<(), Ended> {
    blow.map_or(Ok(()), |blow| Err(blow.refusal().map_or(Ended::Killed, Ended::Service)))
}

#[cfg(test)]
mod tests {
    use durawasm_host::{
        ambient::SystemClock,
        protocol::{InvocationOutput, StatePage},
        replay::ServiceCall,
        sandbox::Disturbance,
    };

    use super::*;

    /// Answers every checkpoint.
    struct Agrees;

    impl DurableServiceClient for Agrees {
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

    fn sides(disturbance: Option<Disturbance>) -> (Service, Requests) {
        let faults = Faults::new(disturbance.into_iter().collect(), None);
        Requests::new(Arc::new(Agrees), faults, Arc::new(SystemClock::new()), "arn:test".into())
    }

    #[tokio::test]
    async fn a_thread_is_served_until_it_is_over() {
        let (service, requests) = sides(Some(Disturbance::DieAfterCheckpoint(2)));
        let thread = std::thread::spawn(move || {
            let answers = [0, 1].map(|_| service.checkpoint("t".into(), Vec::new()).err());
            service.over(InvocationEnd::Output(InvocationOutput::pending()));
            answers
        });
        let report = requests.serve().await.unwrap();
        assert_eq!(report.checkpoints, 2, "the one that it died of was sent");
        assert_eq!(report.end, InvocationEnd::Output(InvocationOutput::pending()));
        assert_eq!(thread.join().unwrap(), [None, Some(Ended::Killed)]);
    }

    #[tokio::test]
    async fn each_side_notices_that_the_other_is_gone() {
        let (service, requests) = sides(None);
        assert!(!service.is_gone());
        drop(requests);
        assert!(service.is_gone());
        assert_eq!(service.checkpoint("t".into(), Vec::new()), Err(given_up()));
        service.over(InvocationEnd::Output(InvocationOutput::pending()));
        let (service, requests) = sides(None);
        drop(service);
        assert_eq!(requests.serve().await, None);
    }
}
