//! The one thread that writes: takes what waits, one transaction, one sync, then all answers.
//!
//! INVARIANT (durable first): an answer is sent only after everything it says is on disk, or was
//! before. INVARIANT (closed after a failure): once a write, a sync or a check of the file's own
//! sums failed, nothing is read from or written to the file any more until it is opened again,
//! which reads everything anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use redb::{Database, Durability};
use tokio::sync::oneshot;

use super::book::Book;
use super::directory::Directory;
use super::operate::Import;
use super::storage::{self, Storage};
use super::tables::Stop;
use super::totals::{Shared, closed};
use super::{SECONDS_PER_DAY, Settings};
use crate::domain::units::{Moment, Year};
use crate::ledger::rows::{Forget, Forgotten};
use crate::ledger::{Judge, LedgerError, Recall, Reservation, Reserved};

/// What waits for the writer, and who waits for the answer.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Reply, LedgerError>>,
}

/// What is asked of the writer.
pub(super) enum Work {
    Reserve(Box<Reservation>, Judge),
    Recall(Recall),
    Commit(String, Moment),
    Release(String, Moment),
    Tick(Moment),
    Import(Import),
    Withdraw(String),
    DropYears(Year),
    Forget(Forget),
    Reopen,
}

/// What the writer answers.
#[derive(Debug)]
pub(super) enum Reply {
    Reserved(Reserved),
    /// The first answer; `None` where there was none.
    Recalled(Option<Reserved>),
    Done,
    /// How many rows it concerned.
    Count(u64),
    /// How many counters are gone.
    Dropped(u64),
    /// What became of accounts that were to be removed.
    Forgotten(Forgotten),
    /// An operator's request that cannot be done, and why.
    Refused(String),
}

/// The writer's own state.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) storage: Box<dyn Storage>,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) file: Option<OpenFile>,
}

/// A file that is open and in order.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) database: Arc<Database>,
    pub(super) directory: Directory,
}

/// The requests of one batch. Answers go to `replies` in the order in which they were taken.
struct Queue<'a> {
    next: Option<Request>,
    requests: &'a Receiver<Request>,
    replies: Vec<oneshot::Sender<Result<Reply, LedgerError>>>,
}

impl Writer {
    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| requests.recv().ok()) {
            if matches!(first.work, Work::Reopen) {
                let reopened = self.reopen();
                drop(first.reply.send(reopened.map(|()| Reply::Done)));
                continue;
            }
            next = self.answer(first, requests);
        }
    }

    /// Answers a request, and with it those that wait. Returns one that has to wait for the next turn.
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
                if results.iter().any(|result| matches!(result, Ok(Reply::Dropped(_) | Reply::Forgotten(_)))) {
                    self.shared.show(&file.directory, Arc::clone(&file.database));
                } else {
                    self.shared.publish(&file.directory);
                }
                file.directory.settle();
                for (reply, result) in queue.replies.into_iter().zip(results) {
                    // Whoever gave up waiting may ask again.
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
        tracing::error!(%why, ledger = %self.storage.name(), "the ledger is closed until it is opened again");
        self.shared.close(why);
        let file = self.file.take();
        // What the library does when it lets go of a file that failed is not ours to rely on.
        drop(catch_unwind(AssertUnwindSafe(|| drop(file))));
    }

    fn reopen(&mut self) -> Result<(), LedgerError> {
        if self.file.is_some() {
            return Ok(());
        }
        match storage::open(self.storage.as_ref(), &self.settings) {
            Ok((database, directory)) => {
                let database = Arc::new(database);
                self.shared.show(&directory, Arc::clone(&database));
                self.file = Some(OpenFile { database, directory });
                tracing::info!(ledger = %self.storage.name(), "the ledger is open again");
                Ok(())
            }
            Err(why) => {
                tracing::error!(%why, "the ledger cannot be opened again");
                self.shared.close(why.clone());
                Err(LedgerError::Unavailable(why))
            }
        }
    }
}

impl OpenFile {
    /// Does a batch and makes it durable.
    fn write(&mut self, queue: &mut Queue<'_>, settings: &Settings) -> Result<Vec<Result<Reply, LedgerError>>, Stop> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut results = Vec::new();
        let mut latest: Option<Moment> = None;
        let mut book = Book::open(&transaction, &mut self.directory, settings.expiry_work_per_batch_max)?;
        while let Some((work, is_waited_for)) = queue.take() {
            latest = latest.max(moment(&work));
            let result = match (is_waited_for, work) {
                // Nothing was promised: better not to add.
                (false, Work::Reserve(..)) => Err(LedgerError::Unavailable("the caller went away".to_owned())),
                (_, work) => match book.answer(work, settings) {
                    Ok(reply) => Ok(reply),
                    Err(Stop::Answer(error)) => Err(error),
                    Err(Stop::Broken(why)) => return Err(Stop::Broken(why)),
                },
            };
            results.push(result);
            if settings.batch_requests_max <= results.len() || settings.batch_work_max <= book.work {
                break;
            }
            queue.look();
        }
        if let Some(now) = latest {
            book.forget(oldest_kept(now, settings), settings.forgotten_per_batch_max)?;
        }
        if book.finish()? {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok(results)
    }
}

impl Queue<'_> {
    /// Returns the next request of the batch, and whether anybody waits for its answer.
    fn take(&mut self) -> Option<(Work, bool)> {
        let Request { work, reply } = self.next.take_if(|next| !matches!(next.work, Work::Reopen))?;
        let is_waited_for = !reply.is_closed();
        self.replies.push(reply);
        Some((work, is_waited_for))
    }

    /// Looks whether another request waits.
    fn look(&mut self) {
        self.next = self.requests.try_recv().ok();
    }
}

impl Book<'_, '_> {
    fn answer(&mut self, work: Work, settings: &Settings) -> Result<Reply, Stop> {
        match work {
            Work::Reserve(reservation, mut judge) => self.reserve(*reservation, &mut judge).map(Reply::Reserved),
            Work::Recall(recall) => self.recall(&recall).map(Reply::Recalled),
            Work::Commit(id, now) => self.commit(&id, now).map(|()| Reply::Done),
            Work::Release(id, now) => self.release(&id, now).map(|()| Reply::Done),
            Work::Tick(now) => {
                let released = self.release_run_out(now)?;
                let forgotten = self.forget(oldest_kept(now, settings), settings.forgotten_per_batch_max)?;
                Ok(Reply::Count(released as u64 + forgotten as u64))
            }
            Work::Import(import) => self.import(&import),
            Work::Withdraw(id) => self.withdraw(&id),
            Work::DropYears(before) => self.drop_years(before),
            Work::Forget(forget) => self.forget_accounts(&forget),
            Work::Reopen => Ok(Reply::Done),
        }
    }
}

/// Transfers that were settled until then are forgotten.
fn oldest_kept(now: Moment, settings: &Settings) -> Moment {
    now.plus_seconds(-SECONDS_PER_DAY.saturating_mul(i64::from(settings.retention_days.max(1))))
}

fn moment(work: &Work) -> Option<Moment> {
    match work {
        Work::Reserve(reservation, _) => Some(reservation.now),
        Work::Recall(recall) => Some(recall.now),
        Work::Commit(_, now) | Work::Release(_, now) | Work::Tick(now) => Some(*now),
        Work::Import(_) | Work::Withdraw(_) | Work::DropYears(_) | Work::Forget(_) | Work::Reopen => None,
    }
}
