//! The one thread that writes: it takes the waiting requests, makes one transaction with one sync, then sends all
//! answers.
//!
//! INVARIANT (durable first): an answer is sent only after everything in it is on disk. INVARIANT (closed after a
//! failure): once a write, a sync or a check of the file's own sums failed, or the file is not the one that was opened,
//! nothing is read from or written to the file any more until it is opened again, which reads everything from the file.
//! Each tick tries that, at growing intervals.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use redb::{Database, Durability};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch::Batch;
use super::directory::Directory;
use super::request::{Operation, Reply, Request};
use super::settings::Settings;
use super::storage::{self, Opened, Storage, Watch};
use super::tables::{self, META, Stop};
use super::totals::{Shared, closed};
use crate::domain::units::Moment;
use crate::ledger::LedgerError;
use crate::ledger::lifecycle;
use crate::ledger::mark::Mark;
use crate::ledger::witness::Witness;

/// The writer's own state.
#[derive(Debug)]
pub(super) struct Writer {
    storage: Box<dyn Storage>,
    settings: Settings,
    shared: Arc<Shared>,
    file: Option<OpenFile>,
    /// The highest known mark of the ledger.
    known: Mark,
    again: Again,
}

/// A file that is open and in order.
#[derive(Debug)]
struct OpenFile {
    database: Arc<Database>,
    directory: Directory,
    mark: Mark,
    witness: Option<Witness>,
    watch: Option<Arc<dyn Watch>>,
}

/// When a closed ledger is next opened again by a tick.
#[derive(Debug)]
struct Again {
    /// Not before; `None` while it is open.
    at: Option<Instant>,
    wait: Duration,
    /// Why the last attempt to open it failed, so that one reason is logged once.
    why: Option<String>,
}

/// The requests of one batch. Answers go to `replies` in the order in which they were taken.
struct Queue<'a> {
    next: Option<Request>,
    requests: &'a Receiver<Request>,
    replies: Vec<oneshot::Sender<Result<Reply, LedgerError>>>,
}

impl Writer {
    /// Takes over a ledger that was opened.
    pub(super) fn new(mut storage: Box<dyn Storage>, settings: Settings, shared: Arc<Shared>, opened: Opened) -> Self {
        storage.again();
        let known = opened.mark;
        let file = Some(OpenFile::new(opened));
        Self { storage, settings, shared, file, known, again: Again { at: None, wait: Duration::ZERO, why: None } }
    }

    /// Answers requests until the last sender is gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| requests.recv().ok()) {
            match first.operation {
                Operation::Reopen => {
                    let reopened = self.reopen();
                    drop(first.reply.send(reopened.map(|()| Reply::Done)));
                    continue;
                }
                Operation::Tick(_) => self.tend(),
                _ => {}
            }
            next = self.answer(first, requests);
        }
    }

    /// Work of a tick besides its batch: opens a closed ledger again, and checks the free space of the disk.
    fn tend(&mut self) {
        if self.again.at.is_some_and(|at| at <= Instant::now()) {
            // It logs its own result.
            drop(self.reopen());
        }
        let Some(file) = &mut self.file else { return };
        match file.witness.as_mut().map(Witness::tend).transpose() {
            Ok(Some(true)) => {
                tracing::warn!("the witness of the ledger was missing or did not match: it was written again");
            }
            Ok(_) => {}
            Err(error) => return self.close(error.to_string()),
        }
        self.ask_for_room();
    }

    /// Stops reservations if the disk is nearly full, so that standing ones can still be settled.
    fn ask_for_room(&mut self) {
        let reserve = self.settings.reserve_bytes;
        let free = match self.storage.free_bytes() {
            Ok(free) => free,
            Err(error) => return tracing::debug!(%error, "the free space of the disk is unknown"),
        };
        let why = free.filter(|free| *free < reserve).map(|free| {
            format!(
                "its disk is nearly full: {free} bytes are left, and {reserve} (`ledger_reserve_bytes`) are kept free"
            )
        });
        if !self.shared.set_full(why.clone()) {
            return;
        }
        let ledger = self.storage.name();
        if let Some(why) = why {
            tracing::error!(%why, %ledger, "nothing more is reserved until there is room");
        } else {
            tracing::info!(%ledger, "there is room again: reservations continue");
        }
    }

    /// Answers a request together with those that wait. Returns a request that has to wait for the next batch.
    fn answer(&mut self, first: Request, requests: &Receiver<Request>) -> Option<Request> {
        let Some(file) = &mut self.file else {
            let error = self.shared.check().err().unwrap_or_else(|| closed("it cannot be read"));
            drop(first.reply.send(Err(error)));
            return None;
        };
        let mut queue = Queue { next: Some(first), requests, replies: Vec::new() };
        let done = catch_unwind(AssertUnwindSafe(|| file.write(&mut queue, &self.settings)));
        let done = done.unwrap_or_else(|_| Err(Stop::Broken("the writer panicked".to_owned())));
        match done {
            Ok(results) => {
                self.known = file.mark;
                if results.iter().any(|result| matches!(result, Ok(Reply::Dropped(_) | Reply::Forgotten(_)))) {
                    self.shared.show(Arc::clone(&file.database));
                } else {
                    self.shared.publish(&file.directory);
                }
                file.directory.settle(self.settings.accounts_max);
                for (reply, result) in queue.replies.into_iter().zip(results) {
                    // A caller that gave up waiting may send its request again.
                    drop(reply.send(result));
                }
            }
            Err(stop) => {
                let why = stop.to_string();
                self.close(why.clone());
                for reply in queue.replies {
                    drop(reply.send(Err(closed(&why))));
                }
            }
        }
        queue.next
    }

    fn close(&mut self, why: String) {
        tracing::error!(%why, ledger = %self.storage.name(), "the ledger is closed until it can be opened again");
        self.shared.close(why);
        let file = self.file.take();
        // Do not rely on how the library drops a file that failed.
        drop(catch_unwind(AssertUnwindSafe(|| drop(file))));
        self.again.wait = Duration::from_millis(self.settings.reopen_wait_ms);
        self.again.at = Some(Instant::now() + self.again.wait);
    }

    fn reopen(&mut self) -> Result<(), LedgerError> {
        if self.file.is_some() {
            return Ok(());
        }
        match storage::open(self.storage.as_ref(), &self.settings, Some(self.known)) {
            Ok(opened) => {
                self.known = opened.mark;
                self.shared.show(Arc::clone(&opened.database));
                self.file = Some(OpenFile::new(opened));
                (self.again.at, self.again.why) = (None, None);
                tracing::info!(ledger = %self.storage.name(), "the ledger is open again");
                Ok(())
            }
            Err(why) => {
                // Once for each reason: a disk that stays full would otherwise fill the log.
                if self.again.why.as_ref() != Some(&why) {
                    tracing::error!(%why, "the ledger cannot be opened again; further attempts follow");
                }
                let wait_max = Duration::from_millis(self.settings.reopen_wait_max_ms);
                self.again.wait = self.again.wait.saturating_mul(2).min(wait_max);
                self.again.at = Some(Instant::now() + self.again.wait);
                self.again.why = Some(why.clone());
                self.shared.close(why.clone());
                Err(LedgerError::Unavailable(why))
            }
        }
    }
}

impl OpenFile {
    fn new(opened: Opened) -> Self {
        let Opened { database, directory, mark, witness, watch } = opened;
        Self { database, directory, mark, witness, watch }
    }

    /// Does a batch and makes it durable.
    fn write(&mut self, queue: &mut Queue<'_>, settings: &Settings) -> Result<Vec<Result<Reply, LedgerError>>, Stop> {
        // Before anything is read: the file may have been replaced by now.
        self.check()?;
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut results = Vec::new();
        let mut latest: Option<Moment> = None;
        let mut batch = Batch::open(&transaction, &mut self.directory, settings.expiry_work_per_batch_max)?;
        while let Some((operation, is_waited_for)) = queue.take() {
            latest = latest.max(moment(&operation));
            let result = match (is_waited_for, operation) {
                // No answer was given: better not to add.
                (false, Operation::Reserve(..)) => Err(LedgerError::Unavailable("the caller disconnected".to_owned())),
                (_, Operation::BindKey(key)) => {
                    batch.wrote |= tables::bind_subject_key(&mut transaction.open_table(META)?, key)?;
                    Ok(Reply::Done)
                }
                (_, operation) => match batch.answer(operation, settings) {
                    Ok(reply) => Ok(reply),
                    Err(Stop::Answer(error)) => Err(error),
                    Err(Stop::Broken(why)) => return Err(Stop::Broken(why)),
                },
            };
            results.push(result);
            if settings.batch_requests_max <= results.len() || settings.batch_work_max <= batch.work {
                break;
            }
            queue.advance();
        }
        if let Some(now) = latest {
            batch
                .forget(lifecycle::remembered_since(now, settings.retention_days), settings.forgotten_per_batch_max)?;
        }
        if !batch.finish()? {
            transaction.abort()?;
            return Ok(results);
        }
        let mark = Mark { position: self.mark.position.saturating_add(1), ..self.mark };
        {
            let mut meta = transaction.open_table(META)?;
            tables::set_position(&mut meta, mark)?;
            if let Some(now) = latest {
                tables::set_newest(&mut meta, now)?;
            }
        }
        transaction.commit()?;
        self.witness_of(mark)?;
        Ok(results)
    }

    /// Records the mark of the file in the witness, before any caller gets an answer. Source of the order:
    /// [`crate::ledger::witness`].
    fn witness_of(&mut self, mark: Mark) -> Result<(), Stop> {
        self.check()?;
        if let Some(witness) = &mut self.witness {
            witness.record(mark).map_err(|error| Stop::Broken(error.to_string()))?;
        }
        self.mark = mark;
        Ok(())
    }

    fn check(&self) -> Result<(), Stop> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.check()).map_err(Stop::Broken)
    }
}

impl Queue<'_> {
    /// Returns the next request of the batch, and whether its caller still waits.
    fn take(&mut self) -> Option<(Operation, bool)> {
        let Request { operation, reply } = self.next.take_if(|next| !matches!(next.operation, Operation::Reopen))?;
        let is_waited_for = !reply.is_closed();
        self.replies.push(reply);
        Some((operation, is_waited_for))
    }

    /// Takes the next request that waits, if there is one.
    fn advance(&mut self) {
        self.next = self.requests.try_recv().ok();
    }
}

impl Batch<'_, '_> {
    fn answer(&mut self, operation: Operation, settings: &Settings) -> Result<Reply, Stop> {
        match operation {
            Operation::Reserve(reservation, mut judge) => self.reserve(*reservation, &mut judge).map(Reply::Reserved),
            Operation::FindReplay(lookup) => self.find_replay(&lookup).map(Reply::Replay),
            Operation::Commit(id, now) => self.commit(&id, now).map(|()| Reply::Done),
            Operation::Release(id, now) => self.release(&id, now).map(|()| Reply::Done),
            Operation::Tick(now) => {
                let released = self.release_run_out(now)?;
                let forgotten = self.forget(
                    lifecycle::remembered_since(now, settings.retention_days),
                    settings.forgotten_per_batch_max,
                )?;
                Ok(Reply::Count(released as u64 + forgotten as u64))
            }
            Operation::Import(import) => self.import(&import),
            Operation::Withdraw(id) => self.withdraw(&id),
            Operation::DropYears(before, now) => self.drop_years(before, now),
            Operation::Forget(forget, now) => self.forget_accounts(&forget, now),
            // Carried out besides the requests of a batch.
            Operation::Reopen | Operation::BindKey(_) => Ok(Reply::Done),
        }
    }
}

fn moment(operation: &Operation) -> Option<Moment> {
    match operation {
        Operation::Reserve(reservation, _) => Some(reservation.now),
        Operation::FindReplay(lookup) => Some(lookup.now),
        Operation::Commit(_, now) | Operation::Release(_, now) | Operation::Tick(now) => Some(*now),
        // An operator's clock is not trusted to forget answers that may be requested again.
        Operation::Import(_)
        | Operation::Withdraw(_)
        | Operation::DropYears(..)
        | Operation::Forget(..)
        | Operation::BindKey(_)
        | Operation::Reopen => None,
    }
}
