//! `durawasm run`

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use chrono::{DateTime, Utc};

use super::{
    config::Subject,
    event,
    exit::{Exit, Failure, OrExit},
    functions::{self, environment_failure},
    in_force::InForce,
    kept::{Began, Kept},
    log::{Printer, Quiet},
    options::{SharedArgs, granted},
    output::{note, say_json},
    report::{self, Setup},
    skipped_time::{start_time, time_mode},
    target::{NoBuild, chosen, component, one_end_each, only_function},
    terminal::{Interrupts, Screen, SharedAttendant, TerminalAttendant},
};
use durawasm_config::{Enforced, RunSettings};
use durawasm_core::{
    invocation::{Isolation, LogSink},
    orchestrator::{
        Attendant, Environment, EnvironmentOptions, FunctionGrants, Functions, Run, RunError,
        ScriptedFunction, TimeMode, bare_name, parse_answer, parse_answer_for_all, parse_function_answer,
    },
    protocol::{ExecutionArn, ExecutionStatus, ServiceError, check_execution_name},
    server::{ScriptedAnswer, StartExecution},
};
use durawasm_scenario::{Components, unused_answer_notes};

const EXAMPLES: &str = "Examples:
  durawasm run examples/order --skip-time \\
      --event examples/order/events/good.json \\
      --answer 'approval=2h:success:{\"approved\":true,\"by\":\"kim\"}'
  durawasm run order.wasm --event '{\"id\":\"o-1\"}' --answer approval=failure:Rejected
  echo '\"World\"' | durawasm run greet.wasm --event - --json | jq .result
  durawasm run order --skip-time           the function `order` of durawasm.toml

Answers:
  NAME=[AFTER:]success[:JSON]
  NAME=[AFTER:]failure[:TYPE[:MESSAGE]]
  NAME=[AFTER:]heartbeat
  NAME is the callback's, or its wait-for-callback's; * stands for any text.
  AFTER, such as 90s or 2days, counts from the callback's creation.
  At a terminal, run asks how to answer a callback that no answer is for.

Ends of functions:
  NAME=[AFTER:]success[:JSON]
  NAME=[AFTER:]failure[:TYPE[:MESSAGE]], and the same with timed-out or stopped";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Args {
    /// A component's file, the folder of a crate, which is built first, or a function of durawasm.toml
    handler: PathBuf,
    /// The event: a file, JSON, or - for standard input
    #[arg(long, short, value_name = "FILE|JSON|-", default_value = "null", hide_default_value = true)]
    event: String,
    /// The function to run, where the component has several
    #[arg(long, short, value_name = "NAME")]
    function: Option<String>,
    /// Skip over waits, retry delays and timeouts: time starts at 2025-01-01T00:00:00Z (see --start-time) and jumps
    #[arg(long)]
    skip_time: bool,
    /// When skipped time starts, as in 2025-01-31T09:00:00Z, or `now`
    #[arg(long, value_name = "TIME", requires = "skip_time", value_parser = start_time)]
    start_time: Option<DateTime<Utc>>,
    /// An answer to a callback, used once; may be given several times
    #[arg(long, short, value_name = "NAME=ANSWER", value_parser = parse_answer)]
    answer: Vec<ScriptedAnswer>,
    /// An answer to every callback of that name which no --answer is for
    #[arg(long, value_name = "NAME=ANSWER", value_parser = parse_answer_for_all)]
    answer_all: Vec<ScriptedAnswer>,
    /// How a function ends that the handler invokes, instead of running it; may be given several times
    #[arg(long, value_name = "NAME=END", value_parser = parse_function_answer)]
    function_answer: Vec<(String, ScriptedFunction)>,
    /// Never ask at the terminal how to answer a callback
    #[arg(long)]
    no_input: bool,
    /// Makes ids and random numbers repeat: a number [default: 0 with --skip-time, otherwise random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The execution's name: 1 to 64 of A-Z a-z 0-9 - _
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Keep the execution in this file, which is made if it is not there: the same command again continues it, after
    /// Ctrl-C, a crash or a power cut
    #[arg(long, value_name = "FILE", requires = "name")]
    store: Option<PathBuf>,
    /// What an instance is shared by: `invocation`, or `step` for a fresh one after every step's body and every context
    #[arg(long, value_name = "HOW", default_value = "invocation")]
    isolation: Isolation,
    /// Print operations, history and result as JSON
    #[arg(long)]
    json: bool,
    /// Print neither the handler's log nor what the build does
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    no_build: NoBuild,
    #[command(flatten)]
    shared: SharedArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    // The command line is checked before anything is built.
    if let Some(name) = &args.name {
        check_execution_name(name).or_exit(Exit::Usage)?;
    }
    one_end_each(&args.function_answer)?;
    args.shared.check_grants()?;
    let event = event::read(&args.event, std::io::stdin().lock()).or_exit(Exit::Usage)?;
    let subject = args.shared.subject(&args.handler)?;
    only_function(&subject, args.function.as_deref())?;
    let settings = args.shared.settings(subject.file(), None);
    let grants = granted(&settings, subject.file())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
    let building = args.no_build.building();
    let kept = kept(args, &subject)?;
    let fetch = |path: &Path| {
        let fetch = || component(path, &args.shared.crate_args, building, args.quiet);
        match &kept {
            Some(kept) => kept.component(path, fetch),
            None => fetch(),
        }
    };
    let replaced = functions::replaced(&args.function_answer);
    let functions = functions::load(&subject, &settings, &replaced, &mut Components::new(fetch), &runtime)?;
    let prepared = Prepared { subject, settings, grants, functions };
    runtime.block_on(execute(args, event, prepared, kept.as_ref()))
}

/// The store of `--store`.
fn kept(args: &Args, subject: &Subject) -> Result<Option<Kept>, Failure> {
    let (Some(store), Some(name)) = (&args.store, &args.name) else { return Ok(None) };
    let function = subject.function().or(args.function.as_deref());
    Ok(Some(Kept::open(store, name, &subject.identity(), function)?))
}

/// What is run, and what is in force.
struct Prepared {
    subject: Subject,
    settings: RunSettings,
    grants: FunctionGrants,
    functions: Functions,
}

async fn execute(
    args: &Args,
    event: String,
    prepared: Prepared,
    kept: Option<&Kept>,
) -> Result<Exit, Failure> {
    let Prepared { subject, settings, grants, functions } = prepared;
    let earlier = kept.and_then(|kept| kept.earlier.as_ref());
    let stated = subject.function().or(args.function.as_deref());
    let stated = stated.or(earlier.map(|earlier| &*earlier.function));
    let function = chosen(stated, &functions)?.name.to_string();
    if let Some((name, _)) = args.function_answer.iter().find(|(name, _)| bare_name(name) == function) {
        let error = anyhow!("{name} is the function that is run: --function-answer must not stand in for it");
        return Err(Failure { exit: Exit::Usage, error });
    }
    let limits = settings.of(&function).enforced();
    let mut options = options(args, grants, &limits);
    if let (Some(earlier), TimeMode::Skip { .. }) = (earlier, options.time) {
        options.time = TimeMode::Skip { start: earlier.saved_at };
    }
    let (time, seed, grants) = (options.time, options.seed, options.grants.clone());
    let screen = Screen::new();
    let log: Arc<dyn LogSink> =
        if args.quiet { Arc::new(Quiet) } else { Arc::new(Printer(Arc::clone(&screen))) };
    let store = kept.map(Kept::store).transpose()?;
    let mut environment = Environment::with_store(options, log, store).map_err(environment_failure)?;
    environment.register_all(&functions);
    let mut stand_ins = Vec::new();
    for (name, scripted) in &args.function_answer {
        stand_ins.push((name, environment.stand_in(&**name, scripted.clone())));
    }
    if !args.skip_time && !args.quiet && std::io::stderr().is_terminal() {
        note(format_args!(
            "running {function} in real time: waits take as long as they say, --skip-time skips them"
        ));
    }
    let mut start = StartExecution::new(function.clone(), Some(event));
    start.execution_name.clone_from(&args.name);
    start.timeout_seconds = limits.execution_timeout;
    start.answers = args.answer.iter().chain(&args.answer_all).cloned().collect();
    let answers = start.answers.clone();
    start.invocation_retry = limits.invocation_retry();
    let in_force = InForce::new(&subject, &settings, &grants, &function);
    let mut resumed = None;
    if let Some(kept) = kept {
        let began = Began::new(subject.identity(), args.skip_time, in_force.stated(), answers.clone());
        resumed = resume(args, &environment, kept, began, &mut start).await?;
    }
    let (run, interrupted) = follow(args, &environment, &screen, start, resumed.as_ref()).await?;
    let now = environment.clock().now();
    let setup = Setup { function: &function, time, seed, isolation: args.isolation, in_force, now };
    if args.json {
        say_json(&report::Report::new(&setup, &run))?;
    } else {
        report::print(&setup, &run);
    }
    if interrupted {
        return Err(report::interrupted(args.skip_time, &run, kept.map(Kept::path)));
    }
    // Of an execution that several commands ran, answers of earlier ones may have been used.
    let answers = if resumed.is_none() { answers } else { Vec::new() };
    for why in unused_answer_notes(&answers, &run.view) {
        note(format_args!("warning: {why}"));
    }
    for (name, _) in stand_ins.iter().filter(|(_, called)| !called.get()) {
        note(format_args!("warning: the function {name:?} of --function-answer was not invoked"));
    }
    verdict(&run, kept.map(Kept::path))
}

/// Prepares to continue the execution that the store has, if it has one, and returns it. Otherwise prepares to start one.
async fn resume(
    args: &Args,
    environment: &Environment,
    kept: &Kept,
    began: Began,
    start: &mut StartExecution,
) -> Result<Option<ExecutionArn>, Failure> {
    let name = args.name.as_deref().unwrap_or_default();
    let Some(earlier) = &kept.earlier else {
        start.origin = Some(kept.begin(began)?);
        return Ok(None);
    };
    let view = environment.server().view(&earlier.arn).await.or_exit(Exit::Host)?;
    let event = start.input.as_deref().unwrap_or("null");
    let added = earlier.added(&began, name, event, view.input.as_deref())?;
    if !added.is_empty() {
        let origin = kept.begin(began.after(&earlier.began, &added))?;
        environment.server().add_answers(&earlier.arn, added, Some(origin)).await.or_exit(Exit::Usage)?;
    }
    if !args.quiet {
        earlier.announce(name);
    }
    Ok(Some(earlier.arn.clone()))
}

/// The options of the environment.
fn options(args: &Args, grants: FunctionGrants, limits: &Enforced) -> EnvironmentOptions {
    EnvironmentOptions {
        time: time_mode(args.skip_time, args.start_time),
        seed: args.seed.or(args.skip_time.then_some(0)),
        limits: limits.service.clone(),
        host: limits.host(),
        isolation: args.isolation,
        grants,
        ..EnvironmentOptions::default()
    }
}

/// Runs an execution until it ends or the command is interrupted. Returns the execution, and whether it was
/// interrupted.
async fn follow(
    args: &Args,
    environment: &Environment,
    screen: &Arc<Screen>,
    start: StartExecution,
    resumed: Option<&ExecutionArn>,
) -> Result<(Run, bool), Failure> {
    let may_ask = !args.no_input && !args.json;
    let clock = Arc::clone(environment.clock());
    let attend = TerminalAttendant::new(clock, Arc::clone(screen), may_ask, start.answers.clone());
    if !args.quiet && Screen::is_terminal() {
        attend.show_progress().or_exit(Exit::Host)?;
    }
    let interrupts = Interrupts::listen().or_exit(Exit::Host)?;
    let attendant: Arc<dyn Attendant> = Arc::new(SharedAttendant(Arc::clone(&attend)));
    let run = async {
        match resumed {
            Some(arn) => environment.resume_attended(arn, &attendant).await,
            None => environment.run_attended(start, &attendant).await,
        }
    };
    let ended = tokio::select! {
        biased;
        run = run => Some(run),
        () = interrupts.first() => None,
    };
    screen.close();
    let (run, interrupted) = match ended {
        Some(run) => (run, false),
        None if attend.execution().is_none() => {
            let error = anyhow!("interrupted: the execution had not started");
            return Err(Failure { exit: Exit::Interrupted, error });
        }
        None => (so_far(&attend).await, true),
    };
    let run = run.map_err(|error| Failure {
        exit: match &error {
            RunError::Service(ServiceError::InvalidParameterValue(_)) => Exit::Usage,
            _ => Exit::Host,
        },
        error: error.into(),
    })?;
    Ok((run, interrupted))
}

/// The current state of the execution after an interrupt.
async fn so_far(attend: &TerminalAttendant) -> Result<Run, RunError> {
    let Some((arn, server)) = attend.execution() else {
        return Err(ServiceError::Unavailable("it was interrupted before it had started".to_owned()).into());
    };
    let view = server.view(&arn).await?;
    let checkpoints = view.checkpoints;
    Ok(Run { view, stall: None, checkpoints })
}

fn verdict(run: &Run, store: Option<&Path>) -> Result<Exit, Failure> {
    if let Some(stall) = &run.stall {
        let error = match store {
            None => anyhow!(
                "the execution waits for {stall}, and no answer is configured: use --answer, or give it a timeout"
            ),
            Some(store) => anyhow!(
                "the execution waits for {stall}, and no answer is configured. It is kept in {}: the same command with \
                 --answer continues it",
                store.display()
            ),
        };
        return Err(Failure { exit: Exit::Stalled, error });
    }
    Ok(if run.view.status == ExecutionStatus::Succeeded { Exit::Done } else { Exit::Failed })
}
