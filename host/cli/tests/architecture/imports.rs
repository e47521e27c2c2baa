//! Which file of a crate imports from which, and the circles among them.
//!
//! Invariants:
//! - An edge leads to the file that *defines* the imported name. A path is followed through `use` and `pub use`, so no edge
//!   leads to a `mod.rs` that only declares modules and re-exports names.
//! - Items under `#[cfg(test)]` and documentation make no edges. All other conditions count as true.
//! - Calls of methods make no edges: without types, the file that defines a method is not known.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
};

use syn::{Item, ItemMod, ItemUse, UseTree, Visibility, visit::Visit};

/// The imports of one crate. Files are named relative to its `src` folder.
#[derive(Debug, Default)]
pub struct Imports {
    /// All files that `lib.rs` and `main.rs` lead to by `mod`, themselves included.
    files: BTreeSet<String>,
    /// For each importing file the files that define what it imports, with the imported names.
    edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Imports {
    /// Reads a crate from its `src` folder: `lib.rs`, `main.rs` and the modules that they declare.
    pub fn read(source: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![source.to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
                files.insert(name, parsed(&path));
            }
        }
        Self::of(&files)
    }

    fn of(files: &BTreeMap<String, syn::File>) -> Self {
        let mut imports = Self::default();
        for root in ["lib.rs", "main.rs"] {
            if let Some((root, file)) = files.get_key_value(root) {
                let mut modules = Modules::default();
                modules.add(files, root, None, &file.items, &[]);
                imports.files.extend(modules.all.iter().map(|module| module.file.to_owned()));
                modules.edges(&mut imports.edges);
            }
        }
        imports
    }

    /// All files of the crate.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The importing file, the file that defines what is imported, the names.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str, String)> {
        self.edges.iter().flat_map(|(from, targets)| {
            targets.iter().map(move |(to, names)| (from.as_str(), to.as_str(), list(names)))
        })
    }

    /// A shortest circle of each group of files that reach each other, as text for people.
    pub fn circles(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.edges.keys() {
            let Some(circle) = self.shortest_circle(start).filter(|_| !seen.contains(start)) else {
                continue;
            };
            let reached = self.reached(start);
            let group: BTreeSet<&String> =
                reached.into_iter().filter(|file| self.reached(file).contains(start)).collect();
            let steps = circle.windows(2).map(|step| {
                let names = list(&self.edges[step[0]][step[1]]);
                format!("    {} imports {names} from {}\n", step[0], step[1])
            });
            let size = group.len();
            circles.push(format!(
                "{size} files import from each other, among them\n{}",
                steps.collect::<String>()
            ));
            seen.extend(group);
        }
        circles
    }

    fn targets<'a>(&'a self, file: &str) -> impl Iterator<Item = &'a String> {
        self.edges.get(file).into_iter().flat_map(BTreeMap::keys)
    }

    fn reached<'a>(&'a self, start: &'a String) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(file) = open.pop() {
            open.extend(self.targets(file).filter(|target| reached.insert(*target)));
        }
        reached
    }

    /// The files on the way from one back to itself.
    fn shortest_circle<'a>(&'a self, start: &'a String) -> Option<Vec<&'a String>> {
        let mut before = BTreeMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(file) = open.pop_front() {
            for target in self.targets(file) {
                if target == start {
                    let way = std::iter::successors(Some(file), |file| before.get(file).copied());
                    let mut circle: Vec<_> = way.collect();
                    circle.reverse();
                    circle.push(start);
                    return Some(circle);
                }
                if !before.contains_key(target) {
                    before.insert(target, file);
                    open.push_back(target);
                }
            }
        }
        None
    }
}

/// The first few names.
fn list(names: &BTreeSet<String>) -> String {
    let mut list = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        list.push_str(", ...");
    }
    list
}

/// A module: a file, or a part of one in braces.
struct Module<'a> {
    file: &'a str,
    parent: Option<usize>,
    items: &'a [Item],
    children: BTreeMap<String, usize>,
    /// The names that the module defines itself.
    defined: BTreeSet<String>,
    imported: Vec<Import>,
}

/// One name of a `use` declaration.
struct Import {
    path: Vec<String>,
    /// The name in this module; none for all names (`*`).
    alias: Option<String>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Module(usize),
    /// Something else, by the file that defines it.
    Item(&'a str),
}

/// The module tree of a crate. The first module is its root.
#[derive(Default)]
struct Modules<'a> {
    all: Vec<Module<'a>>,
    /// The files of macros that are exported: their names are known in the root.
    macros: BTreeMap<String, &'a str>,
}

type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

impl<'a> Modules<'a> {
    /// Adds a module, and those that it declares. `inline` are the names of the modules in braces around it, in its file.
    fn add(
        &mut self,
        files: &'a BTreeMap<String, syn::File>,
        file: &'a str,
        parent: Option<usize>,
        items: &'a [Item],
        inline: &[String],
    ) -> usize {
        let this = self.all.len();
        self.all.push(Module {
            file,
            parent,
            items,
            children: BTreeMap::new(),
            defined: BTreeSet::new(),
            imported: Vec::new(),
        });
        for item in items.iter().filter(|item| !is_test(item)) {
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let inside: Vec<String> = inline.iter().chain([&name]).cloned().collect();
                    let child = if let Some((_, items)) = &module.content {
                        self.add(files, file, Some(this), items, &inside)
                    } else {
                        let place = format!("{}{}", folder(file), inside.join("/"));
                        let names = [format!("{place}.rs"), format!("{place}/mod.rs")];
                        let found = names.iter().find_map(|name| files.get_key_value(name));
                        let (file, parsed) =
                            found.unwrap_or_else(|| panic!("{file}: no file for `mod {name}`"));
                        self.add(files, file, Some(this), &parsed.items, &[])
                    };
                    self.all[this].children.insert(name, child);
                }
                Item::Use(item) => {
                    leaves(&item.tree, &mut Vec::new(), &mut |path, alias| {
                        self.all[this].imported.push(Import { path, alias });
                    });
                }
                Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        self.all[this].defined.insert(name.to_string());
                        if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
                            self.macros.insert(name.to_string(), file);
                        }
                    }
                }
                other => self.all[this].defined.extend(name(other)),
            }
        }
        this
    }

    /// What a path in a module leads to; none for what other crates define, and for what is local to a function.
    fn resolve(
        &self,
        module: usize,
        path: &[String],
        open: &mut BTreeSet<(usize, String)>,
    ) -> Option<Target<'a>> {
        let (first, mut rest) = path.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(module),
            "super" => Target::Module(self.all[module].parent?),
            name => self.name(module, name, open)?,
        };
        while let (Target::Module(at), Some((name, more))) = (target, rest.split_first()) {
            target = match name.as_str() {
                "super" => Target::Module(self.all[at].parent?),
                "self" => target,
                name => self.name(at, name, open)?,
            };
            rest = more;
        }
        Some(target)
    }

    /// What a name means in a module. `open` are the names that are looked for already: modules may re-export each other.
    fn name(&self, module: usize, name: &str, open: &mut BTreeSet<(usize, String)>) -> Option<Target<'a>> {
        if !open.insert((module, name.to_owned())) {
            return None;
        }
        let Module { file, children, defined, imported, .. } = &self.all[module];
        let named = |import: &&Import| import.alias.as_deref() == Some(name);
        let found = None
            .or_else(|| defined.contains(name).then_some(Target::Item(file)))
            .or_else(|| children.get(name).map(|child| Target::Module(*child)))
            .or_else(|| {
                imported.iter().filter(named).find_map(|import| self.resolve(module, &import.path, open))
            })
            .or_else(|| {
                let mut globs = imported.iter().filter(|import| import.alias.is_none());
                globs.find_map(|glob| match self.resolve(module, &glob.path, open)? {
                    Target::Module(at) => self.name(at, name, open),
                    Target::Item(_) => None,
                })
            })
            .or_else(|| self.macros.get(name).filter(|_| module == 0).map(|file| Target::Item(file)));
        open.remove(&(module, name.to_owned()));
        found
    }

    /// All names that a module has.
    fn names(&self, module: usize) -> BTreeSet<String> {
        let Module { children, defined, imported, .. } = &self.all[module];
        let aliases = imported.iter().filter_map(|import| import.alias.clone());
        defined.iter().chain(children.keys()).cloned().chain(aliases).collect()
    }

    fn edges(&self, edges: &mut Edges) {
        for (at, module) in self.all.iter().enumerate() {
            let mut uses = Uses::default();
            module.items.iter().for_each(|item| uses.visit_item(item));
            for path in &uses.paths {
                self.edge(at, path, edges);
            }
            for (path, public) in &uses.globs {
                match self.resolve(at, path, &mut BTreeSet::new()) {
                    Some(Target::Module(from)) => {
                        let names = self.names(from);
                        for name in names.iter().filter(|name| *public || uses.words.contains(*name)) {
                            self.edge(at, &[path.clone(), vec![name.clone()]].concat(), edges);
                        }
                    }
                    _ => self.edge(at, path, edges),
                }
            }
        }
    }

    /// Notes that a module uses a path. What follows the name of a type or a trait belongs to that.
    fn edge(&self, module: usize, path: &[String], edges: &mut Edges) {
        let from = self.all[module].file;
        let item = (1..=path.len()).find_map(|length| {
            match self.resolve(module, &path[..length], &mut BTreeSet::new())? {
                Target::Item(to) => Some((to, &path[length - 1])),
                Target::Module(_) => None,
            }
        });
        if let Some((to, name)) = item.filter(|(to, _)| *to != from) {
            let targets = edges.entry(from.to_owned()).or_default();
            targets.entry(to.to_owned()).or_default().insert(name.clone());
        }
    }
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The name of an item that is neither a module nor a macro.
fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The folder of the modules that a file declares, with a `/` behind it.
fn folder(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').map_or(("", file), |(folder, name)| (folder, name));
    let own = match name {
        "lib.rs" | "main.rs" | "mod.rs" => String::new(),
        name => format!("{}/", name.trim_end_matches(".rs")),
    };
    if folder.is_empty() { own } else { format!("{folder}/{own}") }
}

/// Calls `each` with every name of a `use` tree: its path, and its name in the module (none for `*`).
fn leaves(tree: &UseTree, path: &mut Vec<String>, each: &mut impl FnMut(Vec<String>, Option<String>)) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            leaves(&tree.tree, path, each);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, path, each)),
        UseTree::Glob(_) => each(path.clone(), None),
        UseTree::Name(name) if name.ident == "self" => each(path.clone(), path.last().cloned()),
        UseTree::Rename(name) if name.ident == "self" => each(path.clone(), Some(name.rename.to_string())),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            each([path.as_slice(), std::slice::from_ref(&name)].concat(), Some(name));
        }
        UseTree::Rename(name) => {
            each([path.as_slice(), &[name.ident.to_string()]].concat(), Some(name.rename.to_string()));
        }
    }
}

/// The paths of one module, without the modules in it.
#[derive(Default)]
struct Uses {
    paths: BTreeSet<Vec<String>>,
    /// Of `*`, and whether they are re-exported.
    globs: Vec<(Vec<String>, bool)>,
    /// All single names, for those that come by a `*`.
    words: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(item) {
            syn::visit::visit_item(self, item);
        }
    }

    /// A module of its own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        leaves(&item.tree, &mut Vec::new(), &mut |path, alias| match alias {
            Some(_) => drop(self.paths.insert(path)),
            None => self.globs.push((path, public)),
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    /// What is in a macro need not be Rust: it is read token by token.
    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let mut path = Vec::new();
        let mut joined = false;
        for token in words(&invocation.tokens.to_string()) {
            if token == "::" {
                joined = !path.is_empty();
                continue;
            }
            if !joined {
                self.add(std::mem::take(&mut path));
            }
            joined = false;
            path.push(token);
        }
        self.add(path);
        syn::visit::visit_macro(self, invocation);
    }
}

impl Uses {
    fn add(&mut self, path: Vec<String>) {
        self.words.extend(path.first().cloned());
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }
}

/// The identifiers and the `::` in the text of tokens. What stands between two of them is an empty word.
fn words(tokens: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphabetic() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else if first == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let is_end = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                is_end
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        } else {
            first.len_utf8()
        };
        let (word, more) = rest.split_at(length);
        if word == "::" || word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            words.push(word.to_owned());
        } else if !word.trim().is_empty() {
            words.push(String::new());
        }
        rest = more;
    }
    words
}

fn parsed(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let parsed = |(name, text): &(&str, &str)| ((*name).to_owned(), syn::parse_file(text).unwrap());
        Imports::of(&files.iter().map(parsed).collect())
    }

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        imports(files).edges().map(|(from, to, names)| format!("{from} {to} {names}")).collect()
    }

    #[test]
    fn re_exports_lead_to_the_file_that_defines_the_name() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; pub use a::One as Uno;"),
            ("a/mod.rs", "mod deep; pub use self::deep::{One, two}; pub(crate) mod three;"),
            ("a/deep.rs", "pub struct One; pub fn two() {}"),
            ("a/three.rs", "pub enum Three { Four }"),
            ("b.rs", "use crate::{Uno, a}; fn f() { a::two(); }"),
            (
                "c.rs",
                "use super::a::three; use three::Three::*; fn f() { println!(\"a::b {}\", crate::a::One) }",
            ),
        ];
        let expected = [
            "a/mod.rs a/deep.rs `One`, `two`",
            "b.rs a/deep.rs `Uno`, `two`",
            "c.rs a/deep.rs `One`",
            "c.rs a/three.rs `Three`",
            "lib.rs a/deep.rs `One`",
        ];
        assert_eq!(edges(&files), expected);
        assert_eq!(imports(&files).circles(), [""; 0]);
    }

    #[test]
    fn a_parent_that_defines_what_its_child_imports_is_a_circle() {
        let files = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod child; use child::run; pub struct Shared;"),
            ("parent/child.rs", "use super::Shared; pub fn run(_: Shared) {}"),
        ];
        let circle = "2 files import from each other, among them\n    \
                      parent.rs imports `run` from parent/child.rs\n    \
                      parent/child.rs imports `Shared` from parent.rs\n";
        assert_eq!(imports(&files).circles(), [circle]);
    }

    #[test]
    fn tests_and_inline_modules_are_told_apart() {
        let files = [
            ("lib.rs", "mod a; mod b; pub mod names { pub use crate::a::*; }"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            (
                "b.rs",
                "use crate::names::A; pub struct B; mod inner { use super::B; } #[cfg(test)] use crate::a::A;",
            ),
        ];
        assert_eq!(edges(&files), ["b.rs a.rs `A`", "lib.rs a.rs `A`"]);
    }
}
