//! `OperationStorage`: each way to look an operation up.

use std::sync::Arc;

use durawasm_testing::{Operation, OperationStatus, OperationStorage, OperationType, Timestamp};

/// An operation with this id, of this kind, perhaps with a name, perhaps in a context.
fn operation(id: &str, kind: OperationType, name: Option<&str>, parent: Option<&str>) -> Arc<Operation> {
    Arc::new(Operation {
        name: name.map(Into::into),
        parent_id: parent.map(Into::into),
        ..Operation::new(id.into(), kind, Timestamp::Y2025)
    })
}

/// Two of one name, one without a name, a context with two children, and the execution, which is not an operation of
/// the handler's.
fn recorded() -> Vec<Arc<Operation>> {
    vec![
        operation("x", OperationType::Execution, Some("run"), None),
        operation("1", OperationType::Step, Some("a"), None),
        operation("2", OperationType::Context, Some("c"), None),
        operation("2-1", OperationType::Wait, None, Some("2")),
        operation("2-2", OperationType::Step, Some("a"), Some("2")),
    ]
}

fn id(found: Option<&Arc<Operation>>) -> Option<&str> {
    found.map(|operation| operation.id.as_str())
}

#[test]
fn an_operation_is_found_by_its_id_its_name_and_its_place() {
    let mut one_by_one = OperationStorage::new();
    for operation in recorded() {
        one_by_one.add_operation(operation);
    }
    for storage in [one_by_one, recorded().into_iter().collect()] {
        let all: Vec<&str> = storage.get_all().iter().map(|operation| operation.id.as_str()).collect();
        assert_eq!(all, ["1", "2", "2-1", "2-2"]);
        for (index, expected) in all.iter().enumerate() {
            assert_eq!(id(storage.get_by_index(index)), Some(*expected));
            assert_eq!(id(storage.get_by_id(expected)), Some(*expected));
        }
        assert_eq!((id(storage.get_by_index(4)), id(storage.get_by_id("x"))), (None, None));
        for (name, index, expected) in [
            ("a", 0, Some("1")),
            ("a", 1, Some("2-2")),
            ("a", 2, None),
            ("c", 0, Some("2")),
            ("run", 0, None),
        ] {
            assert_eq!(id(storage.get_by_name_and_index(name, index)), expected, "{name} {index}");
        }
        assert_eq!((id(storage.get_by_name("a")), id(storage.get_by_name("c"))), (Some("1"), Some("2")));
        let children = |of: &str| -> Vec<String> {
            storage.get_children(&of.into()).map(|child| child.id.to_string()).collect()
        };
        assert_eq!(children("2"), ["2-1", "2-2"]);
        assert!(children("1").is_empty());
    }
}

#[test]
fn a_later_state_takes_the_place_of_the_earlier_one() {
    let mut storage: OperationStorage = recorded().into_iter().collect();
    let step = operation("1", OperationType::Step, Some("a"), None);
    storage
        .add_operation(Arc::new(Operation { status: OperationStatus::Succeeded, ..Operation::clone(&step) }));
    assert_eq!(storage.get_all().len(), 4);
    let statuses = [storage.get_by_id("1"), storage.get_by_index(0), storage.get_by_name("a")];
    assert!(statuses.iter().all(|found| found.unwrap().status == OperationStatus::Succeeded));
    assert_eq!(id(storage.get_by_name_and_index("a", 1)), Some("2-2"));
    storage.clear();
    assert!(storage.get_all().is_empty());
    assert_eq!((id(storage.get_by_id("1")), id(storage.get_by_name("a"))), (None, None));
    assert_eq!(storage.get_children(&"2".into()).count(), 0);
}
