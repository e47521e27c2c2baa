//! Lists of executions: whatever their filters, their pages are what a look at each execution finds, with a store and
//! without.

use std::sync::Arc;

use proptest::{prelude::*, sample::Index};

use super::{
    saving::Shelf,
    world::{START, error},
};
use crate::{
    ambient::SeededEntropy,
    protocol::{ExecutionArn, InvocationOutput, InvocationResult, Limits, Timestamp},
    server::{ExecutionManager, ExecutionSummary, ListExecutions, PauseRequest, Standing, StartExecution},
};

#[derive(Debug, Clone)]
enum Act {
    Start { function: &'static str, version: &'static str, timeout_seconds: Option<u64> },
    Change(Index, Change),
    Pass(u64),
}

/// What is done to an execution. It may be refused, and then has no effect.
#[derive(Debug, Clone)]
enum Change {
    BeginInvocation,
    EndInvocation(InvocationOutput),
    Stop,
    Pause,
    Resume,
    Delete,
}

fn any_act() -> impl Strategy<Value = Act> {
    let function = prop::sample::select(vec!["f", "f-1"]);
    let version = prop::sample::select(vec!["$LATEST", "1", "11"]);
    let timeout = prop::option::weighted(0.2, 1..3_u64);
    let output = prop::sample::select(vec![
        InvocationOutput::succeeded(Some("1".into())),
        InvocationOutput::failed(error("E")),
        InvocationOutput::pending(),
    ]);
    let change = prop_oneof![
        4 => Just(Change::BeginInvocation),
        4 => output.prop_map(Change::EndInvocation),
        1 => Just(Change::Stop),
        2 => Just(Change::Pause),
        1 => Just(Change::Resume),
        1 => Just(Change::Delete),
    ];
    prop_oneof![
        4 => (function, version, timeout)
            .prop_map(|(function, version, timeout_seconds)| Act::Start { function, version, timeout_seconds }),
        12 => (any::<Index>(), change).prop_map(|(which, change)| Act::Change(which, change)),
        2 => (0..2_u64).prop_map(Act::Pass),
    ]
}

fn any_list() -> impl Strategy<Value = ListExecutions> {
    let one_of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        prop::sample::select(names)
    };
    let mut statuses = Standing::ALL.map(Standing::as_str).to_vec();
    statuses.push("DELETING");
    let time =
        || prop::option::of((0..6_i64).prop_map(|seconds| Timestamp::from_millis(START + 1000 * seconds)));
    (
        one_of(&["f", "f-1", "g"]),
        prop::option::of(one_of(&["$LATEST", "1", "11", "2"])),
        prop::option::weighted(0.2, (0..9_usize).prop_map(|number| format!("n{number}"))),
        prop::collection::vec(one_of(&statuses), 0..4),
        (time(), time()),
        any::<bool>(),
        1..4_usize,
    )
        .prop_map(
            |(function, version, name, statuses, (started_after, started_before), oldest_first, most)| {
                ListExecutions {
                    function,
                    version,
                    name,
                    statuses,
                    started_after,
                    started_before,
                    oldest_first,
                    after: None,
                    most,
                }
            },
        )
}

struct Executions {
    manager: ExecutionManager,
    now: Timestamp,
    started: usize,
    arns: Vec<ExecutionArn>,
}

impl Executions {
    fn new(with_store: bool) -> Self {
        let manager = ExecutionManager::new(Arc::new(SeededEntropy::new(1)), Limits::default());
        let manager = if with_store { manager.with_store(Shelf::default().open(1)) } else { manager };
        Self { manager, now: Timestamp::from_millis(START), started: 0, arns: Vec::new() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start { function, version, timeout_seconds } => {
                let start = StartExecution {
                    function_version: version.to_owned(),
                    execution_name: Some(format!("n{}", self.started)),
                    timeout_seconds,
                    ..StartExecution::new(function, None)
                };
                self.arns.push(self.manager.start_execution(self.now, start).unwrap());
                self.started += 1;
            }
            Act::Change(which, change) => {
                if !self.arns.is_empty() {
                    let arn = which.get(&self.arns).clone();
                    self.change(&arn, change);
                }
            }
            Act::Pass(seconds) => self.now = self.now.plus_seconds(seconds),
        }
        self.manager.commit(self.now).unwrap();
    }

    fn change(&mut self, arn: &ExecutionArn, change: Change) {
        let Self { manager, now, .. } = self;
        match change {
            Change::BeginInvocation => drop(manager.start_invocation(*now, arn)),
            Change::EndInvocation(output) => {
                let view = manager.view(*now, arn).unwrap();
                if let Some(running) = view.invocations.last().filter(|last| last.end.is_none()) {
                    let result = InvocationResult::Output(output);
                    manager.complete_invocation(*now, arn, &running.request_id, result).unwrap();
                }
            }
            Change::Stop => drop(manager.stop_execution(*now, arn, None)),
            Change::Pause => {
                let request = PauseRequest { reason: None, pause_timeout: true };
                drop(manager.pause_execution(*now, arn, request));
            }
            Change::Resume => drop(manager.resume_execution(*now, arn, None)),
            Change::Delete => {
                if manager.delete_execution(*now, arn).is_ok() {
                    self.arns.retain(|other| other != arn);
                }
            }
        }
    }

    /// What lists should show of each execution.
    fn all(&mut self) -> Vec<ExecutionSummary> {
        let mut all = Vec::new();
        for arn in self.arns.clone() {
            let view = self.manager.view(self.now, &arn).unwrap();
            let standing = self.manager.control_view(self.now, &arn).unwrap().standing;
            all.push(ExecutionSummary { arn, standing, start: view.start, end: view.end });
        }
        // Time may have ended some.
        self.manager.commit(self.now).unwrap();
        all
    }

    fn paged(&mut self, list: &ListExecutions) -> Vec<ExecutionSummary> {
        let (mut all, mut list) = (Vec::new(), list.clone());
        loop {
            let page = self.manager.list_executions(&list).unwrap();
            assert!(page.len() <= list.most);
            let more = page.len() == list.most;
            all.extend(page);
            let Some(end) = all.last().filter(|_| more) else { return all };
            list.after = Some((end.start, end.arn.clone()));
        }
    }
}

/// Those of these executions that a list has.
fn looked_at(all: &[ExecutionSummary], list: &ListExecutions) -> Vec<ExecutionSummary> {
    let wanted = |execution: &&ExecutionSummary| {
        let (function, version, name) = execution.arn.parts().unwrap();
        let status = execution.standing.as_str();
        list.function == function
            && list.version.as_deref().is_none_or(|wanted| wanted == version)
            && list.name.as_deref().is_none_or(|wanted| wanted == name)
            && (list.statuses.is_empty() || list.statuses.iter().any(|wanted| wanted == status))
            && list.started_after.is_none_or(|time| execution.start > time)
            && list.started_before.is_none_or(|time| execution.start < time)
    };
    let mut found: Vec<_> = all.iter().filter(wanted).cloned().collect();
    found.sort_by_key(|found| (found.start, found.arn.clone()));
    if !list.oldest_first {
        found.reverse();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn pages_are_what_a_look_at_each_execution_finds(
        acts in prop::collection::vec(any_act(), 1..50),
        lists in prop::collection::vec(any_list(), 20),
        with_store in any::<bool>(),
    ) {
        let mut executions = Executions::new(with_store);
        for act in acts {
            executions.act(act);
        }
        let all = executions.all();
        for list in &lists {
            prop_assert_eq!(executions.paged(list), looked_at(&all, list), "{:?}", list);
        }
    }
}
