//! Looking without changing anything: one query each, without a lock.
//!
//! A statement sees one moment, so that the totals of several counters go together. Reservations
//! that ran out and were not released yet still count: totals are too high for a while, never too
//! low. Nothing is kept in memory, for the same reason.

use std::collections::BTreeMap;

use deadpool_postgres::Pool;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::load::{class_of, counter_of, unreadable};
use super::session::{Fault, Session};
use crate::domain::units::{Moment, Year};
use crate::ledger::{Account, Before, Counter, Usage};

const CLOCK: &str = "SELECT EXTRACT(EPOCH FROM clock_timestamp())::INT8";
/// One look-up in the index for each account.
const NEWEST: &str = "SELECT MAX(newest.changed_s) FROM neglist_account AS account CROSS JOIN LATERAL \
    (SELECT changed_s FROM neglist_transfer AS transfer WHERE transfer.account = account.id \
    ORDER BY changed_s DESC LIMIT 1) AS newest";
const ACCOUNT: &str = "SELECT exporter, year FROM neglist_account WHERE id = $1::INT8";
const ACCOUNT_OF: &str = "SELECT exporter, year FROM neglist_account \
    WHERE id = (SELECT account FROM neglist_transfer WHERE id = $1::TEXT)";
const WITH_WORK: &str = "SELECT exporter, year FROM neglist_account AS account WHERE EXISTS \
    (SELECT 1 FROM neglist_transfer AS old WHERE old.account = account.id AND old.expires_s <= $1::INT8) OR EXISTS \
    (SELECT 1 FROM neglist_transfer AS old WHERE old.account = account.id AND old.changed_s < $2::INT8 AND old.state <> 2)";
const READ: &str = "SELECT counter.name, counter.class, named_committed + named_reserved + counted_committed + \
    counted_reserved + imported FROM neglist_account AS account JOIN neglist_counter AS counter \
    ON counter.account = account.id WHERE account.exporter = $1::TEXT AND account.year = $2::INT4 \
    AND counter.name = ANY($3::TEXT[])";
const USAGE: &str = "SELECT number, name, class, named_committed, named_reserved, counted_committed, \
    counted_reserved, imported, forgotten FROM neglist_counter \
    WHERE account = (SELECT id FROM neglist_account WHERE exporter = $1::TEXT AND year = $2::INT4)";

/// Returns the moment by the clock of the database, to the second.
pub(super) async fn clock(pool: &Pool) -> Result<Moment, Fault> {
    let rows = query(pool, CLOCK, &[]).await?;
    let row = rows.first().ok_or_else(|| unreadable("the clock"))?;
    Ok(Moment::from_seconds(row.try_get(0)?))
}

/// Returns when a transfer was changed last, of those that are remembered, by the clocks of the servers.
pub(super) async fn newest(pool: &Pool) -> Result<Option<Moment>, Fault> {
    let rows = query(pool, NEWEST, &[]).await?;
    let row = rows.first().ok_or_else(|| unreadable("the newest moment"))?;
    Ok(row.try_get::<_, Option<i64>>(0)?.map(Moment::from_seconds))
}

/// Returns the account with a number.
pub(super) async fn account(pool: &Pool, number: i64) -> Result<Option<Account>, Fault> {
    query(pool, ACCOUNT, &[&number]).await?.first().map(|row| account_from(row, 0)).transpose()
}

/// Returns whose totals a transfer concerns. That never changes.
pub(super) async fn account_of(pool: &Pool, transfer_id: &str) -> Result<Option<Account>, Fault> {
    query(pool, ACCOUNT_OF, &[&transfer_id]).await?.first().map(|row| account_from(row, 0)).transpose()
}

/// Returns the accounts with reservations that ran out, or transfers settled before a moment.
pub(super) async fn with_work(pool: &Pool, now: Moment, settled_before: Moment) -> Result<Vec<Account>, Fault> {
    let rows = query(pool, WITH_WORK, &[&now.seconds(), &settled_before.seconds()]).await?;
    rows.iter().map(|row| account_from(row, 0)).collect()
}

/// Returns the totals of some counters.
pub(super) async fn read(pool: &Pool, account: &Account, counters: &[Counter]) -> Result<Before, Fault> {
    let names: Vec<&str> = counters.iter().map(|counter| counter.name.as_str()).collect();
    let year = i32::from(account.year.0);
    let mut totals: Before = counters.iter().map(|counter| (counter.clone(), 0)).collect();
    for row in query(pool, READ, &[&account.exporter, &year, &names]).await? {
        let counter = Counter { name: row.try_get(0)?, class: class_of(row.try_get(1)?)? };
        let total: i64 = row.try_get(2)?;
        if let Some(kept) = totals.get_mut(&counter) {
            *kept = u64::try_from(total).map_err(|_| unreadable("a total"))?;
        }
    }
    Ok(totals)
}

/// Returns all counters of an account.
pub(super) async fn usage(pool: &Pool, account: &Account) -> Result<BTreeMap<Counter, Usage>, Fault> {
    let year = i32::from(account.year.0);
    let rows = query(pool, USAGE, &[&account.exporter, &year]).await?;
    let counter = |row: &Row| counter_of(row).map(|(_, counter, parts)| (counter, parts.usage()));
    rows.iter().map(counter).collect()
}

async fn query(pool: &Pool, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, parameters).await?;
    session.keep();
    Ok(rows)
}

/// Reads exporter and year, which stand in columns next to one another.
pub(super) fn account_from(row: &Row, column: usize) -> Result<Account, Fault> {
    let year: i32 = row.try_get(column + 1)?;
    let year = u16::try_from(year).map_err(|_| unreadable("the year of an account"))?;
    Ok(Account { exporter: row.try_get(column)?, year: Year(year) })
}
