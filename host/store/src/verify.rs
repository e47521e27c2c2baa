//! Verifies a store: the pages of the file, and each execution as the server would load it.

use std::collections::BTreeSet;

use durawasm_core::server::{saved_origin, verify_saved};

use crate::{
    component::ComponentDigest, error::StoreFileError, exchange::digests, reader::StoreReader, schema::LOGGED,
};

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
        self.verify_log(&mut flaws)?;
        let whole = self.verify_components(&mut flaws)?;
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
                        let (_, origin) = saved_origin(&saved).unwrap_or((changes.summary.arn.clone(), None));
                        let codes = origin.iter().flat_map(|origin| digests(origin));
                        let missing = codes.into_iter().find(|digest| !whole.contains(digest.as_str()));
                        let (listed, saved) = (&execution.status, changes.summary.standing.as_str());
                        if *listed != saved {
                            flaws
                                .push(flaw(format!("it is listed as {listed}, and its record says {saved}")));
                        } else if let Some(digest) = missing {
                            flaws.push(flaw(format!("its component {digest} is not there, or damaged")));
                        } else {
                            good += 1;
                        }
                    }
                },
            }
        }
        Ok((good, flaws))
    }

    /// Verifies that each row of the log is that of an execution.
    fn verify_log(&self, flaws: &mut Vec<Flaw>) -> Result<(), StoreFileError> {
        if self.version()? < LOGGED {
            return Ok(());
        }
        let sql = "SELECT count(*) FROM log WHERE execution NOT IN (SELECT key FROM executions)";
        let stray = self.connection.query_row(sql, (), |row| row.get::<_, i64>(0)).map(|stray| {
            if stray > 0 {
                flaws.push(Flaw::File(format!("{stray} rows of the log are those of no execution")));
            }
        });
        self.or_flaw(stray, flaws)
    }

    /// Verifies the components. Returns the digests of those that are whole.
    fn verify_components(&self, flaws: &mut Vec<Flaw>) -> Result<BTreeSet<String>, StoreFileError> {
        let (mut whole, mut found) = (BTreeSet::new(), Vec::new());
        if self.is_empty()? {
            return Ok(whole);
        }
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare("SELECT digest, bytes FROM components")?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let digest: String = row.get(0)?;
                if ComponentDigest::of(row.get_ref(1)?.as_blob()?).as_str() == digest {
                    whole.insert(digest);
                } else {
                    found.push(Flaw::File(format!("the component {digest} has another content")));
                }
            }
            Ok(())
        };
        self.or_flaw(read(), flaws)?;
        flaws.extend(found);
        Ok(whole)
    }

    /// Damage that was met while the file was read is a flaw.
    fn or_flaw(&self, read: rusqlite::Result<()>, flaws: &mut Vec<Flaw>) -> Result<(), StoreFileError> {
        match read.map_err(|error| self.failed(&error)) {
            Ok(()) => Ok(()),
            Err(StoreFileError::Damaged { error, .. }) => {
                flaws.push(Flaw::File(error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn verify_file(&self) -> Result<Vec<Flaw>, StoreFileError> {
        let mut flaws = Vec::new();
        for pragma in ["integrity_check", "foreign_key_check"] {
            let checked = self.connection.pragma_query(None, pragma, |row| {
                match row.get::<_, String>(0)? {
                    fine if fine == "ok" => {}
                    flaw if pragma == "foreign_key_check" => {
                        flaws.push(Flaw::File(format!("a row of {flaw} refers to what is not there")));
                    }
                    flaw => flaws.push(Flaw::File(flaw)),
                }
                Ok(())
            });
            self.or_flaw(checked, &mut flaws)?;
        }
        Ok(flaws)
    }
}
