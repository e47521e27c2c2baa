//! The progress line of a long run.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use durawasm_core::{ambient::Clock, protocol::Timestamp};
use durawasm_report as report;

/// The delay before progress is first shown, and the interval between updates.
const EVERY: Duration = Duration::from_millis(500);

/// Standard error, with the progress line or a question as its last line.
pub(in super::super) struct Screen(Mutex<State>);

#[derive(Default)]
struct State {
    /// The last line; empty for none.
    shown: String,
    /// Whether no progress is drawn, because a question is shown or the run has ended.
    paused: bool,
}

/// The counters of the progress line.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) operations: AtomicU64,
    pub(super) invocations: AtomicU64,
}

impl Screen {
    pub(in super::super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// Whether a progress line can be drawn.
    pub(in super::super) fn is_terminal() -> bool {
        io::stderr().is_terminal()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line above the last line, made safe and in at most about `most` characters.
    pub(in super::super) fn line(&self, text: &str, most: usize) {
        let text = report::shortened(text, most);
        let state = self.state();
        let mut out = io::stderr().lock();
        // A closed standard error must not stop an execution.
        let _ = write!(out, "{}{text}\n{}", erase(&state.shown), state.shown);
        let _ = out.flush();
    }

    /// Redraws the progress line.
    fn draw(&self, text: String) {
        let mut state = self.state();
        if state.paused || state.shown == text {
            return;
        }
        let mut out = io::stderr().lock();
        let _ = write!(out, "{}{text}", erase(&state.shown));
        let _ = out.flush();
        state.shown = text;
    }

    /// Removes the progress line or the question, and stops drawing.
    pub(in super::super) fn close(&self) {
        self.stand("");
    }

    /// Shows a question as the last line until `answered` is called.
    pub(super) fn ask(&self, question: &str) {
        self.stand(question);
    }

    fn stand(&self, text: &str) {
        let text = report::shortened(text, report::LONGEST_MESSAGE);
        let mut state = self.state();
        let mut out = io::stderr().lock();
        let _ = write!(out, "{}{text}", erase(&state.shown));
        let _ = out.flush();
        state.shown = text;
        state.paused = true;
    }

    /// The user has entered a line: further output begins on the next line.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.shown.clear();
        state.paused = false;
    }

    /// Updates the progress line at intervals, until the screen is dropped or closed.
    pub(super) fn follow(
        self: &Arc<Self>,
        clock: Arc<dyn Clock>,
        start: Timestamp,
        counts: Arc<Counts>,
    ) -> io::Result<()> {
        let screen = Arc::downgrade(self);
        let show = move || {
            loop {
                thread::park_timeout(EVERY);
                let Some(screen) = screen.upgrade() else { return };
                let elapsed = Duration::from_secs(clock.now().since(start).as_secs());
                screen.draw(line(elapsed, &counts));
            }
        };
        thread::Builder::new().name("durawasm-progress".to_owned()).spawn(show).map(drop)
    }
}

fn line(elapsed: Duration, counts: &Counts) -> String {
    let (operations, invocations) =
        (counts.operations.load(Ordering::Relaxed), counts.invocations.load(Ordering::Relaxed));
    format!(
        "running: {} of its own time, {}, {}",
        report::duration(elapsed),
        count(operations, "operation"),
        count(invocations, "invocation")
    )
}

/// A number with thousands separators, and its unit.
fn count(number: u64, of: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number == 1 { format!("1 {of}") } else { format!("{grouped} {of}s") }
}

/// The control sequence that erases the last line, if there is one.
fn erase(shown: &str) -> &'static str {
    if shown.is_empty() { "" } else { "\r\u{1b}[2K" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_in_one_line() {
        let counts = Counts::default();
        counts.operations.store(1, Ordering::Relaxed);
        counts.invocations.store(1_234_567, Ordering::Relaxed);
        let days = Duration::from_mins(412 * 24 * 60 + 1);
        let shown = line(days, &counts);
        assert_eq!(shown, "running: 412days 1m of its own time, 1 operation, 1,234,567 invocations");
        assert!(shown.len() < 80);
        for (number, shown) in [(0, "0 xs"), (999, "999 xs"), (1000, "1,000 xs"), (12_345, "12,345 xs")] {
            assert_eq!(count(number, "x"), shown);
        }
    }
}
