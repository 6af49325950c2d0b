//! The reason why a command stopped, and its message.

use std::io;

use super::console::{Console, Exit};
use crate::ledger::LedgerError;
use crate::ledger::rows::OperateError;

/// The reason why a command stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The output cannot be written.
    Output(io::Error),
    /// The arguments are wrong; the whole message.
    Usage(String),
    /// The command was refused; the fault and the fix.
    Refused(String, Option<String>),
}

impl Stop {
    /// Writes the reason to the console, and returns the exit code.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) fn tell(self, console: &mut Console<'_>) -> io::Result<Exit> {
        match self {
            Stop::Output(error) => Err(error),
            Stop::Usage(text) => {
                writeln!(console.err, "{text}")?;
                Ok(Exit::Usage)
            }
            Stop::Refused(message, help) => {
                writeln!(console.err, "error: {message}")?;
                if let Some(help) = help {
                    writeln!(console.err, "  help: {help}")?;
                }
                Ok(Exit::Failed)
            }
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

impl From<csv::Error> for Stop {
    fn from(error: csv::Error) -> Self {
        Stop::Output(error.into())
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Stop::Refused(error.to_string(), None)
    }
}

impl From<OperateError> for Stop {
    fn from(error: OperateError) -> Self {
        Stop::Refused(error.to_string(), None)
    }
}
