//! The store against a model of it, through ends of the process, full disks and readers beside it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{collections::BTreeMap, fs, path::Path};

use durawasm_core::{
    protocol::{ExecutionArn, ExecutionStatus, Timestamp},
    server::{
        Changes, ExecutionSummary, Invoker, ListExecutions, Lookup, OpenExecution, Saved, Standing, Store,
        Summary,
    },
};
use durawasm_store::{ComponentDigest, ExchangeError, Found, StoreFile, StoreFileError, StoreReader};
use proptest::prelude::*;

fn arn(number: u8) -> ExecutionArn {
    ExecutionArn::new(&format!("f{}", number % 2), "$LATEST", &format!("n{number}"), &format!("id-{number}"))
}

fn summary(number: u8, status: ExecutionStatus) -> Summary {
    Summary {
        arn: arn(number),
        id: [number; 16],
        standing: Standing::Unpaused(status),
        start: Timestamp::from_millis(i64::from(number)),
        end: (status != ExecutionStatus::Running).then_some(Timestamp::from_millis(1000 + i64::from(number))),
        saved_at: Timestamp::from_millis(7),
        due: None,
        invoked_by: (number == 3).then(|| Invoker { execution: arn(0), operation: "op".into() }),
    }
}

/// Changes as a server makes them: new parts follow those that are there, old ones may change.
#[derive(Debug, Clone)]
struct Step {
    execution: u8,
    added: [usize; 3],
    changed: Option<(usize, usize)>,
    text: String,
    over: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let changed = prop::option::of((0..3_usize, 0..20_usize));
    (0..5_u8, prop::array::uniform3(0..4_usize), changed, ".{0,20}", any::<bool>())
        .prop_map(|(execution, added, changed, text, over)| Step { execution, added, changed, text, over })
}

/// What the store should have.
#[derive(Clone, Default)]
struct Model(BTreeMap<u8, (ExecutionStatus, Saved)>);

impl Model {
    fn apply(&mut self, step: &Step) -> Changes {
        let status = if step.over { ExecutionStatus::Failed } else { ExecutionStatus::Running };
        let entry = self.0.entry(step.execution).or_insert_with(|| (status, Saved::default()));
        entry.0 = status;
        entry.1.execution = format!("execution {}", step.text);
        let mut changes = [Vec::new(), Vec::new(), Vec::new()];
        let Saved { operations, events, invocations, .. } = &mut entry.1;
        for (table, parts) in [operations, events, invocations].into_iter().enumerate() {
            if let Some((of, place)) = step.changed
                && of == table
                && place < parts.len()
            {
                parts[place] = format!("changed {}", step.text);
                changes[table].push((place, parts[place].clone()));
            }
            for _ in 0..step.added[table] {
                changes[table].push((parts.len(), format!("{table} {} {}", parts.len(), step.text)));
                parts.push(changes[table].last().unwrap().1.clone());
            }
        }
        let [operations, events, invocations] = changes;
        let execution = entry.1.execution.clone();
        Changes { summary: summary(step.execution, status), execution, operations, events, invocations }
    }

    fn compare(&self, store: &mut impl Store) {
        for number in 0..5_u8 {
            let expected = self.0.get(&number).map(|(_, saved)| saved.clone());
            let known = expected.is_some().then(|| arn(number));
            assert_eq!(store.load(&arn(number)).unwrap(), expected);
            assert_eq!(store.find(Lookup::Id([number; 16])).unwrap(), known);
            let (function, name) = (format!("f{}", number % 2), format!("n{number}"));
            assert_eq!(store.find(Lookup::Name { function: &function, name: &name }).unwrap(), known);
        }
        let invoker = Invoker { execution: arn(0), operation: "op".into() };
        assert_eq!(store.find(Lookup::Invoker(&invoker)).unwrap(), self.0.get(&3).map(|_| arn(3)));
        self.compare_lists(store);
    }

    fn compare_lists(&self, store: &mut impl Store) {
        let all = || {
            self.0.iter().map(|(number, (status, _))| {
                let Summary { arn, standing, start, end, .. } = summary(*number, *status);
                ExecutionSummary { arn, standing, start, end }
            })
        };
        for function in ["f0", "f1", "f2"] {
            for oldest_first in [false, true] {
                let list = ListExecutions {
                    function: function.to_owned(),
                    oldest_first,
                    most: 9,
                    ..ListExecutions::default()
                };
                let first = list.of(all()).first().map(|first| (first.start, first.arn.clone()));
                for list in [
                    list.clone(),
                    ListExecutions { most: 1, ..list.clone() },
                    ListExecutions { after: first, ..list.clone() },
                    ListExecutions { name: Some("n2".to_owned()), ..list.clone() },
                    ListExecutions { version: Some("$LATEST".to_owned()), ..list.clone() },
                    ListExecutions { version: Some("LATEST".to_owned()), ..list.clone() },
                    ListExecutions { version: Some("1".to_owned()), ..list.clone() },
                    ListExecutions { statuses: vec!["RUNNING".into(), "PAUSED".into()], ..list.clone() },
                    ListExecutions { started_after: Some(Timestamp::from_millis(1)), ..list.clone() },
                    ListExecutions { started_before: Some(Timestamp::from_millis(2)), ..list },
                ] {
                    assert_eq!(store.list(&list).unwrap(), list.of(all()), "{list:?}");
                }
            }
        }
        let open = all().filter(|execution| execution.end.is_none()).map(|execution| OpenExecution {
            caller: (execution.arn == arn(3)).then(|| arn(0)),
            arn: execution.arn,
            due: None,
        });
        let mut opened = store.open().unwrap();
        opened.sort_by(|one, other| one.arn.cmp(&other.arn));
        let mut open: Vec<_> = open.collect();
        open.sort_by(|one, other| one.arn.cmp(&other.arn));
        assert_eq!(opened, open);
        let time = Timestamp::from_millis(1002);
        let ended: Vec<_> = all().filter(|execution| execution.end.is_some_and(|end| end < time)).collect();
        let expected: Vec<_> = ended.into_iter().map(|execution| execution.arn).collect();
        assert_eq!(store.ended_before(time, 9).unwrap(), expected);
        assert_eq!(store.ended_before(time, 1).unwrap(), expected[..expected.len().min(1)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn it_has_what_was_committed(groups in prop::collection::vec((prop::collection::vec(any_step(), 0..5), prop::collection::vec(0..5_u8, 0..3), any::<bool>()), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut model = Model::default();
        let mut file = StoreFile::open(&path).unwrap();
        let mut store = file.store().unwrap();
        let mut processes = vec![store.process()];
        for (steps, gone, reopen) in groups {
            // What is deleted is gone before the changes.
            let gone: Vec<ExecutionArn> = gone.iter().filter(|gone| model.0.remove(gone).is_some()).map(|gone| arn(*gone)).collect();
            let changes: Vec<Changes> = steps.iter().map(|step| model.apply(step)).collect();
            store.commit(&changes, &gone).unwrap();
            if reopen {
                drop((store, file));
                file = StoreFile::open(&path).unwrap();
                store = file.store().unwrap();
                prop_assert!(!processes.contains(&store.process()), "a number is given once");
                processes.push(store.process());
            }
            model.compare(&mut store);
            // A reader beside it sees the same.
            let reader = StoreReader::open(&path).unwrap();
            let listed: Vec<_> = reader.list().unwrap().into_iter().map(|listed| (listed.arn, listed.status)).collect();
            prop_assert_eq!(listed.len(), model.0.len());
            for (number, (status, _)) in &model.0 {
                prop_assert!(listed.contains(&(arn(*number).to_string(), status.as_str().to_owned())));
            }
        }
    }
}

/// The log is folded into the tables when it is large, also in the middle of executions: what is loaded is the same before
/// and after, and after the process has ended.
#[test]
fn the_log_is_folded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let file = StoreFile::open(&path).unwrap();
    let mut model = Model::default();
    let mut store = file.store().unwrap();
    let rows = || {
        let count = "SELECT count(*), (SELECT count(*) FROM operations) FROM log";
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row(count, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap()
    };
    let (mut folds, mut before) = (0, 0);
    // 4 MiB are some 40 of these.
    for number in 0..100_u8 {
        let large = format!("{number} {}", "x".repeat(20_000));
        let steps = [
            step(number % 5, &large),
            Step {
                changed: Some((0, usize::from(number / 10))),
                added: [0; 3],
                ..step((number + 1) % 5, &large)
            },
        ];
        let changes: Vec<Changes> = steps.iter().map(|step| model.apply(step)).collect();
        store.commit(&changes, &[]).unwrap();
        let (logged, operations) = rows();
        folds += usize::from(logged < before);
        assert_eq!(operations > 0, folds > 0, "parts are in the tables only after a fold");
        before = logged;
        if number % 20 == 19 {
            model.compare(&mut store);
            let reader = StoreReader::open(&path).unwrap();
            for (number, (_, saved)) in &model.0 {
                assert_eq!(reader.load(arn(*number).as_str()).unwrap().as_ref(), Some(saved));
            }
        }
    }
    assert!(folds > 1, "{folds}");
    // What is deleted leaves nothing in the log, which its successor would find.
    store.commit(&[], &[arn(1)]).unwrap();
    model.0.remove(&1);
    let again = model.apply(&step(1, "again"));
    store.commit(&[again], &[]).unwrap();
    model.compare(&mut store);
    drop((store, file));
    let file = StoreFile::open(&path).unwrap();
    assert!(file.delete(arn(2).as_str()).unwrap());
    model.0.remove(&2);
    let mut store = file.store().unwrap();
    let again = model.apply(&step(2, "again"));
    store.commit(&[again], &[]).unwrap();
    model.compare(&mut store);
}

/// A row of the log that was damaged is not taken for the execution.
#[test]
fn a_damaged_log_is_told() {
    for (damage, why) in [
        (
            "UPDATE log SET parts = CAST(substr(parts, 1, length(parts) - 1) AS BLOB)",
            "a value of the log is damaged",
        ),
        ("UPDATE log SET parts = CAST(x'09' || parts AS BLOB)", "a value of the log is damaged"),
        ("DELETE FROM log WHERE number = (SELECT min(number) FROM log)", " is missing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let file = StoreFile::open(&path).unwrap();
        let mut model = Model::default();
        let mut store = file.store().unwrap();
        for _ in 0..2 {
            let changes = model.apply(&step(0, "some"));
            store.commit(&[changes], &[]).unwrap();
        }
        drop(store);
        rusqlite::Connection::open(&path).unwrap().execute(damage, ()).unwrap();
        let error = file.reader().unwrap().load(arn(0).as_str()).unwrap_err();
        assert!(matches!(error, StoreFileError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(file.store().unwrap().load(&arn(0)).is_err());
    }
}

fn step(execution: u8, text: &str) -> Step {
    Step { execution, added: [2, 2, 1], changed: None, text: text.to_owned(), over: false }
}

/// A disk on which nothing more fits: the commit fails as a whole, what was there stays, and it goes on when there is
/// space.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let file = StoreFile::open(&path).unwrap();
    let mut model = Model::default();
    let mut store = file.store().unwrap();
    let first = model.apply(&step(0, "kept"));
    store.commit(&[first], &[]).unwrap();
    let mut failures = 0;
    for size in [1_000, 10_000, 200_000] {
        // No page more than there are.
        store.limit_size(0).unwrap();
        let mut lost = model.clone();
        let large = [lost.apply(&step(0, "small")), lost.apply(&step(1, &"x".repeat(size)))];
        if let Err(error) = store.commit(&large, &[]) {
            failures += 1;
            let expected = format!(
                "{}: no space is left for the store; nothing was lost that was acknowledged",
                path.display()
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
            model.compare(&mut store);
            store.limit_size(1 << 30).unwrap();
            store.commit(&large, &[]).unwrap();
        }
        model = lost;
        model.compare(&mut store);
    }
    assert!(failures > 0, "at least the largest does not fit");
}

#[test]
fn one_at_a_time_and_only_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let file = StoreFile::open(&path).unwrap();
    assert!(matches!(StoreFile::open(&path), Err(StoreFileError::InUse(_))));
    drop(file);
    StoreFile::open(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn components_are_kept_once_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let file = StoreFile::open(&path).unwrap();
    let digest = file.put_component(b"component").unwrap();
    assert_eq!(file.put_component(b"component").unwrap(), digest);
    assert_eq!(digest, ComponentDigest::of(b"component"));
    assert_eq!(file.reader().unwrap().component(&digest).unwrap().as_deref(), Some(&b"component"[..]));
    assert_eq!(file.reader().unwrap().component(&ComponentDigest::of(b"other")).unwrap(), None);
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE components SET bytes = x'00'", ()).unwrap();
    let error = file.reader().unwrap().component(&digest).unwrap_err();
    assert!(matches!(error, StoreFileError::Damaged { .. }), "{error}");
}

#[test]
fn executions_are_found_by_beginnings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let file = StoreFile::open(&path).unwrap();
    let mut model = Model::default();
    let changes: Vec<_> = (0..5).map(|number| model.apply(&step(number, "%"))).collect();
    file.store().unwrap().commit(&changes, &[]).unwrap();
    let reader = file.reader().unwrap();
    let found = |text: &str| match reader.find(text).unwrap() {
        Found::No => Vec::new(),
        Found::One(listed) => vec![listed.name],
        Found::Several(several) => several.into_iter().map(|listed| listed.name).collect(),
    };
    assert_eq!(found("n3"), ["n3"]);
    assert_eq!(found(arn(2).as_str()), ["n2"]);
    assert_eq!(found("n"), ["n0", "n1", "n2", "n3", "n4"]);
    for none in ["", "%", "n_", "N3", "n33"] {
        assert_eq!(found(none), [""; 0], "{none}");
    }
    let named =
        |name: &str| reader.named(name).unwrap().into_iter().map(|listed| listed.arn).collect::<Vec<_>>();
    assert_eq!(named("n3"), [arn(3).to_string()]);
    assert_eq!(named("n"), [""; 0]);
}

#[test]
fn what_is_under_way_is_told_by_function() {
    let folder = tempfile::tempdir().unwrap();
    let file = StoreFile::open(&folder.path().join("s.db")).unwrap();
    let reader = file.reader().unwrap();
    assert!(reader.functions().unwrap().is_empty() && reader.under_way("f0").unwrap().is_empty());
    let mut model = Model::default();
    let over = Step { over: true, ..step(2, "") };
    let changes = [step(4, ""), step(0, ""), step(1, ""), over].map(|step| model.apply(&step));
    file.store().unwrap().commit(&changes, &[]).unwrap();
    assert_eq!(reader.functions().unwrap(), ["f0", "f1"]);
    // In the order in which the store got them.
    assert_eq!(reader.under_way("f0").unwrap(), [arn(4).to_string(), arn(0).to_string()]);
    assert_eq!(reader.under_way("f1").unwrap(), [arn(1).to_string()]);
    assert_eq!(reader.under_way("f").unwrap(), [""; 0]);
    // These records are no JSON.
    let error = reader.record(arn(0).as_str()).unwrap_err();
    assert!(matches!(error, ExchangeError::Damaged { .. }), "{error}");
    assert!(reader.record(arn(3).as_str()).unwrap().is_none());
}

fn file_kinds(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is no store is not changed, and nothing appears beside it.
#[test]
fn strangers_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, [7_u8; 5000]).unwrap();
    assert!(matches!(StoreFile::open(&path), Err(StoreFileError::NotAStore(_))));
    assert!(matches!(StoreReader::open(&path), Err(StoreFileError::NotAStore(_))));
    assert_eq!(fs::read(&path).unwrap(), [7_u8; 5000]);
    assert_eq!(file_kinds(folder.path()), ["x"]);
    assert!(matches!(StoreReader::open(&folder.path().join("y")), Err(StoreFileError::Missing(_))));
    assert_eq!(file_kinds(folder.path()), ["x"]);
}
