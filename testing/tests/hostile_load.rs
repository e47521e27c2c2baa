//! Components that are hostile to who loads them, in a test: in this process, on a thread with little stack.
#![allow(clippy::format_collect, reason = "the texts are small")]

use std::time::Duration;

use crate::hostile_set::loading;
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
    for (text, says) in [
        (loading::deep_types(), "the depth of its types is 101, and at most 100"),
        (loading::deep_instances(), "the depth of its types is 101"),
        (loading::doubling(), "the number of its instances is 1"),
        (loading::hard(), "the work to compile one of its functions is "),
    ] {
        let said = refused(&sandbox, &text);
        assert!(said.contains(says), "{said}");
    }
}

/// An input of the fuzz targets: a list of a list, 5,000 deep, in 15 kB.
#[test]
fn types_of_the_corpus_are_too_deep() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/component/deep-types");
    let wasm = std::fs::read(path).unwrap();
    let error = sandbox(CompileBounds::default()).load(&wasm).err().unwrap();
    assert!(matches!(error, SandboxError::Limit(_)), "{error:?}");
    let says = "the depth of its types is 101, and at most 100";
    assert!(error.to_string().contains(says), "{error}");
    let inspected = durawasm_build::inspect(&wasm).err().unwrap().to_string();
    assert!(inspected.contains(says), "{inspected}");
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
