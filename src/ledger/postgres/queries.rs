//! Read-only queries, without a lock.
//!
//! A statement sees one moment, so that the totals of several counters are consistent. Expired reservations that were
//! not released yet still count: totals are too high for a while, never too low. No total is kept in memory, for the
//! same reason. The account is compared with its row as seen before.

use std::collections::BTreeMap;

use deadpool_postgres::{ClientWrapper, Pool};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::{Fault, unreadable};
use super::load::{class_of, counter_of, persons_of};
use super::seen::{AccountRow, Seen, read_mark, unmarked};
use super::session::Session;
use crate::domain::units::{CountedClass, Moment, Year};
use crate::ledger::{Account, Before, Counter, People, Usage, lifecycle};

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
    (SELECT 1 FROM neglist_transfer AS old WHERE old.account = account.id AND old.changed_s < $2::INT8 AND old.state <> 2) \
    LIMIT $3::INT8";
// At least one row if the account exists, with its number and its revision.
const READ: &str = "SELECT account.id, account.revision, counter.name, counter.class, named_committed + named_reserved + \
    counted_committed + counted_reserved + imported FROM neglist_account AS account LEFT JOIN neglist_counter AS counter \
    ON counter.account = account.id AND counter.name = ANY($3::TEXT[]) \
    WHERE account.exporter = $1::TEXT AND account.year = $2::INT4";
// In one statement: a person who is counted in between is in the total and among the known, or in neither.
const READ_WITHOUT: &str = "SELECT account.id, account.revision, counter.name, counter.class, named_committed + \
    named_reserved + counted_committed + counted_reserved + imported, (SELECT COUNT(*) FROM neglist_person AS person \
    WHERE person.account = account.id AND person.counter = counter.number AND person.pseudonym = \
    ANY(CASE WHEN counter.class = $4::TEXT THEN $5::BYTEA[] ELSE $6::BYTEA[] END)) \
    FROM neglist_account AS account LEFT JOIN neglist_counter AS counter \
    ON counter.account = account.id AND counter.name = ANY($3::TEXT[]) \
    WHERE account.exporter = $1::TEXT AND account.year = $2::INT4";
const USAGE: &str = "SELECT number, name, class, named_committed, named_reserved, counted_committed, \
    counted_reserved, imported, forgotten, account.id, account.revision FROM neglist_account AS account \
    LEFT JOIN neglist_counter AS counter ON counter.account = account.id \
    WHERE account.exporter = $1::TEXT AND account.year = $2::INT4";
const ACCOUNTS: &str = "SELECT exporter, year FROM neglist_account ORDER BY exporter, year";

/// Returns the moment by the clock of the database, to the second.
pub(super) async fn clock(pool: &Pool) -> Result<Moment, Fault> {
    let rows = query(pool, CLOCK, &[]).await?;
    let row = rows.first().ok_or_else(|| unreadable("the clock"))?;
    Ok(Moment::from_seconds(row.try_get(0)?))
}

/// Returns the latest change of a remembered transfer, by the clocks of the servers.
pub(super) async fn newest(pool: &Pool) -> Result<Option<Moment>, Fault> {
    let rows = query(pool, NEWEST, &[]).await?;
    let row = rows.first().ok_or_else(|| unreadable("the newest moment"))?;
    Ok(row.try_get::<_, Option<i64>>(0)?.map(Moment::from_seconds))
}

/// Returns the account with a number.
pub(super) async fn account(pool: &Pool, number: i64) -> Result<Option<Account>, Fault> {
    query(pool, ACCOUNT, &[&number]).await?.first().map(|row| account_from(row, 0)).transpose()
}

/// Returns the account of a transfer. It never changes.
pub(super) async fn account_of(pool: &Pool, transfer_id: &str) -> Result<Option<Account>, Fault> {
    query(pool, ACCOUNT_OF, &[&transfer_id]).await?.first().map(|row| account_from(row, 0)).transpose()
}

/// Reads the mark of the ledger, and compares it with the marks seen before.
pub(super) async fn check_mark(pool: &Pool, seen: &Seen) -> Result<(), Fault> {
    let session = Session::open(pool).await?;
    let before = seen.mark();
    let found = read_mark(session.client()?).await?.ok_or_else(unmarked)?;
    session.keep();
    seen.check_mark(before, found)
}

/// Returns all accounts.
pub(super) async fn accounts(pool: &Pool) -> Result<Vec<Account>, Fault> {
    query(pool, ACCOUNTS, &[]).await?.iter().map(|row| account_from(row, 0)).collect()
}

/// Returns accounts with expired reservations, or with transfers settled before a moment, up to a limit.
pub(super) async fn with_work(
    pool: &Pool,
    now: Moment,
    settled_before: Moment,
    accounts_max: usize,
) -> Result<Vec<Account>, Fault> {
    let limit = i64::try_from(accounts_max).unwrap_or(i64::MAX);
    let rows = query(pool, WITH_WORK, &[&now.seconds(), &settled_before.seconds(), &limit]).await?;
    rows.iter().map(|row| account_from(row, 0)).collect()
}

/// Returns the totals of some counters.
pub(super) async fn read(pool: &Pool, seen: &Seen, account: &Account, counters: &[Counter]) -> Result<Before, Fault> {
    let names: Vec<&str> = counters.iter().map(|counter| counter.name.as_str()).collect();
    let year = i32::from(account.year.0);
    let mut totals: Before = counters.iter().map(|counter| (counter.clone(), 0)).collect();
    for row in of_account(pool, seen, account, (READ, 0), &[&account.exporter, &year, &names]).await? {
        // The account exists, without these counters.
        let Some(name) = row.try_get(2)? else { continue };
        let counter = Counter { name, class: class_of(row.try_get(3)?)? };
        let total: i64 = row.try_get(4)?;
        if let Some(kept) = totals.get_mut(&counter) {
            *kept = u64::try_from(total).map_err(|_| unreadable("a total"))?;
        }
    }
    Ok(totals)
}

/// Returns the totals of some counters without the named persons that they count already.
pub(super) async fn read_without(
    pool: &Pool,
    seen: &Seen,
    account: &Account,
    counters: &[Counter],
    people: &People,
) -> Result<Before, Fault> {
    let names: Vec<&str> = counters.iter().map(|counter| counter.name.as_str()).collect();
    let year = i32::from(account.year.0);
    let of_class = |class| people.named(class).iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>();
    let (general, sensitive) = (of_class(CountedClass::General), of_class(CountedClass::Sensitive));
    let parameters: &Parameters<'_> =
        &[&account.exporter, &year, &names, &CountedClass::General.name(), &general, &sensitive];
    let mut totals: Before = counters.iter().map(|counter| (counter.clone(), 0)).collect();
    for row in of_account(pool, seen, account, (READ_WITHOUT, 0), parameters).await? {
        // The account exists, without these counters.
        let Some(name) = row.try_get(2)? else { continue };
        let counter = Counter { name, class: class_of(row.try_get(3)?)? };
        let (total, known) = (persons_of(&row, 4)?, persons_of(&row, 5)?);
        if let Some(kept) = totals.get_mut(&counter) {
            *kept = lifecycle::without(total, known);
        }
    }
    Ok(totals)
}

/// Returns all counters of an account.
pub(super) async fn usage(pool: &Pool, seen: &Seen, account: &Account) -> Result<BTreeMap<Counter, Usage>, Fault> {
    let year = i32::from(account.year.0);
    let mut counters = BTreeMap::new();
    for row in of_account(pool, seen, account, (USAGE, 9), &[&account.exporter, &year]).await? {
        if row.try_get::<_, Option<i32>>(0)?.is_none() {
            continue;
        }
        let (_, counter, parts) = counter_of(&row)?;
        counters.insert(counter, parts.usage());
    }
    Ok(counters)
}

type Parameters<'p> = [&'p (dyn ToSql + Sync)];

/// Queries rows of an account, with its number in one column and its revision in the next; compares both with the row
/// seen before.
async fn of_account(
    pool: &Pool,
    seen: &Seen,
    account: &Account,
    (sql, column): (&str, usize),
    parameters: &Parameters<'_>,
) -> Result<Vec<Row>, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    // (seen before) Not earlier: a new connection reads the mark itself, and that mark counts as seen then.
    let glance = seen.glance(account);
    let rows = query_with(client, sql, parameters).await?;
    let found = rows.first().map(|row| AccountRow::read(row, column)).transpose()?;
    seen.check_row(client, account, glance, found.unwrap_or(AccountRow::MISSING)).await?;
    session.keep();
    Ok(rows)
}

async fn query(pool: &Pool, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>, Fault> {
    let session = Session::open(pool).await?;
    let rows = query_with(session.client()?, sql, parameters).await?;
    session.keep();
    Ok(rows)
}

async fn query_with(client: &ClientWrapper, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}

/// Reads exporter and year from adjacent columns.
pub(super) fn account_from(row: &Row, column: usize) -> Result<Account, Fault> {
    let year: i32 = row.try_get(column + 1)?;
    let year = u16::try_from(year).map_err(|_| unreadable("the year of an account"))?;
    Ok(Account { exporter: row.try_get(column)?, year: Year(year) })
}
