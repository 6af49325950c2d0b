//! Changes by operators: import totals, withdraw them, drop old years.
//!
//! Imports only add, each under its own id, and can be withdrawn by it; so a spreadsheet that is read twice counts
//! once, and a wrong one can be replaced. Each of these is one transaction that holds the locks of all accounts it
//! concerns, taken in their order.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{ClientWrapper, Pool};

use super::fault::Fault;
use super::load::{ADD_ACCOUNT, BEGIN, class_of, persons_of};
use super::queries::account_from;
use super::session::Session;
use crate::domain::units::Year;
use crate::ledger::parts::Parts;
use crate::ledger::rows::{Forget, Forgotten, Wanted};
use crate::ledger::{Account, Counter};

const LOCK: &str = "SELECT id FROM neglist_account WHERE exporter = $1::TEXT AND year = $2::INT4 FOR UPDATE";
const LOCK_IMPORTED: &str = "SELECT id FROM neglist_account WHERE id IN \
    (SELECT account FROM neglist_import WHERE name = $1::TEXT) ORDER BY exporter, year FOR UPDATE";
const LOCK_OLD: &str = "SELECT id FROM neglist_account WHERE year < $1::INT4 ORDER BY exporter, year FOR UPDATE";
const LOCK_THESE: &str = "SELECT account.id, account.exporter, account.year FROM neglist_account AS account \
    WHERE EXISTS (SELECT 1 FROM UNNEST($1::TEXT[], $2::INT4[]) AS asked (exporter, year) \
    WHERE asked.exporter = account.exporter AND asked.year = account.year) \
    ORDER BY account.exporter, account.year FOR UPDATE";
const BUMP: &str = "UPDATE neglist_account SET revision = revision + 1 WHERE id = ANY($1::INT8[])";
const IMPORTED: &str = "SELECT account.exporter, account.year, counter.name, counter.class, import.persons, \
    account.id, counter.number FROM neglist_import AS import JOIN neglist_account AS account \
    ON account.id = import.account JOIN neglist_counter AS counter \
    ON counter.account = import.account AND counter.number = import.counter WHERE import.name = $1::TEXT";
const TOTAL: &str = "SELECT number, named_committed + named_reserved + counted_committed + counted_reserved + \
    imported FROM neglist_counter WHERE account = $1::INT8 AND name = $2::TEXT AND class = $3::TEXT";
const NEXT_NUMBER: &str = "SELECT (COALESCE(MAX(number), 0) + 1)::INT4 FROM neglist_counter WHERE account = $1::INT8";
const ADD_COUNTER: &str = "INSERT INTO neglist_counter (account, number, name, class, named_committed, \
    named_reserved, counted_committed, counted_reserved, imported, forgotten) \
    VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0, 0)";
const CHANGE_IMPORTED: &str = "UPDATE neglist_counter SET imported = imported + $3::INT8 \
    WHERE account = $1::INT8 AND number = $2::INT4";
const ADD_IMPORT: &str = "INSERT INTO neglist_import (name, account, counter, persons) VALUES ($1, $2, $3, $4)";
const DROP_IMPORT: &str = "DELETE FROM neglist_import WHERE name = $1::TEXT";
const STANDING: &str = "SELECT COUNT(*) FROM neglist_transfer WHERE account = ANY($1::INT8[]) AND state = 2";
const STANDING_OF: &str = "SELECT DISTINCT account FROM neglist_transfer WHERE account = ANY($1::INT8[]) AND state = 2";
const COUNTED_OF: &str = "SELECT DISTINCT account FROM neglist_counter WHERE account = ANY($1::INT8[]) \
    AND 0 < named_committed + named_reserved + counted_committed + counted_reserved + imported";
// The position of the ledger keeps the revisions of removed accounts, so it never falls.
const REMOVE: &str = "UPDATE neglist_ledger SET removals = removals + 1, removed = removed + 1 + \
    COALESCE((SELECT SUM(revision) FROM neglist_account WHERE id = ANY($1::INT8[])), 0)::INT8 WHERE id = 1";
// Tells a server that remembers one of these accounts that its counts were removed and not lost.
const NOTE_REMOVED: &str = "INSERT INTO neglist_removed (account, removal) SELECT account.id, ledger.removals \
    FROM neglist_account AS account CROSS JOIN neglist_ledger AS ledger \
    WHERE account.id = ANY($1::INT8[]) AND ledger.id = 1 ON CONFLICT DO NOTHING";
const DROPS: [&str; 6] = [
    REMOVE,
    NOTE_REMOVED,
    "DELETE FROM neglist_person WHERE account = ANY($1::INT8[])",
    "DELETE FROM neglist_transfer WHERE account = ANY($1::INT8[])",
    "DELETE FROM neglist_import WHERE account = ANY($1::INT8[])",
    "DELETE FROM neglist_account WHERE id = ANY($1::INT8[])",
];
const DROP_COUNTERS: &str = "DELETE FROM neglist_counter WHERE account = ANY($1::INT8[])";

/// Most accounts removed in one transaction: their callers wait for it.
pub(super) const ACCOUNTS_PER_REMOVAL: usize = 1_000;

/// Result of an operator's transaction: number of counters, or the reason of a refusal.
type Done = Result<u64, String>;

/// Imports totals, once for each id.
pub(super) async fn import(pool: &Pool, id: &str, wanted: &Wanted) -> Result<Done, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    begin(client).await?;
    let mut numbers = BTreeMap::new();
    for (account, _) in wanted.keys() {
        if !numbers.contains_key(account) {
            numbers.insert(account, lock_or_add(client, account).await?);
        }
    }
    let known = imported(client, id).await?;
    let done = if known.is_empty() {
        add_all(client, id, wanted, &numbers).await?
    } else if known.into_iter().map(|row| (row.key, row.persons)).eq(wanted.clone()) {
        Ok(0)
    } else {
        Err(format!("import `{id}` brought in other totals: use a new id, or withdraw it first"))
    };
    finish(session, done).await
}

/// Withdraws an import; its id can be used again.
pub(super) async fn withdraw(pool: &Pool, id: &str) -> Result<Done, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    begin(client).await?;
    let accounts = ids(client, LOCK_IMPORTED, &id).await?;
    let known = imported(client, id).await?;
    if known.is_empty() {
        return finish(session, Err(format!("there is no import `{id}`"))).await;
    }
    for row in &known {
        change(client, row.account, row.number, -to_column(row.persons)?).await?;
    }
    let drop_import = client.prepare_cached(DROP_IMPORT).await?;
    client.execute(&drop_import, &[&id]).await?;
    let bump = client.prepare_cached(BUMP).await?;
    client.execute(&bump, &[&accounts]).await?;
    finish(session, Ok(known.len() as u64)).await
}

/// Drops years: counters, persons, transfers and imports.
pub(super) async fn drop_years(pool: &Pool, before: Year) -> Result<Done, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    begin(client).await?;
    let accounts = ids(client, LOCK_OLD, &i32::from(before.0)).await?;
    let standing = client.prepare_cached(STANDING).await?;
    let standing: i64 = client.query_one(&standing, &[&accounts]).await?.try_get(0)?;
    if 0 < standing {
        let why = "reservations of those years are still pending: try again when they have expired".to_owned();
        return finish(session, Err(why)).await;
    }
    let count = remove(client, &accounts).await?;
    finish(session, Ok(count)).await
}

/// Removes accounts: counters, persons, transfers and imports.
pub(super) async fn forget(pool: &Pool, forget: &Forget) -> Result<Result<Forgotten, String>, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    begin(client).await?;
    let exporters: Vec<&str> = forget.accounts.iter().map(|account| account.exporter.as_str()).collect();
    let years: Vec<i32> = forget.accounts.iter().map(|account| i32::from(account.year.0)).collect();
    let lock = client.prepare_cached(LOCK_THESE).await?;
    let mut accounts = BTreeMap::new();
    for row in client.query(&lock, &[&exporters, &years]).await? {
        accounts.insert(account_from(&row, 1)?, row.try_get::<_, i64>(0)?);
    }
    let all: Vec<i64> = accounts.values().copied().collect();
    let standing: BTreeSet<i64> = ids(client, STANDING_OF, &all).await?.into_iter().collect();
    let counted: BTreeSet<i64> = ids(client, COUNTED_OF, &all).await?.into_iter().collect();
    let (mut forgotten, mut gone) = (Forgotten::default(), Vec::new());
    for (account, number) in accounts {
        if standing.contains(&number) {
            forgotten.standing.push(account);
        } else if counted.contains(&number) && forget.keeps_totals_of(account.year) {
            forgotten.counted.push(account);
        } else {
            forgotten.gone.push(account);
            gone.push(number);
        }
    }
    if !gone.is_empty() {
        remove(client, &gone).await?;
    }
    Ok(finish(session, Ok(gone.len() as u64)).await?.map(|_| forgotten))
}

/// Removes all rows of accounts whose locks are held, and returns the number of counters.
async fn remove(client: &ClientWrapper, accounts: &[i64]) -> Result<u64, Fault> {
    let drop_counters = client.prepare_cached(DROP_COUNTERS).await?;
    let count = client.execute(&drop_counters, &[&accounts]).await?;
    for drop_rows in DROPS {
        let statement = client.prepare_cached(drop_rows).await?;
        client.execute(&statement, &[&accounts]).await?;
    }
    Ok(count)
}

/// Begins a transaction with a longer time limit than those of callers.
async fn begin(client: &ClientWrapper) -> Result<(), Fault> {
    client.batch_execute(BEGIN).await?;
    client.batch_execute("SET LOCAL statement_timeout = 600000").await?;
    Ok(())
}

/// Commits the transaction, or rolls it back if it was refused.
async fn finish(session: Session, done: Done) -> Result<Done, Fault> {
    let client = session.client()?;
    if done.is_err() {
        client.batch_execute("ROLLBACK").await?;
    } else {
        client.batch_execute("COMMIT").await.map_err(|error| match Fault::from(error) {
            Fault::Lost(why) => {
                Fault::Stop(format!("{why}; it may or may not have been carried out: check before you repeat it"))
            }
            other => other,
        })?;
    }
    session.keep();
    Ok(done)
}

async fn lock_or_add(client: &ClientWrapper, account: &Account) -> Result<i64, Fault> {
    let year = i32::from(account.year.0);
    let add = client.prepare_cached(ADD_ACCOUNT).await?;
    client.execute(&add, &[&fastrand::i64(1..i64::MAX), &account.exporter, &year]).await?;
    let lock = client.prepare_cached(LOCK).await?;
    let row = client.query_opt(&lock, &[&account.exporter, &year]).await?;
    let row = row.ok_or_else(|| Fault::Again("the account of the exporter could not be made".to_owned()))?;
    Ok(row.try_get(0)?)
}

async fn add_all(
    client: &ClientWrapper,
    id: &str,
    wanted: &Wanted,
    numbers: &BTreeMap<&Account, i64>,
) -> Result<Done, Fault> {
    let total = client.prepare_cached(TOTAL).await?;
    let next_number = client.prepare_cached(NEXT_NUMBER).await?;
    let add_counter = client.prepare_cached(ADD_COUNTER).await?;
    let add_import = client.prepare_cached(ADD_IMPORT).await?;
    for ((account, counter), persons) in wanted {
        let Some(number_of_account) = numbers.get(account) else { continue };
        let (name, class) = (&counter.name, counter.class.name());
        let found = client.query_opt(&total, &[number_of_account, name, &class]).await?;
        let before = found.as_ref().map(|row| persons_of(row, 1)).transpose()?.unwrap_or_default();
        if Parts::TOTAL_MAX.saturating_sub(before) < *persons {
            return Ok(Err(format!("`{}` of `{}` is too large", counter.in_year(account.year), account.exporter)));
        }
        let number: i32 = if let Some(row) = found {
            row.try_get(0)?
        } else {
            let number = client.query_one(&next_number, &[number_of_account]).await?.try_get(0)?;
            client.execute(&add_counter, &[number_of_account, &number, name, &class]).await?;
            number
        };
        let persons = to_column(*persons)?;
        change(client, *number_of_account, number, persons).await?;
        client.execute(&add_import, &[&id, number_of_account, &number, &persons]).await?;
    }
    let bump = client.prepare_cached(BUMP).await?;
    let accounts: Vec<i64> = numbers.values().copied().collect();
    client.execute(&bump, &[&accounts]).await?;
    Ok(Ok(wanted.len() as u64))
}

async fn change(client: &ClientWrapper, account: i64, number: i32, persons: i64) -> Result<(), Fault> {
    let statement = client.prepare_cached(CHANGE_IMPORTED).await?;
    client.execute(&statement, &[&account, &number, &persons]).await?;
    Ok(())
}

/// A counter that an import added to.
struct Imported {
    key: (Account, Counter),
    persons: u64,
    account: i64,
    number: i32,
}

async fn imported(client: &ClientWrapper, id: &str) -> Result<Vec<Imported>, Fault> {
    let statement = client.prepare_cached(IMPORTED).await?;
    let mut found = Vec::new();
    for row in client.query(&statement, &[&id]).await? {
        let counter = Counter { name: row.try_get(2)?, class: class_of(row.try_get(3)?)? };
        found.push(Imported {
            key: (account_from(&row, 0)?, counter),
            persons: persons_of(&row, 4)?,
            account: row.try_get(5)?,
            number: row.try_get(6)?,
        });
    }
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

async fn ids(
    client: &ClientWrapper,
    sql: &str,
    parameter: &(dyn tokio_postgres::types::ToSql + Sync),
) -> Result<Vec<i64>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[parameter]).await?;
    rows.iter().map(|row| row.try_get(0).map_err(Fault::from)).collect()
}

fn to_column(persons: u64) -> Result<i64, Fault> {
    i64::try_from(persons).map_err(|_| Fault::Stop("a total is too large for its column".to_owned()))
}
