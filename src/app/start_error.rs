//! The reasons why a server does not start.

use std::io;

use crate::ledger::LedgerError;
use crate::ledger::subject_key::SubjectKeyError;
use crate::policy::Diagnostic;
use crate::transport::listen::ListenError;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policies are refused.
    #[error("the policies are refused")]
    Policies(Vec<Diagnostic>),
    /// A listener cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The server has no subject key for its ledger.
    #[error(transparent)]
    SubjectKey(#[from] SubjectKeyError),
    /// The descriptors of the protocol cannot be served.
    #[error("cannot serve reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The system starts no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
