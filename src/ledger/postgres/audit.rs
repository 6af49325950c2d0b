//! Reading everything: exports and verification.
//!
//! Both read one moment (REPEATABLE READ) and block no caller.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{ClientWrapper, Pool};
use tokio_postgres::Row;

use super::fault::{Fault, unreadable};
use super::load::{counter_of, moment_of, persons_of, steps_of};
use super::queries::account_from;
use super::rows::state_of;
use super::session::Session;
use crate::domain::units::Moment;
use crate::ledger::parts::Parts;
use crate::ledger::rows::{CounterRow, Discrepancy, State, TransferRow};
use crate::ledger::{Account, Change, Counter, LedgerError};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = 600000; SET LOCAL idle_in_transaction_session_timeout = 600000";
const COUNTERS: &str = "SELECT number, name, class, named_committed, named_reserved, counted_committed, \
    counted_reserved, imported, forgotten, account, exporter, year FROM neglist_counter \
    JOIN neglist_account ON neglist_account.id = account ORDER BY exporter, year, name, class";
const TRANSFERS: &str = "SELECT transfer.id, transfer.account, account.exporter, account.year, state, changed_s, \
    expires_s, expires_ns, counters, befores, addeds FROM neglist_transfer AS transfer \
    JOIN neglist_account AS account ON account.id = transfer.account WHERE $1::TEXT < transfer.id \
    ORDER BY transfer.id LIMIT $2::INT8";
const PEOPLE: &str = "SELECT account, counter, SUM(CASE WHEN committed THEN 1 ELSE 0 END)::INT8, \
    SUM(CASE WHEN NOT committed AND 0 < reserved THEN 1 ELSE 0 END)::INT8, \
    SUM(CASE WHEN NOT committed AND reserved = 0 THEN 1 ELSE 0 END)::INT8 \
    FROM neglist_person GROUP BY account, counter";
const COUNTED: &str = "SELECT transfer.account, step.counter, \
    SUM(CASE WHEN state = 3 THEN step.added ELSE 0 END)::INT8, \
    SUM(CASE WHEN state = 2 THEN step.added ELSE 0 END)::INT8 FROM neglist_transfer AS transfer, \
    LATERAL UNNEST(transfer.counters, transfer.addeds) AS step (counter, added) \
    WHERE NOT transfer.named GROUP BY transfer.account, step.counter";
const IMPORTED: &str = "SELECT account, counter, SUM(persons)::INT8 FROM neglist_import GROUP BY account, counter";
const HELD: &str = "WITH listed AS (SELECT transfer.account, step.counter, person.pseudonym, COUNT(*) AS held \
    FROM neglist_transfer AS transfer, LATERAL UNNEST(transfer.counters) AS step (counter), neglist_counter, \
    LATERAL UNNEST(CASE WHEN neglist_counter.class = 'general' THEN transfer.general ELSE transfer.sensitive END) \
    AS person (pseudonym) WHERE transfer.state = 2 AND transfer.named \
    AND neglist_counter.account = transfer.account AND neglist_counter.number = step.counter \
    GROUP BY transfer.account, step.counter, person.pseudonym) \
    SELECT COALESCE(listed.account, kept.account), COALESCE(listed.counter, kept.counter), COUNT(*) FROM listed \
    FULL JOIN neglist_person AS kept ON kept.account = listed.account AND kept.counter = listed.counter \
    AND kept.pseudonym = listed.pseudonym WHERE COALESCE(listed.held, 0) <> COALESCE(kept.reserved, 0) GROUP BY 1, 2";

/// Transfers in one page of an export.
const PAGE: i64 = 5_000;

/// Everything in the ledger as it was at one moment. Holds a connection until it is dropped.
#[derive(Debug)]
pub struct Export {
    /// All counters, by exporter, year and name.
    pub counters: Vec<CounterRow>,
    names: BTreeMap<(i64, i32), Counter>,
    session: Session,
    last_id: String,
}

impl Export {
    pub(super) async fn begin(pool: &Pool) -> Result<Self, Fault> {
        let session = Session::open(pool).await?;
        let client = session.client()?;
        client.batch_execute(BEGIN).await?;
        let mut names = BTreeMap::new();
        let mut counters = Vec::new();
        for (key, account, counter, parts) in all_counters(client).await? {
            names.insert(key, counter.clone());
            counters.push(CounterRow { account, counter, usage: parts.usage(), imported: parts.imported });
        }
        Ok(Self { counters, names, session, last_id: String::new() })
    }

    /// Returns the next transfers, by id; none after the last.
    ///
    /// # Errors
    ///
    /// If the database does not answer; the caller has to start a new export.
    pub async fn transfers(&mut self) -> Result<Vec<TransferRow>, LedgerError> {
        self.page().await.map_err(|fault| LedgerError::Unavailable(fault.to_string()))
    }

    async fn page(&mut self) -> Result<Vec<TransferRow>, Fault> {
        let client = self.session.client()?;
        let statement = client.prepare_cached(TRANSFERS).await?;
        let rows = client.query(&statement, &[&self.last_id, &PAGE]).await?;
        let page: Vec<_> = rows.iter().map(|row| self.transfer(row)).collect::<Result<_, _>>()?;
        if let Some(last) = page.last() {
            self.last_id.clone_from(&last.transfer_id);
        }
        Ok(page)
    }

    fn transfer(&self, row: &Row) -> Result<TransferRow, Fault> {
        let number: i64 = row.try_get(1)?;
        let state = state_of(row.try_get(4)?).ok_or_else(|| unreadable("a transfer"))?;
        let at = match state {
            State::Reserved => moment_of(row.try_get(6)?, row.try_get(7)?)?,
            _ => Moment::from_seconds(row.try_get(5)?),
        };
        let mut changes = Vec::new();
        for step in steps_of(row.try_get(8)?, row.try_get(9)?, row.try_get(10)?)? {
            let counter = self.names.get(&(number, step.number)).ok_or_else(|| unreadable("a transfer"))?.clone();
            changes.push(Change { counter, before: step.before, added: step.added });
        }
        Ok(TransferRow { transfer_id: row.try_get(0)?, account: account_from(row, 2)?, state, at, changes })
    }
}

/// Counts everything again, and returns the discrepancies.
pub(super) async fn verify(pool: &Pool) -> Result<Vec<Discrepancy>, Fault> {
    let session = Session::open(pool).await?;
    let client = session.client()?;
    client.batch_execute(BEGIN).await?;
    let kept = all_counters(client).await?;
    let (found, mut wrong) = recount(client).await?;
    for (key, persons) in sums::<1>(client, HELD).await? {
        let [persons] = persons;
        *wrong.entry(key).or_default() += persons;
    }
    client.batch_execute("ROLLBACK").await?;
    session.keep();
    let mut discrepancies = Vec::new();
    let mut names = BTreeMap::new();
    for (key, account, counter, parts) in kept {
        let about = format!("{} {}", account.exporter, counter.in_year(account.year));
        let again = found.get(&key).copied().unwrap_or_default();
        if let Some(message) = parts.disagreement(again) {
            discrepancies.push(Discrepancy { about: about.clone(), message });
        }
        names.insert(key, about);
    }
    let lost: BTreeSet<_> = found.keys().filter(|key| !names.contains_key(key)).copied().collect();
    for (account, number) in lost {
        let about = format!("counter number {number} of account number {account}");
        discrepancies.push(Discrepancy { about, message: "rows name a counter that is not there".to_owned() });
    }
    for (key, persons) in wrong {
        let about = names.get(&key).cloned().unwrap_or_else(|| format!("counter number {}", key.1));
        let message = format!("{persons} persons are not held by the reservations that list them");
        discrepancies.push(Discrepancy { about, message });
    }
    Ok(discrepancies)
}

/// Account and number of a counter.
type Key = (i64, i32);

/// Adds up the parts of each counter, and the persons that no transfer holds.
async fn recount(client: &ClientWrapper) -> Result<(BTreeMap<Key, Parts>, BTreeMap<Key, u64>), Fault> {
    let mut found: BTreeMap<Key, Parts> = BTreeMap::new();
    let mut wrong = BTreeMap::new();
    for (key, [committed, reserved, unheld]) in sums(client, PEOPLE).await? {
        let parts = found.entry(key).or_default();
        (parts.named_committed, parts.named_reserved) = (committed, reserved);
        if 0 < unheld {
            wrong.insert(key, unheld);
        }
    }
    for (key, [committed, reserved]) in sums(client, COUNTED).await? {
        let parts = found.entry(key).or_default();
        (parts.counted_committed, parts.counted_reserved) = (committed, reserved);
    }
    for (key, [imported]) in sums(client, IMPORTED).await? {
        found.entry(key).or_default().imported = imported;
    }
    Ok((found, wrong))
}

async fn sums<const N: usize>(client: &ClientWrapper, sql: &str) -> Result<Vec<(Key, [u64; N])>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    let mut found = Vec::new();
    for row in client.query(&statement, &[]).await? {
        let mut columns = [0; N];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = persons_of(&row, index + 2)?;
        }
        found.push(((row.try_get(0)?, row.try_get(1)?), columns));
    }
    Ok(found)
}

async fn all_counters(client: &ClientWrapper) -> Result<Vec<(Key, Account, Counter, Parts)>, Fault> {
    let statement = client.prepare_cached(COUNTERS).await?;
    let mut found = Vec::new();
    for row in client.query(&statement, &[]).await? {
        let (number, counter, parts) = counter_of(&row)?;
        let account = account_from(&row, 10)?;
        found.push(((row.try_get(9)?, number), account, counter, parts));
    }
    Ok(found)
}
