//! `check --history` and `check --store`: the recorded executions that a command replays.
//!
//! Invariants:
//! - a store is only read, also while a server uses it, and one execution after the other;
//! - an execution that has ended by the time that it is read is not replayed: another result of it does no harm;
//! - one that cannot be read is reported as not judged.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use durawasm_check::{
    CheckError, Options, RecordedExecution, Replays, Report, Subject, check_recorded, read_history,
};
use durawasm_core::{orchestrator::UnknownFunction, protocol::ExecutionArn};
use durawasm_store::StoreReader;

use super::{
    exit::{Exit, Failure, OrExit},
    kept::of_store,
};

/// The recorded executions that a command replays.
pub(super) struct Recorded {
    files: Vec<RecordedExecution>,
    store: Option<Stored>,
}

/// A store, and the executions of it that are to be replayed.
struct Stored {
    path: Arc<str>,
    reader: StoreReader,
    /// The name under which it has the function.
    function: String,
    /// ARNs.
    executions: Vec<String>,
}

impl Recorded {
    /// Reads files, and opens a store.
    pub(super) fn open(files: &[PathBuf], store: Option<&Path>) -> Result<Self, Failure> {
        let mut read = Vec::new();
        for path in files {
            read.extend(read_history(path).or_exit(Exit::Usage)?);
        }
        let open = |path: &Path| -> Result<Stored, Failure> {
            let reader = of_store(StoreReader::open(path))?;
            let path = path.display().to_string().into();
            Ok(Stored { path, reader, function: String::new(), executions: Vec::new() })
        };
        Ok(Self { files: read, store: store.map(open).transpose()? })
    }

    /// The option that asks for a replay, if there is one.
    pub(super) fn asked_by(&self) -> Option<&'static str> {
        match (self.files.is_empty(), &self.store) {
            (false, _) => Some("--history"),
            (true, Some(_)) => Some("--store"),
            (true, None) => None,
        }
    }

    /// Chooses the executions of the function that the store has under this name, if there is a store. One that knows
    /// other functions only is refused: the name may be misspelled.
    pub(super) fn of_function(&mut self, name: &str) -> Result<(), Failure> {
        let Some(Stored { path, reader, function, .. }) = &mut self.store else { return Ok(()) };
        let known = of_store(reader.functions())?;
        if !known.is_empty() && !known.iter().any(|known| known == name) {
            let unknown = UnknownFunction::among(name, known.iter().map(String::as_str));
            let error = anyhow!("{path}: {unknown}; --served-as states the name that it has in the store");
            return Err(Failure { exit: Exit::Usage, error });
        }
        name.clone_into(function);
        Ok(())
    }

    /// Lists the executions of the store that have not ended by now.
    pub(super) fn list(&mut self) -> Result<(), Failure> {
        if let Some(Stored { reader, function, executions, .. }) = &mut self.store {
            *executions = of_store(reader.under_way(function))?;
        }
        Ok(())
    }

    /// Replays the executions, and adds what came of it to the report. The budget is for those of the store: files are
    /// named one by one.
    pub(super) fn replay(
        self,
        subject: &Subject,
        options: &Options,
        report: &mut Report,
    ) -> Result<(), CheckError> {
        let mut add = |replays: Replays| {
            report.histories.extend(replays.reports);
            report.not_explored.extend(replays.not_explored);
        };
        if !self.files.is_empty() {
            let options = Options { budget: None, ..options.clone() };
            add(check_recorded(subject, self.files, Some, &options)?);
        }
        if let Some(Stored { path, reader, function, executions }) = self.store {
            let none = executions.is_empty();
            let replays =
                check_recorded(subject, executions, move |arn| read(&reader, &path, &arn), options)?;
            add(replays);
            if none {
                report.not_explored.push(format!("no execution of {function} is under way in the store"));
            }
        }
        Ok(())
    }
}

/// Reads an execution of a store; `None` if it was deleted or has ended.
fn read(reader: &StoreReader, store: &Arc<str>, arn: &str) -> Option<RecordedExecution> {
    let store = store.clone();
    match reader.record(arn) {
        Ok(found) => {
            let (record, now) = found.filter(|(record, _)| !record.is_over)?;
            Some(RecordedExecution::new(store, record.arn, record.operations, record.returned_at, now))
        }
        Err(error) => Some(RecordedExecution::unreadable(store, ExecutionArn::from(arn), error.to_string())),
    }
}

/// The end of a command that could not read all executions of a store.
pub(super) fn not_all_read(report: &Report) -> Option<Failure> {
    let count = report.histories.iter().filter(|history| history.unreadable).count();
    (count > 0).then(|| {
        let error = anyhow!(
            "{count} of the executions under way cannot be read, and are not judged; `durawasm store check` shows what \
             is damaged"
        );
        Failure { exit: Exit::Host, error }
    })
}
