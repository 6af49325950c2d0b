//! Loading the rows that a transaction works with.
//!
//! The lock of the account comes first, in a statement of its own: under READ COMMITTED each later
//! statement sees everything that earlier holders of the lock committed.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::account_rows::{AccountRows, PersonKey};
use super::fault::{Fault, unreadable};
use super::rows::{Holding, Step, TransferRow, state_of};
use super::seen::{AccountRow, Glance, Seen};
use super::session::{Call, in_order};
use crate::domain::units::{CountedClass, Headcount, Moment};
use crate::ledger::holders::Holders;
use crate::ledger::parts::Parts;
use crate::ledger::rows::State;
use crate::ledger::{Account, Counter, People, PseudonymBytes};

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK: &str = "SELECT id, revision FROM neglist_account WHERE exporter = $1::TEXT AND year = $2::INT4 FOR UPDATE";
pub(super) const ADD_ACCOUNT: &str =
    "INSERT INTO neglist_account (id, exporter, year) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const COUNTERS: &str = "SELECT number, name, class, named_committed, named_reserved, counted_committed, \
    counted_reserved, imported, forgotten FROM neglist_counter \
    WHERE account = (SELECT id FROM neglist_account WHERE exporter = $1::TEXT AND year = $2::INT4)";
const TRANSFERS: &str = "SELECT id, account, fingerprint, token, state, named, answer, changed_s, expires_s, \
    expires_ns, counters, befores, addeds, general, sensitive FROM neglist_transfer WHERE id = ANY($1::TEXT[])";
// The first of them, and as many after it as there is room for persons: each person is looked up in each counter.
const RUN_OUT: &str = "SELECT id, account, fingerprint, token, state, named, answer, changed_s, expires_s, \
    expires_ns, counters, befores, addeds, general, sensitive FROM neglist_transfer WHERE id IN \
    (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY expires_s, id) AS place, \
    SUM((COALESCE(CARDINALITY(general), 0) + COALESCE(CARDINALITY(sensitive), 0)) * CARDINALITY(counters)) \
    OVER (ORDER BY expires_s, id) AS persons FROM \
    (SELECT id, expires_s, general, sensitive, counters FROM neglist_transfer \
    WHERE account = (SELECT id FROM neglist_account WHERE exporter = $1::TEXT AND year = $2::INT4) AND expires_s <= $3::INT8 \
    ORDER BY expires_s, id LIMIT $4::INT8) AS first) AS measured WHERE place = 1 OR persons <= $5::INT8)";
const OLD: &str = "SELECT id, account, fingerprint, token, state, named, answer, changed_s, expires_s, \
    expires_ns, counters, befores, addeds, general, sensitive FROM neglist_transfer \
    WHERE account = $1::INT8 AND changed_s < $2::INT8 AND state <> 2 ORDER BY changed_s LIMIT $3::INT8";
const PEOPLE: &str = "SELECT person.counter, person.pseudonym, person.committed, person.reserved \
    FROM UNNEST($2::INT4[], $3::BYTEA[]) AS asked (counter, pseudonym) JOIN neglist_person AS person \
    ON person.account = $1::INT8 AND person.counter = asked.counter AND person.pseudonym = asked.pseudonym";

/// Persons in one statement. A row is at most 32 bytes and a number, so that a statement stays
/// below half a megabyte.
pub(super) const PERSONS_PER_STATEMENT: usize = 10_000;

/// Rows that a transaction needs.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Transfers by id.
    pub(super) ids: Vec<String>,
    /// Reservations that expired by this moment are released.
    pub(super) now: Moment,
    /// Most reservations to release.
    pub(super) run_out_max: usize,
    /// Most persons that they may hold together, unless a single one holds more.
    pub(super) run_out_persons_max: usize,
}

/// Begins a transaction, waits for the lock of the account and reads its counters and the transfers that are wanted, in
/// one round trip. The account is compared with its row as seen before.
pub(super) async fn begin(
    client: &ClientWrapper,
    account: &Account,
    wanted: &Wanted,
    (seen, mut glance): (&Seen, Glance),
) -> Result<AccountRows, Fault> {
    let lock = client.prepare_cached(LOCK).await?;
    let counters = client.prepare_cached(COUNTERS).await?;
    let transfers = client.prepare_cached(TRANSFERS).await?;
    let run_out = client.prepare_cached(RUN_OUT).await?;
    let (exporter, year) = (account.exporter.as_str(), i32::from(account.year.0));
    let seconds = wanted.now.seconds();
    let limit = i64::try_from(wanted.run_out_max).unwrap_or(i64::MAX);
    let persons = i64::try_from(wanted.run_out_persons_max).unwrap_or(i64::MAX);
    for _ in 0..2 {
        let (begun, locked, counters, transfers, run_out) = tokio::join!(
            biased;
            client.batch_execute(BEGIN),
            async { client.query_opt(&lock, &[&exporter, &year]).await },
            async { client.query(&counters, &[&exporter, &year]).await },
            async { client.query(&transfers, &[&wanted.ids]).await },
            async { client.query(&run_out, &[&exporter, &year, &seconds, &limit, &persons]).await },
        );
        begun?;
        let Some(row) = locked? else {
            client.batch_execute("ROLLBACK").await?;
            seen.check_row(client, account, glance, AccountRow::MISSING).await?;
            // (seen before) It may have been removed, and the new row is another one.
            glance = seen.glance(account);
            add_account(client, account).await?;
            continue;
        };
        let row = AccountRow::read(&row, 0)?;
        seen.check_row(client, account, glance, row).await?;
        let mut account_rows = AccountRows::new(row.id, row.revision);
        for row in counters? {
            let (number, counter, parts) = counter_of(&row)?;
            account_rows.load_counter(number, counter, parts);
        }
        for row in transfers?.iter().chain(&run_out?) {
            account_rows.load_transfer(transfer_of(row)?);
        }
        return Ok(account_rows);
    }
    Err(Fault::Again("the account of the exporter could not be made".to_owned()))
}

/// Makes the row of an account. Its number is drawn, so that no sequence is a bottleneck; should
/// the number be taken, the next attempt draws another.
async fn add_account(client: &ClientWrapper, account: &Account) -> Result<(), Fault> {
    let statement = client.prepare_cached(ADD_ACCOUNT).await?;
    let number = fastrand::i64(1..i64::MAX);
    client.execute(&statement, &[&number, &account.exporter, &i32::from(account.year.0)]).await?;
    Ok(())
}

/// Reads persons, in one round trip.
pub(super) async fn people(
    client: &ClientWrapper,
    account_rows: &mut AccountRows,
    keys: Vec<PersonKey>,
) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(PEOPLE).await?;
    let account = account_rows.account();
    let mut found = Vec::new();
    let calls = keys.chunks(PERSONS_PER_STATEMENT).map(|keys| {
        let numbers: Vec<i32> = keys.iter().map(|(number, _)| *number).collect();
        let pseudonyms: Vec<&[u8]> = keys.iter().map(|(_, pseudonym)| pseudonym.as_ref()).collect();
        let statement = &statement;
        let call: Call<'_, _> =
            Box::pin(async move { client.query(statement, &[&account, &numbers, &pseudonyms]).await });
        call
    });
    for rows in in_order(calls.collect()).await {
        for row in rows? {
            let pseudonym: Vec<u8> = row.try_get(1)?;
            let holders =
                Holders::from_columns(row.try_get(2)?, row.try_get(3)?).ok_or_else(|| unreadable("a person"))?;
            found.push(((row.try_get(0)?, pseudonym.into_boxed_slice()), holders));
        }
    }
    account_rows.load_people(keys, found);
    Ok(())
}

/// Reads settled transfers that were last changed before a moment, and returns their ids.
pub(super) async fn old(
    client: &ClientWrapper,
    account_rows: &mut AccountRows,
    before: Moment,
    transfers_max: usize,
) -> Result<Vec<String>, Fault> {
    let statement = client.prepare_cached(OLD).await?;
    let limit = i64::try_from(transfers_max).unwrap_or(i64::MAX);
    let rows = client.query(&statement, &[&account_rows.account(), &before.seconds(), &limit]).await?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let transfer = transfer_of(row)?;
        ids.push(transfer.id.clone());
        account_rows.load_transfer(transfer);
    }
    Ok(ids)
}

pub(super) fn class_of(name: &str) -> Result<CountedClass, Fault> {
    let class = CountedClass::ALL.into_iter().find(|class| class.name() == name);
    class.ok_or_else(|| unreadable("a counter"))
}

/// Reads a count of persons, which is never negative.
pub(super) fn persons_of(row: &Row, column: usize) -> Result<u64, Fault> {
    let persons: i64 = row.try_get(column)?;
    u64::try_from(persons).map_err(|_| unreadable("a total"))
}

/// Reads number, name, class and parts.
pub(super) fn counter_of(row: &Row) -> Result<(i32, Counter, Parts), Fault> {
    let class = class_of(row.try_get(2)?)?;
    let parts = Parts {
        named_committed: persons_of(row, 3)?,
        named_reserved: persons_of(row, 4)?,
        counted_committed: persons_of(row, 5)?,
        counted_reserved: persons_of(row, 6)?,
        imported: persons_of(row, 7)?,
        forgotten: persons_of(row, 8)?,
    };
    Ok((row.try_get(0)?, Counter { name: row.try_get(1)?, class }, parts))
}

fn transfer_of(row: &Row) -> Result<TransferRow, Fault> {
    let general: Option<Vec<Vec<u8>>> = row.try_get(13)?;
    let sensitive: Option<Vec<Vec<u8>>> = row.try_get(14)?;
    let state = state_of(row.try_get(4)?).ok_or_else(|| unreadable("a transfer"))?;
    let holding = match state {
        State::Reserved => Some(Holding {
            until: moment_of(row.try_get(8)?, row.try_get(9)?)?,
            people: match (general, sensitive) {
                (Some(general), Some(sensitive)) => {
                    People::Named { general: pseudonyms(general), sensitive: pseudonyms(sensitive) }
                }
                // The steps have their number.
                _ => People::Counted(Headcount::ZERO),
            },
        }),
        State::Committed | State::Released | State::Expired | State::Refused => None,
    };
    Ok(TransferRow {
        id: row.try_get(0)?,
        account: row.try_get(1)?,
        fingerprint: row.try_get(2)?,
        token: row.try_get(3)?,
        state,
        holding,
        named: row.try_get(5)?,
        answer: row.try_get(6)?,
        changed_at: Moment::from_seconds(row.try_get(7)?),
        steps: steps_of(row.try_get(10)?, row.try_get(11)?, row.try_get(12)?)?,
    })
}

/// Puts the three columns of a transfer's steps together.
pub(super) fn steps_of(numbers: Vec<i32>, befores: Vec<i64>, addeds: Vec<i64>) -> Result<Vec<Step>, Fault> {
    if numbers.len() != befores.len() || numbers.len() != addeds.len() {
        return Err(unreadable("a transfer"));
    }
    let steps = numbers.into_iter().zip(befores).zip(addeds).map(|((number, before), added)| {
        Some(Step { number, before: u64::try_from(before).ok()?, added: u64::try_from(added).ok()? })
    });
    steps.collect::<Option<_>>().ok_or_else(|| unreadable("a transfer"))
}

/// Puts the two columns of a moment together.
pub(super) fn moment_of(seconds: Option<i64>, nanos: Option<i32>) -> Result<Moment, Fault> {
    let nanos = nanos.and_then(|nanos| u32::try_from(nanos).ok());
    let moment = seconds.zip(nanos).and_then(|(seconds, nanos)| Moment::new(seconds, nanos));
    moment.ok_or_else(|| unreadable("a reservation"))
}

fn pseudonyms(rows: Vec<Vec<u8>>) -> Vec<PseudonymBytes> {
    rows.into_iter().map(Vec::into_boxed_slice).collect()
}
