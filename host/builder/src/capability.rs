//! The capabilities that a component's imports give it.
//!
//! A component can access only its imports, so the list is complete. It tells how the sandbox treats each capability by
//! default, without grants.

use serde::Serialize;

use super::{
    contract::CONTRACT_PACKAGE,
    inspect::{ComponentSummary, Interface},
};

/// The kind of a group of imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CapabilityKind {
    /// Durable operations and the execution's data (`durawasm:durable`).
    Durable,
    /// Waiting and streams (`wasi:io`), also for other interfaces.
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
    /// An interface that this host does not know.
    Unknown,
}

/// How the sandbox treats a capability by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Treatment {
    /// It is available.
    Provided,
    /// It is available, and returns the same values on every replay.
    Virtualized,
    /// Output is kept with the execution; input is empty.
    Captured,
    /// The component starts, but finds nothing there.
    NotGranted,
    /// The component starts only if it is granted.
    NotProvided,
}

/// A group of imports, and their treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// The kind of the imports.
    pub kind: CapabilityKind,
    /// How the sandbox treats them by default.
    pub treatment: Treatment,
    /// A short description for people.
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
            ("wasi:http", "types" | "outgoing-handler") => Self::Http,
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
            Self::Http => (Treatment::NotGranted, "no requests but those that are granted, inside steps"),
            Self::Unknown => (Treatment::NotProvided, "not known to this host"),
        }
    }
}

impl ComponentSummary {
    /// The capabilities of the component's imports, one entry for each kind.
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
            "wasi:http/outgoing-handler",
            "wasi:http/incoming-handler",
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
                (CapabilityKind::Http, Treatment::NotGranted, 1),
                (CapabilityKind::Unknown, Treatment::NotProvided, 3),
            ]
        );
        assert_eq!(capabilities[2].imports, ["wasi:cli/stdout@0.2.3", "wasi:cli/stderr@0.2.3"]);
    }
}
