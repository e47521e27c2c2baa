//! Follows a run for the person at the terminal, and asks that person what nobody else answers.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    io::{self, IsTerminal, Write},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc},
    thread,
};

use tokio::sync::watch;

use super::{
    progress::{Counts, Screen},
    question::{Dialogue, Reply, Step},
};
use crate::{
    ambient::{Clock, Hold},
    orchestrator::Attendant,
    protocol::{CallbackId, ExecutionArn, Operation, OperationId, OperationType},
    server::{CallbackChange, Change, Observer, Outside, ScriptedAnswer, ServerHandle},
};

/// Who follows a run.
pub(in super::super) struct Attend {
    clock: Arc<dyn Clock>,
    screen: Arc<Screen>,
    /// Whether anybody is asked.
    asks: bool,
    /// Callbacks of these names are answered by the command line.
    scripted: Vec<ScriptedAnswer>,
    counts: Arc<Counts>,
    state: Mutex<State>,
    /// Counts what the person has decided.
    decided: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    run: Option<(ExecutionArn, ServerHandle)>,
    known: HashSet<OperationId>,
    /// The names of contexts: a callback may have that of the one it is in.
    contexts: HashMap<OperationId, Arc<str>>,
    /// Callbacks that wait for an answer, by their ids.
    open: HashMap<CallbackId, Open>,
    questions: Option<mpsc::Sender<CallbackId>>,
}

struct Open {
    name: String,
    asked: bool,
    /// The person does not want to answer it.
    left: bool,
    /// Keeps time from its deadline while the person is asked.
    hold: Option<Hold>,
}

impl Attend {
    /// Follows the next run. Asks, if somebody is there to be asked.
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

    /// Shows progress from now on.
    pub(in super::super) fn show_progress(&self) -> io::Result<()> {
        self.screen.follow(Arc::clone(&self.clock), self.clock.now(), Arc::clone(&self.counts))
    }

    /// The execution, and where it is; none before it has started.
    pub(in super::super) fn execution(&self) -> Option<(ExecutionArn, ServerHandle)> {
        self.state().run.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what has become of a callback. Returns holds that are not needed any more.
    fn callback(&self, state: &mut State, change: CallbackChange) -> Option<Open> {
        let Some(id) = callback_id(&change.operation) else { return None };
        if !change.open {
            return state.open.remove(&id);
        }
        let name = state.name_of(&change.operation);
        let answered = self.scripted.iter().any(|answer| answer.is_for(&name));
        let hold = change.deadline.filter(|_| self.asks && !answered).map(|at| self.clock.hold(at));
        if let Some(open) = state.open.get_mut(&id) {
            if !open.left {
                open.hold = hold;
            }
            return None;
        }
        state.open.insert(id.clone(), Open { name, asked: false, left: !self.asks, hold });
        if self.asks && !answered {
            state.ask(&id);
        }
        None
    }

    /// Asks about one callback after the other. On a thread of its own: whoever types takes the time that it takes.
    fn ask_all(self: &Arc<Self>, questions: &mpsc::Receiver<CallbackId>, server: &ServerHandle) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
        while let Ok(id) = questions.recv() {
            let Some(name) = self.state().open.get(&id).map(|open| open.name.clone()) else { continue };
            self.screen.pause();
            let reply = ask(&name, &mut io::stdin().lock(), &mut io::stderr().lock());
            self.screen.resume();
            let reply = reply.unwrap_or(Reply::Leave);
            let again = reply == Reply::Answer(crate::server::Answer::Heartbeat);
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
                self.screen.line(&format!("{} was not answered: {error}", crate::report::printable(&name)));
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

    /// Has the person asked about an open callback.
    fn ask(&mut self, id: &CallbackId) {
        let (Some(open), Some(questions)) = (self.open.get_mut(id), &self.questions) else { return };
        open.asked = questions.send(id.clone()).is_ok();
    }
}

/// A whole dialogue about one callback; none at the end of the input.
fn ask(name: &str, input: &mut impl io::BufRead, output: &mut impl Write) -> Option<Reply> {
    let mut dialogue = Dialogue::What;
    loop {
        write!(output, "{}", dialogue.prompt(name)).ok()?;
        output.flush().ok()?;
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match dialogue.take(&line) {
            Step::Ask(next) => dialogue = next,
            Step::Again(why) => writeln!(output, "  {why}").ok()?,
            Step::Done(reply) => return Some(reply),
        }
    }
}

fn callback_id(operation: &Operation) -> Option<CallbackId> {
    operation.callback_details.as_ref()?.callback_id.clone()
}

impl Observer for Attend {
    fn observe(&self, change: Change) {
        let mut state = self.state();
        for operation in change.operations {
            if let (true, Some(name)) = (operation.kind == OperationType::Context, &operation.name) {
                state.contexts.insert(operation.id.clone(), Arc::clone(name));
            }
            if state.known.insert(operation.id.clone()) {
                self.counts.operations.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut over = Vec::new();
        for callback in change.callbacks {
            over.extend(self.callback(&mut state, callback));
        }
        drop(state);
        // Holds tell the clock when they go.
        drop(over);
    }
}

/// An attendant that can hand itself to a thread.
pub(in super::super) struct Attending(pub(in super::super) Arc<Attend>);

impl Observer for Attending {
    fn observe(&self, change: Change) {
        self.0.observe(change);
    }
}

impl Attendant for Attending {
    fn started(&self, arn: &ExecutionArn, server: &ServerHandle) {
        let mut state = self.0.state();
        state.run = Some((arn.clone(), server.clone()));
        if self.0.asks {
            let (questions, asked) = mpsc::channel();
            state.questions = Some(questions);
            drop(state);
            let (attend, server) = (Arc::clone(&self.0), server.clone());
            let asking = move || attend.ask_all(&asked, &server);
            // Without the thread nobody is asked, and the questions are left.
            drop(thread::Builder::new().name("durawasm-questions".to_owned()).spawn(asking));
        }
    }

    fn invoked(&self) {
        self.0.counts.invocations.fetch_add(1, Ordering::Relaxed);
    }

    fn may_answer(&self, what: &[Outside]) -> bool {
        let mut state = self.0.state();
        let mut any = false;
        for outside in what {
            let Outside::Callback { callback_id, .. } = outside else { continue };
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
                std::future::pending().await
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Answer;

    #[test]
    fn a_dialogue_goes_on_until_there_is_a_reply() {
        let mut output = Vec::new();
        let reply = ask("approval", &mut &b"x\ns\nkim\n\"kim\"\n"[..], &mut output);
        assert_eq!(reply, Some(Reply::Answer(Answer::Success(Some("\"kim\"".to_owned())))));
        let shown = String::from_utf8(output).unwrap();
        assert_eq!(
            shown,
            "approval waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave?   type s, f, h or l\n\
             approval waits: [s]uccess, [f]ailure, [h]eartbeat, [l]eave?   its result, as JSON [null]:   \
             that is not JSON (expected value at line 1 column 1); a text is written as \"text\"\n  \
             its result, as JSON [null]: "
        );
        assert_eq!(ask("approval", &mut &b"s\n"[..], &mut Vec::new()), None);
    }
}
