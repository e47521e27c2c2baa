//! The options that the commands share, and what is in force with them.

use std::{path::Path, rc::Rc};

use anyhow::anyhow;
use durawasm_config::{ConfigFile, Origin, RunSettings, Settings, Stated};
use durawasm_core::orchestrator::FunctionGrants;

use super::{
    config::{ConfigArgs, Subject},
    exit::{Exit, Failure, OrExit},
    grants::GrantArgs,
    limits::LimitArgs,
    target::CrateArgs,
};

/// The options of `run`, `check`, `test` and `inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct SharedArgs {
    #[command(flatten)]
    pub(super) crate_args: CrateArgs,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    grants: GrantArgs,
}

impl SharedArgs {
    fn stated(&self) -> Stated {
        Stated { grants: self.grants.stated(), limits: self.limits.0.clone() }
    }

    /// Checks what the command line grants, by itself: an error of it is no error of a file.
    pub(super) fn check_grants(&self) -> Result<(), Failure> {
        let flags = Settings::default().with(Origin::Flag, &self.stated(), Path::new(""));
        flags.granted(|name| std::env::var_os(name)).map(drop).or_exit(Exit::Usage)
    }

    /// What a HANDLER means.
    pub(super) fn subject(&self, handler: &Path) -> Result<Subject, Failure> {
        self.config.subject(handler)
    }

    /// The function of `durawasm.toml` that a scenario in this folder tests.
    pub(super) fn scenario_subject(&self, folder: &Path, name: &str) -> Result<Option<Subject>, Failure> {
        self.config.function(folder, name)
    }

    /// The `durawasm.toml` that counts here.
    pub(super) fn file(&self) -> Result<Option<Rc<ConfigFile>>, Failure> {
        self.config.here()
    }

    /// What is in force for all functions of a file, and for others: what the file states, what a scenario in its folder
    /// states, and the flags.
    pub(super) fn settings(
        &self,
        file: Option<&ConfigFile>,
        scenario: Option<(&Stated, &Path)>,
    ) -> RunSettings {
        let flags = self.stated();
        let more = |settings: Settings| {
            let settings = match scenario {
                Some((stated, folder)) => settings.with(Origin::Scenario, stated, folder),
                None => settings,
            };
            settings.with(Origin::Flag, &flags, Path::new(""))
        };
        let Some(file) = file else { return RunSettings::of_all(more(Settings::default())) };
        let functions = file.functions.iter();
        let functions = functions.map(|(name, function)| (name.clone(), more(file.settings(function))));
        RunSettings { all: more(file.defaults()), functions: functions.collect() }
    }
}

/// The grants of all functions, after they were checked. `file` is the one that states functions.
pub(super) fn granted(settings: &RunSettings, file: Option<&ConfigFile>) -> Result<FunctionGrants, Failure> {
    let granted = settings.granted(|name| std::env::var_os(name));
    granted.map_err(|error| {
        let error = match file {
            Some(file) => anyhow!("{}: {error}", file.path.display()),
            None => error.into(),
        };
        Failure { exit: Exit::Usage, error }
    })
}
