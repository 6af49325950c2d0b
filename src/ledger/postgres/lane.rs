//! Who waits for an account on this server, and who goes next.
//!
//! Each account has a lane: its callers line up and share turns, so that many concurrent
//! reservations share a transaction and its sync. One turn at a time, because the next would only
//! wait for the same lock. A lane exists while somebody is in it.
//!
//! Turns run in a task of their own: a caller that goes away in the middle of one takes nobody
//! else's answer along.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::oneshot;

use super::session::{Fault, Session};
use super::store::Doubt;
use super::turn::{self, Ask, Order, Reply, TurnLimits};
use crate::ledger::{Account, LedgerError};

/// Bounds of lanes and turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneLimits {
    /// Callers that may wait for one account.
    pub(super) queue_max: usize,
    /// Callers that share a turn.
    pub(super) batch_max: usize,
    /// Named persons after which a turn takes no more callers.
    pub(super) batch_persons_max: usize,
    /// Time for a turn with all its repetitions.
    pub(super) time: Duration,
    pub(super) turn: TurnLimits,
}

/// What a caller gets: the reply, and its ask back.
type Answer = Result<(Reply, Ask), LedgerError>;

struct Waiting {
    order: Order,
    answer: oneshot::Sender<Answer>,
}

/// All lanes.
pub(super) struct Lanes {
    pool: Pool,
    limits: LaneLimits,
    waiting: Mutex<HashMap<Account, VecDeque<Waiting>>>,
}

impl Lanes {
    pub(super) fn new(pool: Pool, limits: LaneLimits) -> Self {
        Self { pool, limits, waiting: Mutex::default() }
    }

    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lines up for an account and waits for the answer.
    pub(super) async fn ask(self: &Arc<Self>, account: Account, ask: Ask) -> Answer {
        let (answer, answered) = oneshot::channel();
        // Zero stands for rows that no call made.
        let token = fastrand::i64(1..i64::MAX);
        let waiting = Waiting { order: Order { ask, token }, answer };
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
            Err(LedgerError::Unavailable("a turn came to no end: ask again with the same id".to_owned()))
        })
    }

    /// Takes turns until nobody waits.
    async fn drain(self: Arc<Self>, account: Account) {
        while let Some(batch) = self.next(&account) {
            // In a task of its own, so that a panic ends one turn and not the lane.
            let turns = tokio::spawn(Arc::clone(&self).run(account.clone(), batch));
            if let Ok(Err(down)) = turns.await {
                self.fail_all(&account, &down);
            }
        }
    }

    /// Returns those who go next; `None` closes the lane.
    fn next(&self, account: &Account) -> Option<Vec<Waiting>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(account)?;
        let mut batch: Vec<Waiting> = Vec::new();
        let mut persons = 0_usize;
        while batch.len() < self.limits.batch_max && persons <= self.limits.batch_persons_max {
            let Some(first) = lane.front() else { break };
            let more = first.order.ask.named_count();
            if !batch.is_empty() && self.limits.batch_persons_max < persons.saturating_add(more) {
                break;
            }
            let Some(next) = lane.pop_front() else { break };
            // Nobody waits for the answer: nothing is added.
            if !next.answer.is_closed() {
                persons = persons.saturating_add(more);
                batch.push(next);
            }
        }
        if batch.is_empty() {
            lanes.remove(account);
            return None;
        }
        Some(batch)
    }

    /// Takes a turn for some callers, one by one where they cannot go together. An error means
    /// that the database does not answer.
    async fn run(self: Arc<Self>, account: Account, batch: Vec<Waiting>) -> Result<(), LedgerError> {
        let (mut orders, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.order, waiting.answer)).unzip();
        match self.turn(&account, &mut orders).await {
            Ok(replies) => {
                answer_all(orders, answers, replies);
                Ok(())
            }
            Err(GaveUp { fault: Fault::Stop(_), doubt: Doubt::None }) if 1 < orders.len() => {
                for (order, answer) in orders.into_iter().zip(answers) {
                    let mut orders = vec![order];
                    match self.turn(&account, &mut orders).await {
                        Ok(replies) => answer_all(orders, vec![answer], replies),
                        Err(gave_up) => drop(answer.send(Err(gave_up.error()))),
                    }
                }
                Ok(())
            }
            Err(gave_up) => {
                for answer in answers {
                    drop(answer.send(Err(gave_up.error())));
                }
                if matches!(gave_up.fault, Fault::Lost(_)) { Err(gave_up.unasked()) } else { Ok(()) }
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
        tracing::warn!(%fault, ?doubt, "the ledger could not do a turn");
        Err(GaveUp { fault, doubt })
    }

    async fn attempt(
        &self,
        account: &Account,
        orders: &mut [Order],
        doubt: &mut Doubt,
    ) -> Result<Vec<Result<Reply, LedgerError>>, Fault> {
        let session = Session::open(&self.pool).await?;
        let replies = turn::take(session.client()?, account, orders, self.limits.turn, doubt).await?;
        session.keep();
        Ok(replies)
    }

    /// Tells everybody who waits that the database does not answer, instead of letting each of
    /// them find out.
    fn fail_all(&self, account: &Account, error: &LedgerError) {
        let waiting = self.lock().get_mut(account).map(std::mem::take).unwrap_or_default();
        for waiting in waiting {
            drop(waiting.answer.send(Err(error.clone())));
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
            Doubt::Some => format!("{}; whether it was done is not known: ask again with the same id", self.fault),
        })
    }

    /// The error for those whose turn did not come.
    fn unasked(&self) -> LedgerError {
        LedgerError::Unavailable(format!("{}; nothing was added", self.fault))
    }
}

fn answer_all(orders: Vec<Order>, answers: Vec<oneshot::Sender<Answer>>, replies: Vec<Result<Reply, LedgerError>>) {
    for ((order, answer), reply) in orders.into_iter().zip(answers).zip(replies) {
        drop(answer.send(reply.map(|reply| (reply, order.ask))));
    }
}

/// Returns how long to wait after an attempt: at most 4 ms after the first, twice as long after
/// each further one, a quarter of a second at most; drawn, so that servers do not meet again.
pub(super) fn back_off(attempt: u32) -> Duration {
    let most_us = 4_000_u64.saturating_mul(1 << attempt.min(6)).min(250_000);
    Duration::from_micros(fastrand::u64(0..=most_us))
}
