use std::time::Duration;

use super::*;
use crate::{Limit, StatedLimits, Value};

fn parsed(text: &str) -> Result<ConfigFile, String> {
    ConfigFile::parse(Path::new("/project/durawasm.toml"), text).map_err(|error| error.to_string())
}

const WHOLE: &str = r#"
[limits]
memory = 64
cpu-limit = "2s"
host-bytes = 100

[grants]
env = ["STAGE=all", "KEPT=all"]
dir = ["shared::/shared"]
scratch = true

[functions.order]
component = "order.wasm"
export = "order_handler"
env = { STAGE = "order" }
dir = ["data::/data/:ro"]
scratch = false
allow-http = ["api.example.com=GET"]

[functions.order.limits]
memory = 32
invocation-timeout = 90
execution-timeout = "none"
service-quotas = true

[functions.mail]
crate = "../mail"
"#;

#[test]
fn what_is_written_is_what_is_in_force() {
    let file = parsed(WHOLE).unwrap();
    assert_eq!(file.functions.keys().collect::<Vec<_>>(), ["mail", "order"]);
    let (order, mail) = (file.function("order").unwrap(), file.function("mail").unwrap());
    assert_eq!(order.source, Source::Component("/project/order.wasm".into()));
    assert_eq!(mail.source, Source::Crate("/project/../mail".into()));
    assert_eq!((&*order.export, &*mail.export), ("order_handler", "mail"));

    let limits = file.settings(order).enforced();
    assert_eq!((limits.sandbox.memory, limits.sandbox.cpu), (32 << 20, Duration::from_secs(2)));
    assert_eq!((limits.sandbox.wall, limits.execution_timeout), (Duration::from_secs(90), None));
    assert_eq!((limits.service.operations, limits.service.longest_execution), (Some(3_000), None));
    assert_eq!(limits.host_bytes, 100 << 20);
    assert_eq!(file.settings(mail).enforced().sandbox.memory, 64 << 20);

    let settings = file.settings(order);
    let requests = settings.requests();
    assert!(
        !requests.scratch && file.settings(mail).requests().scratch && file.defaults().requests().scratch
    );
    let origins = [
        (settings.env_origin("STAGE"), Origin::Function),
        (settings.env_origin("KEPT"), Origin::Config),
        (settings.dir_origin("/data"), Origin::Function),
        (settings.dir_origin("/shared"), Origin::Config),
        (settings.http_origin("api.example.com=POST"), Origin::Function),
        (settings.scratch_origin(), Origin::Function),
        (settings.stated(Limit::Memory).map(|(_, origin)| origin), Origin::Function),
        (settings.stated(Limit::CpuLimit).map(|(_, origin)| origin), Origin::Config),
    ];
    for (place, (origin, expected)) in origins.into_iter().enumerate() {
        assert_eq!(origin, Some(expected), "{place}");
    }
    assert_eq!(settings.stated(Limit::Handles), None);
    // Paths of directories are relative to the file.
    let refused = settings.granted(|_| None).unwrap_err().to_string();
    assert!(refused.contains("/project/data"), "{refused}");
}

#[test]
fn flags_replace_and_add() {
    let file = parsed(WHOLE).unwrap();
    let mut stated = Stated::default();
    stated.grants.env = vec!["STAGE=flag".parse().unwrap(), "MORE=flag".parse().unwrap()];
    stated.grants.allow_http =
        vec!["api.example.com=POST".parse().unwrap(), "b.example.com".parse().unwrap()];
    stated.limits.set(Limit::Memory, Value::Number(16));
    let settings =
        file.settings(file.function("order").unwrap()).with(Origin::Flag, &stated, Path::new("/elsewhere"));
    assert_eq!(settings.enforced().sandbox.memory, 16 << 20);
    assert_eq!(settings.enforced().sandbox.cpu, Duration::from_secs(2));
    for (name, origin) in
        [("STAGE", Origin::Flag), ("MORE", Origin::Flag), ("KEPT", Origin::Config), ("NONE", Origin::Config)]
    {
        assert_eq!(settings.env_origin(name), (name != "NONE").then_some(origin), "{name}");
    }
    assert_eq!(settings.http_origin("api.example.com"), Some(Origin::Flag));
}

/// Each key of `[limits]` is read, and what is in force with it is what a flag of the same value puts in force.
#[test]
fn a_file_and_a_flag_state_the_same() {
    for limit in Limit::ALL {
        let written = match limit.parse(limit.default_text()).unwrap() {
            Value::Number(_) => "77".to_owned(),
            Value::Time(_) | Value::Timeout(_) => "\"7s\"".to_owned(),
            Value::Switch(on) => (!on).to_string(),
        };
        let value = limit.parse(written.trim_matches('"')).unwrap();
        let mut stated = Stated::default();
        stated.limits.set(*limit, value);
        let by_flag = Settings::default().with(Origin::Flag, &stated, Path::new(""));
        let by_file = parsed(&format!("[limits]\n{} = {written}\n", limit.key())).unwrap().defaults();
        let [by_flag, by_file] = [by_flag, by_file].map(|settings| format!("{:?}", settings.enforced()));
        assert_eq!(by_flag, by_file, "{limit:?}");
        assert_ne!(by_flag, format!("{:?}", Settings::default().enforced()), "{limit:?} changes nothing");
    }
}

/// The texts in the list of limits are the defaults of those who enforce them.
#[test]
fn defaults_are_those_that_are_enforced() {
    let mut limits = StatedLimits::default();
    // A timeout that is stated is waited for, and the default one is not.
    for limit in Limit::ALL.iter().filter(|limit| **limit != Limit::ExecutionTimeout) {
        limits.set(*limit, limit.parse(limit.default_text()).unwrap());
    }
    let stated = Stated { limits, ..Stated::default() };
    let all = Settings::default().with(Origin::Flag, &stated, Path::new("")).enforced();
    assert_eq!(format!("{all:?}"), format!("{:?}", Settings::default().enforced()));
    let year = Limit::ExecutionTimeout.parse(Limit::ExecutionTimeout.default_text()).unwrap();
    let longest = durawasm_core::protocol::Limits::default().longest_execution;
    assert_eq!(year, Value::Timeout(durawasm_core::durations::ExecutionTimeout(longest)));
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (text, says) in [
        (
            "[limits]\nmemry = 1\n",
            ":2:1: there is no key `memry` here; did you mean `memory`? (keys: memory, ",
        ),
        ("[limits]\ncpu_limit = 1\n", "did you mean `cpu-limit`?"),
        ("[limits]\nmemory = 0\n", ":2:10: limits.memory: a size from 1 to 4096 MiB is expected, not 0"),
        ("[limits]\nmemory = -1\n", "a whole number, not negative, is expected, not the number -1"),
        (
            "[limits]\nmemory = \"64\"\n",
            "limits.memory: a whole number, not negative, is expected, not the text \"64\"",
        ),
        ("[limits]\ncpu-limit = 0\n", "a limit of 0 allows nothing"),
        ("[limits]\ncpu-limit = \"1month\"\n", "months and years differ in length"),
        ("[limits]\nexecution-timeout = \"367days\"\n", "1 to 31622400 (366days), or `none`"),
        ("[limits]\nservice-quotas = 1\n", "true or false is expected, not the number 1"),
        ("[limits]\nmemory = 1\nmemory = 2\n", "duplicate key"),
        ("limits = 1\n", "a table is expected, not the number 1"),
        ("[function.a]\n", "there is no key `function` here; did you mean `functions`?"),
        ("[functions.a]\n", "functions.a: it has no code: `component` is a component's file"),
        ("[functions.a]\ncomponent = \"a\"\ncrate = \"b\"\n", "`component` and `crate` exclude each other"),
        ("[functions.a]\ncomponent = \"\"\n", "the path is empty"),
        ("[functions.a]\ncomponent = 1\n", "functions.a.component: a text is expected, not the number 1"),
        ("[functions.\"a b\"]\ncrate = \".\"\n", "\"a b\" cannot name a function: a name is 1 to 64 of"),
        ("[functions.a]\ncrate = \".\"\nexport = \"\"\n", "\"\" cannot name a function"),
        ("[functions.a]\ncrate = \".\"\ndirs = []\n", "there is no key `dirs` here; did you mean `dir`?"),
        ("[functions.a]\ncrate = \".\"\ndir = [\"x\"]\n", "functions.a.dir: \"x\" is not HOST::GUEST"),
        ("[functions.a]\ncrate = \".\"\nenv = [\"=1\"]\n", "cannot name an environment variable"),
        ("[functions.a]\ncrate = \".\"\nallow-http = [\"http://x\"]\n", "is a URL"),
        ("[functions.a]\ncrate = \".\"\nscratch = 1\n", "true or false is expected"),
        (
            "[functions.a]\ncrate = \".\"\n[functions.a.limits]\ntotal-memory = 1\n",
            ":4:1: functions.a.limits.total-memory: `total-memory` is of all that a command runs, not of one function; state it in the table [limits]",
        ),
        ("[grants]\nallow_http = []\n", "did you mean `allow-http`?"),
        ("[limits\n", ":1:8:"),
        ("x", ":1:2:"),
    ] {
        let said = parsed(text).expect_err(text);
        assert!(said.starts_with("/project/durawasm.toml:"), "{said}");
        assert!(said.contains(says), "{text}: {said}");
    }
    let unknown = parsed(WHOLE).unwrap().function("ordre").unwrap_err().to_string();
    assert!(unknown.contains("did you mean `order`?; there is mail, order"), "{unknown}");
    let functions = (0..=MAX_FUNCTIONS).map(|n| format!("[functions.f{n}]\ncrate = \".\"\n"));
    let many = functions.collect::<Vec<_>>().concat();
    assert!(parsed(&many).unwrap_err().contains("it has 1001 functions; the limit is 1000"));
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, vec![b'#'; 1 << 20]).unwrap();
    assert!(ConfigFile::read(&path).unwrap().functions.is_empty());
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    let said = ConfigFile::read(&path).unwrap_err().to_string();
    assert!(said.ends_with("cannot read it: it is larger than 1048576 bytes"), "{said}");
    assert!(ConfigFile::read(folder.path()).unwrap_err().to_string().ends_with("it is not a file"));
    std::fs::write(&path, b"a = \"\xff\"").unwrap();
    assert!(ConfigFile::read(&path).unwrap_err().to_string().ends_with(":1:6: the file is not UTF-8 text"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "[\\[\\]a-z.=\"0-9{} \n-]{0,80}") {
        let _ = parsed(&text);
    }
}
