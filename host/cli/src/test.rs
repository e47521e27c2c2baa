//! `durawasm test`

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;

use super::{
    config::Subject,
    exit::{Exit, Failure, OrExit},
    functions,
    options::SharedArgs,
    output::{note, report_is_writable, say_json},
    target::{NoBuild, component},
    terminal::Interrupts,
    test_report::{self, ScenarioRun},
};
use durawasm_core::{
    ambient::{Clock, SystemClock},
    budget::HostBudget,
    durations::parse_some_duration,
    orchestrator::{Functions, RunError, bare_name},
    protocol::ServiceError,
};
use durawasm_scenario::{self as scenario, Components, RunFailure, Scenario, ScenarioFile};
use tokio::runtime::Runtime;

const EXAMPLES: &str = "Examples:
  durawasm test                                    all *.test.toml, *.test.yaml, *.test.yml below here
  durawasm test examples/order --filter rejected   those of a folder that have this in their name
  durawasm test order.test.toml --junit report.xml

docs/scenarios.md says how a scenario file is written.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Args {
    /// Scenario files, or folders that have some
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only scenarios with this text in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Test this component, or crate, instead of those that the files name
    #[arg(long, value_name = "HANDLER")]
    handler: Option<PathBuf>,
    /// List the scenarios, and run none
    #[arg(long, conflicts_with_all = ["fail_fast", "junit"])]
    list: bool,
    /// Stop at the first scenario that fails
    #[arg(long)]
    fail_fast: bool,
    /// How long a scenario may take in real time
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_some_duration)]
    timeout: Duration,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[arg(long, value_name = "FILE", help = "Also write a report as JUnit XML")]
    junit: Option<PathBuf>,
    /// Print neither scenarios that pass nor what the build does
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    no_build: NoBuild,
    #[command(flatten)]
    shared: SharedArgs,
}

pub(super) fn test(args: &Args) -> Result<Exit, Failure> {
    // An invalid grant on the command line is an error of the command, not of a scenario.
    args.shared.check_grants()?;
    let files = read(args)?;
    let chosen: Vec<(&ScenarioFile, &Scenario)> = files
        .iter()
        .flat_map(|file| file.scenarios.iter().map(move |scenario| (file, scenario)))
        .filter(|(_, scenario)| args.filter.as_ref().is_none_or(|text| scenario.name.contains(text)))
        .collect();
    if chosen.is_empty() {
        let (text, count) = (
            args.filter.as_deref().unwrap_or_default(),
            files.iter().map(|f| f.scenarios.len()).sum::<usize>(),
        );
        let files = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
        let error = anyhow!("none of the {count} scenarios in {files} has {text:?} in its name");
        return Err(Failure { exit: Exit::Usage, error });
    }
    if args.list {
        test_report::list(&chosen, args.json)?;
        return Ok(Exit::Done);
    }
    if let Some(path) = &args.junit {
        if let Ok(report) = path.canonicalize()
            && let Some(file) =
                files.iter().find(|file| file.path.canonicalize().is_ok_and(|path| path == report))
        {
            let error = anyhow!("the report must not replace the scenarios in {}", file.path.display());
            return Err(Failure { exit: Exit::Usage, error });
        }
        report_is_writable(path)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
    // Standard output is reserved for the report.
    let quiet = args.quiet || args.json;
    let fetch = |path: &Path| component(path, &args.shared.crate_args, args.no_build.building(), quiet);
    let mut components = Components::new(fetch);
    let mut ran: Vec<ScenarioRun<'_>> = Vec::with_capacity(chosen.len());
    for (file, scenario) in chosen {
        let subject = subject_of(args, file, scenario)?;
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let settings = args.shared.settings(subject.file(), Some((&scenario.stated, folder)));
        let scenario = Scenario { settings, ..scenario.clone() };
        let grants = scenario::grants_of(&scenario);
        let grants = grants.map_err(|error| about(file, &scenario, &error)).or_exit(Exit::Usage)?;
        let functions = load(args, &mut components, &subject, file, &scenario, &runtime)?;
        let function = scenario::function_of(&functions, &scenario);
        let function = function.map_err(|error| about(file, &scenario, &error)).or_exit(Exit::Usage)?;
        let time = Duration::ZERO;
        ran.push(ScenarioRun { file, scenario, subject, function, grants, outcome: None, time });
    }
    // Reports contain the histories of all scenarios, so those with the same durawasm.toml share it.
    let mut hosts: BTreeMap<Option<PathBuf>, HostBudget> = BTreeMap::new();
    let clock = SystemClock::new();
    let interrupts = Interrupts::listen().or_exit(Exit::Host)?;
    let mut interrupted = false;
    for one in &mut ran {
        let functions = load(args, &mut components, &one.subject, one.file, &one.scenario, &runtime)?;
        let limits = one.scenario.settings.of(&one.function).enforced();
        let config = one.subject.file().map(|file| file.path.clone());
        let host = hosts.entry(config).or_insert_with(|| limits.host()).clone();
        let start = clock.precise_now();
        let outcome = runtime.block_on(async {
            tokio::select! {
                biased;
                () = interrupts.first() => None,
                outcome = scenario::run_within(&functions, &one.function, &one.scenario, &host, args.timeout) => Some(outcome),
            }
        });
        let Some(outcome) = outcome else {
            interrupted = true;
            break;
        };
        one.outcome = Some(outcome.map_err(|error| run_failure(one.file, &one.scenario, &error))?);
        one.time = clock.precise_now().saturating_sub(start);
        if !args.json {
            test_report::print(one, args.quiet);
        }
        if args.fail_fast && one.failed() {
            break;
        }
    }
    if args.json {
        say_json(&test_report::Report::new(&ran))?;
    } else {
        test_report::summary(&ran);
    }
    if let Some(path) = &args.junit {
        let text = test_report::junit(&ran).or_exit(Exit::Host)?;
        std::fs::write(path, text)
            .map_err(|error| anyhow!("cannot write the report {}: {error}", path.display()))
            .or_exit(Exit::Host)?;
    }
    if interrupted {
        let over = ran.iter().filter(|one| one.outcome.is_some()).count();
        let error = anyhow!("interrupted: {over} of {} scenarios were run to their end", ran.len());
        return Err(Failure { exit: Exit::Interrupted, error });
    }
    Ok(if ran.iter().any(ScenarioRun::failed) { Exit::Failed } else { Exit::Done })
}

/// Reads all files, and reports every one that is invalid.
fn read(args: &Args) -> Result<Vec<ScenarioFile>, Failure> {
    let found = scenario::find(&args.paths).or_exit(Exit::Usage)?;
    if found.files.is_empty() {
        let error = anyhow!("there are no scenarios: searched {}", found.searched);
        return Err(Failure { exit: Exit::Usage, error });
    }
    let mut files = Vec::with_capacity(found.files.len());
    let mut wrong = Vec::new();
    for path in &found.files {
        match scenario::read(path) {
            Ok(file) => files.push(file),
            Err(error) => wrong.push(error),
        }
    }
    let last = wrong.pop();
    for error in wrong {
        note(format_args!("error: {error}"));
    }
    match last {
        Some(error) => Err(Failure { exit: Exit::Usage, error: error.into() }),
        None => Ok(files),
    }
}

/// What a scenario tests: the component of its file or of the command line, or without one a function of
/// `durawasm.toml`.
fn subject_of(args: &Args, file: &ScenarioFile, scenario: &Scenario) -> Result<Subject, Failure> {
    if let Some(handler) = args.handler.as_ref().or(file.handler.as_ref()) {
        return Ok(Subject::Path(handler.clone()));
    }
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let named = scenario.function.as_ref().map(|name| args.shared.scenario_subject(folder, name));
    let found = named.transpose().map_err(|Failure { exit, error }| Failure {
        exit,
        error: error.context(format!("{}: scenario {:?}", file.path.display(), scenario.name)),
    })?;
    let nothing = || {
        anyhow!(
            "{}: scenario {:?} does not say what it tests: `handler` is a component's file or a crate's folder, or \
             `function` is a function of a durawasm.toml in this folder or one above; or use --handler",
            file.path.display(),
            scenario.name
        )
    };
    found.flatten().ok_or_else(nothing).or_exit(Exit::Usage)
}

/// The functions that a scenario tests. A component is built and compiled on first use.
fn load<F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure>>(
    args: &Args,
    components: &mut Components<F>,
    subject: &Subject,
    file: &ScenarioFile,
    scenario: &Scenario,
    runtime: &Runtime,
) -> Result<Functions, Failure> {
    let replaced: BTreeSet<&str> =
        scenario.functions.iter().map(|stand_in| bare_name(&stand_in.name)).collect();
    let loaded = functions::load(subject, &scenario.settings, &replaced, components, runtime);
    loaded.map_err(|Failure { exit, error }| {
        // If the path comes from the scenario file, the error names that file.
        let error =
            if args.handler.is_some() { error } else { error.context(file.path.display().to_string()) };
        Failure { exit, error }
    })
}

fn run_failure(file: &ScenarioFile, scenario: &Scenario, error: &RunFailure) -> Failure {
    let exit = match error {
        RunFailure::Run(RunError::Service(ServiceError::InvalidParameterValue(_)))
        | RunFailure::Grants(_) => Exit::Usage,
        _ => Exit::Host,
    };
    Failure { exit, error: about(file, scenario, error) }
}

fn about(file: &ScenarioFile, scenario: &Scenario, error: &dyn std::error::Error) -> anyhow::Error {
    anyhow!("{}: scenario {:?}: {error}", file.path.display(), scenario.name)
}
