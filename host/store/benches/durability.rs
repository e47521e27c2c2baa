//! What durability costs, beside a bare commit on the same disk in the same run: a durable step, alone and 64 executions
//! side by side, and the memory and the start of a server with many suspended executions.
#![allow(missing_docs, reason = "criterion's macros define a public function")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use durawasm_core::{
    ambient::{OsEntropy, SystemClock},
    budget::HostBudget,
    protocol::{CheckpointToken, ExecutionArn, Limits, OperationAction, OperationType, OperationUpdate},
    server::{CheckpointServer, ServerConfig, ServerHandle, StartExecution},
};
use durawasm_store::StoreFile;
use futures_util::future::join_all;
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A table with what a step adds, and nothing else.
struct Floor(Connection);

impl Floor {
    fn new(folder: &Path) -> Outcome<Self> {
        let connection = Connection::open(folder.join("floor.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, record TEXT)")?;
        Ok(Self(connection))
    }

    fn commit(&self) -> Outcome<()> {
        self.0.prepare_cached("INSERT INTO t (record) VALUES (?1)")?.execute(["x".repeat(400)])?;
        Ok(())
    }
}

struct Served {
    _file: StoreFile,
    _server: CheckpointServer,
    handle: ServerHandle,
}

fn serve(path: &Path) -> Outcome<Served> {
    let file = StoreFile::open(path)?;
    let config = ServerConfig {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        limits: Limits::default(),
    };
    let server = CheckpointServer::spawn_with(config, HostBudget::default(), Some(Box::new(file.store()?)))?;
    Ok(Served { handle: server.handle(), _server: server, _file: file })
}

/// An execution whose invocation is running.
struct Running {
    handle: ServerHandle,
    arn: ExecutionArn,
    token: CheckpointToken,
    steps: u64,
}

impl Running {
    async fn start(handle: &ServerHandle) -> Outcome<Self> {
        let arn = handle.start_execution(StartExecution::new("f", None)).await?;
        let token = handle.start_invocation(&arn).await?.input.checkpoint_token;
        Ok(Self { handle: handle.clone(), arn, token, steps: 0 })
    }

    /// One durable step, as the SDK sends it: its start and its result in one checkpoint.
    async fn step(&mut self) -> Outcome<()> {
        let id = format!("{:032x}", self.steps);
        self.steps += 1;
        let update = |action| OperationUpdate::new(id.as_str().into(), OperationType::Step, action);
        let start = update(OperationAction::Start);
        let succeed =
            OperationUpdate { payload: Some("\"done\"".into()), ..update(OperationAction::Succeed) };
        let answer = self.handle.checkpoint(&self.arn, &self.token, vec![start, succeed]).await?;
        self.token = answer.checkpoint_token;
        Ok(())
    }
}

async fn steps(running: &mut Running, count: u64) -> Outcome<()> {
    for _ in 0..count {
        running.step().await?;
    }
    Ok(())
}

async fn all_step(all: &mut [Running], count: u64) -> Outcome<()> {
    join_all(all.iter_mut().map(|running| steps(running, count))).await.into_iter().collect()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn measure(criterion: &mut Criterion) -> Outcome<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime: Runtime = Builder::new_current_thread().build()?;
    let floor = Floor::new(folder.path())?;
    let served = serve(&folder.path().join("s.db"))?;
    let by_itself = serve(&folder.path().join("alone.db"))?;
    let mut alone = runtime.block_on(Running::start(&by_itself.handle))?;
    let started = join_all((0..64).map(|_| Running::start(&served.handle)));
    let mut side_by_side: Vec<Running> = runtime.block_on(started).into_iter().collect::<Outcome<_>>()?;
    let mut row = |name: &str, sample: &mut dyn FnMut(u64) -> Outcome<Duration>| {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                sample(count).unwrap_or_else(|error| {
                    eprintln!("{name}: {error}");
                    Duration::from_secs(1)
                })
            });
        });
    };
    row("a bare commit", &mut |count| timed(|| (0..count).try_for_each(|_| floor.commit())));
    row("a durable step", &mut |count| timed(|| runtime.block_on(steps(&mut alone, count))));
    row("a durable step of each of 64 executions", &mut |count| {
        timed(|| runtime.block_on(all_step(&mut side_by_side, count)))
    });
    // How fast a disk flushes changes from second to second: each ratio is of figures that were taken together.
    let (mut bare, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    let (mut to_bare, mut to_one) = (Vec::new(), Vec::new());
    for _ in 0..41 {
        let commits = timed(|| (0..40).try_for_each(|_| floor.commit()))?.as_secs_f64() / 40.0;
        let step = timed(|| runtime.block_on(steps(&mut alone, 40)))?.as_secs_f64() / 40.0;
        let each = timed(|| runtime.block_on(all_step(&mut side_by_side, 20)))?.as_secs_f64() / 20.0 / 64.0;
        bare.push(commits);
        one.push(step);
        many.push(each);
        to_bare.push(step / commits);
        to_one.push(step / each);
    }
    println!("a bare commit                        {:9.1} us", median(bare) * 1e6);
    println!(
        "a durable step                       {:9.1} us  {:.2} x a bare commit (bound: 1.5 x)",
        median(one) * 1e6,
        median(to_bare)
    );
    println!(
        "64 executions side by side           {:9.1} us a step  {:.1} x the throughput of one (bound: 10 x)",
        median(many) * 1e6,
        median(to_one)
    );
    Ok(())
}

fn durability(criterion: &mut Criterion) {
    if let Err(error) = measure(criterion) {
        eprintln!("error: {error}");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = durability
}
criterion_main!(benches);
