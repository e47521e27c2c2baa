//! Lists of executions: whatever their filters, the pages of the store are what a filter of all executions finds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::collections::BTreeMap;

use durawasm_core::{
    protocol::{ExecutionArn, Timestamp},
    server::{Changes, ExecutionSummary, ListExecutions, Standing, Store, Summary},
};
use durawasm_store::StoreFile;
use proptest::prelude::*;

const FUNCTIONS: [&str; 3] = ["f", "f-1", "1"];

const VERSIONS: [&str; 4] = ["$LATEST", "1", "11", "$LATEST.PUBLISHED"];

/// What an execution was started with.
#[derive(Debug, Clone, Copy)]
struct Started {
    function: usize,
    version: usize,
    start: i64,
}

/// An execution starts, or something of it changes.
#[derive(Debug, Clone, Copy)]
struct Step {
    number: u8,
    started: Started,
    standing: Standing,
    due: Option<i64>,
}

fn any_step() -> impl Strategy<Value = Step> {
    // Many start at the same time.
    let started = (0..2_usize, 0..3_usize, 0..5_i64).prop_map(|(function, version, start)| Started {
        function,
        version,
        start,
    });
    let standing = prop::sample::select(Standing::ALL.to_vec());
    (0..30_u8, started, standing, prop::option::of(0..3_i64))
        .prop_map(|(number, started, standing, due)| Step { number, started, standing, due })
}

fn any_list() -> impl Strategy<Value = ListExecutions> {
    let mut statuses: Vec<String> =
        Standing::ALL.iter().map(|standing| standing.as_str().to_owned()).collect();
    statuses.push("DELETING".to_owned());
    let named =
        |names: &[&str]| prop::sample::select(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let time = || prop::option::of((0..7_i64).prop_map(Timestamp::from_millis));
    (
        named(&FUNCTIONS),
        prop::option::of(named(&VERSIONS)),
        prop::option::weighted(0.2, (0..30_u8).prop_map(|number| format!("n{number}"))),
        prop::collection::vec(prop::sample::select(statuses), 0..4),
        (time(), time()),
        any::<bool>(),
        1..6_usize,
    )
        .prop_map(
            |(function, version, name, statuses, (started_after, started_before), oldest_first, most)| {
                let after = None;
                ListExecutions {
                    function,
                    version,
                    name,
                    statuses,
                    started_after,
                    started_before,
                    oldest_first,
                    after,
                    most,
                }
            },
        )
}

fn changes(number: u8, started: Started, step: Step) -> Changes {
    let (function, version) = (FUNCTIONS[started.function], VERSIONS[started.version]);
    let ended = !matches!(step.standing.as_str(), "RUNNING" | "PAUSING" | "PAUSED");
    let summary = Summary {
        arn: ExecutionArn::new(function, version, &format!("n{number}"), &format!("id-{number}")),
        id: [number; 16],
        standing: step.standing,
        start: Timestamp::from_millis(started.start),
        end: ended.then_some(Timestamp::from_millis(100)),
        saved_at: Timestamp::from_millis(50),
        due: step.due.filter(|_| !ended).map(Timestamp::from_millis),
        invoked_by: None,
    };
    let execution = String::new();
    Changes { summary, execution, operations: Vec::new(), events: Vec::new(), invocations: Vec::new() }
}

/// All executions of a list, found by looking at each execution.
fn looked_at(all: &BTreeMap<u8, Summary>, list: &ListExecutions) -> Vec<ExecutionSummary> {
    let mut found: Vec<ExecutionSummary> = Vec::new();
    for Summary { arn, standing, start, end, .. } in all.values() {
        let (function, version, name) = arn.parts().unwrap();
        let wanted = list.function == function
            && list.version.as_deref().is_none_or(|wanted| wanted == version)
            && list.name.as_deref().is_none_or(|wanted| wanted == name)
            && (list.statuses.is_empty() || list.statuses.iter().any(|wanted| wanted == standing.as_str()))
            && list.started_after.is_none_or(|time| *start > time)
            && list.started_before.is_none_or(|time| *start < time);
        if wanted {
            found.push(ExecutionSummary { arn: arn.clone(), standing: *standing, start: *start, end: *end });
        }
    }
    found.sort_by_key(|found| (found.start, found.arn.clone()));
    if !list.oldest_first {
        found.reverse();
    }
    found
}

/// All pages of a list, each as long as it may be.
fn paged(store: &mut impl Store, list: &ListExecutions) -> Vec<ExecutionSummary> {
    let (mut all, mut list) = (Vec::new(), list.clone());
    loop {
        let page = store.list(&list).unwrap();
        assert!(page.len() <= list.most);
        let more = page.len() == list.most;
        all.extend(page);
        let Some(end) = all.last().filter(|_| more) else { return all };
        list.after = Some((end.start, end.arn.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn pages_are_what_a_filter_of_all_executions_finds(
        groups in prop::collection::vec((prop::collection::vec(any_step(), 0..12), prop::collection::vec(0..30_u8, 0..3)), 1..8),
        lists in prop::collection::vec(any_list(), 40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let file = StoreFile::open(&path).unwrap();
        let mut store = file.store().unwrap();
        let (mut started, mut all) = (BTreeMap::<u8, Started>::new(), BTreeMap::<u8, Summary>::new());
        for (steps, gone) in groups {
            let gone: Vec<ExecutionArn> = gone.iter().filter_map(|gone| {
                started.remove(gone);
                all.remove(gone).map(|summary| summary.arn)
            }).collect();
            let changes: Vec<Changes> = steps.iter().map(|step| {
                let first = *started.entry(step.number).or_insert(step.started);
                let changes = changes(step.number, first, *step);
                all.insert(step.number, changes.summary.clone());
                changes
            }).collect();
            store.commit(&changes, &gone).unwrap();
        }
        for list in &lists {
            prop_assert_eq!(paged(&mut store, list), looked_at(&all, list), "{:?}", list);
        }
        // The indices have what the rows have.
        let connection = rusqlite::Connection::open(&path).unwrap();
        let intact: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        prop_assert_eq!(intact, "ok");
    }
}
