//! Hostile components that are written as text: what no SDK generates.

use serde_json::Value;

use super::row::{
    Class::{self, Busy, Greedy},
    Ends::{self, Failed, Returned, Succeeded, Unlisted},
    Row,
};
use crate::common::wat_guest::{Guest, STDOUT, contexts, grow, repeat};

const CPU: Ends = Failed("Sandbox.CpuLimitExceeded", "of CPU time; the limit is 200ms");
const MEMORY: Ends = Failed("Sandbox.MemoryLimitExceeded", "");
const EXIT: &str = "Runtime.ExitError";
const FOREVER: &str = "(loop $ever (br $ever))";

fn row(class: Class, name: &str, guest: Guest, ends: Ends) -> Row {
    Row::text(class, name, guest, ends)
}

fn code(class: Class, name: &str, code: &str, ends: Ends) -> Row {
    row(class, name, Guest::new("f", code), ends)
}

pub fn rows() -> Vec<Row> {
    [time(), memory(), handles(), traps(), forged(), returned(), listing()].concat()
}

fn time() -> Vec<Row> {
    let started = Guest::new("f", "").fields(&format!("(func $start {FOREVER})\n(start $start)\n"));
    let realloc = Guest { realloc: format!("{FOREVER} unreachable"), ..Guest::new("f", "") };
    let table = "(table $t 100000 funcref)\n";
    let fill = "(loop $ever (table.fill $t (i32.const 0) (ref.null func) (i32.const 100000)) (br $ever))";
    let copy = format!(
        "{} (loop $ever (memory.copy (i32.const 65536) (i32.const 65600) (i32.const 33554432)) (br $ever))",
        grow(0, 600)
    );
    vec![
        code(Busy, "an endless loop", FOREVER, CPU),
        row(Busy, "an endless loop of its realloc", realloc, CPU),
        row(Busy, "an endless loop at its start", started, Unlisted("Sandbox.CpuLimitExceeded", "200ms")),
        row(Busy, "tables that are filled", Guest::new("f", fill).fields(table), CPU),
        code(Busy, "memory that is copied", &copy, CPU),
        code(
            Busy,
            "growth that fails",
            "(loop $ever (drop (memory.grow 0 (i32.const 65535))) (br $ever))",
            CPU,
        ),
        code(Busy, "timers that are over", "(loop $ever (call $sleep (i64.const 0)) (br $ever))", CPU),
        row(
            Busy,
            "contexts that are dropped",
            contexts("f", "(loop $ever (call $drop (call $root)) (br $ever))"),
            CPU,
        ),
        row(
            Greedy,
            "more random bytes than there are",
            random("(call $random (i64.const -1) (i32.const 0))"),
            Failed("Sandbox.RandomLimitExceeded", ""),
        ),
        row(
            Busy,
            "random bytes without an end",
            random("(loop $ever (call $random (i64.const 40000) (i32.const 0)) (br $ever))"),
            CPU,
        ),
    ]
}

/// `$random`: how many bytes, and where the list is written.
fn random(code: &str) -> Guest {
    let component = r#"(import "wasi:random/random@0.2.0" (instance $random
          (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core func $random (canon lower (func $random "get-random-bytes") (memory $lists) (realloc $realloc_list)))"#;
    Guest::new("f", code).shared().import("random", component, "(param i64 i32)")
}

fn memory() -> Vec<Row> {
    let several: String = (0..8).map(|memory| grow(memory, 512)).collect();
    let table = |elements| {
        format!(
            "(if (i32.eq (table.grow 0 (ref.null func) (i32.const {elements})) (i32.const -1)) (then unreachable))"
        )
    };
    let tables: String =
        (0..64).map(|at| format!("(drop (table.grow {at} (ref.null func) (i32.const 100000)))\n")).collect();
    // 100 MiB in 64 tables of 100,000 elements; the limit is 128 MiB, of which a memory takes the rest.
    let tables = format!("{tables} {}", grow(0, 600));
    let result = format!(
        "{} (i32.store8 (i32.const 2052) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 65536))
         (i32.store (i32.const 2060) (i32.const {}))",
        grow(0, 1100),
        65 << 20
    );
    let recursion = "(func $deep (call $sleep (i64.const 1)) (call $deep) (call $deep))\n";
    vec![
        code(Greedy, "one memory", &grow(0, 3000), MEMORY),
        row(Greedy, "a sum of memories", Guest::new("f", &several).memories(7, 0), MEMORY),
        row(Greedy, "initial memories", Guest::new("f", "").memories(15, 200),
            Unlisted("Sandbox.MemoryLimitExceeded", "131072 KiB")),
        row(Greedy, "a large table", Guest::new("f", &table(100_001)).fields("(table 0 funcref)\n"), MEMORY),
        row(Greedy, "a sum of tables", Guest::new("f", &tables).fields(&"(table 0 funcref)\n".repeat(64)), MEMORY),
        row(Greedy, "the data of one call", Guest::new("f", &result), MEMORY),
        row(Greedy, "calls of the host at any depth", Guest::new("f", "(call $deep)").fields(recursion),
            Failed("Sandbox.TimerLimitExceeded", "1001 timers at once")),
        row(Greedy, "lists as large as memory", Guest::new("f",
            "(drop (memory.grow $lists (i32.const 60))) (call $poll (i32.const 0) (i32.const 900000) (i32.const 0))")
            .poll(), Failed(EXIT, "unknown handle index")),
    ]
}

fn handles() -> Vec<Row> {
    let own = "(type $own (resource (rep i32))) (core func $make (canon resource.new $own))";
    let limit = |says| Failed("Sandbox.HandleLimitExceeded", says);
    let many = |call: &str| repeat(1_000_000, &format!("(drop {call})"));
    vec![
        row(Greedy, "contexts", contexts("f", &many("(call $root)")), limit("10001 contexts and pollables")),
        code(
            Greedy,
            "timers",
            &many("(call $timer (i64.const 1000))"),
            Failed("Sandbox.TimerLimitExceeded", "1001 timers"),
        ),
        row(
            Greedy,
            "streams",
            Guest::new("f", &many("(call $stdout)")).import("stdout", STDOUT, "(result i32)"),
            limit("257 files"),
        ),
        row(
            Greedy,
            "resources of its own",
            Guest::new("f", &many("(call $make (i32.const 1))")).import(
                "make",
                own,
                "(param i32) (result i32)",
            ),
            limit("handles of all kinds at once"),
        ),
    ]
}

fn traps() -> Vec<Row> {
    let trap = |name, text, says| code(Greedy, name, text, Failed(EXIT, says));
    let started = Guest::new("f", "").fields("(func $start unreachable)\n(start $start)\n");
    let null = Guest::new("f", "(call_indirect $t (type $none) (i32.const 0))")
        .fields("(type $none (func))\n(table $t 1 funcref)\n");
    vec![
        trap("unreachable", "unreachable", "unreachable"),
        trap("a division by zero", "(drop (i32.div_s (i32.const 1) (local.get $i)))", "divide by zero"),
        trap(
            "a conversion that overflows",
            "(drop (i32.trunc_f64_s (f64.const nan)))",
            "conversion to integer",
        ),
        trap("a load out of bounds", "(drop (i64.load (i32.const -1)))", "out of bounds"),
        trap(
            "a fill out of bounds",
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))",
            "out of bounds",
        ),
        row(Greedy, "a call of nothing", null, Failed(EXIT, "uninitialized element")),
        row(Greedy, "a trap at its start", started, Unlisted(EXIT, "unreachable")),
    ]
}

/// Handles and addresses that the guest was never given.
fn forged() -> Vec<Row> {
    let poll = |text: &str| Guest::new("f", text).poll();
    let failed = |says| Failed(EXIT, says);
    let realloc = |body: &str| Guest { realloc: body.to_owned(), ..Guest::new("f", "") };
    vec![
        code(Greedy, "a forged handle", "(call $block (i32.const 123456))", failed("unknown handle")),
        code(
            Greedy,
            "a forged handle, the largest",
            "(call $block (i32.const -1))",
            failed("unknown handle"),
        ),
        row(
            Greedy,
            "a handle that is dropped twice",
            contexts(
                "f",
                "(local.set $i (call $root)) (call $drop (local.get $i)) (call $drop (local.get $i))",
            ),
            failed("unknown handle"),
        ),
        row(
            Greedy,
            "a handle of another type",
            contexts("f", "(call $block (call $root))"),
            failed("handle"),
        ),
        row(
            Greedy,
            "a list outside of memory",
            poll("(call $poll (i32.const -4) (i32.const 1) (i32.const 0))"),
            failed("out of bounds"),
        ),
        row(
            Greedy,
            "a list as long as can be",
            poll("(call $poll (i32.const 0) (i32.const -1) (i32.const 0))"),
            failed("out of bounds"),
        ),
        row(
            Greedy,
            "a list that is not aligned",
            poll("(call $poll (i32.const 1) (i32.const 1) (i32.const 0))"),
            failed("aligned"),
        ),
        row(
            Greedy,
            "a list of forged handles",
            poll("(call $poll (i32.const 0) (i32.const 1000) (i32.const 0))"),
            failed("unknown handle"),
        ),
        row(
            Greedy,
            "a realloc outside of memory",
            realloc("(i32.const -16)"),
            failed("beyond end of memory"),
        ),
        row(
            Greedy,
            "a realloc that calls the host",
            realloc("(call $sleep (i64.const 1)) (i32.const 16)"),
            failed("cannot leave component instance"),
        ),
        row(
            Greedy,
            "a realloc without an end",
            realloc("(call $sleep (i64.const 1)) unreachable"),
            failed(""),
        ),
    ]
}

/// Results that are none.
fn returned() -> Vec<Row> {
    // `ok(some(text))` at the address, with the length.
    let some = |address: i32, length: i32| {
        format!(
            "(i32.store8 (i32.const 2052) (i32.const 1)) (i32.store (i32.const 2056) (i32.const {address}))
             (i32.store (i32.const 2060) (i32.const {length}))"
        )
    };
    let json = |text: &str| {
        Guest::new("f", &some(32768, 3))
            .fields(&format!("(data (memory $memory) (i32.const 32768) \"{text}\")\n"))
    };
    let failed = |says| Failed(EXIT, says);
    vec![
        code(Greedy, "a result outside of memory", "(return (i32.const -4))", failed("out of bounds")),
        code(Greedy, "a result that is not aligned", "(return (i32.const 2049))", failed("aligned")),
        code(Greedy, "a result of no kind", "(i32.store8 (i32.const 2048) (i32.const 7))", failed("invalid")),
        code(Greedy, "a text outside of memory", &some(65_000, 60_000), failed("out of bounds")),
        code(Greedy, "a text as long as can be", &some(0, -1), failed("out of bounds")),
        row(Greedy, "a text that is not UTF-8", json(r"\ff\fe\fd"), failed("utf-8")),
        row(Greedy, "a result that is not JSON", json("{]}"), Returned("{]}")),
        row(Greedy, "a result with a null byte", json(r"\00\00\00"), Returned("\0\0\0")),
        row(Greedy, "a result that is JSON", json("123"), Succeeded(Value::from(123))),
    ]
}

/// Lists of functions that are none.
fn listing() -> Vec<Row> {
    let named = |name: &str| Guest::new(name, "");
    let registered = |body: &str| Guest { registered: body.to_owned(), ..Guest::new("f", "") };
    let list = |address: i32, length: i32| {
        format!(
            "(i32.store (i32.const 1024) (i32.const {address})) (i32.store (i32.const 1028) (i32.const {length}))
             (i32.const 1024)"
        )
    };
    let contract = |says| Unlisted("Durable.ContractViolation", says);
    vec![
        row(Greedy, "a name that is no word", named("a b"), contract("a name is 1 to 64 of")),
        row(Greedy, "a long name", named(&"n".repeat(65)), contract("of 65 bytes")),
        row(
            Busy,
            "a list without an end",
            registered(&format!("{FOREVER} unreachable")),
            Unlisted("Sandbox.CpuLimitExceeded", ""),
        ),
        row(Greedy, "a list that traps", registered("unreachable"), Unlisted(EXIT, "unreachable")),
        row(
            Greedy,
            "a list of functions outside of memory",
            registered(&list(65_500, 10_000)),
            Unlisted(EXIT, "out of bounds"),
        ),
        row(
            Greedy,
            "a list of functions as long as can be",
            registered(&list(0, -1)),
            Unlisted(EXIT, "out of bounds"),
        ),
        row(Greedy, "a list of thousands", registered(&list(4096, 4000)), contract("lists 4000 functions")),
    ]
}
