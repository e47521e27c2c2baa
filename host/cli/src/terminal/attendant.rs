//! Follows a run at the terminal: shows progress, and asks the user to answer callbacks that have no scripted answer.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    io::{self, IsTerminal},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc},
    thread,
};

use tokio::sync::watch;

use super::{
    progress::{Counts, Screen},
    question::{Dialogue, Reply, Step},
};
use durawasm_core::{
    ambient::{Clock, Hold},
    orchestrator::Attendant,
    protocol::{CallbackId, ExecutionArn, Operation, OperationId, OperationType},
    server::{Answer, CallbackChange, Change, Observer, PendingExternal, ScriptedAnswer, ServerHandle},
};
use durawasm_report::LONGEST_MESSAGE;

/// The attendant of a run at the terminal.
pub(in super::super) struct TerminalAttendant {
    clock: Arc<dyn Clock>,
    screen: Arc<Screen>,
    /// Whether the user is asked.
    asks: bool,
    /// The answers of the command line. Callbacks with these names are not asked about.
    scripted: Vec<ScriptedAnswer>,
    counts: Arc<Counts>,
    state: Mutex<State>,
    /// Incremented at each decision of the user.
    decided: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    run: Option<(ExecutionArn, ServerHandle)>,
    known: HashSet<OperationId>,
    /// The names of contexts: a callback without a name is shown under that of its context.
    contexts: HashMap<OperationId, Arc<str>>,
    /// The callbacks that wait for an answer, by id.
    open: HashMap<CallbackId, Open>,
    questions: Option<mpsc::Sender<CallbackId>>,
}

struct Open {
    name: String,
    /// Whether the command line may answer it.
    answered: bool,
    asked: bool,
    /// Whether the user declined to answer it.
    left: bool,
    /// Holds time before the callback's deadline while the user is asked.
    hold: Option<Hold>,
}

impl TerminalAttendant {
    /// An attendant for the next run. It asks questions only if standard input and standard error are terminals.
    pub(in super::super) fn new(
        clock: Arc<dyn Clock>,
        screen: Arc<Screen>,
        may_ask: bool,
        scripted: Vec<ScriptedAnswer>,
    ) -> Arc<Self> {
        let asks = may_ask && io::stdin().is_terminal() && io::stderr().is_terminal();
        Arc::new(Self {
            clock,
            screen,
            asks,
            scripted,
            counts: Arc::default(),
            state: Mutex::default(),
            decided: watch::Sender::new(0),
        })
    }

    /// Starts to show progress.
    pub(in super::super) fn show_progress(&self) -> io::Result<()> {
        self.screen.follow(Arc::clone(&self.clock), self.clock.now(), Arc::clone(&self.counts))
    }

    /// The execution and its server; `None` before it has started.
    pub(in super::super) fn execution(&self) -> Option<(ExecutionArn, ServerHandle)> {
        self.state().run.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a change of a callback. Returns holds that are no longer needed.
    fn callback(&self, state: &mut State, change: &CallbackChange) -> Option<Open> {
        let id = callback_id(&change.operation)?;
        if !change.open {
            return state.open.remove(&id);
        }
        let name = state.name_of(&change.operation);
        let ends = |answer: &ScriptedAnswer| answer.answer != Answer::Heartbeat;
        let answered = self.scripted.iter().any(|answer| ends(answer) && answer.is_for(&name));
        let hold = change.deadline.filter(|_| self.asks && !answered).map(|at| self.clock.hold(at));
        if let Some(open) = state.open.get_mut(&id) {
            if !open.left {
                open.hold = hold;
            }
            return None;
        }
        state.open.insert(id, Open { name, answered, asked: false, left: !self.asks, hold });
        None
    }

    /// Asks about one callback after another. It runs on its own thread, because reading input blocks.
    fn ask_all(self: &Arc<Self>, questions: &mpsc::Receiver<CallbackId>, server: &ServerHandle) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
        while let Ok(id) = questions.recv() {
            let Some(name) = self.state().open.get(&id).map(|open| open.name.clone()) else { continue };
            // Standard error is not locked while the user types, so log lines of the handler are still printed.
            let reply = ask(&name, &mut io::stdin().lock(), &*self.screen).unwrap_or(Reply::Leave);
            let again = reply == Reply::Answer(Answer::Heartbeat);
            let done = match reply {
                Reply::Answer(answer) => {
                    runtime.block_on(server.complete_callback(&id, answer)).map_err(|error| error.to_string())
                }
                Reply::Leave => {
                    let hold = self.state().open.get_mut(&id).and_then(|open| {
                        open.left = true;
                        open.hold.take()
                    });
                    drop(hold);
                    Ok(())
                }
            };
            if let Err(error) = done {
                Display::line(&*self.screen, &format!("{name} was not answered: {error}"));
            } else if again {
                self.state().ask(&id);
            }
            self.decided.send_modify(|count| *count += 1);
        }
    }
}

impl State {
    fn name_of(&self, callback: &Operation) -> String {
        let context = || callback.parent_id.as_ref().and_then(|id| self.contexts.get(id));
        callback.name.as_ref().or_else(context).map(ToString::to_string).unwrap_or_default()
    }

    /// Queues a question about an open callback.
    fn ask(&mut self, id: &CallbackId) {
        let (Some(open), Some(questions)) = (self.open.get_mut(id), &self.questions) else { return };
        open.asked = questions.send(id.clone()).is_ok();
    }
}

/// The output of a dialogue.
trait Display {
    fn ask(&self, question: &str);
    fn answered(&self);
    fn line(&self, text: &str);
}

impl Display for Screen {
    fn ask(&self, question: &str) {
        Self::ask(self, question);
    }

    fn answered(&self) {
        Self::answered(self);
    }

    fn line(&self, text: &str) {
        Self::line(self, text, LONGEST_MESSAGE);
    }
}

/// Runs a complete dialogue about one callback; `None` at the end of the input.
fn ask(name: &str, input: &mut impl io::BufRead, output: &impl Display) -> Option<Reply> {
    let mut dialogue = Dialogue::What;
    loop {
        output.ask(&dialogue.prompt(name));
        let mut line = String::new();
        let read = input.read_line(&mut line);
        output.answered();
        if read.ok()? == 0 {
            // End of input: no newline was typed, so the cursor is still behind the question.
            output.line("");
            return None;
        }
        match dialogue.take(&line) {
            Step::Ask(next) => dialogue = next,
            Step::Again(why) => output.line(&format!("  {why}")),
            Step::Done(reply) => return Some(reply),
        }
    }
}

fn callback_id(operation: &Operation) -> Option<CallbackId> {
    operation.callback_details.as_ref()?.callback_id.clone()
}

impl Observer for TerminalAttendant {
    fn observe(&self, change: Change) {
        let mut state = self.state();
        for operation in change.operations {
            if let (true, Some(name)) = (operation.kind == OperationType::Context, &operation.name) {
                state.contexts.insert(operation.id.clone(), Arc::clone(name));
            }
            // The EXECUTION operation is not counted as an operation of the handler.
            if operation.kind != OperationType::Execution && state.known.insert(operation.id.clone()) {
                self.counts.operations.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut over = Vec::new();
        for callback in change.callbacks {
            over.extend(self.callback(&mut state, &callback));
        }
        drop(state);
        // Dropping a hold notifies the clock, so it must happen after the state is unlocked.
        drop(over);
    }
}

/// A shared attendant, which can be moved to a thread.
pub(in super::super) struct SharedAttendant(pub(in super::super) Arc<TerminalAttendant>);

impl Observer for SharedAttendant {
    fn observe(&self, change: Change) {
        self.0.observe(change);
    }
}

impl Attendant for SharedAttendant {
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle) {
        let mut state = self.0.state();
        state.run = Some((arn.clone(), server.clone()));
        if self.0.asks {
            let (questions, asked) = mpsc::channel();
            state.questions = Some(questions);
            drop(state);
            let (attend, server) = (Arc::clone(&self.0), server.clone());
            let asking = move || attend.ask_all(&asked, &server);
            // If the thread cannot be started, no question is asked.
            drop(thread::Builder::new().name("durawasm-questions".to_owned()).spawn(asking));
        }
    }

    fn invoked(&self) {
        self.0.counts.invocations.fetch_add(1, Ordering::Relaxed);
    }

    fn waits(&self) {
        let mut state = self.0.state();
        let unasked = |open: &Open| !open.answered && !open.asked && !open.left;
        let mut ids: Vec<CallbackId> =
            state.open.iter().filter(|(_, open)| unasked(open)).map(|(id, _)| id.clone()).collect();
        ids.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        for id in &ids {
            state.ask(id);
        }
    }

    fn may_answer(&self, what: &[PendingExternal]) -> bool {
        let mut state = self.0.state();
        let mut any = false;
        for pending in what {
            let PendingExternal::Callback { callback_id, .. } = pending else { continue };
            let Some(open) = state.open.get(callback_id) else { continue };
            any |= !open.left;
            if !open.left && !open.asked {
                state.ask(callback_id);
            }
        }
        any
    }

    fn reconsidered(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut decided = self.0.decided.subscribe();
        decided.borrow_and_update();
        Box::pin(async move {
            if decided.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Records the output of a dialogue.
    #[derive(Default)]
    struct Seen(RefCell<String>);

    impl Display for Seen {
        fn ask(&self, question: &str) {
            self.0.borrow_mut().push_str(question);
        }

        fn answered(&self) {
            self.0.borrow_mut().push('\n');
        }

        fn line(&self, text: &str) {
            *self.0.borrow_mut() += &format!("{text}\n");
        }
    }

    #[test]
    fn a_dialogue_goes_on_until_there_is_a_reply() {
        let seen = Seen::default();
        let reply = ask("approval", &mut &b"x\ns\nkim\n\"kim\"\n"[..], &seen);
        assert_eq!(reply, Some(Reply::Answer(Answer::Success(Some("\"kim\"".to_owned())))));
        let shown = seen.0.into_inner();
        let expected = [
            "approval waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? ",
            "  type s, f, h or l",
            "approval waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave? ",
            "  its result, as JSON [null]: ",
            "  that is not JSON (expected value at line 1 column 1); a text is written as \"text\"",
            "  its result, as JSON [null]: ",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
        let seen = Seen::default();
        assert_eq!(ask("approval", &mut &b"s\n"[..], &seen), None);
        assert!(seen.0.into_inner().ends_with("  its result, as JSON [null]: \n\n"), "the line is ended");
    }
}
