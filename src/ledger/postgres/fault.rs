//! Why a transaction failed, and whether repeating it helps.

use std::fmt;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::{DbError, Severity};

/// Why a transaction did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It conflicted with another transaction: repeat it.
    Again(String),
    /// The connection is broken: repeat it with another one.
    Lost(String),
    /// Repeating does not help.
    Stop(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Again(why) | Fault::Lost(why) | Fault::Stop(why) => f.write_str(why),
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(answer) = error.as_db_error() {
            return fault_of(answer);
        }
        let source = std::error::Error::source(&error);
        let why = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        if error.is_closed() || source.is_none_or(<dyn std::error::Error>::is::<std::io::Error>) {
            Fault::Lost(why)
        } else {
            Fault::Stop(why)
        }
    }
}

/// Source: `PostgreSQL`, appendix A, error codes.
fn fault_of(error: &DbError) -> Fault {
    let code = error.code().code();
    // Details and hints can quote rows, so they stay out.
    let why = format!("{} ({code})", error.message());
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    match code {
        // Lock not available in time, statement timed out, the same transfer id at the same time.
        "55P03" | "57014" | "23505" => Fault::Again(why),
        // Unknown whether the statement took effect (40003), a replica (25006), an invalid transaction state, or a
        // stale prepared statement.
        "40003" | "25006" | "25P02" | "25P03" | "0A000" | "26000" => Fault::Lost(why),
        // Serialization failure and deadlock.
        _ if is_of(&["40"]) => Fault::Again(why),
        // The user or the database does not exist or may not be used.
        _ if is_of(&["28", "3D"]) => Fault::Stop(why),
        // Connection, resources, operator intervention.
        _ if is_of(&["08", "53", "57"]) || is_fatal(error) => Fault::Lost(why),
        _ => Fault::Stop(why),
    }
}

fn is_fatal(error: &DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// Says whether the server answered that the statement, and with it the transaction, failed.
pub(super) fn is_definite(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|answer| !is_fatal(answer) && answer.code().code() != "40003")
}

/// Says whether the server answered that COMMIT did nothing: the transaction could not be put in an order with others,
/// broke a constraint, or was lost already. A distributed database uses other errors too if it does not know the
/// outcome itself.
pub(super) fn is_definite_at_commit(error: &tokio_postgres::Error) -> bool {
    let is_refusal = |answer: &DbError| ["40", "23", "25"].iter().any(|class| answer.code().code().starts_with(class));
    is_definite(error) && error.as_db_error().is_some_and(is_refusal)
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::PostCreateHook(HookError::Message(why)) => Fault::Stop(why.into_owned()),
            PoolError::Timeout(_) => Fault::Lost("no connection to the database in time".to_owned()),
            PoolError::Closed | PoolError::NoRuntimeSpecified => Fault::Stop(error.to_string()),
        }
    }
}

/// Error for a row that this program did not write.
pub(super) fn unreadable(what: &str) -> Fault {
    Fault::Stop(format!("{what} in the database cannot be read: restore it from a backup"))
}
