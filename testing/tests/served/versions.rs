//! `CloudDurableTestRunner` for functions that have versions and aliases.

use std::sync::Arc;

use durawasm_core::{
    orchestrator::{Function, Functions, Loading, Version, VersionError, Versions, qualifier},
    protocol::LATEST,
};
use durawasm_testing::{CloudDurableTestRunner, CloudTestRunnerConfig, TestError, WaitingOperationStatus};
use serde_json::{Value, json};

use super::{Served, Setup};

/// A function `f` that has changed: its version 1, with the alias `stable`, waits for an approval, and its version 2
/// greets.
struct Changed {
    old: Function,
    new: Function,
}

impl Versions for Changed {
    fn functions(&self) -> Vec<Arc<str>> {
        vec![self.new.name.clone()]
    }

    fn resolve(&self, name: &str) -> Result<Arc<str>, VersionError> {
        match qualifier(name) {
            None | Some(LATEST) => Ok(LATEST.into()),
            Some("1" | "stable") => Ok("1".into()),
            Some("2") => Ok("2".into()),
            Some(other) => Err(VersionError::Qualifier {
                function: self.new.name.clone(),
                qualifier: other.to_owned(),
                known: "$LATEST, 2, 1, stable".to_owned(),
            }),
        }
    }

    fn find<'a>(&'a self, name: &'a str) -> Loading<'a, Version> {
        Box::pin(async move {
            let version = self.resolve(name)?;
            let (function, origin) = if &*version == "1" { (&self.old, "old") } else { (&self.new, "new") };
            Ok(Version { function: function.clone(), version, origin: Some(origin.into()) })
        })
    }

    fn started_with<'a>(&'a self, _: &'a str, origin: Option<&'a str>) -> Loading<'a, Function> {
        let function = if origin == Some("old") { &self.old } else { &self.new };
        Box::pin(async move { Ok(function.clone()) })
    }
}

fn changed(handlers: &Functions) -> Arc<dyn Versions> {
    let function = |name: &str| handlers.find(name).unwrap().renamed("f");
    Arc::new(Changed { old: function("await_approval"), new: function("closure") })
}

fn runner(served: &Served, function: &str) -> CloudDurableTestRunner<Value> {
    let quick = CloudTestRunnerConfig { poll_interval: 2, ..CloudTestRunnerConfig::default() };
    CloudDurableTestRunner::with_endpoint(function, served.url()).with_config(quick)
}

#[tokio::test]
async fn a_version_and_an_alias_are_run_after_the_function_has_changed() {
    let served = Served::set_up(Setup { versions: Some(changed), ..Setup::default() }).await;
    let event = json!({ "name": "approve" });
    for name in ["f:1", "f:stable", "arn:aws:lambda:us-east-1:000000000000:function:f:stable"] {
        let runner = runner(&served, name);
        let approval = runner.operation("approve");
        let acting = async {
            let asked = approval.wait_for_data(WaitingOperationStatus::Submitted).await.unwrap();
            asked.send_callback_success("\"yes\"").await.unwrap();
        };
        let (result, ()) = tokio::join!(runner.run(event.clone()), acting);
        assert_eq!(result.unwrap().get_result().unwrap(), &json!("yes"), "{name}");
    }
    for (name, version) in [("f", LATEST), ("f:$LATEST", LATEST), ("f:2", "2")] {
        let view = runner(&served, name).execute(event.clone(), |_| {}).await.unwrap();
        assert_eq!(view.result.as_deref(), Some("\"Hello, approve\""), "{name}");
        assert_eq!(view.arn.parts().map(|(function, version, _)| (function, version)), Some(("f", version)));
    }
    let count = async |qualifier: &str| {
        let list = served.client().list_durable_executions_by_function().function_name("f");
        list.qualifier(qualifier).send().await.unwrap().durable_executions().len()
    };
    assert_eq!(
        (count("1").await, count("stable").await, count("2").await, count(LATEST).await),
        (3, 3, 1, 2)
    );
    let Err(TestError::AwsError(error)) = runner(&served, "f:3").run(event).await else {
        panic!("there is no version 3")
    };
    assert!(error.contains("there is no version or alias f:3"), "{error}");
}
