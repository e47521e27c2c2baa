//! `--error-type` and `--error-message`: an error on the command line.

use durawasm_core::protocol::ErrorObject;

/// The options of an error.
#[derive(Debug, clap::Args)]
pub(crate) struct ErrorArgs {
    /// The type of the error, which handlers match on
    #[arg(long, value_name = "TYPE")]
    error_type: Option<String>,
    /// The message of the error
    #[arg(long, value_name = "TEXT")]
    error_message: Option<String>,
    /// More about the error, for programs
    #[arg(long, value_name = "TEXT")]
    error_data: Option<String>,
}

impl ErrorArgs {
    /// The error, if an option states one.
    pub(crate) fn error(&self) -> Option<ErrorObject> {
        let error = ErrorObject {
            error_type: self.error_type.clone(),
            error_message: self.error_message.clone(),
            error_data: self.error_data.clone(),
            stack_trace: Vec::new(),
        };
        (error != ErrorObject::default()).then_some(error)
    }
}
