//! The test guests, natively.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use durawasm_host::{
    orchestrator::{Environment, EnvironmentOptions, Run},
    sandbox::LogBuffer,
    server::StartExecution,
};
use durawasm_testing::{Disturbance, native::NativeHandler};

/// An environment in which all of these can be run and invoked.
pub async fn environment(
    options: EnvironmentOptions,
    functions: impl IntoIterator<Item = NativeHandler>,
) -> Environment {
    let mut environment = Environment::new(options, &[], Arc::new(LogBuffer::default())).await.unwrap();
    for function in functions {
        environment.register(function.into_function());
    }
    environment
}

/// Runs one of the test guests' functions natively.
pub async fn run(start: StartExecution, disturbance: Option<Disturbance>) -> Run {
    let options = EnvironmentOptions { disturbance, ..EnvironmentOptions::default() };
    let functions = durawasm_test_guests::functions().into_iter().map(NativeHandler::from);
    environment(options, functions).await.run(start).await.unwrap()
}
