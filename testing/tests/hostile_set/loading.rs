//! Files that are hostile to who loads them.

use super::row::Row;
use crate::common::wat_guest::Guest;

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::bytes("an empty file", Vec::new(), "not a valid"),
        Row::bytes("a text", b"hello".to_vec(), "not a valid"),
        Row::bytes("a module", b"\0asm\x01\0\0\0".to_vec(), "not a valid"),
        Row::bytes("a component without exports", b"\0asm\x0d\0\x01\0".to_vec(), "does not export"),
        Row::bytes("a component that is cut", cut(), "not a valid"),
        Row::bytes(
            "too many memories",
            Guest::new("f", "").memories(16, 0).wasm(),
            "memories count of 17 exceeds",
        ),
        Row::bytes("too many modules", Guest::new("f", "").modules(120).wasm(), ""),
        Row::bytes(
            "too many tables",
            Guest::new("f", "").fields(&"(table 0 funcref)\n".repeat(65)).wasm(),
            "tables count of 65 exceeds",
        ),
        Row::bytes("a memory that is too large", Guest::new("f", "").memories(1, 8193).wasm(), ""),
    ];
    for (name, text, says) in [
        ("deep types", deep_types(), "the depth of its types is 101"),
        ("deep instance types", deep_instances(), "the depth of its types is 101"),
        ("doubling instances", doubling(), "the number of its instances is 1"),
        ("a function that is hard to compile", hard(), "the work to compile one of its functions is "),
        ("deep components", deep_components(), ""),
        ("imports that there are not", unknown_import(), "wasi:sockets"),
        ("a core module as an import", "(component (import \"m\" (core module)))".to_owned(), ""),
    ] {
        rows.push(Row::bytes(
            name,
            wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")),
            says,
        ));
    }
    rows
}

fn cut() -> Vec<u8> {
    let mut bytes = Guest::new("f", "").wasm();
    bytes.truncate(bytes.len() / 2);
    bytes
}

pub fn deep_types() -> String {
    let lists = (1..5_000).map(|n| format!("(type $t{n} (list $t{}))", n - 1)).collect::<String>();
    format!("(component (type $t0 (list u8)) {lists})")
}

pub fn deep_instances() -> String {
    let instances = (1..200).map(|n| {
        let previous = n - 1;
        format!("(type $t{n} (instance (alias outer 1 $t{previous} (type $t)) (export \"a\" (instance (type $t)))))")
    });
    format!("(component (type $t0 (instance)) {})", instances.collect::<String>())
}

pub fn doubling() -> String {
    let inner = "(component (core module $m) (core instance (instantiate $m)))".to_owned();
    (0..24).fold(inner, |inner, _| {
        format!(
            "(component (component $c {}) (instance (instantiate $c)) (instance (instantiate $c)))",
            &inner[10..inner.len() - 1]
        )
    })
}

pub fn hard() -> String {
    let uses =
        (0..3_000).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
    let body = format!("{} {uses} {}", "loop ".repeat(5_000), "i32.const 0 br_if 0 end ".repeat(5_000));
    format!("(component (core module (func (local {}) {body})))", "i32 ".repeat(3_000))
}

fn deep_components() -> String {
    format!("{}{}", "(component ".repeat(90), ")".repeat(90))
}

fn unknown_import() -> String {
    "(component (import \"wasi:sockets/instance-network@0.2.0\" (instance
        (export \"network\" (type (sub resource)))
        (export \"instance-network\" (func (result (own 0)))))))"
        .to_owned()
}
