//! The commands that the documentation shows are commands that durawasm has: each `durawasm ..` of a block of a page is
//! parsed by the executable, with all its options and their values. Nothing is run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const COMMANDS: [&str; 11] = [
    "build",
    "callback",
    "check",
    "clock",
    "completions",
    "execution",
    "inspect",
    "run",
    "serve",
    "store",
    "test",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// The blocks of a page, each with its language.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// Splits a script into its commands, and those into words, as a shell does with what the pages contain: quotes,
/// comments, pipes and lists of commands, lines that go on.
fn commands(script: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut rest = script.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\'' | '"' => {
                let quoted = word.get_or_insert_default();
                quoted.extend(rest.by_ref().take_while(|c| *c != next));
            }
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            '#' if word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\n' | ';' | '|' | '&' | '<' | '>' => {
                words.extend(word.take());
                if next != ' ' && !words.is_empty() {
                    commands.push(std::mem::take(&mut words));
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    commands.push(words);
    commands
}

/// The arguments of durawasm, if a command runs it: by its name, through another command, or with cargo.
fn arguments(command: &[String]) -> Option<&[String]> {
    let known = |word: &String| COMMANDS.contains(&&**word);
    for (place, word) in command.iter().enumerate() {
        let (first, after) = (command.get(place + 1), &command[place + 1..]);
        match &**word {
            // Also the name of a user, a service or a volume.
            "durawasm" | "/usr/local/bin/durawasm" if place == 0 || first.is_some_and(known) => {
                return Some(after);
            }
            "--" if command[0] == "cargo" && command[1] == "run" && first.is_some_and(known) => {
                return Some(after);
            }
            _ => {}
        }
    }
    None
}

/// All invocations of durawasm that a page shows in its blocks.
fn shown(page: &str) -> Vec<Vec<String>> {
    let mut shown = Vec::new();
    for (language, text) in blocks(page) {
        // Lines that go on, in each of the languages.
        let text = text.replace("\\\n", " ");
        let script: String = match language {
            "sh" => text,
            "console" => {
                text.lines().filter_map(|line| line.strip_prefix("$ ")).collect::<Vec<_>>().join("\n")
            }
            "ini" => text.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect(),
            "dockerfile" => {
                let entry = text.lines().filter_map(|line| line.strip_prefix("ENTRYPOINT "));
                shown.extend(entry.map(|words| serde_json::from_str::<Vec<String>>(words).unwrap()));
                continue;
            }
            _ => continue,
        };
        shown.extend(commands(&script));
    }
    shown.iter().filter_map(|command| arguments(command)).map(<[String]>::to_vec).collect()
}

#[test]
fn every_command_of_the_pages_is_one() {
    let mut checked = 0;
    for path in pages() {
        for arguments in shown(&fs::read_to_string(&path).unwrap()) {
            // What is wrong before it is told first.
            let mut command = Command::new(env!("CARGO_BIN_EXE_durawasm"));
            let parsed = command.args(&arguments).arg("--help").stdin(Stdio::null()).output().unwrap();
            let wrong = format!("{}: durawasm {}", path.display(), arguments.join(" "));
            let said = String::from_utf8_lossy(&parsed.stderr);
            assert_eq!(parsed.status.code(), Some(0), "{wrong}\n{said}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn the_page_of_deployment_starts_servers_that_systemd_and_docker_can_stop() {
    let page = fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let servers: Vec<Vec<String>> = shown(&page).into_iter().filter(|words| words[0] == "serve").collect();
    assert_eq!(servers.len(), 2, "the unit and the container");
    let seconds = |text: &str| text.trim_end_matches('s').parse::<u32>().unwrap();
    let after = |text: &str| seconds(page.split_once(text).unwrap().1.split_whitespace().next().unwrap());
    for (server, stop) in servers.iter().zip(["\nTimeoutStopSec=", " --stop-timeout "]) {
        let grace = server.iter().position(|word| word == "--grace").unwrap();
        assert!(after(stop) > seconds(&server[grace + 1]), "{stop}");
    }
}

#[test]
fn scripts_are_split_as_a_shell_does() {
    let script = "a 'b c' \"d\"e \\\n  f # not this\nwhile read; do g\\ h > i; done | j --k=\"l m\"";
    let words = [
        &["a", "b c", "de", "f"][..],
        &["while", "read"],
        &["do", "g h"],
        &["i"],
        &["done"],
        &["j", "--k=l m"],
    ];
    assert_eq!(commands(script), words);
}
