use super::world::*;
use crate::{
    protocol::{
        EventDetails, OperationAction as Action, OperationStatus as Status, OperationType as Type,
        ServiceError,
    },
    server::{InvokeOutcome, InvokeTarget, Next, PendingExternal, StartExecution},
};

fn complete(world: &mut World, id: &str, outcome: InvokeOutcome) -> Result<(), ServiceError> {
    world.manager.complete_invoke(world.now, &world.arn, &id.into(), outcome)
}

#[test]
fn handed_out_once_and_completed_once() {
    let mut world = World::new();
    let input = |update: &mut crate::protocol::OperationUpdate| update.payload = Some("[1]".into());
    world.checkpoint(vec![invoke("i", "target").with(input), invoke("j", "target")]);
    let taken = world.manager.take_invokes(&world.arn).unwrap();
    assert_eq!(taken.iter().map(|invoke| invoke.operation_id.as_str()).collect::<Vec<_>>(), ["i", "j"]);
    assert_eq!(taken[0].payload.as_deref(), Some("[1]"));
    assert_eq!(world.manager.take_invokes(&world.arn).unwrap(), []);
    let target =
        InvokeTarget { executed_version: Some("7".into()), durable_execution_arn: Some(world.arn.clone()) };
    world.manager.annotate_invoke(&world.arn, &"i".into(), target).unwrap();
    assert!(matches!(world.suspend(), Next::WaitForExternal { what } if what.len() == 2));
    complete(&mut world, "i", InvokeOutcome::Succeeded(Some("2".into()))).unwrap();
    assert!(complete(&mut world, "i", InvokeOutcome::Succeeded(None)).is_err());
    world.invoke();
    assert_eq!(world.operation("i").result().unwrap().as_ref(), "2");
    let left = PendingExternal::Invoke { operation_id: "j".into(), function_name: "target".into() };
    assert_eq!(world.suspend(), Next::WaitForExternal { what: vec![left] });
    let EventDetails::ChainedInvokeStarted(details) = world.view().events[1].details.clone() else {
        panic!("the event of the START")
    };
    assert_eq!(
        (details.executed_version.as_deref(), details.durable_execution_arn),
        (Some("7"), Some(world.arn))
    );
}

#[test]
fn an_early_outcome_waits_for_the_end_of_the_invocation_that_started_the_invoke() {
    for crash in [false, true] {
        let mut world = World::new();
        world.checkpoint(vec![invoke("i", "target")]);
        complete(&mut world, "i", InvokeOutcome::Failed(error("No"))).unwrap();
        assert_eq!(world.operation("i").status, Status::Started);
        assert!(complete(&mut world, "i", InvokeOutcome::Succeeded(None)).is_err());
        assert_eq!(world.checkpoint(vec![]), []);
        if crash {
            assert!(matches!(world.crash(), Next::WaitUntil(_)));
        } else {
            assert_eq!(world.suspend(), Next::Invoke);
        }
        assert_eq!(world.history()[2..], ["InvocationCompleted", "ChainedInvokeFailed i"]);
        assert_eq!(world.operation("i").error(), Some(&error("No")));
    }
}

#[test]
fn an_outcome_of_an_older_invoke_is_told_to_the_running_handler() {
    let mut world = World::new();
    world.checkpoint(vec![invoke("i", "target"), wait("w", 1)]);
    world.suspend();
    world.pass(1);
    world.invoke();
    complete(&mut world, "i", InvokeOutcome::TimedOut(error("Late"))).unwrap();
    assert_eq!(world.checkpoint(vec![])[0].status, Status::TimedOut);
    assert_eq!(world.history().last().unwrap(), "ChainedInvokeTimedOut i");
}

#[test]
fn all_ends_have_their_status_and_event() {
    let outcomes = [
        (InvokeOutcome::Succeeded(None), Status::Succeeded, "ChainedInvokeSucceeded i"),
        (InvokeOutcome::Failed(error("E")), Status::Failed, "ChainedInvokeFailed i"),
        (InvokeOutcome::TimedOut(error("E")), Status::TimedOut, "ChainedInvokeTimedOut i"),
        (InvokeOutcome::Stopped(error("E")), Status::Stopped, "ChainedInvokeStopped i"),
    ];
    for (outcome, status, event) in outcomes {
        let mut world = World::new();
        world.checkpoint(vec![invoke("i", "target")]);
        world.suspend();
        complete(&mut world, "i", outcome).unwrap();
        assert_eq!(world.operation("i").status, status);
        assert_eq!(world.history().last().unwrap(), event);
    }
}

#[test]
fn called_off_before_anyone_took_it() {
    let mut world = World::new();
    world.checkpoint(vec![invoke("i", "target"), wait("w", 1)]);
    world.checkpoint(vec![update("i", Type::ChainedInvoke, Action::Cancel)]);
    assert_eq!(world.manager.take_invokes(&world.arn).unwrap(), []);
    let late = complete(&mut world, "i", InvokeOutcome::Succeeded(None)).unwrap_err();
    assert!(late.to_string().contains("it is CANCELLED"), "{late}");
}

#[test]
fn an_early_outcome_of_an_invoke_that_is_called_off_is_lost() {
    let mut world = World::new();
    world.checkpoint(vec![invoke("i", "target"), invoke("j", "target")]);
    for id in ["i", "j"] {
        complete(&mut world, id, InvokeOutcome::Succeeded(None)).unwrap();
    }
    world.checkpoint(vec![update("i", Type::ChainedInvoke, Action::Cancel)]);
    assert_eq!(world.suspend(), Next::Invoke);
    let ends = ["i", "j"].map(|id| world.operation(id).status);
    assert_eq!(ends, [Status::Cancelled, Status::Succeeded]);
}

#[test]
fn what_an_execution_waits_for_is_told_by_its_name() {
    let mut world = World::new();
    world.checkpoint(vec![callback("a", 0, 0).name("approve"), callback("b", 0, 0), invoke("i", "target")]);
    let Next::WaitForExternal { what } = world.suspend() else { panic!("nothing is due") };
    let told: Vec<_> = what.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["callback \"approve\"", "a callback without a name", "function \"target\""]);
}

#[test]
fn other_operations_are_no_invokes() {
    let mut world = World::new();
    world.checkpoint(vec![wait("w", 1)]);
    assert!(
        complete(&mut world, "w", InvokeOutcome::Succeeded(None))
            .unwrap_err()
            .to_string()
            .contains("is a WAIT")
    );
    assert!(matches!(
        complete(&mut world, "x", InvokeOutcome::Succeeded(None)),
        Err(ServiceError::NotFound(_))
    ));
    world.checkpoint(vec![invoke("i", "target")]);
    world.succeed("1");
    let late = complete(&mut world, "i", InvokeOutcome::Succeeded(None)).unwrap_err();
    assert!(late.to_string().contains("execution is over"), "{late}");
}

#[test]
fn an_invoke_starts_one_execution() {
    let mut world = World::new();
    world.checkpoint(vec![invoke("i", "target")]);
    let invoked_by = Some((world.arn.clone(), "i".into()));
    let start = |function: &str| StartExecution {
        invoked_by: invoked_by.clone(),
        ..StartExecution::new(function, Some("1".to_owned()))
    };
    let first = world.manager.start_execution(world.now, start("target")).unwrap();
    let before = world.manager.view(world.now, &first).unwrap();
    for function in ["target", "other"] {
        let again = world.manager.start_execution(world.now, start(function));
        assert!(matches!(again, Err(ServiceError::InvalidParameterValue(_))), "{again:?}");
    }
    assert_eq!(world.manager.view(world.now, &first).unwrap(), before);
}
