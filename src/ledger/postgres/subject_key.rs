//! The fingerprint of the subject key, in the row of the ledger.

use deadpool_postgres::Pool;
use tokio_postgres::types::ToSql;

use super::PostgresLedger;
use super::fault::{Fault, unreadable};
use super::session::Session;
use crate::domain::persons::KeyFingerprint;
use crate::ledger::LedgerError;
use crate::ledger::subject_key::KeyBinding;

const READ: &str = "SELECT subject_key FROM neglist_ledger WHERE id = 1";
/// The first of several servers wins.
const BIND: &str = "UPDATE neglist_ledger SET subject_key = $1::TEXT WHERE id = 1 AND subject_key IS NULL";
const UNBIND: &str = "UPDATE neglist_ledger SET subject_key = NULL WHERE id = 1";

#[async_trait::async_trait]
impl KeyBinding for PostgresLedger {
    async fn bound_key(&self) -> Result<Option<KeyFingerprint>, LedgerError> {
        self.repeat(|| read(self.queues.pool())).await
    }

    async fn bind_key(&self, fingerprint: KeyFingerprint) -> Result<(), LedgerError> {
        let fingerprint = fingerprint.to_string();
        let values: [&(dyn ToSql + Sync); 1] = [&fingerprint];
        self.repeat(|| write(self.queues.pool(), BIND, &values)).await
    }

    async fn unbind_key(&self) -> Result<(), LedgerError> {
        self.repeat(|| write(self.queues.pool(), UNBIND, &[])).await
    }
}

async fn read(pool: &Pool) -> Result<Option<KeyFingerprint>, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    let row = client.query_one(&client.prepare_cached(READ).await?, &[]).await?;
    let kept: Option<String> = row.try_get(0)?;
    session.keep();
    let read =
        |text: String| KeyFingerprint::parse(&text).ok_or_else(|| unreadable("the fingerprint of the subject key"));
    kept.map(read).transpose()
}

async fn write(pool: &Pool, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    client.execute(&client.prepare_cached(statement).await?, values).await?;
    session.keep();
    Ok(())
}
