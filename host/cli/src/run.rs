//! `durawasm run`

use std::{io::IsTerminal, path::PathBuf, sync::Arc, time::Duration};

use anyhow::anyhow;
use chrono::{DateTime, Utc};

use super::{
    compile::CompileArgs,
    event,
    exit::{Exit, Failure, OrExit},
    grants::{GrantArgs, HttpLimitArgs},
    instances::InstanceArgs,
    limits::LimitArgs,
    log::{Printer, Quiet},
    output::{note, say_json},
    report::{self, Setup},
    target::{CrateArgs, NoBuild, chosen, compiled, component, environment_failure, one_end_each},
    terminal::{Interrupts, Screen, SharedAttendant, TerminalAttendant},
};
use durawasm_core::{
    durations::{ExecutionTimeout, parse_some_duration, parse_start_time},
    invocation::{Isolation, LogSink},
    orchestrator::{
        Attendant, Environment, EnvironmentOptions, FunctionGrants, Run, RunError, ScriptedFunction,
        TimeMode, bare_name, parse_answer, parse_answer_for_all, parse_function_answer,
    },
    protocol::{ExecutionStatus, Limits, ServiceError, check_execution_name},
    server::{InvocationRetry, ScriptedAnswer, StartExecution},
};
use durawasm_sandbox::{Handler, SandboxLimits};
use durawasm_scenario::unused_answer_notes;

const EXAMPLES: &str = "Examples:
  durawasm run examples/order --skip-time \\
      --event examples/order/events/good.json \\
      --answer 'approval=2h:success:{\"approved\":true,\"by\":\"kim\"}'
  durawasm run order.wasm --event '{\"id\":\"o-1\"}' --answer approval=failure:Rejected
  echo '\"World\"' | durawasm run greet.wasm --event - --json | jq .result

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
    /// A component's file, or the folder of a crate, which is built first
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
    /// How long the execution may take in its own time, 1s to 366days, or `none` for any time [default: 366days, for
    /// which nothing waits]
    #[arg(long, value_name = "DURATION")]
    execution_timeout: Option<ExecutionTimeout>,
    /// How often an invocation that crashed is repeated before the execution fails
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    invocation_retries: u32,
    /// Memory of one invocation: its linear memories, tables and handles together, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=4096))]
    memory: u32,
    /// Computing time of one invocation
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_some_duration)]
    cpu_limit: Duration,
    /// Real time of one invocation
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_some_duration)]
    invocation_timeout: Duration,
    #[command(flatten)]
    http: HttpLimitArgs,
    /// What an instance is shared by: `invocation`, or `step` for a fresh one after every step's body and every context
    #[arg(long, value_name = "HOW", default_value = "invocation")]
    isolation: Isolation,
    /// Enforce the service's quotas as well: 3,000 operations and 100 MB written per execution
    #[arg(long)]
    service_quotas: bool,
    /// Print operations, history and result as JSON
    #[arg(long)]
    json: bool,
    /// Print neither the handler's log nor what the build does
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    instances: InstanceArgs,
    #[command(flatten)]
    crate_args: CrateArgs,
    #[command(flatten)]
    no_build: NoBuild,
    #[command(flatten)]
    compiling: CompileArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    grants: GrantArgs,
}

fn start_time(text: &str) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        return Ok(durawasm_core::ambient::Clock::now(&durawasm_core::ambient::SystemClock::new()).to_utc());
    }
    parse_start_time(text).map_err(|error| format!("{error}; or `now`"))
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    // The command line is checked before anything is built.
    if let Some(name) = &args.name {
        check_execution_name(name).or_exit(Exit::Usage)?;
    }
    one_end_each(&args.function_answer)?;
    let grants = args.grants.grants()?;
    let event = event::read(&args.event, std::io::stdin().lock()).or_exit(Exit::Usage)?;
    let (path, wasm) = component(&args.handler, &args.crate_args, args.no_build.building(), args.quiet)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Host)?;
    runtime.block_on(execute(args, event, grants, &path, &wasm))
}

async fn execute(
    args: &Args,
    event: String,
    grants: FunctionGrants,
    path: &std::path::Path,
    wasm: &[u8],
) -> Result<Exit, Failure> {
    let handler = load(args, path, wasm)?;
    let (options, timeout) = options(args, grants);
    let (time, seed, grants) = (options.time, options.seed, options.grants.clone());
    let screen = Screen::new();
    let log: Arc<dyn LogSink> =
        if args.quiet { Arc::new(Quiet) } else { Arc::new(Printer(Arc::clone(&screen))) };
    let mut environment = Environment::new(options, &[handler], log).await.map_err(environment_failure)?;
    let function = chosen(args.function.as_deref(), environment.functions())?.name.to_string();
    let mut stand_ins = Vec::new();
    for (name, scripted) in &args.function_answer {
        if bare_name(name) == function {
            let error =
                anyhow!("{name} is the function that is run: --function-answer must not stand in for it");
            return Err(Failure { exit: Exit::Usage, error });
        }
        stand_ins.push((name, environment.stand_in(&**name, scripted.clone())));
    }
    if !args.skip_time && !args.quiet && std::io::stderr().is_terminal() {
        note(format_args!(
            "running {function} in real time: waits take as long as they say, --skip-time skips them"
        ));
    }
    let mut start = StartExecution::new(function.clone(), Some(event));
    start.execution_name.clone_from(&args.name);
    start.timeout_seconds = timeout;
    start.answers = args.answer.iter().chain(&args.answer_all).cloned().collect();
    let answers = start.answers.clone();
    start.invocation_retry =
        InvocationRetry { max_retries: args.invocation_retries, ..InvocationRetry::default() };
    let (run, interrupted) = follow(args, &environment, &screen, start).await?;
    let now = environment.clock().now();
    let setup = Setup { function, time, seed, isolation: args.isolation, grants, now };
    if args.json {
        say_json(&report::Report::new(&setup, &run))?;
    } else {
        report::print(&setup, &run);
    }
    if interrupted {
        return Err(report::interrupted(args.skip_time, &run));
    }
    for why in unused_answer_notes(&answers, &run.view) {
        note(format_args!("warning: {why}"));
    }
    for (name, _) in stand_ins.iter().filter(|(_, called)| !called.get()) {
        note(format_args!("warning: the function {name:?} of --function-answer was not invoked"));
    }
    verdict(&run)
}

/// Compiles the component.
fn load(args: &Args, path: &std::path::Path, wasm: &[u8]) -> Result<Handler, Failure> {
    let mut limits = SandboxLimits {
        memory: (args.memory as usize) << 20,
        cpu: args.cpu_limit,
        wall: args.invocation_timeout,
        http: args.http.limits(),
        ..SandboxLimits::default()
    };
    args.instances.apply(&mut limits);
    compiled(path, wasm, &limits, &args.compiling)
}

/// The options of the environment, and the execution timeout.
fn options(args: &Args, grants: FunctionGrants) -> (EnvironmentOptions, Option<u64>) {
    let time = match (args.skip_time, args.start_time) {
        (false, _) => TimeMode::Real,
        (true, None) => TimeMode::SKIP,
        (true, Some(start)) => TimeMode::Skip { start: start.into() },
    };
    let mut limits = if args.service_quotas { Limits::service_quotas() } else { Limits::default() };
    args.limits.apply(&mut limits);
    let timeout = ExecutionTimeout::apply(args.execution_timeout, &mut limits);
    let options = EnvironmentOptions {
        time,
        seed: args.seed.or(args.skip_time.then_some(0)),
        limits,
        host: args.limits.host(),
        isolation: args.isolation,
        grants,
        ..EnvironmentOptions::default()
    };
    (options, timeout)
}

/// Runs an execution until it ends or the command is interrupted. Returns the execution, and whether it was
/// interrupted.
async fn follow(
    args: &Args,
    environment: &Environment,
    screen: &Arc<Screen>,
    start: StartExecution,
) -> Result<(Run, bool), Failure> {
    let may_ask = !args.no_input && !args.json;
    let clock = Arc::clone(environment.clock());
    let attend = TerminalAttendant::new(clock, Arc::clone(screen), may_ask, start.answers.clone());
    if !args.quiet && Screen::is_terminal() {
        attend.show_progress().or_exit(Exit::Host)?;
    }
    let interrupts = Interrupts::listen().or_exit(Exit::Host)?;
    let attendant: Arc<dyn Attendant> = Arc::new(SharedAttendant(Arc::clone(&attend)));
    let ended = tokio::select! {
        biased;
        run = environment.run_attended(start, &attendant) => Some(run),
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

fn verdict(run: &Run) -> Result<Exit, Failure> {
    if let Some(stall) = &run.stall {
        let error = anyhow!(
            "the execution waits for {stall}, and no answer is configured: use --answer, or give it a timeout"
        );
        return Err(Failure { exit: Exit::Stalled, error });
    }
    Ok(if run.view.status == ExecutionStatus::Succeeded { Exit::Done } else { Exit::Failed })
}
