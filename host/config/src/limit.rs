//! The limits that can be set: each has a key, a default, bounds and a named error.
//!
//! Invariants: this is the only list of them. The flags of the commands, the keys of `durawasm.toml` and those of
//! scenarios are made from it, and accept the same values.

use std::{fmt, time::Duration};

use durawasm_core::durations::{ExecutionTimeout, parse_some_duration, show_duration};
use serde::{Serialize, Serializer};

/// The value of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number, or a size in MiB.
    Number(u64),
    /// A time, more than zero.
    Time(Duration),
    /// An execution timeout.
    Timeout(ExecutionTimeout),
    /// Whether something is enforced.
    Switch(bool),
}

/// What values a limit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A size in MiB, from the first number to the second.
    Mebibytes(u64, u64),
    /// A number, from the first to the second.
    Number(u64, u64),
    /// A time, more than zero.
    Time,
    /// A time of whole seconds, or `none`.
    Timeout,
    /// `true` or `false`; as a flag it has no value.
    Switch,
}

/// What a limit is a limit of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One invocation, or one execution, of a function: each function has its own.
    Function,
    /// A run of a function, with all executions that it starts: the limit of the function that is run counts.
    Run,
    /// All that a command runs.
    Command,
}

macro_rules! limits {
    ($($name:ident, $key:literal, $snake:literal, $kind:expr, $default:literal, $scope:ident, $error:literal, $help:literal;)*) => {
        /// A limit that can be set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Limit {
            $(#[doc = $help] $name,)*
        }

        #[allow(clippy::match_same_arms, reason = "limits are listed one by one")]
        impl Limit {
            /// All limits, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The keys in `durawasm.toml`.
            pub(crate) const KEYS: &'static [&'static str] = &[$($key),*];
            /// The keys in scenarios, which are written with `_`.
            pub(crate) const SNAKE_KEYS: &'static [&'static str] = &[$($snake),*];

            /// The key in `durawasm.toml`. The flag is the same with `--` before it.
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// What values it has.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => $kind,)* }
            }

            /// The default, as it is written.
            pub fn default_text(self) -> &'static str {
                match self { $(Self::$name => $default,)* }
            }

            /// What it is a limit of.
            pub fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }

            /// What happens beyond it: a type of errors, or words.
            pub fn error(self) -> &'static str {
                match self { $(Self::$name => $error,)* }
            }

            /// One line for the help of the commands.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

/// The most of a number that is kept in 32 bits.
const MOST: u64 = 0xffff_ffff;

/// The most bytes that the host may be allowed to keep, in MiB: 1 TiB.
const KEPT: u64 = 1 << 20;

limits! {
    Memory, "memory", "memory", Kind::Mebibytes(1, 4096), "512", Function, "Sandbox.MemoryLimitExceeded",
        "Memory of one invocation: its linear memories, tables and handles together, in MiB";
    TotalMemory, "total-memory", "total_memory", Kind::Mebibytes(1, KEPT), "1024", Command, "an invocation waits until others have ended",
        "Memory of all concurrent invocations together, in MiB; one for which there is not enough waits for others to end";
    Handles, "handles", "handles", Kind::Number(1, MOST), "2000000", Function, "Sandbox.HandleLimitExceeded",
        "Contexts and pollables that an invocation may hold at once";
    Timers, "timers", "timers", Kind::Number(1, MOST), "100000", Function, "Sandbox.TimerLimitExceeded",
        "Timers that an invocation may hold at once";
    Operations, "operations", "operations", Kind::Number(1, 1_000_000), "1000000", Function, "Sandbox.OperationLimitExceeded",
        "Operations that an invocation may start or replay";
    LogSize, "log-size", "log_size", Kind::Mebibytes(1, 4096), "16", Function, "Sandbox.LogLimitExceeded",
        "Log and output of one invocation, in MiB";
    CpuLimit, "cpu-limit", "cpu_limit", Kind::Time, "10s", Function, "Sandbox.CpuLimitExceeded",
        "Computing time of one invocation";
    InvocationTimeout, "invocation-timeout", "invocation_timeout", Kind::Time, "15m", Function, "Sandbox.TimeLimitExceeded",
        "Real time of one invocation";
    HttpTimeout, "http-timeout", "http_timeout", Kind::Time, "60s", Function, "HTTP-response-timeout",
        "Real time of one HTTP request, to the end of its response";
    HttpRequests, "http-requests", "http_requests", Kind::Number(0, MOST), "1000", Function, "Sandbox.HttpLimitExceeded",
        "HTTP requests of one invocation";
    HttpSize, "http-size", "http_size", Kind::Mebibytes(1, 4096), "64", Function, "Sandbox.HttpLimitExceeded",
        "Bytes of all HTTP requests and responses of one invocation, in MiB";
    DiskSize, "disk-size", "disk_size", Kind::Mebibytes(1, KEPT), "1024", Function, "insufficient-space",
        "What an execution may add to all its directories, in MiB";
    DiskFiles, "disk-files", "disk_files", Kind::Number(0, u64::MAX >> 1), "10000", Function, "insufficient-space",
        "How many files, directories and links an execution may add to all its directories";
    ExecutionBytes, "execution-bytes", "execution_bytes", Kind::Mebibytes(1, KEPT), "256", Run, "Execution.ByteLimitExceeded",
        "What one execution may make the host keep, in MiB: payloads, results, errors, history, queued updates, log and output";
    HostBytes, "host-bytes", "host_bytes", Kind::Mebibytes(1, KEPT), "1024", Command, "Sandbox.HostByteLimitExceeded",
        "What all executions together may make the host keep, in MiB";
    Invokes, "invokes", "invokes", Kind::Number(0, 1_000_000), "10000", Run, "Invoke.CountExceeded",
        "How many functions a run may invoke, by itself and by the functions that it invokes";
    InvokeDepth, "invoke-depth", "invoke_depth", Kind::Number(0, 1_000), "100", Run, "Invoke.DepthExceeded",
        "How many functions may wait for each other in a chain of invokes";
    InvocationRetries, "invocation-retries", "invocation_retries", Kind::Number(0, MOST), "2", Run, "the error of the last invocation",
        "How often an invocation that crashed is repeated before the execution fails";
    ExecutionTimeout, "execution-timeout", "execution_timeout", Kind::Timeout, "366days", Run, "Execution.Timeout",
        "How long the execution may take in its own time, 1s to 366days, or `none` for any time";
    ServiceQuotas, "service-quotas", "service_quotas", Kind::Switch, "false", Run, "Service.CheckpointFailed",
        "Enforce the service's quotas as well: 3,000 operations and 100 MB written per execution";
    CompileTimeout, "compile-timeout", "compile_timeout", Kind::Time, "120s", Command, "exit code 4",
        "How long compiling a component may take";
    CompileMemory, "compile-memory", "compile_memory", Kind::Mebibytes(64, 65_536), "1024", Command, "exit code 4",
        "Memory for compiling a component, in MiB";
}

impl Limit {
    /// The limit with this key in `durawasm.toml`.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|limit| limit.key() == key)
    }

    /// The limit with this key in a scenario.
    pub(crate) fn of_snake_key(key: &str) -> Option<Self> {
        Self::SNAKE_KEYS
            .iter()
            .position(|other| *other == key)
            .and_then(|place| Self::ALL.get(place))
            .copied()
    }

    /// Reads the value of a flag.
    ///
    /// # Errors
    /// When it is none, or is out of bounds.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self.kind() {
            Kind::Mebibytes(..) | Kind::Number(..) => {
                let number = text.parse().map_err(|_| self.out_of_bounds(text))?;
                self.number(number)
            }
            Kind::Time => parse_some_duration(text).map(Value::Time).map_err(|error| error.to_string()),
            Kind::Timeout => text.parse().map(Value::Timeout),
            Kind::Switch => match text {
                "true" => Ok(Value::Switch(true)),
                "false" => Ok(Value::Switch(false)),
                _ => Err(format!("{} is true or false", self.key())),
            },
        }
    }

    /// A number within the bounds.
    pub(crate) fn number(self, number: u64) -> Result<Value, String> {
        let (Kind::Mebibytes(least, most) | Kind::Number(least, most)) = self.kind() else {
            return Err(format!("{} is no number", self.key()));
        };
        if !(least..=most).contains(&number) {
            return Err(self.out_of_bounds(&number.to_string()));
        }
        Ok(Value::Number(number))
    }

    fn out_of_bounds(self, text: &str) -> String {
        match self.kind() {
            Kind::Mebibytes(least, most) => {
                format!("a size from {least} to {most} MiB is expected, not {text}")
            }
            Kind::Number(least, most) => format!("a number from {least} to {most} is expected, not {text}"),
            Kind::Time | Kind::Timeout | Kind::Switch => format!("{} is not {text}", self.key()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Time(time) => f.write_str(&show_duration(*time)),
            Self::Timeout(ExecutionTimeout(None)) => f.write_str("none"),
            Self::Timeout(ExecutionTimeout(Some(seconds))) => {
                f.write_str(&show_duration(Duration::from_secs(*seconds)))
            }
            Self::Switch(on) => write!(f, "{on}"),
        }
    }
}

/// As it is written in `durawasm.toml`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Switch(on) => serializer.serialize_bool(*on),
            Self::Time(_) | Self::Timeout(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_default_within_its_bounds_and_says_what_happens() {
        for limit in Limit::ALL {
            let default = limit.parse(limit.default_text()).unwrap();
            // A default may be written in another unit than it is shown.
            assert_eq!(limit.parse(&default.to_string()), Ok(default), "{limit:?}");
            assert!(!limit.error().is_empty() && !limit.help().is_empty());
            assert_eq!(Limit::of_key(limit.key()), Some(*limit));
            assert_eq!(Limit::of_snake_key(&limit.key().replace('-', "_")), Some(*limit));
        }
    }

    fn page(path: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    /// `docs/config.md` has a row for each limit, with its key, flag, default and error, and no others.
    #[test]
    fn one_table_has_every_limit() {
        let page = page("docs/config.md");
        let (_, section) = page.split_once("\n## Limits\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), Limit::ALL.len());
        for (row, limit) in rows.iter().zip(Limit::ALL) {
            let unit = if matches!(limit.kind(), Kind::Mebibytes(..)) { " MiB" } else { "" };
            let error = if limit.error().contains(' ') {
                limit.error().to_owned()
            } else {
                format!("`{}`", limit.error())
            };
            let scope = match limit.scope() {
                Scope::Function => "each function",
                Scope::Run => "a run",
                Scope::Command => "the command",
            };
            let (key, default) = (limit.key(), limit.default_text());
            let cells = format!("| `{key}` | `--{key}` | {default}{unit} | {error} | {scope} | ");
            assert!(row.starts_with(&cells) && row.len() > cells.len() + 10, "{row}\n{cells}");
        }
    }

    /// A type of errors that a limit names is one that there is.
    #[test]
    fn named_errors_are_errors_that_there_are() {
        let types = page("host/core/src/protocol/error_types.rs");
        let named: Vec<&str> =
            Limit::ALL.iter().map(|limit| limit.error()).filter(|error| error.contains('.')).collect();
        assert!(named.len() > 12, "{named:?}");
        for error in named {
            assert!(types.contains(&format!("\"{error}\"")), "{error}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_the_bounds() {
        for (limit, text, says) in [
            (Limit::Memory, "0", "a size from 1 to 4096 MiB is expected, not 0"),
            (Limit::Memory, "4097", "a size from 1 to 4096 MiB is expected, not 4097"),
            (Limit::Memory, "x", "a size from 1 to 4096 MiB is expected, not x"),
            (Limit::Handles, "4294967296", "a number from 1 to 4294967295 is expected, not 4294967296"),
            (Limit::CompileMemory, "63", "a size from 64 to 65536 MiB is expected, not 63"),
            (Limit::CpuLimit, "0s", "no time at all"),
            (Limit::CpuLimit, "1month", "months and years differ in length"),
            (Limit::ExecutionTimeout, "367days", "1 to 31622400 (366days), or `none`"),
            (Limit::ServiceQuotas, "yes", "service-quotas is true or false"),
        ] {
            let said = limit.parse(text).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        for (limit, text) in
            [(Limit::Memory, "4096"), (Limit::HttpRequests, "0"), (Limit::ExecutionTimeout, "none")]
        {
            assert_eq!(limit.parse(text).unwrap().to_string(), text);
        }
    }
}
