//! Who waits for an account on this server, and who goes next.
//!
//! Each account has a lane: its callers line up and share turns, so that many concurrent
//! reservations share a transaction and its sync. One turn at a time, because the next would only
//! wait for the same lock. A lane exists while somebody is in it.
//!
//! Turns run in a task of their own: a caller that goes away in the middle of one takes nobody
//! else's answer along. Of those who go away while they wait, nothing is added; what they said of a
//! transfer, that it went ahead or did not, still holds.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fault::Fault;
use super::seen::Seen;
use super::session::Session;
use super::store::Doubt;
use super::turn::{self, Ask, Order, Reply, TurnLimits};
use crate::ledger::{Account, LedgerError};
use crate::repeated::Repeated;

/// A database that is away fails each turn.
static FAILED: Repeated = Repeated::new();

/// Bounds of lanes and turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneLimits {
    /// Callers that may wait for one account.
    pub(super) queue_max: usize,
    /// Callers that share a turn.
    pub(super) batch_max: usize,
    /// Time for a turn with all its repetitions; also the time after which nobody waits for a turn any more.
    pub(super) time: Duration,
    pub(super) turn: TurnLimits,
}

/// What a caller gets: the reply, and its ask back.
type Answer = Result<(Reply, Ask), LedgerError>;

struct Waiting {
    order: Order,
    caller: Caller,
}

struct Caller {
    answer: oneshot::Sender<Answer>,
    since: Instant,
    company: Company,
}

/// With whom a caller may share a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    /// With anybody.
    Any,
    /// With nobody, after a turn that could not be done for all of them.
    Nobody,
}

/// All lanes.
pub(super) struct Lanes {
    pool: Pool,
    seen: Arc<Seen>,
    limits: LaneLimits,
    waiting: Mutex<HashMap<Account, VecDeque<Waiting>>>,
}

impl Lanes {
    pub(super) fn new(pool: Pool, seen: Arc<Seen>, limits: LaneLimits) -> Self {
        Self { pool, seen, limits, waiting: Mutex::default() }
    }

    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Lines up for an account and waits for the answer.
    pub(super) async fn ask(self: &Arc<Self>, account: Account, ask: Ask) -> Answer {
        let (answer, answered) = oneshot::channel();
        // Zero stands for rows that no call made.
        let token = fastrand::i64(1..i64::MAX);
        let caller = Caller { answer, since: Instant::now(), company: Company::Any };
        let waiting = Waiting { order: Order { ask, token }, caller };
        let is_new = {
            let mut lanes = self.lock();
            let is_new = !lanes.contains_key(&account);
            let lane = lanes.entry(account.clone()).or_default();
            if self.limits.queue_max <= lane.len() {
                return Err(LedgerError::Unavailable("too many requests wait for it: try again later".to_owned()));
            }
            lane.push_back(waiting);
            is_new
        };
        if is_new {
            tokio::spawn(Arc::clone(self).drain(account));
        }
        answered.await.unwrap_or_else(|_| {
            Err(LedgerError::Unavailable("a transaction did not end: ask again with the same id".to_owned()))
        })
    }

    /// Takes turns until nobody waits.
    async fn drain(self: Arc<Self>, account: Account) {
        while let Some(batch) = self.next(&account) {
            // In a task of its own, so that a panic ends one turn and not the lane.
            let turn = tokio::spawn(Arc::clone(&self).run(account.clone(), batch));
            match turn.await {
                Ok(Ok(left)) => self.put_back(&account, left),
                Ok(Err(down)) => self.fail_all(&account, &down),
                // Whoever was in it has been told by the end of it.
                Err(_) => {}
            }
        }
    }

    /// Returns those who go next; `None` closes the lane.
    fn next(&self, account: &Account) -> Option<Vec<Waiting>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(account)?;
        let mut batch: Vec<Waiting> = Vec::new();
        while batch.len() < self.limits.batch_max {
            let may_join = |next: &mut Waiting| batch.is_empty() || next.caller.company == Company::Any;
            let Some(next) = lane.pop_front_if(may_join) else { break };
            if !next.is_wanted() {
                continue;
            }
            if self.limits.time <= next.caller.since.elapsed() {
                let why = "others were before it for too long; nothing was done".to_owned();
                drop(next.caller.answer.send(Err(LedgerError::Unavailable(why))));
                continue;
            }
            let company = next.caller.company;
            batch.push(next);
            if company == Company::Nobody {
                break;
            }
        }
        if batch.is_empty() {
            lanes.remove(account);
            return None;
        }
        Some(batch)
    }

    /// Lets callers go next who were in a turn that was not for them.
    fn put_back(&self, account: &Account, left: Vec<Waiting>) {
        let mut lanes = self.lock();
        let lane = lanes.entry(account.clone()).or_default();
        left.into_iter().rev().for_each(|waiting| lane.push_front(waiting));
    }

    /// Takes a turn for some callers, and returns those whom it was not for: there was no room for
    /// them, or they cannot go together. An error means that the database does not answer.
    async fn run(self: Arc<Self>, account: Account, batch: Vec<Waiting>) -> Result<Vec<Waiting>, LedgerError> {
        let (mut orders, mut callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.order, waiting.caller)).unzip();
        match self.turn(&account, &mut orders).await {
            Ok(replies) => {
                let count = replies.len().min(orders.len());
                let left = together(orders.split_off(count), callers.split_off(count));
                for ((order, caller), reply) in orders.into_iter().zip(callers).zip(replies) {
                    drop(caller.answer.send(reply.map(|reply| (reply, order.ask))));
                }
                Ok(left)
            }
            Err(GaveUp { fault: Fault::Stop(_), doubt: Doubt::None }) if 1 < orders.len() => {
                for caller in &mut callers {
                    caller.company = Company::Nobody;
                }
                Ok(together(orders, callers))
            }
            Err(gave_up) => {
                for caller in callers {
                    drop(caller.answer.send(Err(gave_up.error())));
                }
                if matches!(gave_up.fault, Fault::Lost(_)) { Err(gave_up.unasked()) } else { Ok(Vec::new()) }
            }
        }
    }

    /// Takes a turn, again where that can help, until the time is up.
    async fn turn(&self, account: &Account, orders: &mut [Order]) -> Result<Vec<Result<Reply, LedgerError>>, GaveUp> {
        let mut doubt = Doubt::None;
        let mut last = Fault::Lost("it took too long".to_owned());
        let attempts = async {
            for attempt in 0_u32.. {
                match self.attempt(account, orders, &mut doubt).await {
                    Ok(replies) => return Ok(replies),
                    Err(fault @ Fault::Stop(_)) => return Err(fault),
                    Err(fault) => {
                        tracing::debug!(%fault, attempt, "a turn at the ledger is repeated");
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
            tracing::warn!(%fault, ?doubt, others, "the ledger could not do a turn");
        }
        Err(GaveUp { fault, doubt })
    }

    async fn attempt(
        &self,
        account: &Account,
        orders: &mut [Order],
        doubt: &mut Doubt,
    ) -> Result<Vec<Result<Reply, LedgerError>>, Fault> {
        let session = Session::open(&self.pool).await?;
        let replies = turn::take(session.client()?, account, orders, self.limits.turn, (&self.seen, doubt)).await?;
        session.keep();
        Ok(replies)
    }

    /// Tells everybody who waits that the database does not answer, instead of letting each of
    /// them find out.
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

    /// The error for those whose turn did not come.
    fn unasked(&self) -> LedgerError {
        LedgerError::Unavailable(format!("{}; nothing was added", self.fault))
    }
}

impl Waiting {
    /// Says whether to do what is asked: to add for somebody who went away would count what is not sent.
    fn is_wanted(&self) -> bool {
        match &self.order.ask {
            Ask::Reserve(..) | Ask::Recall(_) | Ask::Tick { .. } => !self.caller.answer.is_closed(),
            Ask::Commit(..) | Ask::Release(..) => true,
        }
    }
}

fn together(orders: Vec<Order>, callers: Vec<Caller>) -> Vec<Waiting> {
    orders.into_iter().zip(callers).map(|(order, caller)| Waiting { order, caller }).collect()
}

/// Returns how long to wait after an attempt: at most 4 ms after the first, twice as long after
/// each further one, a quarter of a second at most; drawn, so that servers do not meet again.
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

    /// Lanes to a database that nobody asks.
    fn lanes(waiting: Vec<Waiting>) -> Lanes {
        let manager = deadpool_postgres::Manager::new(tokio_postgres::Config::new(), tokio_postgres::NoTls);
        let turn = TurnLimits { persons: 10, run_out: 1, forgotten: 1 };
        let limits = LaneLimits { queue_max: 9, batch_max: 9, time: TIME, turn };
        let seen = Arc::new(Seen::new(2, None));
        let lanes = Lanes::new(Pool::builder(manager).build().unwrap(), seen, limits);
        lanes.lock().insert(account(), waiting.into());
        lanes
    }

    fn waiting(ask: Ask) -> (Waiting, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let caller = Caller { answer, since: Instant::now(), company: Company::Any };
        (Waiting { order: Order { ask, token: 1 }, caller }, answered)
    }

    fn commit(id: &str) -> Ask {
        Ask::Commit(id.to_owned(), Moment::from_seconds(0))
    }

    fn reserve() -> Ask {
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
        Ask::Reserve(Box::new(reservation), Box::new(|_| panic!("nobody judges here")))
    }

    fn ids(batch: Option<Vec<Waiting>>) -> Vec<String> {
        let id = |waiting: &Waiting| waiting.order.ask.id().unwrap_or_default().to_owned();
        batch.unwrap_or_default().iter().map(id).collect()
    }

    #[test]
    fn whoever_goes_away_adds_nothing_and_has_said_what_became_of_a_transfer() {
        let release = Ask::Release("back".to_owned(), Moment::from_seconds(0));
        let lanes = lanes([reserve(), commit("gone"), release].map(|ask| waiting(ask).0).into());
        assert_eq!(ids(lanes.next(&account())), ["gone", "back"]);
        assert!(lanes.next(&account()).is_none() && lanes.lock().is_empty());
    }

    #[test]
    fn nobody_waits_in_line_for_longer_than_a_turn_may_take() {
        let (mut late, mut answered) = waiting(commit("late"));
        late.caller.since = Instant::now().checked_sub(TIME).unwrap();
        let (early, _answered) = waiting(commit("early"));
        let lanes = lanes(vec![late, early]);
        assert_eq!(ids(lanes.next(&account())), ["early"]);
        let error = answered.try_recv().unwrap().err().unwrap();
        assert!(error.to_string().contains("others were before it"), "{error}");
    }

    #[test]
    fn those_who_cannot_go_together_go_one_by_one_and_first() {
        let (next, _answered) = waiting(commit("next"));
        let lanes = lanes(vec![next]);
        let (mut left, _all_answered): (Vec<_>, Vec<_>) =
            ["one", "two"].map(|id| waiting(commit(id))).into_iter().unzip();
        for waiting in &mut left {
            waiting.caller.company = Company::Nobody;
        }
        lanes.put_back(&account(), left);
        let turns = [(); 4].map(|()| ids(lanes.next(&account())));
        assert_eq!(turns, [vec!["one"], vec!["two"], vec!["next"], vec![]]);
    }
}
