//! How the ledger uses the database, and the bounds that follow for its parts.

use std::time::Duration;

use super::migrate::Tables;
use super::queue::QueueLimits;
use super::session::Bounds;
use super::transaction::TransactionLimits;
use crate::ledger::mark::Mark;

/// How the ledger uses the database. The defaults are right for most.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to do about tables that are missing or old.
    pub tables: Tables,
    /// Connections of this server. An account in use takes one at a time, a read one more.
    pub connections_max: usize,
    /// Time for a transaction with all its repetitions, in milliseconds. Then its requests are
    /// refused, and so are those that waited as long for theirs.
    pub time_max_ms: u64,
    /// Time for a statement, in milliseconds, after which the database gives it up.
    pub statement_time_max_ms: u64,
    /// Time to wait for other servers at one account, in milliseconds, before it is tried again.
    pub lock_time_max_ms: u64,
    /// Requests that may wait for one account. One more is refused at once.
    pub queue_requests_max: usize,
    /// Requests that share one transaction.
    pub batch_requests_max: usize,
    /// Named persons, each in each of its counters, after which a transaction takes no more requests,
    /// and releases no more reservations that ran out: a person takes some ten microseconds, during
    /// which other servers wait.
    pub batch_persons_max: usize,
    /// Reservations that ran out and are released in one transaction; the others still count.
    pub expiries_per_batch_max: usize,
    /// Transfers past their retention that one tick forgets of each account.
    pub forgotten_per_tick_max: usize,
    /// Days that a settled transfer is remembered. A retry within them gets the first answer; one
    /// that comes later is a new transfer. Totals stay.
    pub retention_days: u32,
    /// How far the clock of this server may be from that of the database, in seconds.
    pub clocks_apart_max_s: u32,
    /// Accounts with something to tidy up that one tick takes on.
    pub accounts_per_tick_max: usize,
    /// Accounts whose revision is remembered, so that one that went back in time is noticed by itself. The position of
    /// the whole ledger is remembered besides.
    pub accounts_remembered_max: usize,
    /// What was seen of the ledger before, where that is known: another ledger, and one that is not so far, is refused.
    pub mark: Option<Mark>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tables: Tables::Update,
            connections_max: 8,
            time_max_ms: 5_000,
            statement_time_max_ms: 3_000,
            lock_time_max_ms: 2_000,
            queue_requests_max: 4_096,
            batch_requests_max: 128,
            batch_persons_max: 100_000,
            expiries_per_batch_max: 256,
            forgotten_per_tick_max: 1_024,
            retention_days: 7,
            clocks_apart_max_s: 30,
            accounts_per_tick_max: 1_024,
            accounts_remembered_max: 16_384,
            mark: None,
        }
    }
}

impl Settings {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.connections_max.max(1),
            connect: self.time(),
            statement: Duration::from_millis(self.statement_time_max_ms),
            lock: Duration::from_millis(self.lock_time_max_ms),
            // Longer than a server works on a transaction, and so only for one that is gone or asleep.
            idle_in_transaction: self.time(),
        }
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_millis(self.time_max_ms)
    }

    pub(super) fn queue_limits(&self) -> QueueLimits {
        QueueLimits {
            queue_max: self.queue_requests_max,
            batch_max: self.batch_requests_max.max(1),
            time: self.time(),
            transaction: TransactionLimits {
                persons: self.batch_persons_max,
                run_out: self.expiries_per_batch_max,
                forgotten: self.forgotten_per_tick_max,
            },
        }
    }
}
