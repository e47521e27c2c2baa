//! The tests that `docs/testing.md` and `docs/sandbox.md` name exist.

use std::path::{Path, PathBuf};

/// The file of tests with a name such as `handles`, `cloud/runs` or `server/lifecycle`.
fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    match name.strip_prefix("server/") {
        Some(name) => root.join("host/core/src/server/tests").join(name).with_extension("rs"),
        None => root.join("testing/tests").join(name).with_extension("rs"),
    }
}

#[test]
fn tests_that_the_page_names_exist() {
    let page = std::fs::read_to_string(file("").parent().unwrap().join("../docs/testing.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let named: Vec<(&str, &str)> = quoted
        .filter_map(|text| text.split_once("::"))
        .filter(|(at, test)| {
            let word = |text: &str| {
                text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'/' | b'0'..=b'9'))
            };
            word(at) && word(test) && !test.is_empty()
        })
        .collect();
    assert!(named.len() > 100, "{}", named.len());
    for (at, test) in named {
        let source =
            std::fs::read_to_string(file(at)).unwrap_or_else(|_| panic!("there is no file of {at}::{test}"));
        assert!(source.contains(&format!("fn {test}(")), "there is no test {at}::{test}");
    }
}

/// On this page, the tests are links to their files.
#[test]
fn the_tests_of_the_sandbox_page_exist() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = std::fs::read_to_string(docs.join("sandbox.md")).unwrap();
    let mut named = 0;
    for link in page.split("[`").skip(1) {
        let Some((test, rest)) = link.split_once("`](") else { continue };
        let (path, _) = rest.split_once(')').unwrap();
        let source =
            std::fs::read_to_string(docs.join(path)).unwrap_or_else(|_| panic!("there is no {path}"));
        assert!(source.contains(&format!("fn {test}(")), "there is no test {test} in {path}");
        named += 1;
    }
    assert!(named > 25, "{named}");
}

#[test]
fn the_suite_has_every_file_of_tests() {
    let suite = std::fs::read_to_string(file("suite")).unwrap();
    for entry in std::fs::read_dir(file("suite").parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let of_tests = path.extension().is_some() || path.join("mod.rs").exists();
        let own_process = ["suite", "threads"].contains(&name.as_str());
        assert!(!of_tests || own_process || suite.contains(&format!("mod {name};\n")), "{}", path.display());
    }
}
