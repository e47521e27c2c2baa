//! A compiler process that does not do what a compiler does is a named error.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in any way")]

use std::time::Duration;

use durawasm_compiler::{Bounds, CompileError, CompilerProcess, compile};
use wasmtime::Engine;

fn failure(program: &str, arguments: &[&str], time: Duration) -> CompileError {
    let arguments = arguments.iter().map(Into::into).collect();
    let process = Some(CompilerProcess { program: program.into(), arguments });
    let bounds = Bounds { time, memory: 1 << 20, process };
    let wasm = wat::parse_str("(component)").unwrap();
    compile(&Engine::default(), &wasm, &bounds).err().unwrap()
}

#[test]
fn what_is_no_compiler_is_named() {
    let long = Duration::from_mins(1);
    for (program, arguments) in [
        ("/no/such/compiler", [].as_slice()),
        ("sh", &["-c", "exit 3"]),
        ("sh", &["-c", "kill -SEGV $$"]),
        // Something is said, but not all of an answer: a compiler that was ended while it wrote.
        ("sh", &["-c", "printf 'C'"]),
        ("sh", &["-c", "printf 'C\\005\\000\\000\\000\\000\\000\\000\\000abcd'"]),
        ("sh", &["-c", "cat"]),
        // What never ends is read to a limit.
        ("sh", &["-c", "yes"]),
        ("sh", &["-c", "yes >&2"]),
    ] {
        let error = failure(program, arguments, long);
        assert!(matches!(error, CompileError::Compiler(_)), "{program} {arguments:?}: {error}");
    }
    let error = failure("sh", &["-c", "echo memory allocation of 8 bytes failed >&2; kill -ABRT $$"], long);
    assert_eq!(error, CompileError::Memory { limit: 1 << 20 });
    let invalid = "printf 'R\\003\\000\\000\\000\\000\\000\\000\\000bad'";
    assert_eq!(failure("sh", &["-c", invalid], long), CompileError::Invalid("bad".to_owned()));
}

#[test]
fn a_compiler_that_does_not_end_is_ended() {
    let limit = Duration::from_millis(50);
    for script in ["exec sleep 3600", "while true; do true; done"] {
        assert_eq!(failure("sh", &["-c", script], limit), CompileError::Time { limit });
    }
}
