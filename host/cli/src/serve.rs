//! `durawasm serve`

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use durawasm_build::Cancel;
use durawasm_config::{FlagAlias, RunSettings};
use durawasm_core::{
    invocation::LogSink,
    orchestrator::{Environment, EnvironmentOptions, FunctionGrants},
    parse_duration,
    server::Store,
};
use durawasm_http::{
    AccessKeys, Api, ApiOptions, Bounds, Failures, FunctionSettings, LogTails, Metrics, Server, Stopping, Tls,
};
use durawasm_scenario::Components;
use durawasm_store::StoreFile;
use serde::Serialize;
use tokio::net::TcpListener;

use super::{
    compile::in_own_process,
    credentials,
    exit::{Exit, Failure, OrExit},
    functions::{environment_failure, whole},
    kept::{of_store, store_failure},
    log::{JsonLines, Printer, Quiet},
    offers::OfferError,
    options::{SharedArgs, granted},
    output::{note, say, say_json_line},
    served::{self, FlagFunction},
    skipped_time::{start_time, time_mode},
    target::{Fetch, NoBuild, with_advice},
    terminal::{Interrupts, Screen},
    tls::TlsArgs,
    trace::{self, Level},
    versions::{Catalog, Load},
    watch::{Rebuild, Watch, WatchArgs},
};

const EXAMPLES: &str = "Examples:
  durawasm serve --function order=examples/order
  durawasm serve                           the functions of durawasm.toml
  durawasm serve --watch                   crates are built again when they change
  aws lambda invoke --endpoint-url http://127.0.0.1:9001 --function-name 'order:$LATEST' \\
      --cli-binary-format raw-in-base64-out --payload '{\"id\":\"o-1\"}' result.json

Executions outlive the process: the same command continues them.";

/// The name of a store in place of which executions are kept in memory.
const IN_MEMORY: &str = ":memory:";

/// The store, unless another one is stated.
const DEFAULT_STORE: &str = "durawasm.db";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A function beside those of durawasm.toml: its name, and a component's file or a crate's folder, with the name that
    /// it has there, where it differs; may be given several times
    #[arg(long, value_name = "NAME=COMPONENT|CRATE[#EXPORT]", value_parser = FlagFunction::parse)]
    function: Vec<FlagFunction>,
    /// Another name of a version of a function: $LATEST or a number. It replaces one of durawasm.toml; may be given several
    /// times
    #[arg(long, value_name = "FUNCTION:ALIAS=VERSION")]
    alias: Vec<FlagAlias>,
    /// The address to listen at. Other machines reach only one that is no loopback address, which needs --credentials
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// The file that keeps executions, so that they outlive the process; `:memory:` keeps them in memory [default:
    /// durawasm.db, and with --skip-time :memory:]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Accept only requests that are signed with an access key of this TOML file, which only its owner may read
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
    /// How long running invocations and requests may take after Ctrl-C or SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    grace: Duration,
    /// How long executions are kept after their end
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    retention: Duration,
    /// For integration tests: waits and retry delays take no time. Timeouts of callbacks pass only when a client advances the
    /// clock. Executions are kept in memory until the process ends
    #[arg(long, conflicts_with_all = ["retention", "max_invocations"])]
    skip_time: bool,
    /// With --skip-time: the time at which the clock starts, as 2025-01-31T09:00:00Z, or `now` [default: 2025-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME", requires = "skip_time", value_parser = start_time)]
    start_time: Option<DateTime<Utc>>,
    /// How many executions may run, or could because they wait for neither time nor an answer; requests for more are
    /// refused
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_executions: u32,
    /// How many invocations may run at once; more wait
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    max_invocations: u32,
    /// Tell on standard error what the server does; with --json as JSON, one value a line
    #[arg(long, value_name = "LEVEL", default_value = "off")]
    trace: Level,
    /// Print the handlers' log and the lines about the server as JSON, one value a line
    #[arg(long)]
    json: bool,
    /// Print neither the handlers' log nor what a build does
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    no_build: NoBuild,
    #[command(flatten)]
    shared: SharedArgs,
}

pub(super) fn serve(args: &Args) -> Result<Exit, Failure> {
    // The command line is checked before anything is built.
    args.shared.check_grants()?;
    let mut names = BTreeSet::new();
    if let Some(twice) = args.function.iter().find(|function| !names.insert(&*function.name)) {
        return Err(usage(anyhow!("--function names {} twice", twice.name)));
    }
    if !args.listen.ip().is_loopback() && args.credentials.is_none() {
        return Err(usage(anyhow!(
            "other machines reach {}: use --credentials, so that only who has a key can run functions, or listen at a \
             loopback address such as 127.0.0.1:9001",
            args.listen
        )));
    }
    let mut aliases = BTreeSet::new();
    if let Some(twice) = args.alias.iter().find(|flag| !aliases.insert((&*flag.function, &flag.alias))) {
        return Err(usage(anyhow!("--alias states {}:{} twice", twice.function, twice.alias.as_str())));
    }
    trace::start(args.trace, args.json)?;
    let keys = args.credentials.as_deref().map(credentials::read).transpose()?;
    let tls = args.tls.read()?;
    let file = args.shared.file()?;
    let settings = args.shared.settings(file.as_deref(), None);
    let grants = granted(&settings, file.as_deref())?;
    let store = args.store_file()?.map(Arc::new);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_exit(Exit::Host)?;
    let fetch = Fetch {
        args: args.shared.crate_args.clone(),
        building: args.no_build.building(),
        quiet: args.quiet,
        cancel: Cancel::default(),
    };
    let functions = served::functions(file.as_deref(), &args.function, &args.alias)?;
    // A change during the first build is one to be noticed.
    let watch = args.watch.watch.then(|| Watch::new(&functions, &fetch, store.as_deref(), &grants));
    let watch = watch.transpose()?;
    let fetched = fetch.clone();
    let mut components = Components::new(move |path: &Path| fetched.component(path));
    let offers = served::load(&functions, &settings, &mut components, &runtime)?;
    let load = loader(components, &settings)?;
    let catalog = Catalog::new(offers, store.clone(), load.clone()).map_err(|error| match error {
        OfferError::Store(error) => store_failure(error),
        OfferError::Alias { .. } => usage(error.into()),
    })?;
    let catalog = Arc::new(catalog);
    let watch = watch.map(|watch| {
        let (settings, catalog) = (settings.clone(), catalog.clone());
        (watch, Rebuild { fetch, settings, load, catalog, json: args.json })
    });
    let serving = Serving { settings, grants, catalog, keys, tls, store, watch };
    runtime.block_on(execute(args, serving))
}

/// Loads versions that are not served, with the limits that their functions have now.
fn loader<F>(components: Components<F>, settings: &RunSettings) -> Result<Arc<Load>, Failure>
where
    F: FnMut(&Path) -> Result<(PathBuf, Vec<u8>), Failure> + Send + 'static,
{
    let (components, settings) = (Mutex::new(components), settings.clone());
    let (whole, bounds) = (whole(&settings), in_own_process(&settings.all.enforced().compiling)?);
    Ok(Arc::new(move |name: &str, component: &[u8]| {
        let mut components = components.lock().unwrap_or_else(PoisonError::into_inner);
        let handler =
            components.load_bytes(component, &whole, &bounds).map_err(|error| with_advice(&error))?;
        Ok(handler.with_limits(&settings.of(name).enforced().sandbox))
    }))
}

fn usage(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::Usage, error }
}

/// What is served, and what is in force.
struct Serving {
    settings: RunSettings,
    grants: FunctionGrants,
    catalog: Arc<Catalog>,
    keys: Option<AccessKeys>,
    tls: Option<Tls>,
    store: Option<Arc<StoreFile>>,
    /// What is watched, and what serves new code.
    watch: Option<(Watch, Rebuild)>,
}

impl Args {
    /// Opens the store; none if executions are kept in memory.
    fn store_file(&self) -> Result<Option<StoreFile>, Failure> {
        let default = Path::new(if self.skip_time { IN_MEMORY } else { DEFAULT_STORE });
        match self.store.as_deref().unwrap_or(default) {
            path if path.as_os_str() == IN_MEMORY => Ok(None),
            path if self.skip_time => Err(usage(anyhow!(
                "--skip-time is for tests and keeps executions in memory: use it without --store {}",
                path.display()
            ))),
            path => of_store(StoreFile::open(path)).map(Some),
        }
    }
}

async fn execute(args: &Args, serving: Serving) -> Result<Exit, Failure> {
    let Serving { settings, grants, catalog, keys, tls, store, watch } = serving;
    let log: Arc<dyn LogSink> = match (args.quiet, args.json) {
        (true, _) => Arc::new(Quiet),
        (false, true) => Arc::new(JsonLines),
        (false, false) => Arc::new(Printer(Screen::new())),
    };
    let tails = LogTails::new(log);
    let options = api_options(args, &settings, &catalog);
    let timeouts = options.functions.iter();
    let timeouts = timeouts.filter_map(|(name, settings)| Some((name.clone(), settings.execution_timeout?)));
    let environment = EnvironmentOptions {
        time: time_mode(args.skip_time, args.start_time),
        seed: None,
        limits: options.limits.clone(),
        host: options.host.clone(),
        execution_timeouts: timeouts.collect(),
        grants,
        answers_from_outside: true,
        ..EnvironmentOptions::default()
    };
    let server_store = store.as_ref().map(|file| of_store(file.store())).transpose()?;
    let metrics = options.metrics.clone();
    let server_store = server_store.map(|store| metrics.of_store(Box::new(store) as Box<dyn Store>));
    let mut environment =
        Environment::with_store(environment, tails.clone(), server_store).map_err(environment_failure)?;
    environment.set_versions(catalog.clone());
    let api = Api::new(environment, tails, options);
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        let error = anyhow!("cannot listen at {}: {error}; --listen states another address", args.listen);
        Failure { exit: Exit::Host, error }
    })?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut server = Server::new(listener, api, keys);
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    let interrupts = Interrupts::listen().or_exit(Exit::Host)?;
    announce(args, &format!("{scheme}://{}", server.address().or_exit(Exit::Host)?), &catalog)?;
    let watching = watch.map(|(watch, rebuild)| watch.start(rebuild)).transpose()?;
    let grace = args.grace;
    let stop = async move {
        interrupts.first().await;
        drop(watching);
        Stopping { grace }
    };
    server.run(stop).await.or_exit(Exit::Host)?;
    Ok(Exit::Done)
}

fn api_options(args: &Args, settings: &RunSettings, catalog: &Catalog) -> ApiOptions {
    let of = |name: &str| {
        let enforced = settings.of(name).enforced();
        FunctionSettings {
            execution_timeout: enforced.execution_timeout,
            invocation_retry: enforced.invocation_retry(),
        }
    };
    let all = settings.all.enforced();
    ApiOptions {
        metrics: Metrics::default(),
        bounds: Bounds {
            open_executions: args.max_executions as usize,
            invocations: args.max_invocations as usize,
            retention: (!args.skip_time).then_some(args.retention),
            ..Bounds::default()
        },
        functions: catalog.numbers().keys().map(|name| (name.to_string(), of(name))).collect(),
        others: of(""),
        host: all.host(),
        limits: all.service,
        failures: Some(Failures::to(|failure| note(format_args!("{failure}")))),
    }
}

/// The line that says where the server listens, as JSON.
#[derive(Serialize)]
struct Listening<'a> {
    listening: &'a str,
    functions: Vec<&'a str>,
    /// The number of the version of each.
    versions: &'a BTreeMap<Arc<str>, u32>,
}

fn announce(args: &Args, listening: &str, catalog: &Catalog) -> Result<(), Failure> {
    let versions = catalog.numbers();
    let names: Vec<&str> = versions.keys().map(AsRef::as_ref).collect();
    if args.json {
        return say_json_line(&Listening { listening, functions: names, versions: &versions });
    }
    say(format_args!("serving {} at {listening}", names.join(", ")));
    Ok(())
}
