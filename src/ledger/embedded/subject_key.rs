//! The fingerprint of the subject key, in the file.

use redb::ReadableDatabase as _;

use super::EmbeddedLedger;
use super::request::Operation;
use super::tables::{self, META, Stop};
use crate::domain::persons::KeyFingerprint;
use crate::ledger::LedgerError;
use crate::ledger::subject_key::KeyBinding;

#[async_trait::async_trait]
impl KeyBinding for EmbeddedLedger {
    async fn bound_key(&self) -> Result<Option<KeyFingerprint>, LedgerError> {
        let read = self.shared.with_database(|database| {
            let transaction = database.begin_read()?;
            tables::subject_key(&transaction.open_table(META)?)
        })?;
        read.map_err(|stop: Stop| LedgerError::Unavailable(stop.to_string()))
    }

    async fn bind_key(&self, fingerprint: KeyFingerprint) -> Result<(), LedgerError> {
        self.submit(Operation::BindKey(Some(fingerprint))).await.map(|_| ())
    }

    async fn unbind_key(&self) -> Result<(), LedgerError> {
        self.submit(Operation::BindKey(None)).await.map(|_| ())
    }
}
