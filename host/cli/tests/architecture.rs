//! `docs/architecture.md` describes the workspace as it is: its crates, their modules, and which import which.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

#[path = "architecture/imports.rs"]
mod imports;

use imports::Imports;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table under this heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = text("docs/architecture.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn manifest(path: &str) -> toml::Table {
    text(&format!("{path}/Cargo.toml")).parse().unwrap()
}

/// The workspace's members, with their manifests.
fn members() -> BTreeMap<String, toml::Table> {
    let workspace: toml::Table = text("Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap()).map(|m| (m.to_owned(), manifest(m))).collect()
}

/// The names of the dependencies in these tables, those for one target only included.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let targets = targets.filter_map(|target| target.get("dependencies"));
    let tables = manifest.get("dependencies").into_iter().chain(targets);
    let packages = |table: &toml::Table| -> Vec<String> {
        let renamed =
            |needed: &toml::Value| needed.get("package").and_then(|name| name.as_str().map(str::to_owned));
        table.iter().map(|(name, needed)| renamed(needed).unwrap_or_else(|| name.clone())).collect()
    };
    tables.filter_map(|table| table.as_table()).flat_map(packages).collect()
}

/// The crates whose modules are layers, with the heading of the table that lists these, the lowest first.
const LAYERED: [(&str, &str); 2] =
    [("host/core/src", "Modules of the core"), ("guest-sdk/src", "Layers of the guest SDK")];

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    // The handlers of tests and examples are not part of the product.
    let is_product =
        |path: &&String| path.starts_with("guest-sdk") || path.starts_with("host/") || *path == "testing";
    let members = members();
    let sources: Vec<String> = members.keys().filter(is_product).map(|path| format!("{path}/src")).collect();
    assert!(sources.len() >= 12, "{sources:?}");
    for source in sources {
        let circles = Imports::read(&root().join(&source)).circles();
        assert!(circles.is_empty(), "{source}: {}", circles.join(""));
    }
}

#[test]
fn each_layer_imports_only_from_itself_and_those_above_it_in_the_table() {
    for (source, heading) in LAYERED {
        let layers: Vec<String> = table(heading).iter().flat_map(|row| quoted(&row[0])).collect();
        // The crate's root is in no layer: it declares and re-exports them.
        let is_root = |file: &str| ["lib.rs", "main.rs"].contains(&file);
        let layer = |file: &str| file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let imports = Imports::read(&root().join(source));
        let modules: BTreeSet<_> = imports.files().filter(|file| !is_root(file)).map(layer).collect();
        let listed: BTreeSet<_> = layers.iter().cloned().collect();
        assert_eq!(listed, modules, "the layers in {heading:?}, and the modules of {source}");
        let place = |file: &str| layers.iter().position(|other| *other == layer(file));
        let is_upward = |from: &str, to: &str| !is_root(from) && (is_root(to) || place(to) > place(from));
        let upward = imports.edges().filter(|(from, to, _)| is_upward(from, to));
        let upward: Vec<_> =
            upward.map(|(from, to, names)| format!("    {from} imports {names} from {to}\n")).collect();
        let count = upward.len();
        assert!(
            upward.is_empty(),
            "{source}: {count} imports from lower rows of {heading:?}\n{}",
            upward.concat()
        );
    }
}

#[test]
fn the_table_lists_the_modules_of_the_testing_crate() {
    let heading = "Modules of the testing crate";
    // The first cell names the modules, and the others may name more.
    let listed: BTreeSet<String> = table(heading).iter().flat_map(|row| quoted(&row.concat())).collect();
    let imports = Imports::read(&root().join("testing/src"));
    let modules = imports.files().filter(|file| *file != "lib.rs");
    let modules: BTreeSet<String> =
        modules.map(|file| file.split('/').next().unwrap().trim_end_matches(".rs").to_owned()).collect();
    let missing: Vec<_> = modules.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_table_lists_each_crate_with_the_crates_that_it_depends_on() {
    let rows = table("Crates");
    for (path, manifest) in members() {
        let package = manifest["package"]["name"].as_str().unwrap();
        let is_example = path.starts_with("examples/");
        let place = if is_example { "examples/*".to_owned() } else { format!("{path}/") };
        let row = rows.iter().find(|row| quoted(&row[0]) == [place.clone()]);
        let row = row.unwrap_or_else(|| panic!("{place} is not in the table"));
        assert!(
            is_example || quoted(&row[1]).first().is_some_and(|name| name == package),
            "{place}: {package}"
        );
        let ours = |name: &String| name.starts_with("durawasm");
        let depends: BTreeSet<String> = dependencies(&manifest).into_iter().filter(ours).collect();
        let mut listed: BTreeSet<String> = quoted(&row[3]).into_iter().filter(ours).collect();
        if is_example {
            // The tests' dependency is named as such.
            listed.remove("durawasm-testing");
        }
        assert_eq!(listed, depends, "what {place} depends on");
    }
}

#[test]
fn each_crate_has_an_optimization_of_its_own() {
    let workspace = manifest(".");
    let packages = workspace["profile"]["dev"]["package"].as_table().unwrap();
    for (path, manifest) in members() {
        let package = manifest["package"]["name"].as_str().unwrap();
        let level = packages.get(package).and_then(|profile| profile.get("opt-level"));
        assert!(
            level.is_some(),
            "{path}: without [profile.dev.package.{package}] it is built like a dependency"
        );
    }
    // One for all packages would be one for build scripts and procedural macros as well.
    assert!(packages["*"].get("opt-level").is_none());
}

#[test]
fn only_compiler_and_sandbox_depend_on_wasmtime_and_only_binaries_on_clap() {
    let with = |name: &str| -> Vec<String> {
        let members = members().into_iter().filter(|(_, manifest)| dependencies(manifest).contains(name));
        members.map(|(path, _)| path).collect()
    };
    assert_eq!(with("wasmtime"), ["host/compiler", "host/sandbox"]);
    assert_eq!(with("clap"), ["host/cli", "host/conformance"]);
    assert_eq!(with("comfy-table"), ["host/cli"]);
}

/// The units of registry packages that this cargo command compiles: each package with its features, its optimization and
/// the units that it is compiled against, as a line.
fn units(command: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    // Only this option tells the units; `cargo tree` shows neither macros' dependencies nor what a unit is compiled against.
    cargo.env("RUSTC_BOOTSTRAP", "1").current_dir(root()).args(command);
    let output = cargo.args(["--offline", "-Z", "unstable-options", "--unit-graph"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(graph["version"], 1, "the format of cargo's unit graph has changed");
    let units = graph["units"].as_array().unwrap();
    let mut lines = BTreeMap::new();
    let registry = |unit: &serde_json::Value| unit["pkg_id"].as_str().unwrap().starts_with("registry");
    for (index, unit) in units.iter().enumerate().filter(|(_, unit)| registry(unit)) {
        line(index, unit, units, &mut lines);
    }
    lines.into_values().collect()
}

fn line(
    index: usize,
    unit: &serde_json::Value,
    units: &[serde_json::Value],
    lines: &mut BTreeMap<usize, String>,
) -> String {
    if let Some(line) = lines.get(&index) {
        return line.clone();
    }
    let needs: BTreeSet<String> = unit["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|need| usize::try_from(need["index"].as_u64().unwrap()).unwrap())
        .map(|need| line(need, &units[need], units, lines))
        .collect();
    let mut hash = DefaultHasher::new();
    needs.hash(&mut hash);
    let package = unit["pkg_id"].as_str().unwrap().rsplit('/').next().unwrap();
    let made = format!(
        "{package} {} {} {} {} needs {:x}",
        unit["target"]["name"],
        unit["mode"],
        unit["features"],
        unit["profile"]["opt_level"],
        hash.finish()
    );
    lines.insert(index, made.clone());
    made
}

#[test]
fn the_tests_compile_no_dependency_of_the_command_line_again() {
    let run = units(&["build", "--bin", "durawasm"]);
    let test = units(&["test", "--workspace", "--no-run"]);
    let again: Vec<_> = run.difference(&test).collect();
    assert!(run.len() > 100, "{}", run.len());
    assert!(again.is_empty(), "turn the missing features on in host/features: {again:#?}");
}

/// Only these files may read the machine's clock or its randomness.
const MACHINE: [&str; 1] = ["host/core/src/ambient/system.rs"];

#[test]
fn one_file_reads_the_clock_and_the_randomness_of_the_machine() {
    for source in ["host/core/src", "host/sandbox/src"] {
        for file in Imports::read(&root().join(source)).files() {
            let path = format!("{source}/{file}");
            let code = text(&path);
            let code = code.split("#[cfg(test)]").next().unwrap();
            for call in ["SystemTime::now", "Utc::now", "std::time::Instant", "SysRng", "OsRng"] {
                assert!(MACHINE.contains(&&*path) || !code.contains(call), "{path} uses {call}");
            }
        }
    }
    let reads = text(MACHINE[0]);
    assert!(reads.contains("now") && reads.contains("SysRng"));
}

#[test]
fn the_files_that_the_page_names_are_there() {
    let page = text("docs/architecture.md");
    let folders = ["", "host/core/src", "host/core/src/ambient"];
    let is_file =
        |name: &&String| !name.contains(' ') && Path::new(name).extension().is_some_and(|e| e == "rs");
    let quoted = quoted(&page);
    assert!(quoted.iter().filter(is_file).count() > 5);
    for file in quoted.iter().filter(is_file) {
        assert!(folders.iter().any(|folder| root().join(folder).join(file).exists()), "{file}");
    }
}
