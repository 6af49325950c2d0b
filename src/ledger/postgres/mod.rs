//! The ledger in a database that several servers share.
//!
//! ```text
//! callers ──► queue of the account ──► transaction: load ─► account_rows ─► store, COMMIT ──► answers
//!    └───────────────────────── read, usage ─────────────────────────► one query
//! ```
//!
//! * [`queue`]: requests of one account on this server wait here and share transactions.
//! * [`transaction`]: one transaction for several [`request`]s. [`load`] takes the lock of the account's row and reads,
//!   [`account_rows`] changes rows in memory, the judgements included, [`store`] writes back and commits. Two round
//!   trips, three where persons are named.
//! * [`seen`]: this server's memory of the ledger, to detect one that went back in time.
//! * [`session`]: connections, and which errors are worth another attempt. [`url`] and [`tls`]: how to reach the
//!   database. [`migrate`]: its tables. [`queries`]: reads. [`operate`] and [`audit`]: work of operators.
//!
//! INVARIANT (one at a time): a transaction that changes the totals of an account holds the lock of its row in
//! `neglist_account` from before its first read until its commit. READ COMMITTED is enough for that: each statement
//! after the lock sees the commits of earlier holders, and waiting costs no repetition. Under SERIALIZABLE each waiting
//! transaction would have to be repeated. Each transaction that changes something updates that row as well, so that a
//! database with a stricter isolation than requested finds a conflict instead of an old snapshot.
//!
//! INVARIANT (plain SQL): no advisory locks, no locks of tables, no sequences, no system functions but
//! `current_setting`; every compared parameter has an explicit type, because not every database infers it.
//!
//! INVARIANT (never a guess): if COMMIT gets no answer, the next attempt reads the transfer ids again under the lock,
//! once the earlier transaction has committed or aborted.
//!
//! INVARIANT (one time): reservations expire by the clocks of servers, and each transaction releases those of all
//! servers. A server whose clock differs from the database's changes nothing.
//!
//! Not promised: if the database stays unreachable after a COMMIT without an answer, the request may or may not have
//! been carried out. It was carried out in full or not at all, and a repeated request with the same transfer id tells.

mod account_rows;
mod audit;
mod fault;
mod load;
mod migrate;
mod operate;
mod queries;
mod queue;
mod request;
mod rows;
mod seen;
mod session;
mod settings;
mod store;
mod subject_key;
mod tls;
mod transaction;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use self::audit::Export;
pub use self::migrate::{NO_TABLES, Tables};
pub use self::settings::Settings;

use self::fault::Fault;
use self::queue::{Queues, back_off};
use self::request::{Operation, Reply};
use self::seen::Seen;
use self::session::{Bounds, Purpose, Session};
use super::lifecycle;
use super::mark::Mark;
use super::rows::{Discrepancy, Forget, Forgotten, ImportedTotal, OperateError, sorted};
use super::{Account, Before, Counter, Judge, Ledger, LedgerError, People, ReplayLookup, Reservation, Reserved, Usage};
use crate::domain::clock::Clock;
use crate::domain::units::{Moment, Year};

/// Time for a migration or an operator's transaction, once it does not wait for others: building an index over a
/// hundred million rows takes some minutes.
const OPERATION_TIME: Duration = Duration::from_mins(10);

/// A ledger in a `PostgreSQL` database, or in one that speaks its protocol.
pub struct PostgresLedger {
    queues: Arc<Queues>,
    settings: Settings,
    /// How far the clock of this server is ahead of that of the database, in seconds, as far as it was compared.
    ahead_s: AtomicI64,
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("PostgresLedger").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl PostgresLedger {
    /// Connects to a database, `postgres://user@host:5432/database`. If its tables are missing or older than this
    /// program, [`Settings::tables`] decides.
    ///
    /// `sslmode=verify-full` asks for TLS, `sslrootcert` names the file of the authority;
    /// `sslmode=disable` is needed for a plain connection to another machine.
    ///
    /// # Errors
    ///
    /// If the URL is not valid, the database cannot be reached, its tables are newer than this program, or its commits
    /// are not durable (`synchronous_commit` or `fsync` off).
    pub async fn connect(url: &str, settings: Settings) -> Result<Self, LedgerError> {
        let address = url::parse(url).map_err(LedgerError::Unavailable)?;
        let bounds = settings.bounds();
        if settings.tables != Tables::Leave {
            // A ledger that was seen before is not created again: it would begin at zero.
            let tables = if settings.mark.is_some() { Tables::Update } else { settings.tables };
            let migrating =
                Bounds { connections: 1, statement: OPERATION_TIME, idle_in_transaction: OPERATION_TIME, ..bounds };
            let pool = session::pool(&address, migrating, Purpose::Migrate).map_err(LedgerError::Unavailable)?;
            persist(settings.time(), || migrate_with(&pool, tables)).await?;
            pool.close();
        }
        let seen = Arc::new(Seen::new(settings.accounts_remembered_max, settings.mark));
        let counting = Purpose::Count(Arc::clone(&seen));
        let pool = session::pool(&address, bounds, counting).map_err(LedgerError::Unavailable)?;
        let queues = Arc::new(Queues::new(pool, seen, settings.queue_limits()));
        let ledger = Self { queues, settings, ahead_s: AtomicI64::new(0) };
        ledger.check().await?;
        Ok(ledger)
    }

    /// Says whether the database answers; if not, why.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn check(&self) -> Result<(), LedgerError> {
        self.queues.seen().check()?;
        repeat(self.settings.time(), || async {
            let session = Session::open(self.queues.pool()).await?;
            session.client()?.simple_query("SELECT 1").await?;
            session.keep();
            Ok(())
        })
        .await
    }

    /// Reads identity and position of the ledger, and compares them with those that this server saw before. Another
    /// ledger, or one that has lost counts, is not used any more. To be called every few seconds.
    ///
    /// # Errors
    ///
    /// If that was found now or by an earlier check, or the database does not answer.
    pub async fn check_mark(&self) -> Result<Mark, LedgerError> {
        self.queues.seen().check()?;
        self.repeat(|| queries::check_mark(self.queues.pool(), self.queues.seen())).await?;
        self.queues.seen().mark().ok_or_else(|| LedgerError::Unavailable(seen::unmarked().to_string()))
    }

    /// Returns whether the ledger was found to be another one, or to have lost counts.
    pub fn is_closed(&self) -> bool {
        self.queues.seen().check().is_err()
    }

    /// Compares the clock of this server with that of the database. If they are too far apart, nothing is changed until
    /// a later comparison finds them close enough. To be called before the first change, and every few seconds.
    ///
    /// # Errors
    ///
    /// If they are too far apart, or the database does not answer.
    pub async fn compare_clocks(&self, clock: &dyn Clock) -> Result<(), LedgerError> {
        let there = repeat(self.settings.time(), || queries::clock(self.queues.pool())).await?;
        self.ahead_s.store(clock.now().seconds().saturating_sub(there.seconds()), Ordering::Relaxed);
        self.check_clocks()
    }

    fn check_clocks(&self) -> Result<(), LedgerError> {
        let (ahead_s, most_s) = (self.ahead_s.load(Ordering::Relaxed), self.settings.clocks_apart_max_s);
        if ahead_s.unsigned_abs() <= u64::from(most_s) {
            return Ok(());
        }
        let direction = if ahead_s < 0 { "behind" } else { "ahead of" };
        Err(LedgerError::Unavailable(format!(
            "the clock of this server is {} s {direction} that of the database, and may be {most_s} s: set it, or \
            reservations run out at the wrong time; nothing was done",
            ahead_s.unsigned_abs()
        )))
    }

    /// Releases reservations that have expired and forgets transfers past their retention, as many
    /// as one transaction of each account may, and returns how many: above zero, there may be more.
    /// To be called every few seconds, by any number of servers, so that the totals of a quiet
    /// account do not stay too high.
    ///
    /// # Errors
    ///
    /// If the database does not answer, or the rows of an account are broken; the other accounts are still tidied up.
    pub async fn tick(&self, now: Moment) -> Result<u64, LedgerError> {
        self.check_clocks()?;
        let settled_before = lifecycle::remembered_since(now, self.settings.retention_days);
        let most = self.settings.accounts_per_tick_max;
        let accounts = self.repeat(|| queries::with_work(self.queues.pool(), now, settled_before, most));
        let mut count = Ok(0_u64);
        for account in accounts.await? {
            match self.submit(account, Operation::Tick { now, settled_before }).await {
                Ok((Reply::Count(more), _)) => count = count.map(|count| count.saturating_add(more)),
                Ok(_) => {}
                Err(error) => count = count.and(Err(error)),
            }
        }
        count
    }

    /// Adds totals that were counted elsewhere, such as last year's spreadsheet, and returns how many counters changed.
    /// An import has an id: the same totals under the same id again change nothing.
    ///
    /// # Errors
    ///
    /// If the id brought in other totals, a counter is there twice, or a total grows too large.
    pub async fn import_totals(&self, import_id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        let wanted = sorted(totals)?;
        let done = persist(self.settings.time(), || operate::import(self.queues.pool(), import_id, &wanted));
        done.await?.map_err(OperateError::Refused)
    }

    /// Withdraws the totals of an import, and returns how many counters changed.
    ///
    /// # Errors
    ///
    /// If there is no such import.
    pub async fn withdraw_import(&self, import_id: &str) -> Result<u64, OperateError> {
        let done = persist(self.settings.time(), || operate::withdraw(self.queues.pool(), import_id));
        done.await?.map_err(OperateError::Refused)
    }

    /// Drops all data of years before this one, and returns how many counters are gone.
    ///
    /// # Errors
    ///
    /// If reservations of those years still stand.
    pub async fn drop_years_before(&self, year: Year) -> Result<u64, OperateError> {
        let done = persist(self.settings.time(), || operate::drop_years(self.queues.pool(), year));
        done.await?.map_err(OperateError::Refused)
    }

    /// Removes accounts, except those that [`Forget`] keeps and those with standing reservations. Some at a time:
    /// accounts removed before an error stay removed.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn forget(&self, forget: &Forget) -> Result<Forgotten, OperateError> {
        let mut forgotten = Forgotten::default();
        for accounts in forget.accounts.chunks(operate::ACCOUNTS_PER_REMOVAL) {
            let some = Forget { accounts: accounts.to_vec(), ..*forget };
            let done = persist(self.settings.time(), || operate::forget(self.queues.pool(), &some));
            forgotten.extend(done.await?.map_err(OperateError::Refused)?);
        }
        Ok(forgotten)
    }

    /// Returns all accounts, in order of exporter and year, including those without a counter.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn accounts(&self) -> Result<Vec<Account>, LedgerError> {
        self.repeat(|| queries::accounts(self.queues.pool())).await
    }

    /// Returns everything as it is now: counters and transfers of one moment.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn export(&self) -> Result<Export, LedgerError> {
        persist(self.settings.time(), || Export::begin(self.queues.pool())).await
    }

    /// Recomputes all totals from their rows, and returns the discrepancies.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn verify(&self) -> Result<Vec<Discrepancy>, LedgerError> {
        persist(self.settings.time(), || audit::verify(self.queues.pool())).await
    }

    /// Repeats an operation if that can help; gives no answer from a ledger that has lost counts.
    async fn repeat<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.queues.seen().check()?;
        let done = repeat(self.settings.time(), attempt).await?;
        self.queues.seen().check().map(|()| done)
    }

    /// Submits an operation at an account.
    async fn submit(&self, account: Account, operation: Operation) -> Result<(Reply, Operation), LedgerError> {
        self.queues.seen().check()?;
        let answer = self.queues.submit(account, operation).await?;
        self.queues.seen().check().map(|()| answer)
    }

    /// Submits an operation at the account of a transfer.
    async fn settle(&self, transfer_id: &str, operation: Operation) -> Result<(), LedgerError> {
        self.check_clocks()?;
        if transfer_id.contains('\0') {
            return Err(LedgerError::NotFound);
        }
        let account = self.repeat(|| queries::account_of(self.queues.pool(), transfer_id)).await?;
        match self.submit(account.ok_or(LedgerError::NotFound)?, operation).await? {
            (Reply::Done, _) => Ok(()),
            (Reply::Reserved(_) | Reply::Replay(_) | Reply::Count(_) | Reply::Elsewhere(_), _) => Err(astray()),
        }
    }
}

#[async_trait::async_trait]
impl Ledger for PostgresLedger {
    async fn reserve(&self, mut reservation: Reservation, judge: Judge) -> Result<Reserved, LedgerError> {
        if reservation.transfer_id.contains('\0') || reservation.account.exporter.contains('\0') {
            return Err(LedgerError::Unavailable("ids with a zero byte cannot be kept in the database".to_owned()));
        }
        self.check_clocks()?;
        sort(&mut reservation.people);
        let account = reservation.account.clone();
        let (reply, operation) = self.submit(account, Operation::Reserve(Box::new(reservation), judge)).await?;
        let reply = match reply {
            Reply::Elsewhere(number) => {
                let account = self.repeat(|| queries::account(self.queues.pool(), number)).await?;
                self.submit(account.ok_or_else(astray)?, operation).await?.0
            }
            other => other,
        };
        match reply {
            Reply::Reserved(reserved) => Ok(reserved),
            Reply::Replay(_) | Reply::Done | Reply::Count(_) | Reply::Elsewhere(_) => Err(astray()),
        }
    }

    /// Asks the account of the transfer, if there is one. A transfer that another server answers at this moment may not
    /// be found yet.
    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError> {
        if lookup.transfer_id.contains('\0') {
            return Ok(None);
        }
        self.check_clocks()?;
        let found = self.repeat(|| queries::account_of(self.queues.pool(), &lookup.transfer_id)).await?;
        let Some(account) = found else { return Ok(None) };
        match self.submit(account, Operation::FindReplay(lookup)).await?.0 {
            Reply::Replay(found) => Ok(found),
            Reply::Reserved(_) | Reply::Done | Reply::Count(_) | Reply::Elsewhere(_) => Err(astray()),
        }
    }

    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.settle(transfer_id, Operation::Commit(transfer_id.to_owned(), now)).await
    }

    async fn release(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.settle(transfer_id, Operation::Release(transfer_id.to_owned(), now)).await
    }

    /// Returns the totals as committed. Reservations that expired count until the next transaction or tick.
    async fn read(&self, account: &Account, counters: &[Counter], _now: Moment) -> Result<Before, LedgerError> {
        self.repeat(|| queries::read(self.queues.pool(), self.queues.seen(), account, counters)).await
    }

    async fn read_without(
        &self,
        account: &Account,
        counters: &[Counter],
        people: &People,
        _now: Moment,
    ) -> Result<Before, LedgerError> {
        self.repeat(|| queries::read_without(self.queues.pool(), self.queues.seen(), account, counters, people)).await
    }

    /// Returns the totals as committed. Reservations that expired count until the next transaction or tick.
    async fn usage(&self, account: &Account, _now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        self.repeat(|| queries::usage(self.queues.pool(), self.queues.seen(), account)).await
    }

    async fn newest(&self) -> Result<Option<Moment>, LedgerError> {
        repeat(self.settings.time(), || queries::newest(self.queues.pool())).await
    }
}

/// Sorts pseudonyms and removes duplicates: a person counted twice in one transfer would be noticed only at its
/// release.
fn sort(people: &mut People) {
    if let People::Named { general, sensitive } = people {
        for list in [general, sensitive] {
            if !list.is_sorted_by(|one, next| one < next) {
                list.sort_unstable();
                list.dedup();
            }
        }
    }
}

fn astray() -> LedgerError {
    LedgerError::Unavailable("the transfer moved while it was read: ask again with the same id".to_owned())
}

async fn migrate_with(pool: &deadpool_postgres::Pool, tables: Tables) -> Result<(), Fault> {
    let session = Session::open(pool).await?;
    migrate::run(session.client()?, tables).await?;
    session.keep();
    Ok(())
}

/// Repeats a long operation after a conflict, until the time is up. An attempt in progress gets more time.
async fn persist<T, F>(time: Duration, mut attempt: impl FnMut() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, Fault>>,
{
    let begun = Instant::now();
    for count in 0_u32.. {
        let fault = match tokio::time::timeout(OPERATION_TIME, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Stop("it took too long".to_owned()),
        };
        if matches!(fault, Fault::Stop(_)) || time <= begun.elapsed() {
            return Err(LedgerError::Unavailable(fault.to_string()));
        }
        tokio::time::sleep(back_off(count)).await;
    }
    Err(LedgerError::Unavailable("repeated too often".to_owned()))
}

/// Repeats an operation while that can help, until the time is up.
async fn repeat<T, F>(time: Duration, mut attempt: impl FnMut() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut last = Fault::Lost("the database does not answer in time".to_owned());
    let attempts = async {
        let mut count = 0;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(fault @ Fault::Stop(_)) => return Err(fault),
                Err(fault) => last = fault,
            }
            tokio::time::sleep(back_off(count)).await;
            count = count.saturating_add(1);
        }
    };
    let fault = match tokio::time::timeout(time, attempts).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(fault)) => fault,
        Err(_) => last,
    };
    Err(LedgerError::Unavailable(fault.to_string()))
}
