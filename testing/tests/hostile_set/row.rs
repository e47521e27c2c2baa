//! A row of the set: what a guest is, and how it must end.

use serde_json::Value;

use crate::common::wat_guest::Guest;

/// The limits of the sandbox that a guest runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Little CPU time. For guests that compute.
    Busy,
    /// Much CPU time, and few handles and timers. For guests that take something else.
    Greedy,
    /// Little real time, which is not skipped. For guests that wait.
    Slow,
}

/// What is run.
#[derive(Clone)]
pub enum Source {
    /// A function of the test guests, with its event.
    Handler(&'static str, Value),
    /// A function of the guests that send HTTP requests, with its event.
    Http(&'static str, Value),
    /// A component that is written as text.
    Text(Box<Guest>),
    /// The bytes of a file.
    Bytes(Vec<u8>),
}

/// How it must end.
#[derive(Debug, Clone)]
pub enum Ends {
    /// The execution fails with an error of this type, whose message contains this.
    Failed(&'static str, &'static str),
    /// The execution succeeds with this result: what the guest tried had no effect.
    Succeeded(Value),
    /// The execution succeeds with a result that begins with this, whether or not it is JSON.
    Returned(&'static str),
    /// The execution reaches its longest time.
    TimedOut,
    /// The execution waits for what cannot come.
    Stalled,
    /// The component is refused when it is loaded, with an error that contains this.
    Refused(&'static str),
    /// The component is refused when it lists its functions, with an error of this type, whose message contains this.
    Unlisted(&'static str, &'static str),
}

/// A hostile guest.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub class: Class,
    pub source: Source,
    pub ends: Ends,
}

/// A name that has the length of an event of which it does not show all.
fn named(function: &str, event: &Value) -> String {
    let event = event.to_string();
    let shown: String = event.chars().take(60).collect();
    if shown.len() < event.len() {
        format!("{function} {shown}.. of {}", event.len())
    } else {
        format!("{function} {event}")
    }
}

impl Row {
    pub fn handler(class: Class, function: &'static str, event: Value, ends: Ends) -> Self {
        let name = named(function, &event);
        Self { name, class, source: Source::Handler(function, event), ends }
    }

    pub fn http(function: &'static str, event: Value, ends: Ends) -> Self {
        let name = named(function, &event);
        Self { name, class: Class::Greedy, source: Source::Http(function, event), ends }
    }

    pub fn text(class: Class, name: &str, guest: Guest, ends: Ends) -> Self {
        Self { name: name.to_owned(), class, source: Source::Text(Box::new(guest)), ends }
    }

    pub fn bytes(name: &str, bytes: Vec<u8>, says: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            class: Class::Greedy,
            source: Source::Bytes(bytes),
            ends: Ends::Refused(says),
        }
    }
}
