//! Verifies a store: the pages of the file, and each execution as the server would load it.

use durawasm_core::server::verify_saved;

use crate::{error::StoreFileError, reader::StoreReader};

/// Something that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Pages or indices of the file are damaged: what `SQLite` says.
    File(String),
    /// An execution cannot be continued.
    Execution {
        /// Its ARN.
        arn: String,
        /// Why.
        why: String,
    },
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(what) => write!(f, "the file: {what}"),
            Self::Execution { arn, why } => write!(f, "{arn}: {why}"),
        }
    }
}

impl StoreReader {
    /// Verifies everything. Returns how many executions can be continued or read, and what is wrong.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn verify(&self) -> Result<(usize, Vec<Flaw>), StoreFileError> {
        let mut flaws = self.verify_file()?;
        let listed = match self.list() {
            Ok(listed) => listed,
            Err(error) if flaws.is_empty() => return Err(error),
            Err(error) => {
                flaws.push(Flaw::File(error.to_string()));
                return Ok((0, flaws));
            }
        };
        let mut good = 0;
        for execution in listed {
            let flaw = |why| Flaw::Execution { arn: execution.arn.clone(), why };
            match self.load(&execution.arn) {
                Err(error) => flaws.push(flaw(error.to_string())),
                // It was deleted meanwhile.
                Ok(None) => {}
                Ok(Some(saved)) => match verify_saved(&saved, execution.saved_at) {
                    Err(error) => flaws.push(flaw(error.to_string())),
                    Ok(changes) => {
                        let (listed, saved) = (&execution.status, changes.summary.standing.as_str());
                        if *listed == saved {
                            good += 1;
                        } else {
                            flaws
                                .push(flaw(format!("it is listed as {listed}, and its record says {saved}")));
                        }
                    }
                },
            }
        }
        Ok((good, flaws))
    }

    fn verify_file(&self) -> Result<Vec<Flaw>, StoreFileError> {
        let mut flaws = Vec::new();
        for pragma in ["integrity_check", "foreign_key_check"] {
            let checked = self.connection.pragma_query(None, pragma, |row| {
                match row.get::<_, String>(0)? {
                    fine if fine == "ok" => {}
                    flaw if pragma == "foreign_key_check" => {
                        flaws.push(Flaw::File(format!("a row of {flaw} belongs to no execution")));
                    }
                    flaw => flaws.push(Flaw::File(flaw)),
                }
                Ok(())
            });
            match checked.map_err(|error| self.failed(&error)) {
                Ok(()) => {}
                Err(StoreFileError::Damaged { error, .. }) => flaws.push(Flaw::File(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(flaws)
    }
}
