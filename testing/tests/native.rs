//! Native handlers: behaviour that differs from components, and behaviour that must not.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::common::native;
use durawasm_core::{
    orchestrator::{EnvironmentOptions, Run, TimeMode},
    protocol::Limits,
    server::StartExecution,
};
use durawasm_guest::{
    BoxError, CheckpointMode, DurableContext, Options, Plugin, RetryDecision, StepErrorKind,
    plugin::{InvocationEndInfo, InvocationInfo, UserFunctionInfo},
};
use durawasm_testing::{Disturbance, ErrorObject, ExecutionStatus, native::NativeHandler};
use serde_json::{Value, json};

/// Runs the first of these functions with an event.
async fn run_with(options: EnvironmentOptions, functions: Vec<NativeHandler>, event: Value) -> Run {
    let name = functions[0].name().to_owned();
    let environment = native::environment(options, &[], functions).await;
    environment.run(StartExecution::new(name, Some(event.to_string()))).await.unwrap()
}

async fn run(handler: NativeHandler, event: Value) -> Run {
    run_with(EnvironmentOptions::default(), vec![handler], event).await
}

fn value(run: &Run) -> Value {
    assert_eq!(run.view.status, ExecutionStatus::Succeeded, "{:?}", run.view.error);
    serde_json::from_str(run.view.result.as_deref().unwrap()).unwrap()
}

fn error(run: &Run) -> (String, String) {
    let ErrorObject { error_type, error_message, .. } = run.view.error.clone().unwrap();
    (error_type.unwrap(), error_message.unwrap())
}

/// Waits until another thread has made a condition true. Fails after a while.
fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "it takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Counts live values.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

struct Alive(Count);

impl Count {
    fn one(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(self.clone())
    }

    fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn two_days(name: String, ctx: DurableContext) -> Result<String, BoxError> {
    let greeting = ctx.step(move |_| async move { Ok(format!("Hello, {name}")) }).name("greet").await?;
    ctx.wait(Duration::from_hours(24)).name("a day").await?;
    let rate: f64 = ctx.invoke("rate", "EUR".to_owned()).name("rate").await?;
    let tax: Result<u32, _> = ctx.invoke("tax", 0).await;
    let tax = tax.unwrap_err();
    ctx.wait(Duration::from_hours(24)).name("another").await?;
    Ok(format!("{greeting} {rate} {}", tax.wire().and_then(|wire| wire.error_message()).unwrap_or_default()))
}

fn rate(_currency: String) -> f64 {
    1.5
}

fn tax(of: u32) -> Result<u32, BoxError> {
    if of == 0 { Err("nothing to tax".into()) } else { Ok(of / 5) }
}

#[tokio::test]
async fn days_pass_at_once_and_plain_functions_answer() {
    let functions = vec![
        NativeHandler::durable("two_days", two_days),
        NativeHandler::plain("rate", rate),
        NativeHandler::plain_fallible("tax", tax),
    ];
    assert!(functions[0].is_durable() && !functions[1].is_durable());
    let run = run_with(EnvironmentOptions::default(), functions, json!("Ada")).await;
    assert_eq!(value(&run), json!("Hello, Ada 1.5 nothing to tax"));
    let took = run.view.end.unwrap().since(run.view.start);
    assert_eq!(took, Duration::from_hours(48));
}

#[tokio::test]
async fn real_time_is_as_good() {
    let handler = |_: Value, ctx: DurableContext| async move {
        ctx.wait(Duration::from_secs(1)).await?;
        Ok::<_, BoxError>(ctx.step(|_| async { Ok(7) }).await?)
    };
    let options = EnvironmentOptions { time: TimeMode::Real, ..EnvironmentOptions::default() };
    let run = run_with(options, vec![NativeHandler::durable("second", handler)], json!(null)).await;
    assert_eq!((value(&run), run.view.invocations.len()), (json!(7), 2));
}

#[tokio::test]
async fn a_component_and_a_native_function_invoke_each_other() {
    async fn calls_back(name: String, ctx: DurableContext) -> Result<Value, BoxError> {
        Ok(ctx.invoke("child", name.len()).await?)
    }
    let greet = NativeHandler::durable("greet", calls_back);
    let environment =
        native::environment(EnvironmentOptions::default(), &[native::component()], [greet]).await;
    let event = json!({"function": "greet", "payload": "Ada"}).to_string();
    let run = environment.run(StartExecution::new("invokes_or_fails", Some(event))).await.unwrap();
    assert_eq!(value(&run), json!(6));
}

/// Polls a future, and catches its unwinding.
struct Catch<F>(Pin<Box<F>>);

impl<F: Future> Future for Catch<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

fn catch<F: Future>(future: F) -> Catch<F> {
    Catch(Box::pin(future))
}

#[tokio::test]
async fn a_suspension_cannot_be_caught() {
    async fn handler(_: Value, ctx: DurableContext) -> Result<bool, BoxError> {
        let caught = catch(async {
            ctx.wait(Duration::from_mins(1)).await?;
            let inner = ctx.clone();
            let step = ctx.run_in_child_context(|ctx| async move {
                ctx.wait(Duration::from_mins(1)).await?;
                Ok(())
            });
            let (child, wait) = tokio::join!(step, inner.wait(Duration::from_secs(30)));
            child?;
            wait?;
            Ok::<_, BoxError>(())
        });
        Ok(caught.await.is_some_and(|done| done.is_ok()))
    }
    let run = run(NativeHandler::durable("catches", handler), json!(null)).await;
    assert_eq!((value(&run), run.view.invocations.len()), (json!(true), 4));
}

#[tokio::test]
async fn what_ended_a_run_counts_whatever_the_handler_makes_of_it() {
    // Each update is sent at once, from within the handler's code, so that the unwinding reaches the handler's `catch`.
    let caught = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&caught);
    let handler = move |_: Value, ctx: DurableContext| {
        let seen = Arc::clone(&seen);
        async move {
            ctx.set_checkpoint_mode(CheckpointMode::Eager);
            let step = ctx.step(|_| async { Ok(1) }).name("first");
            let first = if let Some(first) = catch(step.future()).await {
                first?
            } else {
                seen.fetch_add(1, Ordering::SeqCst);
                // The handler makes another call, catches that unwinding too, and returns as if nothing had happened.
                let second = catch(ctx.step(|_| async { Ok(3) }).future()).await;
                assert!(second.is_none(), "the run is over");
                let replaying = catch_unwind(AssertUnwindSafe(|| ctx.is_replaying()));
                assert!(replaying.is_err());
                99
            };
            Ok::<_, BoxError>(first)
        }
    };
    for disturbance in [Disturbance::DieBeforeCheckpoint(1), Disturbance::DieAfterCheckpoint(2)] {
        caught.store(0, Ordering::SeqCst);
        let options = EnvironmentOptions { disturbances: vec![disturbance], ..EnvironmentOptions::default() };
        let handler = NativeHandler::durable("swallows", handler.clone());
        let run = run_with(options, vec![handler], json!(null)).await;
        assert_eq!((value(&run), caught.load(Ordering::SeqCst)), (json!(1), 1), "{disturbance:?}");
        let crashed = run.view.invocations[0].error.clone().unwrap();
        assert_eq!(crashed.error_type.as_deref(), Some("Runtime.Killed"));
    }
}

#[tokio::test]
async fn destructors_run_at_a_suspension_and_may_use_the_context() {
    struct Curious {
        ctx: DurableContext,
        _alive: Alive,
    }
    impl Drop for Curious {
        fn drop(&mut self) {
            let ctx = &self.ctx;
            let _ = (ctx.is_replaying(), ctx.now(), ctx.arn().len(), ctx.pending_update_count());
            // Neither future is polled: dropping it has no effect.
            drop(ctx.step(|_| async { Ok(()) }).future());
            drop(ctx.wait(Duration::from_secs(1)).spawn());
        }
    }
    let count = Count::default();
    let counting = count.clone();
    let handler = move |_: Value, ctx: DurableContext| {
        let count = counting.clone();
        async move {
            let _main = Curious { ctx: ctx.clone(), _alive: count.one() };
            let inside = Curious { ctx: ctx.clone(), _alive: count.one() };
            let spawned = ctx
                .run_in_child_context(|ctx| async move {
                    let _inside = inside;
                    ctx.wait(Duration::from_secs(5)).await?;
                    Ok(())
                })
                .spawn();
            ctx.wait(Duration::from_secs(1)).await?;
            spawned.await?;
            Ok::<_, BoxError>(count.alive())
        }
    };
    let run = run(NativeHandler::durable("curious", handler), json!(null)).await;
    assert_eq!((value(&run), run.view.invocations.len()), (json!(1), 3));
    assert_eq!(count.alive(), 0, "a suspended invocation leaves nothing behind");
}

#[tokio::test]
async fn a_replay_at_every_checkpoint_repeats_no_body() {
    let bodies: Arc<AtomicUsize> = Arc::default();
    let runs: Arc<AtomicUsize> = Arc::default();
    let (counting, beginning) = (Arc::clone(&bodies), Arc::clone(&runs));
    let handler = move |count: u64, ctx: DurableContext| {
        let bodies = Arc::clone(&counting);
        beginning.fetch_add(1, Ordering::SeqCst);
        async move {
            let children: Vec<_> = (0..count)
                .map(|n| {
                    let bodies = Arc::clone(&bodies);
                    ctx.run_in_child_context(move |ctx| async move {
                        let body = move |_| async move { Ok(bodies.fetch_add(1, Ordering::SeqCst)) };
                        ctx.step(body).await?;
                        ctx.wait(Duration::from_secs(n + 1)).await?;
                        Ok(n)
                    })
                    .spawn()
                })
                .collect();
            let mut sum = 0;
            for child in children {
                sum += child.await?;
            }
            Ok::<_, BoxError>(sum)
        }
    };
    let handler = NativeHandler::durable("children", handler);
    let mut told = Vec::new();
    for disturbances in [Vec::new(), vec![Disturbance::ReplayAtEveryCheckpoint]] {
        let options = EnvironmentOptions { disturbances, ..EnvironmentOptions::default() };
        let run = run_with(options, vec![handler.clone()], json!(4)).await;
        assert_eq!((value(&run), bodies.swap(0, Ordering::SeqCst)), (json!(6), 4));
        told.push((run.view.events, runs.swap(0, Ordering::SeqCst)));
    }
    assert_eq!(told[0].0, told[1].0);
    assert!(told[1].1 > told[0].1, "there were more runs: {} and {}", told[1].1, told[0].1);
}

#[tokio::test]
async fn a_panic_with_any_value_is_an_error_of_the_invocation() {
    let handler = |with_text: bool, ctx: DurableContext| async move {
        ctx.step(|_| async { Ok(()) }).await?;
        if with_text {
            panic!("no more {}", "eggs")
        } else {
            std::panic::panic_any(7)
        }
        #[expect(unreachable_code, reason = "it says what the function returns")]
        Ok::<(), BoxError>(())
    };
    let handler = NativeHandler::durable("panics", handler);
    for (with_text, message) in [
        (true, "the handler panicked: no more eggs"),
        (false, "the handler panicked: with a value that is no text"),
    ] {
        let run = run(handler.clone(), json!(with_text)).await;
        assert_eq!(run.view.status, ExecutionStatus::Failed);
        assert_eq!(error(&run), ("Runtime.ExitError".to_owned(), message.to_owned()));
        assert_eq!(run.view.invocations.len(), 3);
        assert_eq!(run.view.operations.len(), 2, "what was done before is on record");
    }
}

#[tokio::test]
async fn a_body_that_took_too_long_counts_as_one_that_was_stopped() {
    async fn handler(slow: u32, ctx: DurableContext) -> Result<(u32, String), BoxError> {
        let step = ctx
            .step(move |step| async move {
                if step.attempt() <= slow {
                    std::thread::sleep(Duration::from_millis(350));
                }
                Ok(step.attempt())
            })
            .name("slow")
            .timeout(Duration::from_millis(300))
            .retry_strategy(|_, attempt| match attempt {
                3.. => RetryDecision::Stop,
                _ => RetryDecision::Retry { delay: Duration::from_secs(1) },
            });
        match step.await {
            Ok(attempt) => Ok((attempt, String::new())),
            Err(error) => match error.kind() {
                durawasm_guest::OperationErrorKind::Step(step)
                    if matches!(step.kind(), StepErrorKind::RetriesExhausted(_)) =>
                {
                    Ok((3, error.wire().and_then(|wire| wire.error_type()).unwrap_or_default().to_owned()))
                }
                _ => Err(error.into()),
            },
        }
    }
    let handler = NativeHandler::durable("slow", handler);
    for (slow, expected) in [(0, json!([1, ""])), (2, json!([3, ""])), (9, json!([3, "StepTimeout"]))] {
        let run = run(handler.clone(), json!(slow)).await;
        assert_eq!(value(&run), expected);
        assert_eq!(run.view.operations.len(), 2);
    }
}

/// Whether there is a thread of this name.
#[cfg(target_os = "linux")]
fn runs(thread: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name =
        |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(|task| name(task.unwrap())).any(|name| name.trim_end() == thread)
}

#[cfg(not(target_os = "linux"))]
fn runs(_: &str) -> bool {
    false
}

#[tokio::test]
async fn an_invocation_that_is_given_up_ends_at_its_next_call() {
    let count = Count::default();
    let counting = count.clone();
    let handler = move |_: Value, ctx: DurableContext| {
        let count = counting.clone();
        async move {
            let inside = ctx.clone();
            ctx.step(move |_| async move {
                let _alive = count.one();
                loop {
                    std::thread::sleep(Duration::from_millis(1));
                    let _ = inside.now();
                }
                #[expect(unreachable_code, reason = "it says what the body returns")]
                Ok(())
            })
            .await?;
            Ok::<_, BoxError>(())
        }
    };
    let handler = NativeHandler::durable("given-up", handler);
    // The run is dropped.
    let given_up = tokio::time::timeout(Duration::from_millis(100), run(handler.clone(), json!(null))).await;
    assert!(given_up.is_err());
    eventually(|| count.alive() == 0 && !runs("given-up"));
    // The execution times out.
    let options = EnvironmentOptions { time: TimeMode::Real, ..EnvironmentOptions::default() };
    let environment = native::environment(options, &[], [handler]).await;
    let mut start = StartExecution::new("given-up", None);
    start.timeout_seconds = Some(1);
    let run = environment.run(start).await.unwrap();
    assert_eq!(run.view.status, ExecutionStatus::TimedOut);
    eventually(|| count.alive() == 0 && !runs("given-up"));
}

#[tokio::test]
async fn nobody_waits_for_code_that_calls_nothing() {
    let handler = |_: Value, ctx: DurableContext| async move {
        ctx.step(|_| async {
            std::thread::sleep(Duration::from_secs(2));
            Ok(())
        })
        .await?;
        ctx.step(|_| async { Ok(()) }).name("never on record").await?;
        Ok::<_, BoxError>(())
    };
    let environment =
        native::environment(EnvironmentOptions::default(), &[], [NativeHandler::durable("deaf", handler)])
            .await;
    let start = Instant::now();
    let given_up = {
        let mut run = pin!(environment.run(StartExecution::new("deaf", None)));
        tokio::time::timeout(Duration::from_millis(50), &mut run).await.is_err()
    };
    assert!(given_up && start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    drop(environment);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    eventually(|| !runs("deaf"));
}

async fn fifty_side_by_side(name: &'static str) {
    async fn handler(n: u64, ctx: DurableContext) -> Result<(u64, Vec<u64>), BoxError> {
        let first = ctx.step(move |_| async move { Ok(n) }).await?;
        ctx.wait(Duration::from_secs(n)).await?;
        let many =
            ctx.map(0..n, |ctx, n, _| async move { Ok(ctx.step(move |_| async move { Ok(n) }).await?) });
        Ok((first, many.await?))
    }
    let handler = NativeHandler::durable(name, handler);
    let runs: Vec<_> = (1..=50_u64).map(|n| (n, tokio::spawn(run(handler.clone(), json!(n))))).collect();
    for (n, run) in runs {
        let run = run.await.unwrap();
        assert_eq!(value(&run), json!([n, (0..n).collect::<Vec<_>>()]));
        assert_eq!(run.view.end.unwrap().since(run.view.start), Duration::from_secs(n));
    }
    eventually(|| !self::runs(name));
}

#[tokio::test]
async fn runs_side_by_side_on_one_thread_do_not_meet() {
    fifty_side_by_side("side-by-side-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_side_by_side_on_two_threads_do_not_meet() {
    fifty_side_by_side("side-by-side-2").await;
}

#[tokio::test]
async fn a_context_may_be_used_from_other_threads_while_its_invocation_runs() {
    let kept: Arc<Mutex<Option<DurableContext>>> = Arc::default();
    let keeping = Arc::clone(&kept);
    let handler = move |stale: bool, ctx: DurableContext| {
        let kept = Arc::clone(&keeping);
        async move {
            let (inside, arn) = (ctx.clone(), ctx.arn().to_owned());
            let told = move |_| async move {
                let thread = std::thread::spawn(move || (inside.arn().to_owned(), inside.is_replaying()));
                Ok(thread.join().map_err(|_| "it panicked")?)
            };
            let told = ctx.step(told).await?;
            let before = kept.lock().map_err(|_| "poisoned")?.replace(ctx.clone());
            ctx.wait(Duration::from_secs(1)).await?;
            if let Some(before) = before.filter(|_| stale) {
                let _ = before.is_replaying();
            }
            Ok::<_, BoxError>(told == (arn, false))
        }
    };
    let handler = NativeHandler::durable("threads", handler);
    assert_eq!(value(&run(handler.clone(), json!(false)).await), json!(true));
    kept.lock().unwrap().take();
    let run = run(handler, json!(true)).await;
    let message = "the handler used a context of an earlier invocation";
    assert_eq!(error(&run), ("Runtime.ExitError".to_owned(), message.to_owned()));
}

#[tokio::test]
async fn a_record_of_many_pages_is_read_whole() {
    async fn handler(count: u64, ctx: DurableContext) -> Result<u64, BoxError> {
        for n in 0..count {
            let step = ctx.step(move |_| async move { Ok(n) }).await?;
            assert_eq!(step, n);
        }
        ctx.wait(Duration::from_secs(1)).await?;
        Ok(count)
    }
    let limits = Limits { page_operations: 7, ..Limits::default() };
    let options = EnvironmentOptions { limits, ..EnvironmentOptions::default() };
    let run = run_with(options, vec![NativeHandler::durable("pages", handler)], json!(100)).await;
    assert_eq!((value(&run), run.view.operations.len()), (json!(100), 102));
}

/// Records its notifications.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Plugin for Notes {
    fn on_invocation_start(&mut self, info: &InvocationInfo) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(format!("start {}", info.operations().len()));
        Ok(())
    }

    fn on_invocation_end(&mut self, info: &InvocationEndInfo) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(format!("end {}", info.status().as_str()));
        Ok(())
    }

    fn on_user_function_start(&mut self, info: &UserFunctionInfo) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(format!("runs {}", info.name().unwrap_or_default()));
        panic!("a hook panics")
    }
}

#[tokio::test]
async fn plugins_watch_and_change_nothing() {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let writing = Arc::clone(&notes);
    let options = move || Options::builder().plugin(Notes(Arc::clone(&writing)));
    let handler = |_: Value, ctx: DurableContext| async move {
        let first = ctx.step(|_| async { Ok(1) }).name("first").await?;
        ctx.wait(Duration::from_secs(1)).await?;
        Ok::<_, BoxError>(first)
    };
    let watched = run(NativeHandler::durable_with("watched", handler, options), json!(null)).await;
    let alone = run(NativeHandler::durable("watched", handler), json!(null)).await;
    assert_eq!(watched.view.events, alone.view.events);
    let told = ["start 0", "runs first", "end PENDING", "start 2", "end SUCCEEDED"];
    assert_eq!(*notes.lock().unwrap(), told);
}

#[tokio::test]
async fn a_timer_of_another_runtime_is_told_to_stall() {
    async fn in_a_body(_nothing: (), ctx: DurableContext) -> Result<(), BoxError> {
        let sleep = |_| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        Ok(ctx.step(sleep).retry_strategy(|_, _| RetryDecision::Stop).await?)
    }
    async fn between(_nothing: (), _: DurableContext) -> Result<(), BoxError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }
    async fn own_runtime(_nothing: (), ctx: DurableContext) -> Result<u32, BoxError> {
        let body = |_| async {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            Ok(runtime.block_on(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                7
            }))
        };
        Ok(ctx.step(body).await?)
    }
    let (kind, message) = error(&run(NativeHandler::durable("in_a_body", in_a_body), json!(null)).await);
    assert_eq!(kind, "StepStalled", "{message}");
    let (kind, message) = error(&run(NativeHandler::durable("between", between), json!(null)).await);
    assert_eq!(kind, "HandlerStalled", "{message}");
    assert_eq!(value(&run(NativeHandler::durable("own_runtime", own_runtime), json!(null)).await), json!(7));
}
