//! Which errors are retried.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error::{StepError, WireError};

/// Which errors are retried: those that match at least one rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// `None` for all errors.
    rules: Option<Vec<Rule>>,
}

#[derive(Clone)]
pub(crate) enum Rule {
    /// Errors with this recorded type.
    Type(String),
    /// Errors whose recorded message contains this.
    Message(String),
    /// Errors that this function accepts.
    Predicate(Arc<dyn Fn(&StepError) -> bool + Send + Sync>),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(name) => f.debug_tuple("Type").field(name).finish(),
            Self::Message(part) => f.debug_tuple("Message").field(part).finish(),
            Self::Predicate(_) => f.debug_tuple("Predicate").finish_non_exhaustive(),
        }
    }
}

impl Filter {
    pub(crate) fn add(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.rules.get_or_insert_default().extend(rules);
    }

    pub(super) fn allows(&self, error: &StepError) -> bool {
        let Some(rules) = &self.rules else { return true };
        let failure: &(dyn Error + 'static) = error.source().unwrap_or(error);
        let wire = WireError::of(failure, "Error");
        rules.iter().any(|rule| match rule {
            Rule::Type(name) => wire.error_type() == Some(name),
            Rule::Message(part) => wire.error_message().is_some_and(|message| message.contains(part)),
            Rule::Predicate(accepts) => accepts(error),
        })
    }
}
