//! `docs/architecture.md` says what is there: crates, rooms, and who imports whom.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "architecture/imports.rs"]
mod imports;

use imports::Imports;
use syn::{Attribute, Item, ItemMod, UseTree, Visibility, visit::Visit};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table under this heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = text("docs/architecture.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
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

fn parsed(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The modules that a crate's root has, and the names that it hands on from one of them.
fn modules(library: &Path) -> (BTreeSet<String>, Vec<(String, String)>) {
    let mut modules = BTreeSet::new();
    let mut handed_on = Vec::new();
    for item in parsed(library).items {
        match item {
            Item::Mod(module) if !is_test(&module.attrs) => {
                modules.insert(module.ident.to_string());
            }
            Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => {
                if let UseTree::Path(path) = &item.tree {
                    names(&path.tree, &mut |name| handed_on.push((name, path.ident.to_string())));
                }
            }
            _ => {}
        }
    }
    (modules, handed_on)
}

/// The first names that a tree makes known.
fn names(tree: &UseTree, each: &mut impl FnMut(String)) {
    match tree {
        UseTree::Path(path) => each(path.ident.to_string()),
        UseTree::Name(name) => each(name.ident.to_string()),
        UseTree::Rename(name) => each(name.rename.to_string()),
        UseTree::Glob(_) => each("*".to_owned()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, each)),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Collects what a file uses of its crate's root.
struct Uses {
    /// How many `super` lead to the crate's root.
    depth: usize,
    found: BTreeSet<String>,
}

impl Uses {
    /// What a tree takes from the crate's root, when so many `super` stand before it.
    fn tree(&mut self, tree: &UseTree, supers: usize) {
        match tree {
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, supers)),
            UseTree::Path(path) if path.ident == "crate" => self.tree(&path.tree, self.depth),
            UseTree::Path(path) if path.ident == "super" => self.tree(&path.tree, supers + 1),
            UseTree::Rename(renamed) if supers >= self.depth => {
                self.found.insert(renamed.ident.to_string());
            }
            _ if supers >= self.depth => names(tree, &mut |name| {
                self.found.insert(name);
            }),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            self.depth += 1;
            syn::visit::visit_item_mod(self, module);
            self.depth -= 1;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, 0);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        // What is in it need not be Rust, and is read word by word.
        for after in invocation.tokens.to_string().split("crate :: ").skip(1) {
            self.found.insert(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
        syn::visit::visit_macro(self, invocation);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let supers = names.iter().take_while(|name| *name == "super").count();
        if names[0] == "crate" {
            self.found.extend(names.get(1).cloned());
        } else if supers >= self.depth {
            self.found.extend(names.get(supers).cloned());
        }
        syn::visit::visit_path(self, path);
    }
}

/// The Rust files of a room: its file, or all that are in its folder.
fn files(source: &Path, room: &str) -> Vec<PathBuf> {
    let mut open = vec![source.join(room), source.join(format!("{room}.rs"))];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            // Tests may look at the rooms above.
            if path.file_name().unwrap() != "tests" {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
            files.push(path);
        }
    }
    files
}

#[test]
fn each_room_of_the_host_imports_only_from_those_above_it() {
    let source = root().join("host/src");
    let rooms: Vec<String> = table("Rooms of the host").iter().flat_map(|row| quoted(&row[0])).collect();
    let (modules, handed_on) = modules(&source.join("lib.rs"));
    assert_eq!(rooms.iter().cloned().collect::<BTreeSet<_>>(), modules);
    for (place, room) in rooms.iter().enumerate() {
        let files = files(&source, room);
        assert!(!files.is_empty(), "{room}");
        for file in files {
            let inside = file.strip_prefix(&source).unwrap();
            let is_mod = inside.file_name().unwrap() == "mod.rs";
            let depth = inside.components().count() - usize::from(is_mod);
            let mut seen = Uses { depth, found: BTreeSet::new() };
            seen.visit_file(&parsed(&file));
            for name in seen.found {
                let used =
                    handed_on.iter().find(|(handed, _)| *handed == name).map_or(&name, |(_, from)| from);
                let at = rooms.iter().position(|other| other == used);
                let at = at.unwrap_or_else(|| panic!("{}: crate::{used} is no room", inside.display()));
                assert!(at <= place, "{} imports {used}, which is not above {room}", inside.display());
            }
        }
    }
}

#[test]
fn all_rooms_of_the_testing_crate_are_told() {
    let told: BTreeSet<String> =
        table("Rooms of the testing crate").iter().flat_map(|row| quoted(&row.concat())).collect();
    let (modules, _) = modules(&root().join("testing/src/lib.rs"));
    let missing: Vec<_> = modules.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn all_crates_are_told_with_those_that_they_need() {
    let rows = table("Crates");
    let workspace: toml::Table = text("Cargo.toml").parse().unwrap();
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let manifest: toml::Table = text(&format!("{member}/Cargo.toml")).parse().unwrap();
        let package = manifest["package"]["name"].as_str().unwrap();
        let is_example = member.starts_with("examples/");
        let place = if is_example { "examples/*".to_owned() } else { format!("{member}/") };
        let row = rows.iter().find(|row| quoted(&row[0]) == [place.clone()]);
        let row = row.unwrap_or_else(|| panic!("{place} is not told"));
        assert!(is_example || quoted(&row[1]).iter().any(|name| name == package), "{place} is {package}");
        let needs = manifest.get("dependencies").and_then(|all| all.as_table());
        for need in needs.into_iter().flat_map(toml::Table::keys).filter(|name| name.starts_with("durawasm-"))
        {
            let told = row[2..].concat() + &row[0];
            let below = member == "guest-sdk" && rows.iter().any(|other| other[1].contains(need.as_str()));
            assert!(below || told.contains(need.as_str()), "{place} needs {need}");
        }
    }
}

#[test]
fn the_files_that_are_told_are_there() {
    let page = text("docs/architecture.md");
    let folders = ["", "host/src", "host/src/replay", "host/src/sandbox", "host/src/ambient"];
    let is_file =
        |name: &&String| !name.contains(' ') && Path::new(name).extension().is_some_and(|e| e == "rs");
    let quoted = quoted(&page);
    assert!(quoted.iter().filter(is_file).count() > 5);
    for file in quoted.iter().filter(is_file) {
        assert!(folders.iter().any(|folder| root().join(folder).join(file).exists()), "{file}");
    }
}

/// The crates whose files must not import from each other in a circle.
const WITHOUT_CIRCLES: [&str; 3] = ["guest-sdk/src", "guest-sdk/macros/src", "guest-sdk/hash-keys/src"];

/// The crates whose modules are layers, with the heading of the table that lists these, the lowest first.
const LAYERED: [(&str, &str); 1] = [("guest-sdk/src", "Layers of the guest SDK")];

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    for source in WITHOUT_CIRCLES {
        let circles = Imports::read(&root().join(source)).circles();
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
