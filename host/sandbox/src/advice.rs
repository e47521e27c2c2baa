//! Advice that is appended to the error of a guest whose trap or panic is not self-explanatory.
//!
//! Invariants: advice only extends a message; it is given only if the stack frames or the panic message show the cause.

use wasmtime::Trap;

use super::engine::WASM_STACK;

/// How many of the innermost frames must belong to the same few functions to count as a recursion.
const DEEP: usize = 16;

/// The most functions in such a recursion.
const CYCLE: usize = 4;

/// Recognizes traps that are caused by a stack overflow.
pub(super) fn of_trap(trap: Trap, frames: &[String]) -> Option<String> {
    // A Rust guest has a second stack in linear memory. Its overflow appears as an access out of bounds.
    if !matches!(trap, Trap::StackOverflow | Trap::MemoryOutOfBounds) {
        return None;
    }
    let cycle = recursion(frames);
    if cycle.is_empty() && trap == Trap::MemoryOutOfBounds {
        return None;
    }
    let who = match cycle.as_slice() {
        [] => "it".to_owned(),
        [one] => format!("{one} calls itself, and"),
        several => format!("{} call each other, and", several.join(", ")),
    };
    let verb = if cycle.len() == 1 || cycle.is_empty() { "goes" } else { "go" };
    let limit = WASM_STACK / 1024;
    let limit = if trap == Trap::StackOverflow {
        format!("the limit is {limit} KiB")
    } else {
        "the limit is the size of the stack that the component was linked with".to_owned()
    };
    Some(format!("the handler's stack overflowed: {who} {verb} too deep; {limit}"))
}

/// The functions of a recursion, if the innermost frames consist of one.
fn recursion(frames: &[String]) -> Vec<&str> {
    let mut cycle: Vec<&str> = Vec::new();
    let Some(innermost) = frames.get(..DEEP) else { return cycle };
    for frame in innermost {
        if !cycle.contains(&&**frame) {
            cycle.push(frame);
        }
    }
    if cycle.len() > CYCLE { Vec::new() } else { cycle }
}

/// The alternative to an API that does not work in a handler and has panicked.
pub(super) fn of_panic(message: &str) -> Option<&'static str> {
    let says = |words: &str| message.contains(words);
    if says("there is no reactor running") || says("must be called from the context of a Tokio") {
        return Some(
            "a handler has no tokio runtime, so tokio's timers, sockets and tasks do not work in it; use ctx.wait() \
             between operations, and std::thread::sleep() in a step's body",
        );
    }
    if says("failed to spawn thread") {
        return Some(
            "a handler has one thread; use spawn() of an operation, ctx.parallel() or ctx.map() for what runs side by \
             side",
        );
    }
    None
}

/// The cause of an exceeded computing time, if the frames show it.
pub(super) fn of_computing(frames: &[String]) -> Option<String> {
    let last = |frame: &str| frame.rsplit("::").find(|part| !part.starts_with(['{', '<'])).map(str::to_owned);
    let blocking = frames.iter().find(|frame| last(frame).is_some_and(|name| name == "block_on"))?;
    Some(format!(
        "it was in {blocking}, which never returns for what a durable operation has to complete: .await it instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(names: &[&str], times: usize) -> Vec<String> {
        names.iter().cycle().take(names.len() * times).map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_recursion_is_told_from_other_bad_accesses() {
        let told = |trap, frames: &[String]| of_trap(trap, frames);
        for (trap, limit) in [
            (Trap::StackOverflow, "the limit is 512 KiB"),
            (
                Trap::MemoryOutOfBounds,
                "the limit is the size of the stack that the component was linked with",
            ),
        ] {
            let said = told(trap, &frames(&["mine::down"], 30)).unwrap();
            let who = "mine::down calls itself, and goes";
            assert_eq!(said, format!("the handler's stack overflowed: {who} too deep; {limit}"));
            let said = told(trap, &frames(&["a", "b"], 15)).unwrap();
            let who = "a, b call each other, and go";
            assert_eq!(said, format!("the handler's stack overflowed: {who} too deep; {limit}"));
        }
        let mixed: Vec<String> = (0..30).map(|n| format!("f{n}")).collect();
        for few in [&mixed[..], &frames(&["a"], 5)] {
            assert_eq!(told(Trap::MemoryOutOfBounds, few), None);
            let said = told(Trap::StackOverflow, few).unwrap();
            assert_eq!(said, "the handler's stack overflowed: it goes too deep; the limit is 512 KiB");
        }
        assert_eq!(told(Trap::IntegerDivisionByZero, &frames(&["a"], 30)), None);
    }

    #[test]
    fn blocking_is_told_by_its_name() {
        let blocks = ["x::with", "futures_executor::local_pool::block_on", "y"].map(str::to_owned);
        assert!(
            of_computing(&blocks)
                .unwrap()
                .starts_with("it was in futures_executor::local_pool::block_on, which")
        );
        let closure = ["pollster::block_on::{{closure}}".to_owned()];
        assert!(of_computing(&closure).is_some());
        assert_eq!(of_computing(&["mine::unblock_one".to_owned()]), None);
    }
}
