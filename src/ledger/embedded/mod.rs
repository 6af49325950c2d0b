//! The ledger in one file of this machine.
//!
//! ```text
//! callers ──► queue ──► writer: batch ──► file (redb), one sync ──► totals ──► answers
//!    └────────────────────────────── read, usage ◄────────────────────────────────┘
//! ```
//!
//! * [`batch`] carries each [`request`] out, by the rules of [`lifecycle`](super::lifecycle), after [`plan`] has worked
//!   it out; [`operate`] and [`verify`] are for operators.
//! * [`writer`] shares one sync among all requests that wait, and closes after a failure.
//! * [`storage`] opens the file, [`tables`] defines its tables, [`directory`] and [`totals`] keep the counters in
//!   memory, for the writer and for readers.
//!
//! Not promised: after a failed write, and for a caller that gave up waiting, the request may or may not have been
//! carried out. It was carried out in full or not at all, and a repeated request with the same transfer id tells.

mod batch;
mod directory;
mod export;
mod file;
mod lookup;
mod newest;
mod operate;
mod plan;
mod reader;
mod refusal;
mod request;
mod ring;
mod settings;
mod storage;
mod subject_key;
mod tables;
mod totals;
mod verify;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redb::ReadableDatabase;
use tokio::sync::{Semaphore, oneshot};

pub use self::export::Export;
pub use self::reader::LedgerReader;
pub use self::refusal::HELD_ELSEWHERE;
pub use self::settings::{CACHE_BYTES_DEFAULT, CheckOnOpen, MissingFile, Settings};
pub use self::storage::{Opening, Storage, Watch};

use self::export::export;
use self::file::LedgerFile;
use self::request::{Import, Operation, Reply, Request};
use self::totals::{OfAccount, Shared};
use self::writer::Writer;
use super::mark::Mark;
use super::rows::{Discrepancy, Forget, Forgotten, ImportedTotal, OperateError, sorted};
use super::witness;
use super::{
    Account, Before, Counter, CounterName, Judge, Ledger, LedgerError, People, ReplayLookup, Reservation, Reserved,
    Usage,
};
use crate::domain::units::{Moment, Year};

/// Most accounts read from the file at a time, so that a flood of names does not become a flood of threads that compete
/// with the answering ones. An account takes a few pages, most of them in memory.
const LOADS_MAX: usize = 1;

/// A ledger in one file.
pub struct EmbeddedLedger {
    shared: Arc<Shared>,
    /// `None` only while it is dropped.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
    time_max: Duration,
    /// Permits for accounts being read from the file.
    loads: Semaphore,
}

impl fmt::Debug for EmbeddedLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLedger").finish_non_exhaustive()
    }
}

impl EmbeddedLedger {
    /// Opens a ledger, and keeps other processes out of it until it is dropped. Blocks: reads the
    /// counters, and the whole file where it is checked.
    ///
    /// # Errors
    ///
    /// If the file is open elsewhere, is no ledger, is of another format, is damaged, or cannot
    /// be read or written.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, LedgerError> {
        let path = path.as_ref().to_owned();
        let witness = settings.witness.clone().unwrap_or_else(|| witness::beside(&path));
        let storage = LedgerFile { path, missing: settings.missing, witness };
        Self::open_in(Box::new(storage), settings)
    }

    /// Opens a ledger in other storage than a file.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedLedger::open`].
    pub fn open_in(storage: Box<dyn Storage>, settings: Settings) -> Result<Self, LedgerError> {
        let opened = storage::open(storage.as_ref(), &settings, None).map_err(LedgerError::Unavailable)?;
        let shared = Arc::new(Shared::new(Arc::clone(&opened.database), settings.accounts_max));
        let (requests, waiting) = sync_channel(settings.queue_requests_max.max(1));
        let time_max = Duration::from_millis(settings.time_max_ms);
        let writer = Writer::new(storage, settings, Arc::clone(&shared), opened);
        let writer = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || {
                    // Each batch is guarded already, but a ledger without a writer must not look open.
                    if catch_unwind(AssertUnwindSafe(|| writer.run(&waiting))).is_err() {
                        shared.close("the writer panicked".to_owned());
                    }
                }
            })
            .map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        Ok(Self { shared, requests: Some(requests), writer: Some(writer), time_max, loads: Semaphore::new(LOADS_MAX) })
    }

    /// Says whether persons can be counted: the ledger is open and its disk has room; if not, why.
    ///
    /// # Errors
    ///
    /// If it is closed after a failure, or its disk is nearly full.
    pub fn check(&self) -> Result<(), LedgerError> {
        self.shared.check_room()
    }

    /// Says whether the ledger is open but refuses reservations because its disk is nearly full.
    pub fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// Gives up the counts of a newer or another ledger than the one in this file: the file gets a new identity and a
    /// new witness. Blocks.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedLedger::open`], except for the mark in the witness; or if the witness cannot be written.
    pub fn accept(path: impl AsRef<Path>, settings: &Settings) -> Result<Mark, LedgerError> {
        let path = path.as_ref().to_owned();
        let place = settings.witness.clone().unwrap_or_else(|| witness::beside(&path));
        let storage = LedgerFile { path, missing: MissingFile::Refuse, witness: place.clone() };
        let mark = storage::accept(&storage, settings).map_err(LedgerError::Unavailable)?;
        witness::renew(place, mark).map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        Ok(mark)
    }

    /// Opens the ledger again after a failure closed it. Nothing happens if it is open.
    ///
    /// # Errors
    ///
    /// If it cannot be opened; it stays closed.
    pub async fn reopen(&self) -> Result<(), LedgerError> {
        self.submit(Operation::Reopen).await.map(|_| ())
    }

    /// Releases reservations that have expired and forgets transfers past their retention, as many
    /// as one batch may, and returns how many: above zero, there may be more. To be called every
    /// few seconds, so that the totals of a quiet ledger do not stay too high.
    ///
    /// # Errors
    ///
    /// If the ledger is closed or overloaded.
    pub async fn tick(&self, now: Moment) -> Result<u64, LedgerError> {
        match self.submit(Operation::Tick(now)).await? {
            Reply::Count(count) => Ok(count),
            _ => Err(no_answer()),
        }
    }

    /// Adds totals that were counted elsewhere, such as last year's spreadsheet, and returns how many counters changed.
    /// An import has an id: the same totals under the same id again change nothing.
    ///
    /// # Errors
    ///
    /// If the id brought in other totals, a counter is there twice, or a total grows too large.
    pub async fn import_totals(&self, import_id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        let wanted = sorted(totals)?;
        self.operate(Operation::Import(Import { id: import_id.to_owned(), wanted })).await
    }

    /// Withdraws the totals of an import, and returns how many counters changed.
    ///
    /// # Errors
    ///
    /// If there is no such import.
    pub async fn withdraw_import(&self, import_id: &str) -> Result<u64, OperateError> {
        self.operate(Operation::Withdraw(import_id.to_owned())).await
    }

    /// Drops all data of years before this one, and returns how many counters are gone. All other requests wait for it:
    /// some seconds for each million persons. Reservations that expired by `now` are released first.
    ///
    /// # Errors
    ///
    /// If reservations of those years still stand.
    pub async fn drop_years_before(&self, year: Year, now: Moment) -> Result<u64, OperateError> {
        self.operate(Operation::DropYears(year, now)).await
    }

    /// Removes accounts, except those that [`Forget`] keeps and those with reservations that still stand at `now`. All
    /// other requests wait for it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub async fn forget(&self, forget: Forget, now: Moment) -> Result<Forgotten, OperateError> {
        match self.submit(Operation::Forget(forget, now)).await? {
            Reply::Forgotten(forgotten) => Ok(forgotten),
            Reply::Reserved(_)
            | Reply::Replay(_)
            | Reply::Done
            | Reply::Count(_)
            | Reply::Dropped(_)
            | Reply::Refused(_) => Err(no_answer().into()),
        }
    }

    /// Returns everything as it is now.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn export(&self) -> Result<Export, LedgerError> {
        let transaction = self.shared.with_database(redb::Database::begin_read)?;
        let transaction = transaction.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        export(&transaction).map_err(|stop| LedgerError::Unavailable(stop.to_string()))
    }

    /// Recomputes all totals from their rows, and returns the discrepancies. Reads the whole file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn verify(&self) -> Result<Vec<Discrepancy>, LedgerError> {
        let transaction = self.shared.with_database(redb::Database::begin_read)?;
        let transaction = transaction.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        verify::verify(&transaction).map_err(|stop| LedgerError::Unavailable(stop.to_string()))
    }

    async fn operate(&self, operation: Operation) -> Result<u64, OperateError> {
        match self.submit(operation).await? {
            Reply::Count(count) | Reply::Dropped(count) => Ok(count),
            Reply::Refused(why) => Err(OperateError::Refused(why)),
            Reply::Reserved(_) | Reply::Replay(_) | Reply::Done | Reply::Forgotten(_) => Err(no_answer().into()),
        }
    }

    /// Reads the totals of an account, from the file if they are not in memory: on a thread that may wait for a disk.
    async fn with_account<T>(&self, account: &Account, read: impl Fn(&OfAccount) -> T) -> Result<T, LedgerError> {
        if let Some(found) = self.shared.at_hand(&account.exporter, account.year, &read)? {
            return Ok(found);
        }
        let account = account.clone();
        let names = self.read_file(move |shared| shared.load(&account)).await?;
        Ok(read(&names))
    }

    /// Reads the file on a thread that may block. A disk that does not answer does not keep the caller waiting.
    async fn read_file<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let shared = Arc::clone(&self.shared);
        let load = async {
            // It is never closed.
            let _place = self.loads.acquire().await;
            tokio::task::spawn_blocking(move || read(&shared)).await
        };
        let late = || LedgerError::Unavailable("it does not answer in time".to_owned());
        let loaded = tokio::time::timeout(self.time_max, load).await.map_err(|_| late())?;
        loaded.map_err(|error| LedgerError::Unavailable(error.to_string()))?
    }

    /// Submits an operation for a caller. A stuck disk does not keep the caller waiting.
    async fn submit_in_time(&self, operation: Operation) -> Result<Reply, LedgerError> {
        self.shared.check()?;
        let late = || {
            let why = "it does not answer in time; the request may or may not have been carried out: ask again with the same id";
            LedgerError::Unavailable(why.to_owned())
        };
        tokio::time::timeout(self.time_max, self.submit(operation)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn submit(&self, operation: Operation) -> Result<Reply, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let Some(requests) = &self.requests else { return Err(no_answer()) };
        match requests.try_send(Request { operation, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(no_answer())),
            Err(TrySendError::Full(_)) => {
                Err(LedgerError::Unavailable("too many requests wait for it: try again later".to_owned()))
            }
            Err(TrySendError::Disconnected(_)) => Err(no_answer()),
        }
    }
}

impl Drop for EmbeddedLedger {
    /// Waits for pending requests, so that the file is free afterwards.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

#[async_trait::async_trait]
impl Ledger for EmbeddedLedger {
    async fn reserve(&self, reservation: Reservation, judge: Judge) -> Result<Reserved, LedgerError> {
        if let Err(full) = self.shared.check_room() {
            // Nothing more is added, but a caller that lost its answer still gets it.
            self.shared.check()?;
            return self.find_replay(reservation.to_lookup()).await?.ok_or(full);
        }
        match self.submit_in_time(Operation::Reserve(Box::new(reservation), judge)).await? {
            Reply::Reserved(reserved) => Ok(reserved),
            Reply::Replay(_)
            | Reply::Done
            | Reply::Count(_)
            | Reply::Dropped(_)
            | Reply::Forgotten(_)
            | Reply::Refused(_) => Err(no_answer()),
        }
    }

    /// Goes through the writer like a reservation, so that an answer given at this moment is found.
    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError> {
        match self.submit_in_time(Operation::FindReplay(lookup)).await? {
            Reply::Replay(found) => Ok(found),
            Reply::Reserved(_)
            | Reply::Done
            | Reply::Count(_)
            | Reply::Dropped(_)
            | Reply::Forgotten(_)
            | Reply::Refused(_) => Err(no_answer()),
        }
    }

    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.submit_in_time(Operation::Commit(transfer_id.to_owned(), now)).await.map(|_| ())
    }

    async fn release(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.submit_in_time(Operation::Release(transfer_id.to_owned(), now)).await.map(|_| ())
    }

    /// Returns the totals in memory, or reads them from the file. Reservations that expired count until the next batch or
    /// tick.
    async fn read(&self, account: &Account, counters: &[Counter], _now: Moment) -> Result<Before, LedgerError> {
        self.with_account(account, |names| totals::before(names, counters)).await
    }

    async fn read_without(
        &self,
        account: &Account,
        counters: &[Counter],
        people: &People,
        _now: Moment,
    ) -> Result<Before, LedgerError> {
        let (account, counters, people) = (account.clone(), counters.to_vec(), people.clone());
        self.read_file(move |shared| {
            let unavailable = |why: String| LedgerError::Unavailable(why);
            let transaction = shared.with_database(redb::Database::begin_read)?;
            let transaction = transaction.map_err(|error| unavailable(error.to_string()))?;
            lookup::totals_without(&transaction, &account, &counters, &people)
                .map_err(|stop| unavailable(stop.to_string()))
        })
        .await
    }

    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        self.shared.at_hand(exporter, year, |names| totals::in_order(names, counters)).transpose()
    }

    /// Returns the totals in memory, or reads them from the file. Reservations that expired count until the next batch or
    /// tick.
    async fn usage(&self, account: &Account, _now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        self.with_account(account, totals::usage).await
    }

    async fn newest(&self) -> Result<Option<Moment>, LedgerError> {
        let transaction = self.shared.with_database(redb::Database::begin_read)?;
        let transaction = transaction.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        newest::newest(&transaction).map_err(|stop| LedgerError::Unavailable(stop.to_string()))
    }
}

fn no_answer() -> LedgerError {
    LedgerError::Unavailable("its writer does not answer: the request may or may not have been carried out".to_owned())
}
