//! `durawasm check`

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::anyhow;

use super::{
    check_report::{self, Policy},
    event,
    exit::{Exit, Failure, OrExit},
    functions,
    in_force::InForce,
    options::{SharedArgs, granted},
    output::{note, report_is_writable, say_json, show_progress},
    target::{NoBuild, chosen, component, one_end_each, only_function},
    terminal::Interrupts,
    upgrade::{Recorded, not_all_read},
};
use durawasm_check::{
    Budget, CheckError, FindingKind, HistoryReport, Kind, OnProgress, Options, Progress, Report, ScheduleId,
    Stop, Subject, Verdict, check as check_subject, event_size, growth,
};
use durawasm_core::{
    durations::parse_some_duration,
    orchestrator::{ScriptedFunction, bare_name, parse_answer, parse_answer_for_all, parse_function_answer},
    server::ScriptedAnswer,
};
use durawasm_scenario::Components;

const EXAMPLES: &str = "Examples:
  durawasm check examples/order --event examples/order/events/good.json \\
      --answer 'approval=2h:success:{\"approved\":true,\"by\":\"kim\"}'
  durawasm check order.wasm --event event.json --portable --junit check.xml
  durawasm check order.wasm --replay crash:after-2 --event event.json
  durawasm check order-v2.wasm --history exported.json
  durawasm check order-v2.wasm --store durawasm.db        the executions under way; a server may have it open

Verdicts:
  deterministic      no replay, crash or perturbation made a difference
  sandbox-dependent  only perturbations did: right here, wrong where clocks and random numbers are not virtualized
  non-deterministic  a replay or a crash did
  incompatible       a recorded execution of --history or --store does not replay";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "the texts are shown in the help")]
pub(super) struct Args {
    /// A component's file, the folder of a crate, which is built first, or a function of durawasm.toml
    handler: PathBuf,
    /// An event: a file, JSON, or - for standard input; may be given several times [default: null]
    #[arg(long, short, value_name = "FILE|JSON|-")]
    event: Vec<String>,
    /// The function to check, where the component has several
    #[arg(long, short, value_name = "NAME")]
    function: Option<String>,
    /// An answer to a callback, used once, as for `run`; may be given several times
    #[arg(long, short, value_name = "NAME=ANSWER", value_parser = parse_answer)]
    answer: Vec<ScriptedAnswer>,
    /// An answer to every callback of that name which no --answer is for
    #[arg(long, value_name = "NAME=ANSWER", value_parser = parse_answer_for_all)]
    answer_all: Vec<ScriptedAnswer>,
    /// How a function ends that the handler invokes, instead of running it; may be given several times
    #[arg(long, value_name = "NAME=END", value_parser = parse_function_answer)]
    function_answer: Vec<(String, ScriptedFunction)>,
    /// Explore only these kinds, separated by commas: replay, crash, clock, random, hash, env, ties, log, memory,
    /// checkpoints
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Do not explore these kinds
    #[arg(long, value_name = "KINDS", value_delimiter = ',', conflicts_with = "only")]
    skip: Vec<Kind>,
    /// Chooses random numbers, hash keys and samples
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// How long to explore, such as 30s, or how many schedules, such as 2000; `none` explores everything
    #[arg(long, value_name = "TIME|NUMBER", default_value = "60s")]
    budget: BudgetArg,
    /// How many schedules are explored at the same time [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Fail if the handler is sandbox-dependent: it has to replay where nothing virtualizes clocks and random numbers
    #[arg(long)]
    portable: bool,
    /// Do not fail for this finding
    #[arg(long, value_name = "FINDING", num_args = 0..=1, default_missing_value = "double-effect", value_parser = ["double-effect"])]
    allow: Vec<String>,
    /// Would this handler replay the executions in this file or folder? JSON of GetDurableExecutionHistory or of
    /// `run --json`; may be given several times. Without --event nothing else is checked
    #[arg(long, value_name = "FILE|DIR")]
    history: Vec<PathBuf>,
    /// Would this handler replay the executions that are under way in this store, a file of `serve` or `run`? A process
    /// may use it meanwhile. Without --event nothing else is checked
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The name of the function in the store, where it is served under another one [default: the function's name]
    #[arg(long, value_name = "NAME", requires = "store")]
    served_as: Option<String>,
    /// Explore this schedule only, as a report named it
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "skip"])]
    replay: Option<ScheduleId>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write a JUnit report to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print neither progress nor what the build does
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    no_build: NoBuild,
    #[command(flatten)]
    shared: SharedArgs,
}

/// `--budget`
#[derive(Debug, Clone, Copy)]
struct BudgetArg(Option<Budget>);

impl FromStr for BudgetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        if let Ok(count) = text.parse::<usize>() {
            return match count {
                0 => Err("0 schedules check nothing; `none` is no limit".to_owned()),
                count => Ok(Self(Some(Budget::Schedules(count)))),
            };
        }
        match parse_some_duration(text) {
            Ok(time) => Ok(Self(Some(Budget::Time(time)))),
            Err(error) => {
                Err(format!("it is neither a time, such as 30s, nor a number of schedules: {error}"))
            }
        }
    }
}

pub(super) fn check(args: &Args) -> Result<Exit, Failure> {
    // The command line is checked before anything is built.
    args.shared.check_grants()?;
    one_end_each(&args.function_answer)?;
    if let Some(path) = &args.junit {
        report_is_writable(path)?;
    }
    let stdin = args.event.iter().filter(|event| *event == "-").count();
    if stdin > 1 {
        return Err(usage(anyhow!("standard input can be one event only")));
    }
    let events: Vec<String> = args
        .event
        .iter()
        .map(|event| event::read(event, std::io::stdin().lock()))
        .collect::<anyhow::Result<_>>()
        .or_exit(Exit::Usage)?;
    let mut recorded = Recorded::open(&args.history, args.store.as_deref())?;
    let what = args.shared.subject(&args.handler)?;
    only_function(&what, args.function.as_deref())?;
    let settings = args.shared.settings(what.file(), None);
    let grants = granted(&settings, what.file())?;
    let building = args.no_build.building();
    let fetch = |path: &Path| component(path, &args.shared.crate_args, building, args.quiet || args.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
    let replaced = functions::replaced(&args.function_answer);
    let functions = functions::load(&what, &settings, &replaced, &mut Components::new(fetch), &runtime)?;
    let function = chosen(what.function().or(args.function.as_deref()), &functions)?;
    if !function.durable {
        return Err(usage(anyhow!(
            "{} is a plain function: it has no durable operations, so there is nothing to replay",
            function.name
        )));
    }
    let function = function.name.to_string();
    if let Some((name, _)) = args.function_answer.iter().find(|(name, _)| bare_name(name) == function) {
        return Err(usage(anyhow!(
            "{name} is the function that is checked: --function-answer must not stand in for it"
        )));
    }
    recorded.of_function(args.served_as.as_deref().unwrap_or(&function))?;
    let mut subject = Subject::new(functions, function.clone(), None);
    subject.answers = args.answer.iter().chain(&args.answer_all).cloned().collect();
    subject.stand_ins.clone_from(&args.function_answer);
    let limits = settings.of(&function).enforced();
    subject.host = limits.host();
    subject.limits = limits.service;
    subject.execution_timeout = limits.execution_timeout;
    subject.invocation_retries = limits.invocation_retries;
    let in_force = InForce::new(&what, &settings, &grants, &function);
    subject.grants = grants.clone();
    let began = Instant::now();
    let stop = Stop::default();
    let first = stop.clone();
    Interrupts::listen_and(move || first.stop()).or_exit(Exit::Host)?;
    let report = explore(args, &mut subject, events, recorded, &stop)?;
    let exit = finish(args, &report, &in_force, began.elapsed())?;
    if stop.is_stopped() {
        let error = anyhow!("interrupted: the report is of what was explored by then");
        return Err(Failure { exit: Exit::Interrupted, error });
    }
    Ok(exit)
}

fn usage(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::Usage, error }
}

fn explore(
    args: &Args,
    subject: &mut Subject,
    mut events: Vec<String>,
    mut recorded: Recorded,
    stop: &Stop,
) -> Result<Report, Failure> {
    let handler = args.handler.display().to_string();
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| !args.skip.contains(kind) && (args.only.is_empty() || args.only.contains(kind)));
    let progress = (!args.quiet && std::io::stderr().is_terminal()).then(ProgressLine::default);
    let options = Options {
        kinds: kinds.collect(),
        seed: args.seed,
        budget: args.budget.0,
        jobs: args.jobs.map_or(0, usize::from),
        replay: args.replay,
        progress: progress.as_ref().map(ProgressLine::callback),
        stop: stop.clone(),
    };
    let asked_by = recorded.asked_by();
    if events.is_empty() && asked_by.is_none() {
        events.push("null".to_owned());
    }
    let mut report: Option<Report> = None;
    let mut sizes = Vec::new();
    let several = events.len() > 1;
    for (number, event) in (1..).zip(events) {
        subject.event = Some(event.clone());
        let mut one = match check_subject(subject, &options, &handler) {
            Err(CheckError::Stopped) if report.is_some() => break,
            checked => checked.map_err(failed)?,
        };
        if several && let Some(divergence) = &mut one.divergence {
            divergence.described = format!("event {number}: {}", divergence.described);
        }
        for unused in &one.unused {
            note(format_args!("warning: {unused}"));
        }
        if several {
            note(format_args!("event {number}: {}", one.verdict));
        }
        sizes.extend(event_size(&event).map(|size| (size, one.budget.operations)));
        match &mut report {
            None => report = Some(one),
            Some(report) => report.merge(one),
        }
    }
    clear(progress.as_ref());
    let mut report = report.unwrap_or_else(|| {
        let mut report = Report::empty(handler, subject.function.clone());
        let option = asked_by.unwrap_or_default();
        report.not_explored.push(format!("no run was recorded: {option} was given without --event"));
        report
    });
    if let Some(growth) = growth(&sizes) {
        report.budget.quota.push_str("; ");
        report.budget.quota.push_str(&growth);
    }
    recorded.list()?;
    let replayed = recorded.replay(subject, &options, &mut report);
    clear(progress.as_ref());
    replayed.map_err(failed)?;
    if report.verdict < Verdict::Incompatible && report.histories.iter().any(HistoryReport::is_incompatible) {
        let first = report.histories.iter().find_map(|history| history.divergence.as_deref());
        report.divergence = first.cloned();
        report.verdict = Verdict::Incompatible;
    }
    Ok(report)
}

/// Removes the line that shows progress, so that others follow it.
fn clear(progress: Option<&ProgressLine>) {
    if let Some(progress) = progress {
        progress.clear();
    }
}

fn failed(error: CheckError) -> Failure {
    let exit = match error {
        CheckError::Stopped => Exit::Interrupted,
        CheckError::NoSuchSchedule(..) | CheckError::Run(_) | CheckError::Directories(_) => Exit::Usage,
        CheckError::Environment(_) | CheckError::Thread(_) => Exit::Host,
    };
    Failure { exit, error: error.into() }
}

fn finish(args: &Args, report: &Report, in_force: &InForce<'_>, took: Duration) -> Result<Exit, Failure> {
    let policy = Policy { portable: args.portable, allow_double_effect: !args.allow.is_empty() };
    if args.json {
        say_json(&check_report::Shown { report, in_force: in_force.json() })?;
    } else {
        check_report::print(report, in_force, policy, took);
    }
    if let Some(path) = &args.junit {
        let xml = check_report::junit(report, policy, took).or_exit(Exit::Host)?;
        std::fs::write(path, xml)
            .map_err(|error| anyhow!("the JUnit report {} cannot be written: {error}", path.display()))
            .or_exit(Exit::Host)?;
    }
    if report.has(FindingKind::AtMostOnceViolated) {
        let error =
            anyhow!("an at-most-once body ran more than once: this is a fault of durawasm, please report it");
        return Err(Failure { exit: Exit::Host, error });
    }
    if policy.fails(report) {
        return Ok(Exit::Failed);
    }
    if let Some(failure) = not_all_read(report) {
        return Err(failure);
    }
    if let Some(stalled) = &report.stalled {
        let error = anyhow!(
            "the recorded execution waits for {stalled}, which nobody answers: use --answer, so that the check goes on \
             from there"
        );
        return Err(Failure { exit: Exit::Stalled, error });
    }
    Ok(Exit::Done)
}

/// The line that shows progress at a terminal.
#[derive(Default, Clone)]
struct ProgressLine(Arc<Mutex<Option<Instant>>>);

impl ProgressLine {
    fn callback(&self) -> OnProgress {
        let last = self.0.clone();
        Arc::new(move |progress: Progress| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|last| last.elapsed() < Duration::from_millis(100)) {
                return;
            }
            *last = Some(Instant::now());
            show_progress(&format!("checked {} of {} schedules", progress.done, progress.of));
        })
    }

    fn clear(&self) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            show_progress("");
        }
    }
}
