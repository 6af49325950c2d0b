//! The queue of requests of each account on this server.
//!
//! Requests of one account share transactions, and thus a sync. An account has one transaction at a time, because the
//! next would only wait for the same lock. A queue exists while a request is in it.
//!
//! Each transaction runs in its own task, so that a caller that disconnects does not cancel the answers of others. A
//! waiting reservation whose caller disconnects is dropped; a commit or a release is still carried out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fault::Fault;
use super::request::{Operation, Reply, Request};
use super::seen::Seen;
use super::session::Session;
use super::store::Doubt;
use super::transaction::{self, TransactionLimits};
use crate::ledger::{Account, LedgerError};
use crate::repeated::Repeated;

/// Number of failed transactions: each fails while the database is unreachable.
static FAILED: Repeated = Repeated::new();

/// Bounds of queues and transactions.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    /// Callers that may wait for one account.
    pub(super) queue_max: usize,
    /// Requests that share a transaction.
    pub(super) batch_max: usize,
    /// Time limit of a transaction with all its repetitions; also the longest wait in the queue.
    pub(super) time: Duration,
    pub(super) transaction: TransactionLimits,
}

/// Answer to a caller: the reply, and its operation back.
type Answer = Result<(Reply, Operation), LedgerError>;

struct Waiting {
    request: Request,
    caller: Caller,
}

struct Caller {
    answer: oneshot::Sender<Answer>,
    since: Instant,
    sharing: Sharing,
}

/// Whether a request may share a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// It may.
    Shared,
    /// It may not: it would make the shared transaction fail.
    Alone,
}

/// The queues of all accounts.
pub(super) struct Queues {
    pool: Pool,
    seen: Arc<Seen>,
    limits: QueueLimits,
    waiting: Mutex<HashMap<Account, VecDeque<Waiting>>>,
}

impl Queues {
    pub(super) fn new(pool: Pool, seen: Arc<Seen>, limits: QueueLimits) -> Self {
        Self { pool, seen, limits, waiting: Mutex::default() }
    }

    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Puts an operation into the queue of an account, and waits for its answer.
    pub(super) async fn submit(self: &Arc<Self>, account: Account, operation: Operation) -> Answer {
        let (answer, answered) = oneshot::channel();
        // Zero marks rows that no call made.
        let token = fastrand::i64(1..i64::MAX);
        let caller = Caller { answer, since: Instant::now(), sharing: Sharing::Shared };
        let waiting = Waiting { request: Request { operation, token }, caller };
        let is_new = {
            let mut queues = self.lock();
            let is_new = !queues.contains_key(&account);
            let queue = queues.entry(account.clone()).or_default();
            if self.limits.queue_max <= queue.len() {
                return Err(LedgerError::Unavailable("too many requests wait for it: try again later".to_owned()));
            }
            queue.push_back(waiting);
            is_new
        };
        if is_new {
            tokio::spawn(Arc::clone(self).drain(account));
        }
        answered.await.unwrap_or_else(|_| {
            Err(LedgerError::Unavailable("a transaction did not end: ask again with the same id".to_owned()))
        })
    }

    /// Runs transactions until the queue is empty.
    async fn drain(self: Arc<Self>, account: Account) {
        while let Some(batch) = self.next(&account) {
            // In a task of its own, so that a panic ends one transaction and not the queue.
            let transaction = tokio::spawn(Arc::clone(&self).run(account.clone(), batch));
            match transaction.await {
                Ok(Ok(left)) => self.put_back(&account, left),
                Ok(Err(down)) => self.fail_all(&account, &down),
                // The task told its callers at its end.
                Err(_) => {}
            }
        }
    }

    /// Returns the requests of the next transaction; `None` closes the queue.
    fn next(&self, account: &Account) -> Option<Vec<Waiting>> {
        let mut queues = self.lock();
        let queue = queues.get_mut(account)?;
        let mut batch: Vec<Waiting> = Vec::new();
        while batch.len() < self.limits.batch_max {
            let may_join = |next: &mut Waiting| batch.is_empty() || next.caller.sharing == Sharing::Shared;
            let Some(next) = queue.pop_front_if(may_join) else { break };
            if !next.is_wanted() {
                continue;
            }
            if self.limits.time <= next.caller.since.elapsed() {
                let why = "it waited too long for other requests; nothing was done".to_owned();
                drop(next.caller.answer.send(Err(LedgerError::Unavailable(why))));
                continue;
            }
            let sharing = next.caller.sharing;
            batch.push(next);
            if sharing == Sharing::Alone {
                break;
            }
        }
        if batch.is_empty() {
            queues.remove(account);
            return None;
        }
        Some(batch)
    }

    /// Returns requests that a transaction left over to the head of the queue.
    fn put_back(&self, account: &Account, left: Vec<Waiting>) {
        let mut queues = self.lock();
        let queue = queues.entry(account.clone()).or_default();
        left.into_iter().rev().for_each(|waiting| queue.push_front(waiting));
    }

    /// Runs a transaction for some requests, and returns those left over: there was no room for them, or they cannot
    /// share one. An error means that the database does not answer.
    async fn run(self: Arc<Self>, account: Account, batch: Vec<Waiting>) -> Result<Vec<Waiting>, LedgerError> {
        let (mut requests, mut callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.request, waiting.caller)).unzip();
        match self.transact(&account, &mut requests).await {
            Ok(replies) => {
                let count = replies.len().min(requests.len());
                let left = together(requests.split_off(count), callers.split_off(count));
                for ((request, caller), reply) in requests.into_iter().zip(callers).zip(replies) {
                    drop(caller.answer.send(reply.map(|reply| (reply, request.operation))));
                }
                Ok(left)
            }
            Err(GaveUp { fault: Fault::Stop(_), doubt: Doubt::None }) if 1 < requests.len() => {
                for caller in &mut callers {
                    caller.sharing = Sharing::Alone;
                }
                Ok(together(requests, callers))
            }
            Err(gave_up) => {
                for caller in callers {
                    drop(caller.answer.send(Err(gave_up.error())));
                }
                if matches!(gave_up.fault, Fault::Lost(_)) { Err(gave_up.unasked()) } else { Ok(Vec::new()) }
            }
        }
    }

    /// Runs a transaction, and repeats it while that can help, until the time is up.
    async fn transact(
        &self,
        account: &Account,
        requests: &mut [Request],
    ) -> Result<Vec<Result<Reply, LedgerError>>, GaveUp> {
        let mut doubt = Doubt::None;
        let mut last = Fault::Lost("it took too long".to_owned());
        let attempts = async {
            for attempt in 0_u32.. {
                match self.attempt(account, requests, &mut doubt).await {
                    Ok(replies) => return Ok(replies),
                    Err(fault @ Fault::Stop(_)) => return Err(fault),
                    Err(fault) => {
                        tracing::debug!(%fault, attempt, "a transaction of the ledger is repeated");
                        last = fault;
                    }
                }
                tokio::time::sleep(back_off(attempt)).await;
            }
            Err(Fault::Again("repeated too often".to_owned()))
        };
        let fault = match tokio::time::timeout(self.limits.time, attempts).await {
            Ok(Ok(replies)) => return Ok(replies),
            Ok(Err(fault)) => fault,
            Err(_) => last,
        };
        if let Some(others) = FAILED.happened() {
            tracing::warn!(%fault, ?doubt, others, "a transaction of the ledger failed");
        }
        Err(GaveUp { fault, doubt })
    }

    async fn attempt(
        &self,
        account: &Account,
        requests: &mut [Request],
        doubt: &mut Doubt,
    ) -> Result<Vec<Result<Reply, LedgerError>>, Fault> {
        let session = Session::open(&self.pool).await?;
        let replies =
            transaction::run(session.client()?, account, requests, self.limits.transaction, (&self.seen, doubt))
                .await?;
        session.keep();
        Ok(replies)
    }

    /// Tells all callers in the queue that the database does not answer, so that none of them waits to find out.
    fn fail_all(&self, account: &Account, error: &LedgerError) {
        let waiting = self.lock().get_mut(account).map(std::mem::take).unwrap_or_default();
        for waiting in waiting {
            drop(waiting.caller.answer.send(Err(error.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, VecDeque<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct GaveUp {
    fault: Fault,
    doubt: Doubt,
}

impl GaveUp {
    fn error(&self) -> LedgerError {
        LedgerError::Unavailable(match self.doubt {
            Doubt::None => format!("{}; nothing was added", self.fault),
            Doubt::Some => {
                format!("{}; it may or may not have been carried out: ask again with the same id", self.fault)
            }
        })
    }

    /// The error for requests that no transaction took.
    fn unasked(&self) -> LedgerError {
        LedgerError::Unavailable(format!("{}; nothing was added", self.fault))
    }
}

impl Waiting {
    /// Says whether to carry the request out: a reservation for a disconnected caller would count data that is not
    /// sent.
    fn is_wanted(&self) -> bool {
        match &self.request.operation {
            Operation::Reserve(..) | Operation::FindReplay(_) | Operation::Tick { .. } => {
                !self.caller.answer.is_closed()
            }
            Operation::Commit(..) | Operation::Release(..) => true,
        }
    }
}

fn together(requests: Vec<Request>, callers: Vec<Caller>) -> Vec<Waiting> {
    requests.into_iter().zip(callers).map(|(request, caller)| Waiting { request, caller }).collect()
}

/// Returns how long to wait after an attempt: at most 4 ms after the first, twice as long after each further one, a
/// quarter of a second at most; random, so that servers do not collide again.
pub(super) fn back_off(attempt: u32) -> Duration {
    let most_us = 4_000_u64.saturating_mul(1 << attempt.min(6)).min(250_000);
    Duration::from_micros(fastrand::u64(0..=most_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::{Headcount, Moment, Year};
    use crate::ledger::{Hold, People, Reservation};

    const TIME: Duration = Duration::from_secs(5);

    fn account() -> Account {
        Account { exporter: "acme".to_owned(), year: Year(2026) }
    }

    /// Queues of a test that sends no statement to a database.
    fn queues(waiting: Vec<Waiting>) -> Queues {
        let manager = deadpool_postgres::Manager::new(tokio_postgres::Config::new(), tokio_postgres::NoTls);
        let transaction = TransactionLimits { persons: 10, run_out: 1, forgotten: 1 };
        let limits = QueueLimits { queue_max: 9, batch_max: 9, time: TIME, transaction };
        let seen = Arc::new(Seen::new(2, None));
        let queues = Queues::new(Pool::builder(manager).build().unwrap(), seen, limits);
        queues.lock().insert(account(), waiting.into());
        queues
    }

    fn waiting(operation: Operation) -> (Waiting, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let caller = Caller { answer, since: Instant::now(), sharing: Sharing::Shared };
        (Waiting { request: Request { operation, token: 1 }, caller }, answered)
    }

    fn commit(id: &str) -> Operation {
        Operation::Commit(id.to_owned(), Moment::from_seconds(0))
    }

    fn reserve() -> Operation {
        let now = Moment::from_seconds(0);
        let reservation = Reservation {
            transfer_id: "new".to_owned(),
            fingerprint: [0; 32],
            account: account(),
            people: People::Counted(Headcount::ZERO),
            read: Vec::new(),
            hold: Hold::Commit,
            now,
        };
        Operation::Reserve(Box::new(reservation), Box::new(|_| panic!("no judgement is called here")))
    }

    fn ids(batch: Option<Vec<Waiting>>) -> Vec<String> {
        let id = |waiting: &Waiting| waiting.request.operation.id().unwrap_or_default().to_owned();
        batch.unwrap_or_default().iter().map(id).collect()
    }

    #[test]
    fn a_caller_that_disconnects_adds_nothing_and_still_settles_its_transfer() {
        let release = Operation::Release("back".to_owned(), Moment::from_seconds(0));
        let queues = queues([reserve(), commit("gone"), release].map(|operation| waiting(operation).0).into());
        assert_eq!(ids(queues.next(&account())), ["gone", "back"]);
        assert!(queues.next(&account()).is_none() && queues.lock().is_empty());
    }

    #[test]
    fn no_request_waits_in_the_queue_for_longer_than_a_transaction_may_take() {
        let (mut late, mut answered) = waiting(commit("late"));
        late.caller.since = Instant::now().checked_sub(TIME).unwrap();
        let (early, _answered) = waiting(commit("early"));
        let queues = queues(vec![late, early]);
        assert_eq!(ids(queues.next(&account())), ["early"]);
        let error = answered.try_recv().unwrap().err().unwrap();
        assert!(error.to_string().contains("it waited too long"), "{error}");
    }

    #[test]
    fn requests_that_cannot_share_a_transaction_go_one_by_one_and_first() {
        let (next, _answered) = waiting(commit("next"));
        let queues = queues(vec![next]);
        let (mut left, _all_answered): (Vec<_>, Vec<_>) =
            ["one", "two"].map(|id| waiting(commit(id))).into_iter().unzip();
        for waiting in &mut left {
            waiting.caller.sharing = Sharing::Alone;
        }
        queues.put_back(&account(), left);
        let batches = [(); 4].map(|()| ids(queues.next(&account())));
        assert_eq!(batches, [vec!["one"], vec!["two"], vec!["next"], vec![]]);
    }
}
