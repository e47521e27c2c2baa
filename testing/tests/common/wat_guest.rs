//! Components that are written as text, with code that no SDK generates.

use std::fmt::Write as _;

/// Fields of a component that make `$stdout`, a function which returns a handle of WASI.
pub const STDOUT: &str = r#"(import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stdout@0.2.0" (instance $cli
          (alias outer 1 $stream (type $outer))
          (export "output-stream" (type (eq $outer)))
          (export "get-stdout" (func (result (own 1))))))
        (core func $stdout (canon lower (func $cli "get-stdout")))"#;

/// A component, written as text. Its function returns null, unless its code traps.
#[derive(Clone)]
pub struct Guest {
    /// The name of its function.
    pub name: String,
    /// Fields of its core module: memories, tables, functions, globals.
    pub fields: String,
    /// The body of its function.
    pub code: String,
    /// Further core modules, each instantiated once.
    pub modules: String,
    /// Fields of the component.
    pub component: String,
    /// Core functions that its core module imports from `host`: exports of an instance.
    pub imports: String,
    /// The body of the function with which the host takes memory of it.
    pub realloc: String,
    /// The body of the function that lists its functions.
    pub registered: String,
}

impl Default for Guest {
    fn default() -> Self {
        let text = String::new;
        let realloc =
            "(global.set $free (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                  (global.get $free)
                  (global.set $free (i32.add (global.get $free) (local.get 3)))";
        Self {
            name: text(),
            fields: text(),
            code: text(),
            modules: text(),
            component: text(),
            imports: text(),
            realloc: realloc.to_owned(),
            registered: "(i32.const 1024)".to_owned(),
        }
    }
}

impl Guest {
    pub fn new(name: &str, code: &str) -> Self {
        Self { name: name.to_owned(), code: code.to_owned(), ..Self::default() }
    }

    pub fn fields(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// So many more memories of its core module, with so many pages. Their numbers start with 1.
    pub fn memories(mut self, number: usize, pages: usize) -> Self {
        for _ in 0..number {
            writeln!(self.fields, "(memory {pages} 65536)").unwrap();
        }
        self
    }

    /// So many core modules with one memory of one page and one table.
    pub fn modules(mut self, number: usize) -> Self {
        for at in 0..number {
            let body = "(memory 1) (table 1 funcref)";
            writeln!(self.modules, "(core module $m{at} {body}) (core instance (instantiate $m{at}))")
                .unwrap();
        }
        self
    }

    pub fn import(mut self, name: &str, component: &str, field: &str) -> Self {
        writeln!(self.component, "{component}").unwrap();
        writeln!(self.imports, "(export \"{name}\" (func ${name}))").unwrap();
        writeln!(self.fields, "(import \"host\" \"{name}\" (func ${name} {field}))").unwrap();
        self
    }

    /// A memory and a `realloc` that exist before the main module, for functions of the host that take or return lists and
    /// text: the memory `$lists` has one page, and what the host returns is written to its address 16.
    pub fn shared(mut self) -> Self {
        self.component.push_str(
            r#"(core module $shared
                 (memory (export "memory") 1 65536)
                 (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
               (core instance $shared (instantiate $shared))
               (alias core export $shared "memory" (core memory $lists))
               (alias core export $shared "realloc" (core func $realloc_list))"#,
        );
        self.imports.push_str("(export \"lists\" (memory $lists))\n");
        self.fields("(import \"host\" \"lists\" (memory $lists 1 65536))\n")
    }

    /// `$poll` of `wasi:io/poll`: the address and the length of a list in [`shared`](Self::shared) memory, and where the
    /// result is written.
    pub fn poll(self) -> Self {
        let component =
            "(core func $poll (canon lower (func $poll \"poll\") (memory $lists) (realloc $realloc_list)))";
        self.shared().import("poll", component, "(param i32 i32 i32)")
    }

    pub fn wasm(&self) -> Vec<u8> {
        let Self { name, fields, code, modules, component, imports, realloc, registered } = self;
        // Imports come first in a module.
        let (first, rest): (Vec<&str>, Vec<&str>) =
            fields.lines().partition(|line| line.starts_with("(import"));
        let text = format!(
            r#"(component
              (import "wasi:io/poll@0.2.0" (instance $poll
                (export "pollable" (type (sub resource)))
                (export "[method]pollable.block" (func (param "self" (borrow 0))))
                (export "poll" (func (param "in" (list (borrow 0))) (result (list u32))))))
              (alias export $poll "pollable" (type $pollable))
              (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (alias outer 1 $pollable (type $outer))
                (export "pollable" (type (eq $outer)))
                (export "subscribe-duration" (func (param "when" u64) (result (own 1))))))
              (core func $block (canon lower (func $poll "[method]pollable.block")))
              (core func $timer (canon lower (func $clock "subscribe-duration")))
              {component}
              {modules}
              (core module $main
                (import "host" "block" (func $block (param i32)))
                (import "host" "timer" (func $timer (param i64) (result i32)))
                {}
                (memory $memory (export "memory") 1 65536)
                (global $free (mut i32) (i32.const 8192))
                {}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                  {realloc})
                (func $sleep (param i64) (call $block (call $timer (local.get 0))))
                (func (export "registered") (result i32) {registered})
                (func (export "handle") (param i32 i32 i32 i32) (result i32)
                  (local $i i32)
                  {code}
                  (i32.const 2048))
                (data (memory $memory) (i32.const 1024) "\10\04\00\00\01\00\00\00")
                (data (memory $memory) (i32.const 1040) "\00\05\00\00\{:02x}\00\00\00\00\00\00\00")
                (data (memory $memory) (i32.const 1280) "{name}"))
              (core instance $host
                (export "block" (func $block))
                (export "timer" (func $timer))
                {imports})
              (core instance $i (instantiate $main (with "host" (instance $host))))
              (alias core export $i "memory" (core memory $memory))
              (alias core export $i "realloc" (core func $realloc))
              (type $kind (enum "durable" "plain"))
              (type $info (record (field "name" string) (field "kind" $kind)))
              (type $error (record (field "error-type" (option string)) (field "message" (option string))
                (field "data" (option string)) (field "stack-trace" (list string))))
              (func $registered (result (list $info))
                (canon lift (core func $i "registered") (memory $memory)))
              (func $handle (param "function" string) (param "event" string)
                (result (result (option string) (error $error)))
                (canon lift (core func $i "handle") (memory $memory) (realloc $realloc)))
              (component $exports
                (type $kind0 (enum "durable" "plain"))
                (import "kind" (type $kind (eq $kind0)))
                (type $info0 (record (field "name" string) (field "kind" $kind)))
                (import "info" (type $info (eq $info0)))
                (type $error0 (record (field "error-type" (option string)) (field "message" (option string))
                  (field "data" (option string)) (field "stack-trace" (list string))))
                (import "error" (type $error (eq $error0)))
                (import "registered" (func $registered (result (list $info))))
                (import "handle" (func $handle (param "function" string) (param "event" string)
                  (result (result (option string) (error $error)))))
                (export $kind1 "kind" (type $kind0))
                (type $info1 (record (field "name" string) (field "kind" $kind1)))
                (export $info2 "function-info" (type $info1))
                (export $error1 "error-object" (type $error0))
                (export "registered" (func $registered) (func (result (list $info2))))
                (export "handle" (func $handle) (func (param "function" string) (param "event" string)
                  (result (result (option string) (error $error1))))))
              (instance $functions (instantiate $exports
                (with "kind" (type $kind)) (with "info" (type $info)) (with "error" (type $error))
                (with "registered" (func $registered)) (with "handle" (func $handle))))
              (export "durawasm:durable/functions@0.1.0" (instance $functions)))"#,
            first.join("\n"),
            rest.join("\n"),
            name.len(),
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Code that grows a memory by so many pages, and traps if that fails.
pub fn grow(memory: usize, pages: usize) -> String {
    format!("(if (i32.eq (memory.grow {memory} (i32.const {pages})) (i32.const -1)) (then unreachable))\n")
}

/// Code that is repeated.
pub fn repeat(times: usize, code: &str) -> String {
    format!(
        "(loop $again {code} (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))"
    )
}

/// Code that sleeps for a second.
pub const SECOND: &str = "(call $sleep (i64.const 1000000000))";

/// A component that can make contexts with `$root`, and drop them with `$drop`.
pub fn contexts(name: &str, code: &str) -> Guest {
    let component = r#"(import "durawasm:durable/operations@0.1.0" (instance $operations
          (export "context" (type (sub resource)))
          (export "[static]context.root" (func (result (own 0))))))
        (alias export $operations "context" (type $context))
        (core func $root (canon lower (func $operations "[static]context.root")))
        (core func $drop (canon resource.drop $context))"#;
    Guest::new(name, code).import("root", component, "(result i32)").import("drop", "", "(param i32)")
}
