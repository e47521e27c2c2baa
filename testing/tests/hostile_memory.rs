//! Guests that take memory, tables, handles, stack and places: each is held to its limits, and others are not harmed.

use std::{fmt::Write as _, fs, process::Command, sync::Arc, time::Duration};

use crate::common::wat_guest::{Guest, SECOND, STDOUT, contexts, grow, repeat};
use durawasm_core::{
    invocation::{LogBuffer, LogSink},
    orchestrator::{Environment, EnvironmentOptions, TimeMode},
    server::StartExecution,
};
use durawasm_sandbox::{Handler, Sandbox, SandboxError, SandboxLimits, SandboxOptions};
use futures_util::future::join_all;

const MIB: usize = 1 << 20;

fn sandbox(limits: SandboxLimits) -> Sandbox {
    Sandbox::new(SandboxOptions { limits, ..SandboxOptions::default() }).unwrap()
}

/// How executions of functions of these components end, in virtual time, all at once: `None` is a success, otherwise
/// the type and the message of the error.
async fn ends(handlers: &[Handler], names: &[String]) -> Vec<Option<(String, String)>> {
    let log: Arc<dyn LogSink> = Arc::new(LogBuffer::default());
    let options = EnvironmentOptions { time: TimeMode::SKIP, seed: Some(0), ..EnvironmentOptions::default() };
    let environment = Environment::new(options, handlers, log).await.unwrap();
    let runs = names.iter().map(|name| {
        let mut start = StartExecution::new(name.clone(), Some("1".to_owned()));
        start.invocation_retry.max_retries = 0;
        environment.run(start)
    });
    let mut ends = Vec::new();
    // Many times what the slowest takes.
    let runs = tokio::time::timeout(Duration::from_mins(5), join_all(runs)).await.unwrap();
    for run in runs {
        let error = run.unwrap().view.error;
        ends.push(error.map(|e| (e.error_type.unwrap_or_default(), e.error_message.unwrap_or_default())));
    }
    ends
}

/// How an execution of this component alone ends.
async fn end(guest: &Guest, limits: &SandboxLimits) -> Option<(String, String)> {
    let handler = sandbox(limits.clone()).load(&guest.wasm()).unwrap();
    ends(&[handler], std::slice::from_ref(&guest.name)).await.remove(0)
}

fn refused(guest: &Guest) -> String {
    match sandbox(SandboxLimits::default()).load(&guest.wasm()).err() {
        Some(SandboxError::TooLarge(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn small() -> SandboxLimits {
    SandboxLimits { memory: 32 * MIB, ..SandboxLimits::default() }
}

#[track_caller]
fn assert_ends(end: Option<&(String, String)>, error_type: &str, says: &str) {
    let Some((found, message)) = end else { panic!("it succeeded instead of ending with {error_type}") };
    assert!(found == error_type && message.contains(says), "{found}: {message}");
}

#[tokio::test]
async fn memories_count_as_their_sum() {
    // 32 MiB are 512 pages, of which the module's first memory has one.
    let fits: String = (0..8).map(|memory| grow(memory, if memory == 7 { 63 } else { 64 })).collect();
    assert_eq!(end(&Guest::new("f", &fits).memories(7, 0), &small()).await, None);
    let exceeds: String = (0..8).map(|memory| grow(memory, 64)).collect();
    let ended = end(&Guest::new("f", &exceeds).memories(7, 0), &small()).await;
    assert_ends(ended.as_ref(), "Sandbox.MemoryLimitExceeded", "32832 KiB for all its memories");
    assert_ends(ended.as_ref(), "Sandbox.MemoryLimitExceeded", "the limit is 32768 KiB");
}

#[tokio::test]
async fn memories_of_all_core_instances_count() {
    let grow = "(core module $m (memory 0 65536)
        (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))\n";
    let several = |pages: usize| {
        let (mut guest, mut code) = (Guest::new("f", ""), String::new());
        for at in 0..7 {
            let instance = format!(
                "{} (core instance $i{at} (instantiate $m))
                 (alias core export $i{at} \"grow\" (core func $grow{at}))",
                if at == 0 { grow } else { "" }
            );
            guest = guest.import(&format!("grow{at}"), &instance, "(param i32) (result i32)");
            write!(
                code,
                "(if (i32.eq (call $grow{at} (i32.const {pages})) (i32.const -1)) (then unreachable))"
            )
            .unwrap();
        }
        Guest { code, ..guest }
    };
    assert_eq!(end(&several(73), &small()).await, None);
    let ended = end(&several(74), &small()).await;
    assert_ends(ended.as_ref(), "Sandbox.MemoryLimitExceeded", "33216 KiB for all its memories");
}

#[tokio::test]
async fn initial_sizes_count() {
    assert_eq!(end(&Guest::new("f", "").memories(7, 73), &small()).await, None);
    let handler = sandbox(small()).load(&Guest::new("f", "").memories(8, 64).wasm()).unwrap();
    let log: Arc<dyn LogSink> = Arc::new(LogBuffer::default());
    let listed = Environment::new(EnvironmentOptions::default(), &[handler], log).await.err().unwrap();
    assert!(listed.to_string().contains("32832 KiB"), "{listed}");
}

#[tokio::test]
async fn a_growth_that_fails_is_not_counted() {
    // The memory's own maximum is 100 pages.
    let tries = repeat(1000, "(drop (memory.grow 1 (i32.const 200)))");
    let guest = Guest::new("f", &format!("{tries} {}", grow(0, 300))).fields("(memory 1 100)\n");
    assert_eq!(end(&guest, &small()).await, None);
    // A request that no memory could have does not undo the one before it.
    let tries = repeat(64, &format!("{} (drop (memory.grow 1 (i32.const -1)))", grow(1, 16)));
    let ended = end(&Guest::new("f", &tries).memories(1, 0), &small()).await;
    assert_ends(ended.as_ref(), "Sandbox.MemoryLimitExceeded", "the limit is 32768 KiB");
}

#[tokio::test]
async fn tables_count() {
    let grow = |elements| {
        format!(
            "(if (i32.eq (table.grow 0 (ref.null func) (i32.const {elements})) (i32.const -1)) (then unreachable))"
        )
    };
    let table = "(table 0 funcref)\n";
    assert_eq!(end(&Guest::new("f", &grow(100_000)).fields(table), &small()).await, None);
    let ended = end(&Guest::new("f", &grow(100_001)).fields(table), &small()).await;
    assert_ends(
        ended.as_ref(),
        "Sandbox.MemoryLimitExceeded",
        "a table of 100001 elements; the limit is 100000",
    );
    // Each is 1,562.5 KiB.
    let tables = |number| {
        let fill = |at| {
            format!(
                "(if (i32.eq (table.grow {at} (ref.null func) (i32.const 100000)) (i32.const -1)) (then unreachable))\n"
            )
        };
        Guest::new("f", &(0..number).map(fill).collect::<String>()).fields(&table.repeat(number))
    };
    assert_eq!(end(&tables(20), &small()).await, None);
    assert_ends(
        end(&tables(21), &small()).await.as_ref(),
        "Sandbox.MemoryLimitExceeded",
        "the limit is 32768 KiB",
    );
}

#[test]
fn a_component_that_needs_more_than_an_instance_may_have_is_refused() {
    let memories = refused(&Guest::new("f", "").memories(16, 0));
    assert!(memories.contains("17") && memories.contains("16"), "{memories}");
    let of_several = refused(&Guest::new("f", "").modules(16));
    assert!(of_several.contains("17") && of_several.contains("16"), "{of_several}");
    let tables = "(table 0 funcref)\n";
    let refused_tables = refused(&Guest::new("f", "").fields(&tables.repeat(65)));
    assert!(refused_tables.contains("65") && refused_tables.contains("64"), "{refused_tables}");
    let empty: String = (0..100).map(|_| "(core instance (instantiate $empty))").collect();
    let guest = Guest { modules: format!("(core module $empty) {empty}"), ..Guest::new("f", "") };
    let instances = refused(&guest);
    assert!(instances.contains("101 core module instances") && instances.contains("100"), "{instances}");
    let large = refused(&Guest::new("f", "").memories(1, 8193));
    assert!(large.contains("536936448") && large.contains("0x20000000"), "{large}");
}

#[tokio::test]
async fn components_that_need_much_wait_for_each_other() {
    let sandbox = sandbox(SandboxLimits::default());
    let mut guests: Vec<Guest> = Vec::new();
    guests.extend((0..40).map(|at| Guest::new(&format!("wide{at}"), SECOND).memories(7, 1)));
    guests.extend((0..45).map(|at| Guest::new(&format!("many{at}"), SECOND).modules(13)));
    guests.extend((0..10).map(|at| Guest::new(&format!("small{at}"), SECOND)));
    let handlers: Vec<_> = guests.iter().map(|guest| sandbox.load(&guest.wasm()).unwrap()).collect();
    let names: Vec<_> = guests.iter().map(|guest| guest.name.clone()).collect();
    for (name, end) in names.iter().zip(ends(&handlers, &names).await) {
        assert_eq!(end, None, "{name}");
    }
}

#[tokio::test]
async fn more_sleepers_than_places_do_not_stop_virtual_time() {
    let handler = sandbox(SandboxLimits::default()).load(&Guest::new("f", SECOND).wasm()).unwrap();
    let names = vec!["f".to_owned(); 150];
    assert!(ends(&[handler], &names).await.iter().all(Option::is_none));
}

#[tokio::test]
async fn invocations_wait_for_the_memory_of_others() {
    let limits = SandboxLimits { memory: 32 * MIB, total_memory: 64 * MIB, ..SandboxLimits::default() };
    let steps = format!("{} {SECOND}", grow(0, 100)).repeat(5);
    let handler = sandbox(limits).load(&Guest::new("f", &steps).wasm()).unwrap();
    let names = vec!["f".to_owned(); 40];
    assert!(ends(&[handler], &names).await.iter().all(Option::is_none));
}

#[tokio::test]
async fn handles_are_limited() {
    let hold = |number| contexts("f", &repeat(number, "(drop (call $root))"));
    let few = SandboxLimits { handles: 1000, ..SandboxLimits::default() };
    assert_eq!(end(&hold(1000), &few).await, None);
    let says = "the handler holds 1001 contexts and pollables at once; the limit is 1000";
    assert_ends(end(&hold(1001), &few).await.as_ref(), "Sandbox.HandleLimitExceeded", says);
    let dropped = contexts("f", &repeat(100_000, "(call $drop (call $root))"));
    assert_eq!(end(&dropped, &few).await, None, "only those count that are held");
    // The default, of which wasmtime's own limit is a twentieth unless it is set.
    let usual = SandboxLimits::default();
    assert_eq!(end(&hold(2_000_000), &usual).await, None);
    let says = "2000001 contexts and pollables";
    assert_ends(end(&hold(2_000_001), &usual).await.as_ref(), "Sandbox.HandleLimitExceeded", says);
}

#[tokio::test]
async fn timers_are_limited() {
    let hold = |number| Guest::new("f", &repeat(number, "(drop (call $timer (i64.const 1000)))"));
    let usual = SandboxLimits::default();
    assert_eq!(end(&hold(100_000), &usual).await, None);
    let says = "the handler holds 100001 timers at once; the limit is 100000";
    assert_ends(end(&hold(100_001), &usual).await.as_ref(), "Sandbox.TimerLimitExceeded", says);
    let few = SandboxLimits { timers: 10, ..SandboxLimits::default() };
    assert_eq!(end(&hold(10), &few).await, None);
    assert_ends(end(&hold(11), &few).await.as_ref(), "Sandbox.TimerLimitExceeded", "11 timers");
}

#[tokio::test]
async fn handles_count_as_memory() {
    // A million handles are more than 32 MiB. They are counted at intervals of time, so the guest computes at the end.
    let code = format!("{} (loop $ever (br $ever))", repeat(1_000_000, "(drop (call $root))"));
    let ended = end(&contexts("f", &code), &small()).await;
    assert_ends(ended.as_ref(), "Sandbox.MemoryLimitExceeded", "the limit is 32768 KiB");
}

#[tokio::test]
async fn what_is_polled_counts_as_memory() {
    let poll = |number: usize| {
        let fill = "(i32.store $lists (i32.shl (local.get $i) (i32.const 2)) (global.get $handle))";
        let code = format!(
            "(drop (memory.grow $lists (i32.const {})))
             (global.set $handle (call $timer (i64.const 1000)))
             {}
             (call $poll (i32.const 0) (i32.const {number}) (i32.const 0))",
            number * 4 / 65536,
            repeat(number, fill),
        );
        Guest::new("f", &code).poll().fields("(global $handle (mut i32) (i32.const 0))\n")
    };
    let limits = SandboxLimits { memory: 16 * MIB, ..SandboxLimits::default() };
    assert_eq!(end(&poll(100_000), &limits).await, None);
    let limits = SandboxLimits { memory: 4 * MIB, ..SandboxLimits::default() };
    assert_ends(
        end(&poll(450_000), &limits).await.as_ref(),
        "Sandbox.MemoryLimitExceeded",
        "the limit is 4096 KiB",
    );
}

#[tokio::test]
async fn the_data_of_one_call_is_limited() {
    // A result of so many bytes, which the host copies. It does not exist before the call.
    let result = |bytes: usize| {
        let code = format!(
            "{} (i32.store8 (i32.const 2052) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 65536))
             (i32.store (i32.const 2060) (i32.const {bytes}))
             (memory.fill (i32.const 65536) (i32.const 49) (i32.const {bytes}))",
            grow(0, bytes / 65536 + 1)
        );
        Guest::new("f", &code)
    };
    let usual = SandboxLimits::default();
    assert_eq!(end(&result(1000), &usual).await, None);
    let says = "more data with the host in one call than 65536 KiB";
    assert_ends(end(&result(65 * MIB), &usual).await.as_ref(), "Sandbox.MemoryLimitExceeded", says);
}

#[tokio::test]
async fn handles_of_the_components_own_resources_are_limited() {
    let component = "(type $own (resource (rep i32))) (core func $make (canon resource.new $own))";
    let hold = |number| {
        let code = repeat(number, "(drop (call $make (i32.const 1)))");
        Guest::new("f", &code).import("make", component, "(param i32) (result i32)")
    };
    let usual = SandboxLimits::default();
    assert_eq!(end(&hold(100_000), &usual).await, None);
    let says = "100001 handles of all kinds at once; the limit is 100000";
    assert_ends(end(&hold(100_001), &usual).await.as_ref(), "Sandbox.HandleLimitExceeded", says);
}

#[tokio::test]
async fn handles_of_wasi_are_limited() {
    let hold = |number| {
        Guest::new("f", &repeat(number, "(drop (call $stdout))")).import("stdout", STDOUT, "(result i32)")
    };
    let usual = SandboxLimits::default();
    assert_eq!(end(&hold(256), &usual).await, None);
    assert_ends(
        end(&hold(257), &usual).await.as_ref(),
        "Sandbox.HandleLimitExceeded",
        "257 files, directories",
    );
}

#[tokio::test]
async fn the_stack_is_limited() {
    let guest = Guest::new("f", "(call $deep)").fields("(func $deep (call $deep) (call $deep))\n");
    let ended = end(&guest, &SandboxLimits::default()).await;
    assert_ends(ended.as_ref(), "Sandbox.StackLimitExceeded", "the limit is 512 KiB");
    // The host has stack left, however deep the guest is when it calls.
    let code = "(global.set $deepest (i32.const 1)) (call $deep)";
    let deep =
        "(func $deep (call $sleep (i64.const 1)) (call $deep))\n(global $deepest (mut i32) (i32.const 0))\n";
    let ended = end(&Guest::new("f", code).fields(deep), &SandboxLimits::default()).await;
    assert_ends(ended.as_ref(), "Sandbox.StackLimitExceeded", "the limit is 512 KiB");
}

/// The most memory that this process has had resident, in bytes.
fn most_resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Runs in a process of its own, started by the test below.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_that_fills_memory() {
    // Each takes the 512 MiB that an invocation may have by default, writes to all of it, and keeps it for a second.
    let bytes = 8191 * 65536;
    let fill = format!("(memory.fill (i32.const 65536) (i32.const 1) (i32.const {bytes}))");
    let guest = Guest::new("f", &format!("{} {fill} {SECOND}", grow(0, 8191)));
    let handler = sandbox(SandboxLimits::default()).load(&guest.wasm()).unwrap();
    let before = most_resident();
    let names = vec!["f".to_owned(); 6];
    assert!(ends(&[handler], &names).await.iter().all(Option::is_none));
    println!("took {} MiB", (most_resident() - before) / MIB);
    assert!(most_resident() - before < 1200 * MIB, "{} MiB", most_resident() / MIB);
}

/// Runs in a process of its own, started by the test below.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_without_address_space() {
    let steps = format!("{} {SECOND}", grow(0, 100)).repeat(4);
    let sandbox = sandbox(SandboxLimits::default());
    let handlers = [Guest::new("f", &steps), Guest::new("g", SECOND).memories(7, 1)]
        .map(|guest| sandbox.load(&guest.wasm()).unwrap());
    let names: Vec<_> = (0..100).map(|at| if at % 2 == 0 { "f" } else { "g" }.to_owned()).collect();
    for end in ends(&handlers, &names).await {
        assert_eq!(end, None);
    }
    println!("held {} instances", names.len());
}

/// Runs one of these tests in a process of its own, with at most so much address space, in KiB.
#[cfg(target_os = "linux")]
fn child(name: &str, address_space: &str, says: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $0 && exec \"$@\"", address_space]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains(says),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn default_limits_hold_on_a_machine_of_2_gib() {
    child("hostile_memory::child_that_fills_memory", "unlimited", "took ");
}

#[test]
#[cfg(target_os = "linux")]
fn the_sandbox_works_in_2_gib_of_address_space() {
    child("hostile_memory::child_without_address_space", "2097152", "held 100 instances");
}
