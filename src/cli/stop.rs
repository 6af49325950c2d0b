//! Why a command was not done, and how that is said.

use std::io;

use super::console::{Console, Exit};
use crate::ledger::LedgerError;
use crate::ledger::rows::OperateError;

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum Stop {
    /// Its output cannot be written.
    Output(io::Error),
    /// It was not understood; what is wrong, as it is written.
    Usage(String),
    /// It cannot be done; what is wrong, and what to do about it.
    Refused(String, Option<String>),
}

impl Stop {
    /// Says why on the console, and returns how the command ends.
    ///
    /// # Errors
    /// Where the output cannot be written.
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
                Ok(Exit::Findings)
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
