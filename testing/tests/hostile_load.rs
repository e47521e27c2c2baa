//! Components that are hostile to who loads them, in a test: in this process, on a thread with little stack.
#![allow(clippy::format_collect, reason = "the texts are small")]

use std::time::Duration;

use durawasm_sandbox::{CompileBounds, Sandbox, SandboxError, SandboxOptions};

fn sandbox(compiling: CompileBounds) -> Sandbox {
    Sandbox::new(SandboxOptions { compiling, ..SandboxOptions::default() }).unwrap()
}

fn refused(sandbox: &Sandbox, wat: &str) -> String {
    let wasm = wat::parse_str(wat).unwrap();
    match sandbox.load(&wasm) {
        Err(error @ SandboxError::Limit(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is loaded"),
    }
}

#[test]
fn what_is_too_complex_is_a_named_error() {
    let sandbox = sandbox(CompileBounds::default());
    let lists = (1..5_000).map(|n| format!("(type $t{n} (list $t{}))", n - 1)).collect::<String>();
    let said = refused(&sandbox, &format!("(component (type $t0 (list u8)) {lists})"));
    assert!(said.contains("the depth of its types is 101, and at most 100"), "{said}");

    let instances = (1..200).map(|n| {
        let previous = n - 1;
        format!("(type $t{n} (instance (alias outer 1 $t{previous} (type $t)) (export \"a\" (instance (type $t)))))")
    });
    let said =
        refused(&sandbox, &format!("(component (type $t0 (instance)) {})", instances.collect::<String>()));
    assert!(said.contains("the depth of its types is 101"), "{said}");

    let inner = "(component (core module $m) (core instance (instantiate $m)))".to_owned();
    let doubled = (0..24).fold(inner, |inner, _| {
        format!(
            "(component (component $c {}) (instance (instantiate $c)) (instance (instantiate $c)))",
            &inner[10..inner.len() - 1]
        )
    });
    let said = refused(&sandbox, &doubled);
    assert!(said.contains("the number of its instances is 1"), "{said}");

    let uses =
        (0..3_000).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
    let body = format!("{} {uses} {}", "loop ".repeat(5_000), "i32.const 0 br_if 0 end ".repeat(5_000));
    let said = refused(
        &sandbox,
        &format!("(component (core module (func (local {}) {body})))", "i32 ".repeat(3_000)),
    );
    assert!(said.contains("the work to compile one of its functions is "), "{said}");
}

#[test]
fn a_test_does_not_wait_for_a_compiler_longer_than_it_says() {
    let sandbox = sandbox(CompileBounds { time: Duration::from_millis(1), ..CompileBounds::default() });
    let uses =
        (0..100).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
    let body = format!("{} {uses} {}", "loop ".repeat(100), "i32.const 0 br_if 0 end ".repeat(100));
    let said =
        refused(&sandbox, &format!("(component (core module (func (local {}) {body})))", "i32 ".repeat(100)));
    assert!(said.contains("compiling it takes longer than 1ms"), "{said}");
}

#[test]
fn what_is_no_file_is_not_read() {
    let sandbox = sandbox(CompileBounds::default());
    let dir = tempfile::tempdir().unwrap();
    assert!(sandbox.load_file(dir.path()).err().unwrap().to_string().contains("not a file"));
}
