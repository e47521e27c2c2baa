//! What a component's imports let it reach, in words.
//!
//! A component reaches nothing except through its imports, so this list is complete. It tells what the sandbox does
//! with each by default; what a user grants on top is known where it is granted.

use serde::Serialize;

use super::{
    contract::CONTRACT_PACKAGE,
    inspect::{ComponentSummary, Interface},
};

/// What a group of imports is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CapabilityKind {
    /// Durable operations and the execution's data (`durawasm:durable`).
    Durable,
    /// Waiting and streams (`wasi:io`), by themselves and for the others.
    Io,
    /// Time (`wasi:clocks`).
    Clocks,
    /// Randomness (`wasi:random`).
    Random,
    /// Standard input, output and error (`wasi:cli`).
    Stdio,
    /// Environment variables and arguments (`wasi:cli`).
    Environment,
    /// Ending the instance (`wasi:cli`).
    Exit,
    /// Files (`wasi:filesystem`).
    Filesystem,
    /// TCP, UDP and name resolution (`wasi:sockets`).
    Sockets,
    /// HTTP requests (`wasi:http`).
    Http,
    /// What this host does not know.
    Unknown,
}

/// What the sandbox does with a capability by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Treatment {
    /// It works.
    Provided,
    /// It works, and answers the same on every replay.
    Virtualized,
    /// What is written is kept with the execution; there is nothing to read.
    Captured,
    /// The component starts, and finds nothing there.
    NotGranted,
    /// The component does not start unless it is granted.
    NotProvided,
}

/// A group of imports, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// What it is about.
    pub kind: CapabilityKind,
    /// What the sandbox does with it by default.
    pub treatment: Treatment,
    /// The same in a few words for a person.
    pub note: &'static str,
    /// The imports, as `name@version`, in the order of the component.
    pub imports: Vec<String>,
}

impl CapabilityKind {
    fn of(interface: &Interface) -> Self {
        match (interface.package(), interface.short_name()) {
            (CONTRACT_PACKAGE, _) => Self::Durable,
            ("wasi:io", _) => Self::Io,
            ("wasi:clocks", _) => Self::Clocks,
            ("wasi:random", _) => Self::Random,
            ("wasi:cli", "environment") => Self::Environment,
            ("wasi:cli", "exit") => Self::Exit,
            ("wasi:cli", _) => Self::Stdio,
            ("wasi:filesystem", _) => Self::Filesystem,
            ("wasi:sockets", _) => Self::Sockets,
            ("wasi:http", _) => Self::Http,
            _ => Self::Unknown,
        }
    }

    fn treatment(self) -> (Treatment, &'static str) {
        match self {
            Self::Durable => (Treatment::Provided, "recorded, and replayed from the record"),
            Self::Io => (Treatment::Provided, "waiting on durable operations suspends the execution"),
            Self::Clocks => (Treatment::Virtualized, "recorded time between operations, live inside steps"),
            Self::Random => {
                (Treatment::Virtualized, "the execution's own stream between operations, live inside steps")
            }
            Self::Stdio => (Treatment::Captured, "output goes to the execution's log, input is empty"),
            Self::Environment => {
                (Treatment::NotGranted, "no variables but those that are granted, and no arguments")
            }
            Self::Exit => (Treatment::Provided, "ends the invocation with an error"),
            Self::Filesystem => (Treatment::NotGranted, "no folders but those that are granted"),
            Self::Sockets => (Treatment::NotGranted, "every connection is refused"),
            Self::Http => (Treatment::NotProvided, "no requests"),
            Self::Unknown => (Treatment::NotProvided, "not known to this host"),
        }
    }
}

impl ComponentSummary {
    /// What the component's imports let it reach, one entry a kind.
    pub fn capabilities(&self) -> Vec<Capability> {
        let interfaces = self.imports.interfaces.iter().map(|interface| {
            let shown = match &interface.version {
                Some(version) => format!("{}@{version}", interface.name),
                None => interface.name.clone(),
            };
            (CapabilityKind::of(interface), shown)
        });
        let others = self.imports.others.iter().map(|name| (CapabilityKind::Unknown, name.clone()));
        let mut sorted: Vec<_> = interfaces.chain(others).collect();
        sorted.sort_by_key(|(kind, _)| *kind);
        let mut capabilities: Vec<Capability> = Vec::new();
        for (kind, import) in sorted {
            match capabilities.last_mut() {
                Some(last) if last.kind == kind => last.imports.push(import),
                _ => {
                    let (treatment, note) = kind.treatment();
                    capabilities.push(Capability { kind, treatment, note, imports: vec![import] });
                }
            }
        }
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Surface;

    #[test]
    fn imports_are_grouped_by_what_they_are_about() {
        let names = [
            "wasi:cli/stdout",
            "wasi:filesystem/types",
            "wasi:cli/exit",
            "durawasm:durable/log",
            "wasi:clocks/wall-clock",
            "wasi:cli/stderr",
            "vendor:thing/api",
        ];
        let interfaces = names.map(|name| Interface {
            name: name.to_owned(),
            version: Some("0.2.3".to_owned()),
            functions: Vec::new(),
        });
        let imports = Surface { interfaces: interfaces.into(), others: vec!["loose".to_owned()] };
        let capabilities = ComponentSummary { size: 0, imports, exports: Surface::default() }.capabilities();
        let kinds: Vec<_> = capabilities.iter().map(|c| (c.kind, c.treatment, c.imports.len())).collect();
        assert_eq!(
            kinds,
            [
                (CapabilityKind::Durable, Treatment::Provided, 1),
                (CapabilityKind::Clocks, Treatment::Virtualized, 1),
                (CapabilityKind::Stdio, Treatment::Captured, 2),
                (CapabilityKind::Exit, Treatment::Provided, 1),
                (CapabilityKind::Filesystem, Treatment::NotGranted, 1),
                (CapabilityKind::Unknown, Treatment::NotProvided, 2),
            ]
        );
        assert_eq!(capabilities[2].imports, ["wasi:cli/stdout@0.2.3", "wasi:cli/stderr@0.2.3"]);
    }
}
