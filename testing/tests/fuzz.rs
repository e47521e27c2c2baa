//! A short run of the fuzz targets, on their corpora and on changes of them. `fuzz/` runs them for longer.
//!
//! The changes are the same in every run. `DURAWASM_FUZZ_RUNS` sets how many there are for each target, and
//! `DURAWASM_FUZZ_SEED` chooses others.

use std::{fs, path::PathBuf};

use durawasm_fuzz_targets::{TARGETS, Target};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn fuzz() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"))
}

/// The kept inputs of a target.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index, u8),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let tokens: [&[u8]; 20] = [
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\x80\x80\x80\x80\x08",
        b"{",
        b"[",
        b"}",
        b"]",
        b"\"",
        b"&a ",
        b"*a ",
        b"<<: ",
        b"\xe2\x80\xae",
        b"\x1b[2J",
        b"-1",
        b"99999999999999999999",
        b"1e999",
        b"null",
        b"\\ud800",
        b"\n",
    ];
    let token = prop::sample::select(tokens.map(<[u8]>::to_vec).to_vec());
    let index = any::<Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (index(), prop_oneof![token, vec(any::<u8>(), 1..8)])
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), index()).prop_map(|(from, to)| Change::Remove(from, to)),
        (index(), index(), 1..60_u8).prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
        (index(), index()).prop_map(|(from, other)| Change::Splice(from, other)),
    ]
}

/// The longest input, in bytes.
const LONGEST: usize = 64 * 1024;

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>, corpus: &[Vec<u8>]) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        let range = |from: Index, to: Index| {
            let (from, to) = (from.index(length + 1), to.index(length + 1));
            from.min(to)..from.max(to)
        };
        match change {
            Change::Set(at, byte) if length > 0 => bytes[at.index(length)] = byte,
            Change::Set(..) => {}
            Change::Insert(at, new) => drop(bytes.splice(at.index(length + 1)..at.index(length + 1), new)),
            Change::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Change::Repeat(from, to, times) => {
                let range = range(from, to);
                let part = bytes[range.clone()].repeat(usize::from(times));
                bytes.splice(range, part);
            }
            Change::Splice(from, other) => {
                bytes.truncate(from.index(length + 1));
                bytes.extend(&corpus[other.index(corpus.len())]);
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for input in &corpus {
        (target.run)(input);
    }
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("DURAWASM_FUZZ_SEED", 0).to_le_bytes());
    let runs = number("DURAWASM_FUZZ_RUNS", 300);
    let config = Config { cases: runs, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let noise = vec(any::<u8>(), 0..600);
    let input = (prop::option::weighted(0.7, any::<Index>()), noise, vec(change(), 0..6));
    let input = input.prop_map(|(from, noise, changes)| {
        let bytes = from.map_or(noise, |from| corpus[from.index(corpus.len())].clone());
        changed(bytes, changes, &corpus)
    });
    let outcome = runner.run(&input, |bytes| {
        (target.run)(&bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A test for each target, so that they run side by side and a failure names its target.
macro_rules! targets {
    ($($name:ident),*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_target_is_run_here_and_by_the_fuzzer() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here, TARGETS.map(|target| target.name));
            for name in here {
                let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(program.contains(&format!("durawasm_fuzz_targets::{name}(data)")), "{name}");
            }
        }
    };
}

targets!(
    arguments,
    component,
    config,
    conformance_case,
    conformance_config,
    history,
    output,
    replay,
    scenario,
    server,
    wire
);
