//! The handlers of a component, served over HTTP by this process. In real time: some cases answer a callback while a
//! wait is under way, and skipped time would have passed the wait by then.

use std::{sync::Arc, thread};

use durawasm_build::BuildOptions;
use durawasm_client::{Access, Client, Endpoint, ListQuery};
use durawasm_conformance::ConformanceRunner;
use durawasm_core::{
    invocation::LogBuffer,
    orchestrator::{Environment, EnvironmentOptions, FunctionGrants, TimeMode},
};
use durawasm_http::{Api, ApiOptions, LogTails, Server};
use durawasm_sandbox::{Sandbox, SandboxLimits};
use tokio::{net::TcpListener, sync::oneshot};

/// A server on a port that the system chooses. It ends with its test.
pub struct Served {
    pub endpoint: Endpoint,
    _stop: oneshot::Sender<()>,
}

impl Served {
    /// Serves the handlers of a crate, with these grants.
    pub fn start(handlers: &str, grants: FunctionGrants) -> Self {
        let component = durawasm_build::build(&BuildOptions::new(handlers), &mut |_| {}).unwrap().path;
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
                let component = sandbox.load_file(&component).unwrap();
                let tails = LogTails::new(Arc::new(LogBuffer::default()));
                let options = EnvironmentOptions {
                    time: TimeMode::Real,
                    grants,
                    answers_from_outside: true,
                    ..EnvironmentOptions::default()
                };
                let environment = Environment::new(options, &[component], tails.clone()).await.unwrap();
                let api = Api::new(environment, tails, ApiOptions::default());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let server = Server::new(listener, api, None);
                tell.send(server.address().unwrap()).unwrap();
                tokio::select! {
                    _ = server.run(std::future::pending()) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        let address = told.recv().unwrap();
        Self { endpoint: Endpoint::parse(&format!("http://{address}")).unwrap(), _stop: stop }
    }

    pub fn runner(&self) -> ConformanceRunner {
        ConformanceRunner::from_endpoint(self.endpoint.clone(), Access::Unsigned)
    }

    /// The statuses of a function's executions.
    pub fn statuses(&self, function: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let query = ListQuery { function: function.to_owned(), ..ListQuery::default() };
        // A connection belongs to its runtime.
        let client = Client::new(self.endpoint.clone(), Access::Unsigned).unwrap();
        let (listed, _) = runtime.block_on(client.list(&query, "", 100)).unwrap();
        listed.iter().map(|listed| listed.status.to_string()).collect()
    }
}
