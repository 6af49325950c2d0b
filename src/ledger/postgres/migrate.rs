//! The tables of the ledger, created and migrated by the program.
//!
//! Migrations are numbered from 1 without a gap and never change once they were released. One row records the last one;
//! the migrating server holds its lock, so that servers that start at the same time wait for one another. Every
//! statement of a migration can be run again (`IF NOT EXISTS`): `CockroachDB` and `YugabyteDB` may commit before or
//! with each statement that changes a table, so that a migration that is cut off may leave some tables behind, with the
//! old version. A program refuses a database that is newer than itself: it could not tell the meaning of the rows.
//!
//! INVARIANT (asked for): a ledger is created in a database without tables only on the operator's request. A new ledger
//! begins with totals of zero, and a database that is empty or chosen by mistake looks the same.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::error::SqlState;

use super::fault::Fault;
use crate::ledger::mark::Identity;

/// The migrations, in order.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_counts.sql"),
    include_str!("migrations/0002_identity.sql"),
    include_str!("migrations/0003_removed.sql"),
    include_str!("migrations/0004_subject_key.sql"),
];

/// Tables that never exist without the table of their version.
const TABLES: [&str; 7] = [
    "neglist_account",
    "neglist_counter",
    "neglist_person",
    "neglist_transfer",
    "neglist_import",
    "neglist_ledger",
    "neglist_removed",
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS neglist_schema (
    id INT4 NOT NULL PRIMARY KEY,
    version INT4 NOT NULL
)";

/// `CockroachDB` changes no tables in an explicit transaction of a weaker level. A server that waited for the lock
/// meanwhile repeats its transaction, and finds the work done.
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// Refusal of a database without tables.
pub const NO_TABLES: &str = "the database has no tables of a ledger";

/// Behaviour if tables are missing or older than this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Create them, or migrate them to the version of this program.
    Make,
    /// Migrate old ones to the version of this program; without tables, do not open the ledger.
    Update,
    /// Leave them as they are, and do not open the ledger.
    Leave,
}

/// The number of the last migration that this program knows.
pub(super) fn latest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Refuses a database that this program does not understand.
pub(super) fn check(version: Option<i32>) -> Result<(), String> {
    let latest = latest();
    match version {
        Some(version) if version == latest => Ok(()),
        Some(version) if latest < version => Err(format!(
            "the tables of the ledger have version {version}, this program knows {latest}: start a newer program"
        )),
        Some(version) => Err(format!(
            "the tables of the ledger have version {version}, not {latest}: start a server of this version"
        )),
        None => Err(NO_TABLES.to_owned()),
    }
}

/// Returns the version of the tables; `None` if there are no tables.
pub(super) async fn version(client: &ClientWrapper) -> Result<Option<i32>, tokio_postgres::Error> {
    let read = async {
        let statement = client.prepare("SELECT version FROM neglist_schema WHERE id = 1").await?;
        client.query_opt(&statement, &[]).await
    };
    match read.await {
        Ok(row) => row.map(|row| row.try_get(0)).transpose(),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Migrates older tables to the latest version; creates missing ones if requested.
///
/// # Errors
///
/// [`Fault::Again`] if another server is migrating; [`Fault::Stop`] if the tables are newer, or missing and not to be
/// created.
pub(super) async fn run(client: &ClientWrapper, tables: Tables) -> Result<(), Fault> {
    let found = version(client).await?;
    if found == Some(latest()) {
        return Ok(());
    }
    // Version 0: they were being created, and nothing was counted yet.
    if tables != Tables::Make && found.is_none_or(|version| version == 0) {
        return Err(Fault::Stop(NO_TABLES.to_owned()));
    }
    if found.is_none() {
        refuse_remains(client).await?;
        client.batch_execute(TABLE).await.map_err(or_again)?;
        let first = client
            .prepare("INSERT INTO neglist_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING")
            .await?;
        client.execute(&first, &[]).await?;
    }
    client.batch_execute(BEGIN).await?;
    let lock = client.prepare("SELECT version FROM neglist_schema WHERE id = 1 FOR UPDATE").await?;
    let version: i32 = client.query_one(&lock, &[]).await?.try_get(0)?;
    if latest() < version {
        return check(Some(version)).map_err(Fault::Stop);
    }
    let done = usize::try_from(version).map_err(|_| Fault::Stop("the version of the tables is negative".to_owned()))?;
    for migration in MIGRATIONS.iter().skip(done) {
        client.batch_execute(migration).await.map_err(or_again)?;
    }
    // Random, so that no two ledgers share it. Digits only, so it needs no quoting.
    let identity = Identity::draw();
    let row = format!(
        "INSERT INTO neglist_ledger (id, identity, removed, removals) VALUES (1, '{identity}', 0, 0) \
        ON CONFLICT (id) DO NOTHING"
    );
    client.batch_execute(&row).await?;
    let set = client.prepare("UPDATE neglist_schema SET version = $1::INT4 WHERE id = 1").await?;
    client.execute(&set, &[&latest()]).await?;
    client.batch_execute("COMMIT").await?;
    if version == 0 {
        tracing::warn!("there was no ledger in the database: a new one was made, and its totals begin at zero");
    }
    Ok(())
}

/// Refuses a database with some of the tables but no version: creating the rest would restart existing totals at zero.
async fn refuse_remains(client: &ClientWrapper) -> Result<(), Fault> {
    for table in TABLES {
        match client.prepare(&format!("SELECT 1 FROM {table}")).await {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
            Err(error) => return Err(error.into()),
            // Another server may just have created it, together with the version.
            Ok(_) if version(client).await?.is_some() => return Ok(()),
            Ok(_) => {
                return Err(Fault::Stop(format!(
                    "the database has `{table}` and not `neglist_schema`, so that a ledger was there and is damaged: \
                    restore it from a backup, or name an empty database"
                )));
            }
        }
    }
    Ok(())
}

/// Two servers that create the same table at once can conflict in spite of `IF NOT EXISTS`; the second attempt finds
/// the table.
fn or_again(error: tokio_postgres::Error) -> Fault {
    let raced = [SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION];
    if error.code().is_some_and(|code| raced.contains(code)) {
        Fault::Again("another server is creating the tables".to_owned())
    } else {
        error.into()
    }
}
