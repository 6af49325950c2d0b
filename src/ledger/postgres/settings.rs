//! Settings of the ledger in a database, and the bounds that follow for its parts.

use std::time::Duration;

use super::migrate::Tables;
use super::queue::QueueLimits;
use super::session::Bounds;
use super::transaction::TransactionLimits;
use crate::ledger::mark::Mark;

/// Settings of the ledger in a database. The defaults fit most servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Behaviour if tables are missing or old.
    pub tables: Tables,
    /// Connections of this server. An account in use takes one at a time, a read one more.
    pub connections_max: usize,
    /// Time limit of a transaction with all its repetitions, in milliseconds. After it, its requests are refused, and
    /// so are requests that have waited as long.
    pub time_max_ms: u64,
    /// Time limit of a statement, in milliseconds; the database cancels it then.
    pub statement_time_max_ms: u64,
    /// Longest wait for other servers at one account, in milliseconds, before a retry.
    pub lock_time_max_ms: u64,
    /// Requests that may wait for one account. One more is refused at once.
    pub queue_requests_max: usize,
    /// Requests that share one transaction.
    pub batch_requests_max: usize,
    /// Named persons, each in each of its counters, after which a transaction takes no more requests, and releases no
    /// more expired reservations: a person takes some ten microseconds, during which other servers wait.
    pub batch_persons_max: usize,
    /// Expired reservations released in one transaction; the rest still count.
    pub expiries_per_batch_max: usize,
    /// Transfers past their retention that one tick forgets of each account.
    pub forgotten_per_tick_max: usize,
    /// Days that a settled transfer is remembered. A retry within this time gets the first answer; a later one is a new
    /// transfer. Totals stay.
    pub retention_days: u32,
    /// Largest difference between the clocks of this server and the database, in seconds.
    pub clocks_apart_max_s: u32,
    /// Accounts that one tick tidies up.
    pub accounts_per_tick_max: usize,
    /// Accounts whose revision is remembered, so that a single account that went back in time is noticed. The position
    /// of the whole ledger is always remembered.
    pub accounts_remembered_max: usize,
    /// Mark of the ledger seen before, if known: another ledger, or one behind the mark, is refused.
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
            // Longer than any transaction of a working server: it ends the transaction of a server that is gone or
            // asleep.
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
