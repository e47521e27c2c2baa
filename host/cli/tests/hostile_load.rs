//! Components that are hostile to who loads them, and crates that nobody trusts. Each command ends with a named error.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]
#![allow(clippy::format_collect, reason = "the texts are small")]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use common::{err, json_of, out, root};
use durawasm_sandbox::{Sandbox, SandboxLimits};

fn durawasm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null()).env("DURAWASM_CACHE", "");
    command.output().unwrap()
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A component that exports the contract's interface, with these functions in its core module.
fn handler(functions: &str) -> Vec<u8> {
    wat::parse_str(format!(
        "(component
            (core module $m (func (export \"f\")) {functions})
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\")))
            (instance $x (export \"registered\" (func $f)) (export \"handle\" (func $f)))
            (export \"durawasm:durable/functions@0.1.0\" (instance $x)))"
    ))
    .unwrap()
}

/// A function that takes a compiler a second and more, and has 3 kB.
fn slow() -> String {
    let uses =
        (0..200).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
    let body = format!("{} {uses} {}", "loop ".repeat(100), "i32.const 0 br_if 0 end ".repeat(100));
    format!("(func (local {}) {body})", "i32 ".repeat(200))
}

/// A function that takes a compiler 100 MiB and more, and has 6 kB.
fn large() -> String {
    let values = "i32 ".repeat(1_000);
    format!(
        "(func $g (param {values}) (result {values}) unreachable) (func {} {} {})",
        "i32.const 0 ".repeat(1_000),
        "call $g ".repeat(200),
        "drop ".repeat(1_000)
    )
}

fn error_of(output: &Output, code: i32) -> String {
    let errors = err(output);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "{}", out(output));
    let lines: Vec<_> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{errors}");
    lines[0].to_owned()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number & 127).unwrap() | 128);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// A component with types that are nested 5,000 deep.
fn deep() -> Vec<u8> {
    let ty = [[0x41, 1, 1].repeat(4_999), vec![0x41, 0]].concat();
    [b"\0asm\x0d\0\x01\0".as_slice(), &section(7, &[vec![1], ty].concat())].concat()
}

#[test]
fn deep_types_are_an_error_and_no_overflow_of_the_stack() {
    let files = Files::new();
    let metadata = [b"\x16component-type:handler".as_slice(), &deep()].concat();
    let chain = (1..200).map(|n| {
        let previous = n - 1;
        format!("(type $t{n} (instance (alias outer 1 $t{previous} (type $t)) (export \"a\" (instance (type $t)))))")
    });
    let chain =
        wat::parse_str(format!("(component (type $t0 (instance)) {})", chain.collect::<String>())).unwrap();
    let module = [b"\0asm\x01\0\0\0".as_slice(), &section(0, &metadata)].concat();
    for path in [
        files.write("deep.wasm", deep()),
        files.write("module.wasm", module),
        files.write("chain.wasm", chain),
    ] {
        for command in ["run", "inspect", "check"] {
            let error = error_of(&durawasm(&[command, &path]), 4);
            assert!(error.contains("it is too complex: "), "{command} {path}: {error}");
        }
    }
}

#[test]
fn doubling_instances_are_an_error() {
    let files = Files::new();
    let inner = "(component (core module $m) (core instance (instantiate $m)))".to_owned();
    let doubled = (0..26).fold(inner, |inner, _| {
        format!(
            "(component (component $c {}) (instance (instantiate $c)) (instance (instantiate $c)))",
            &inner[10..inner.len() - 1]
        )
    });
    let path = files.write("doubled.wasm", wat::parse_str(doubled).unwrap());
    let error = error_of(&durawasm(&["run", &path]), 4);
    assert!(error.contains("the number of its instances is 1"), "{error}");
}

#[test]
fn a_function_that_takes_minutes_to_compile_is_refused() {
    let files = Files::new();
    let uses =
        (0..3_000).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
    let loops = format!("{} {uses} {}", "loop ".repeat(5_000), "i32.const 0 br_if 0 end ".repeat(5_000));
    let path =
        files.write("loops.wasm", handler(&format!("(func (local {}) {loops})", "i32 ".repeat(3_000))));
    let error = error_of(&durawasm(&["run", &path]), 4);
    assert!(error.contains("the work to compile one of its functions is "), "{error}");
    // Nothing is compiled to inspect it.
    let inspected = json_of(&durawasm(&["inspect", &path, "--json"]));
    assert_eq!(inspected["exports"]["interfaces"][0]["name"], "durawasm:durable/functions");
}

#[test]
fn compiling_ends_at_its_limit_of_time() {
    let files = Files::new();
    let path = files.write("slow.wasm", handler(&slow().repeat(50)));
    let error = error_of(&durawasm(&["run", &path, "--compile-timeout", "1s"]), 4);
    assert!(error.ends_with("compiling it takes longer than 1s (--compile-timeout)"), "{error}");
    let scenario = files.write("slow.test.yaml", "handler: slow.wasm\nscenarios:\n  - name: one\n");
    let error = error_of(&durawasm(&["test", &scenario, "--compile-timeout", "1s"]), 4);
    assert!(error.ends_with("compiling it takes longer than 1s (--compile-timeout)"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn compiling_ends_at_its_limit_of_memory() {
    let files = Files::new();
    let path = files.write("large.wasm", handler(&large()));
    let error = error_of(&durawasm(&["run", &path, "--compile-memory", "64"]), 4);
    assert!(error.ends_with("compiling it takes more memory than 64 MiB (--compile-memory)"), "{error}");
}

/// Loads a component as a test does, which has no executable of durawasm that it could start. It is run by the next test, in
/// a process that has a compiler in its environment.
#[test]
#[ignore = "run by another test, in another process"]
fn child_that_loads_with_the_library() {
    let wasm = fs::read(std::env::var_os("COMPONENT").unwrap()).unwrap();
    let (sandbox, _) = Sandbox::with_default_cache(&SandboxLimits::default()).unwrap();
    println!("said: {}", sandbox.load(&wasm).err().map(|error| error.to_string()).unwrap_or_default());
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_compiles_with_the_executable_in_the_environment() {
    use std::os::unix::fs::PermissionsExt as _;

    let files = Files::new();
    let program = |name: &str, text: &str| {
        let path = files.write(name, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let durawasm = env!("CARGO_BIN_EXE_durawasm");
    let told = files.0.path().join("told").to_str().unwrap().to_owned();
    // It notes how it is started.
    let compiler = program("compiler", &format!("echo \"$@\" >> {told}; exec {durawasm} \"$@\""));
    // The same with a sixteenth of the memory: a component that needs so much for a compiler is too large to write here.
    let small = program("small", &format!("exec {durawasm} \"$1\" $(($2 / 16)) \"$3\""));
    let load = |compiler: &str, component: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_that_loads_with_the_library", "--ignored", "--nocapture"]);
        command.env("DURAWASM_CACHE", "").env("DURAWASM_COMPILER", compiler).env("COMPONENT", component);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}{}", out(&output), err(&output));
        let said = out(&output).lines().find_map(|line| Some(line.split_once("said: ")?.1.to_owned()));
        said.unwrap()
    };
    let (fits, large) = (files.write("fits.wasm", handler("")), files.write("large.wasm", handler(&large())));
    assert_eq!(load(&compiler, &fits), "");
    assert_eq!(fs::read_to_string(&told).unwrap(), format!("compile-component {} {}\n", 1 << 30, seconds()));
    assert_eq!(load(&compiler, &large), "");
    let said = load(&small, &large);
    assert!(said.contains("compiling it takes more memory than 1024 MiB"), "{said}");
    let said = load("/no/such/compiler", &fits);
    assert!(said.contains("the compiler failed: /no/such/compiler"), "{said}");
    assert_eq!(load("", &fits), "", "without a compiler it is compiled in the process");
}

/// The CPU time that a compiler gets by default, in seconds.
#[cfg(target_os = "linux")]
fn seconds() -> usize {
    122 * std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// A crate whose build script would leave a file.
fn crate_of_a_stranger(files: &Files) -> (String, PathBuf) {
    let trace = files.0.path().join("trace");
    let folder = files.0.path().join("stranger");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"stranger\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    )
    .unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    let path = trace.to_str().unwrap();
    fs::write(folder.join("build.rs"), format!("fn main() {{ std::fs::write({path:?}, \"\").unwrap(); }}"))
        .unwrap();
    (folder.to_str().unwrap().to_owned(), trace)
}

#[test]
fn a_crate_is_not_built_where_only_components_are_accepted() {
    let files = Files::new();
    let (folder, trace) = crate_of_a_stranger(&files);
    let manifest = format!("{folder}/Cargo.toml");
    let scenario = files.write("s.test.yaml", "handler: stranger\nscenarios:\n  - name: one\n");
    for arguments in [
        vec!["run", &folder, "--no-build"],
        vec!["run", &manifest, "--no-build"],
        vec!["check", &folder, "--no-build"],
        vec!["test", &scenario, "--no-build"],
        vec!["test", &scenario, "--no-build", "--handler", &folder],
    ] {
        let error = error_of(&durawasm(&arguments), 2);
        assert!(
            error.contains("is a crate, and --no-build permits components only"),
            "{arguments:?}: {error}"
        );
    }
    for path in [&folder, &manifest] {
        let error = error_of(&durawasm(&["inspect", path]), 2);
        assert!(error.contains("use --build if you trust it"), "{error}");
    }
    assert!(!trace.exists(), "nothing of the crate has run");
    for options in [["--no-build", "--debug"], ["--no-build", "--package=a"], ["--no-build", "--features=a"]]
    {
        assert_eq!(durawasm(&[["run", &folder].as_slice(), &options].concat()).status.code(), Some(2));
    }
}

#[test]
fn the_help_says_what_runs_outside_of_the_sandbox() {
    for (command, option) in
        [("run", "--no-build"), ("test", "--no-build"), ("check", "--no-build"), ("inspect", "--build")]
    {
        let help = out(&durawasm(&[command, "--help"])).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(option) && help.contains("outside of the sandbox"), "{command}: {help}");
    }
    assert!(!out(&durawasm(&["--help"])).contains("compile-component"));
}
