//! `wasi:cli/environment`: the environment variables that are granted, and no arguments.

use wasmtime_wasi::p2::bindings::cli::environment;

use super::state::Durable;

impl environment::Host for &mut Durable {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.called()?;
        let granted = self.around.grants.variables();
        let mut variables = granted.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some((probe, code)) = self.probe() {
            probe.variables(code, &mut variables);
        }
        self.imported("wasi:cli/environment.get-environment", || {
            let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
            (String::new(), names.join(" "))
        });
        Ok(variables)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        let mut arguments = Vec::new();
        if let Some((probe, code)) = self.probe() {
            probe.arguments(code, &mut arguments);
        }
        self.imported("wasi:cli/environment.get-arguments", || (String::new(), arguments.join(" ")));
        Ok(arguments)
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}
