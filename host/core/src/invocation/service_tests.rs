//! Tests of what an invocation asks its service for: the pages of the state, and checkpoints.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{CheckpointRequest, Driver, Faults, InvocationBounds, Isolation, LogBuffer, Surroundings, load};
use crate::{
    ambient::{Clock, SeededEntropy, VirtualClock},
    protocol::{
        CheckpointResponse, CheckpointToken, DurableServiceClient, ExecutionArn, ExecutionDetails,
        InvocationInput, Limits, Operation, OperationType, OperationUpdate, ServiceCall, ServiceError,
        StatePage, Timestamp,
    },
    replay::Probed,
    server::{CheckpointServer, ServerConfig, StartExecution},
};

/// A service with pages of a state, which notes when it is asked for what.
struct Pages {
    clock: VirtualClock,
    pages: HashMap<String, StatePage>,
    asked: Mutex<Vec<(Timestamp, String)>>,
}

impl Pages {
    fn new(pages: impl IntoIterator<Item = (&'static str, StatePage)>) -> Self {
        let pages = pages.into_iter().map(|(marker, page)| (marker.to_owned(), page)).collect();
        Self { clock: VirtualClock::new(Timestamp::Y2025), pages, asked: Mutex::default() }
    }

    fn note(&self, what: &str) {
        self.asked.lock().unwrap().push((self.clock.now(), what.to_owned()));
    }

    /// What it was asked for.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, what)| what.clone()).collect()
    }
}

impl DurableServiceClient for Pages {
    fn checkpoint<'a>(
        &'a self,
        _: &'a ExecutionArn,
        token: &'a CheckpointToken,
        _: Vec<OperationUpdate>,
    ) -> ServiceCall<'a, CheckpointResponse> {
        self.note(token.as_str());
        let answer = CheckpointResponse { checkpoint_token: "next".into(), operations: Vec::new() };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn get_state<'a>(
        &'a self,
        _: &'a ExecutionArn,
        _: &'a CheckpointToken,
        marker: &'a str,
    ) -> ServiceCall<'a, StatePage> {
        self.note(marker);
        let page = self.pages.get(marker).cloned();
        let unknown = || ServiceError::InvalidParameterValue("Invalid marker".to_owned());
        Box::pin(std::future::ready(page.ok_or_else(unknown)))
    }
}

fn execution(input: Option<&str>) -> Operation {
    Operation {
        execution_details: Some(ExecutionDetails { input_payload: input.map(Into::into) }),
        ..Operation::new("e".into(), OperationType::Execution, Timestamp::Y2025)
    }
}

fn waiting(id: &str) -> Operation {
    Operation::new(id.into(), OperationType::Wait, Timestamp::Y2025)
}

fn page(operations: impl IntoIterator<Item = Operation>, next: Option<&str>) -> StatePage {
    StatePage {
        operations: operations.into_iter().map(Arc::new).collect(),
        next_marker: next.map(str::to_owned),
    }
}

fn around(client: Arc<dyn DurableServiceClient>) -> Surroundings {
    Surroundings {
        client,
        clock: Arc::new(VirtualClock::new(Timestamp::Y2025)),
        entropy: Arc::new(SeededEntropy::new(1)),
        log: Arc::new(LogBuffer::default()),
        faults: Faults::default(),
        isolation: Isolation::default(),
        probe: Probed::default(),
        grants: Arc::default(),
    }
}

async fn loaded(
    client: Arc<dyn DurableServiceClient>,
    input: InvocationInput,
) -> Result<(Driver, Arc<str>), ServiceError> {
    load("i".into(), input, &Limits::default(), InvocationBounds::default(), &around(client)).await
}

/// Loads a state that begins with this page.
async fn load_from(client: &Arc<Pages>, first: StatePage) -> Result<(Driver, Arc<str>), ServiceError> {
    let input = InvocationInput {
        durable_execution_arn: "arn".into(),
        checkpoint_token: "t1".into(),
        initial_execution_state: first,
        updated_operation_ids: Vec::new(),
        returned_at: None,
    };
    loaded(client.clone(), input).await
}

#[tokio::test]
async fn a_state_is_loaded_up_to_its_last_page() {
    for last in [None, Some("")] {
        let client =
            Arc::new(Pages::new([("1", page([waiting("a")], Some("2"))), ("2", page([waiting("b")], last))]));
        let (driver, event) = load_from(&client, page([execution(Some("[1]"))], Some("1"))).await.unwrap();
        assert_eq!((driver.engine().records().len(), &*event), (2, "[1]"));
        assert_eq!(client.asked(), ["1", "2"]);
    }
    let client = Arc::new(Pages::new([]));
    let (driver, event) = load_from(&client, page([execution(None)], None)).await.unwrap();
    assert_eq!((driver.engine().records().len(), &*event), (0, "null"));
    assert!(client.asked().is_empty());
}

#[tokio::test]
async fn a_state_that_cannot_be_loaded_is_refused() {
    let client = Arc::new(Pages::new([]));
    for (first, why) in [
        (page([], None), "begin with the EXECUTION"),
        (page([waiting("a"), execution(None)], None), "begin with the EXECUTION"),
        (page([execution(None)], Some("unknown")), "Invalid marker"),
    ] {
        let refused = load_from(&client, first).await.map(|(_, event)| event).unwrap_err();
        assert!(refused.message().contains(why), "{refused}");
    }
}

#[tokio::test]
async fn an_invocation_charges_the_budget_that_its_server_has_for_the_execution() {
    let config = ServerConfig {
        clock: Arc::new(VirtualClock::new(Timestamp::Y2025)),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: Limits::default(),
    };
    let server = CheckpointServer::spawn(config).unwrap();
    let handle = server.handle();
    let arn = handle.start_execution(StartExecution::new("f", None)).await.unwrap();
    let invocation = handle.start_invocation(&arn).await.unwrap();
    let (driver, _) = loaded(Arc::new(handle.clone()), invocation.input).await.unwrap();
    let before = handle.budget(&arn).await.unwrap().used();
    driver.engine().budget().charge(1000).unwrap();
    assert_eq!(handle.budget(&arn).await.unwrap().used(), before + 1000);
}

#[tokio::test]
async fn a_checkpoint_is_sent_after_its_delay() {
    let client = Pages::new([]);
    let clock = client.clock.clone();
    let _actor = clock.actor();
    for (token, delay) in [("at once", Duration::ZERO), ("later", Duration::from_millis(2500))] {
        let request = CheckpointRequest { token: token.into(), updates: Vec::new(), delay };
        let answer = request.send(&client, &clock, &"arn".into()).await.unwrap();
        assert_eq!(answer.checkpoint_token.as_str(), "next");
    }
    let asked = client.asked.into_inner().unwrap();
    let later = Timestamp::Y2025.plus_millis(2500);
    assert_eq!(asked, [(Timestamp::Y2025, "at once".to_owned()), (later, "later".to_owned())]);
}
