//! The test guests, natively and as a component, in environments of the same kind.

use std::sync::{Arc, OnceLock};

use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, Run},
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxOptions, default_cache_directory};
use durawasm_testing::{LocalDurableTestRunner, native::NativeHandler};

/// The test guests' component.
pub fn component() -> Handler {
    static COMPONENT: OnceLock<Handler> = OnceLock::new();
    let load = || {
        let guests = concat!(env!("CARGO_MANIFEST_DIR"), "/guests");
        let wasm = std::fs::read(LocalDurableTestRunner::build(guests).unwrap()).unwrap();
        let options = SandboxOptions { cache: default_cache_directory(), ..SandboxOptions::default() };
        Sandbox::new(options).unwrap().load(&wasm).unwrap()
    };
    COMPONENT.get_or_init(load).clone()
}

/// An environment in which all of these can be run and invoked.
pub async fn environment(
    options: EnvironmentOptions,
    components: &[Handler],
    functions: impl IntoIterator<Item = NativeHandler>,
) -> Environment {
    let log = Arc::new(LogBuffer::default());
    let mut environment = Environment::new(options, components, log).await.unwrap();
    for function in functions {
        environment.register(function.into_function());
    }
    environment
}

/// Runs one of the test guests' functions natively.
pub async fn natively(options: EnvironmentOptions, start: StartExecution) -> Run {
    let functions = durawasm_test_guests::functions().into_iter().map(NativeHandler::from);
    environment(options, &[], functions).await.run(start).await.unwrap()
}

/// Runs one of the test guests' functions as a component.
pub async fn in_component(options: EnvironmentOptions, start: StartExecution) -> Run {
    environment(options, &[component()], []).await.run(start).await.unwrap()
}
