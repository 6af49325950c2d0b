//! Counters in shards: each thread adds to its own shard, and a scrape sums the shards.
//!
//! Threads that add to the same counter pass its cache line around, which costs more than the decision that they count. A
//! shard is a whole number of cache lines. Every counter has a fixed index in it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::labels::{Answer, Door, LedgerCall, LedgerResult, Limit};
use crate::domain::reason::ReasonCode;

/// Number of shards; further threads share them. Twice the serving threads of a large server would be more than enough. 16
/// shards take 40 KiB.
const SHARDS: usize = 16;

/// Upper bounds of the buckets of call times, in nanoseconds; there is one more bucket above.
pub(super) const BOUNDS_NANOSECONDS: [u64; 20] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

pub(super) const BUCKETS: usize = BOUNDS_NANOSECONDS.len() + 1;

const DOORS: usize = Door::ALL.len();
const ANSWERS: usize = Answer::ALL.len();
const RESULTS: usize = LedgerResult::ALL.len();

const REASONS_FROM: usize = DOORS * ANSWERS;
const BUCKETS_FROM: usize = REASONS_FROM + ReasonCode::ALL.len();
const TOOK_FROM: usize = BUCKETS_FROM + DOORS * BUCKETS;
const LIMITS_FROM: usize = TOOK_FROM + DOORS;
const LEDGER_FROM: usize = LIMITS_FROM + Limit::ALL.len();
const CELLS: usize = LEDGER_FROM + LedgerCall::ALL.len() * RESULTS;

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// Transfers with this answer at a door.
    Answer(Door, Answer),
    /// Decisions with this reason.
    Reason(ReasonCode),
    /// Calls of a door whose time falls in a bucket.
    Bucket(Door, usize),
    /// Total time of the calls of a door.
    TookNanoseconds(Door),
    /// Requests refused because of a limit.
    Limit(Limit),
    /// Calls of the ledger.
    Ledger(LedgerCall, LedgerResult),
}

impl Cell {
    /// Returns its index: different for each cell, and below [`CELLS`].
    const fn place(self) -> usize {
        match self {
            Cell::Answer(door, answer) => door as usize * ANSWERS + answer as usize,
            Cell::Reason(code) => REASONS_FROM + code as usize,
            Cell::Bucket(door, bucket) => BUCKETS_FROM + door as usize * BUCKETS + bucket,
            Cell::TookNanoseconds(door) => TOOK_FROM + door as usize,
            Cell::Limit(limit) => LIMITS_FROM + limit as usize,
            Cell::Ledger(call, result) => LEDGER_FROM + call as usize * RESULTS + result as usize,
        }
    }
}

/// Returns the bucket of a time.
pub(super) fn bucket(nanoseconds: u64) -> usize {
    BOUNDS_NANOSECONDS.partition_point(|bound| *bound < nanoseconds)
}

/// Aligned to two cache lines, because many machines fetch two together.
#[repr(align(128))]
#[derive(Debug)]
struct Shard([AtomicU64; CELLS]);

/// All counters.
#[derive(Debug)]
pub(super) struct Cells {
    shards: Box<[Shard]>,
}

impl Default for Cells {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard(std::array::from_fn(|_| AtomicU64::new(0)))).collect() }
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

impl Cells {
    /// Adds to a counter.
    pub(super) fn add(&self, cell: Cell, count: u64) {
        // A thread that is ending no longer has a shard of its own.
        let shard = SHARD.try_with(|shard| *shard).unwrap_or(0);
        if let Some(counter) = self.shards.get(shard).and_then(|shard| shard.0.get(cell.place())) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Returns the sum over all shards. Never less than at an earlier call.
    pub(super) fn sum(&self, cell: Cell) -> u64 {
        let counters = self.shards.iter().filter_map(|shard| shard.0.get(cell.place()));
        counters.map(|counter| counter.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for door in Door::ALL {
            cells.extend(Answer::ALL.iter().map(|answer| Cell::Answer(*door, *answer)));
            cells.extend((0..BUCKETS).map(|bucket| Cell::Bucket(*door, bucket)));
            cells.push(Cell::TookNanoseconds(*door));
        }
        cells.extend(ReasonCode::ALL.iter().map(|code| Cell::Reason(*code)));
        cells.extend(Limit::ALL.iter().map(|limit| Cell::Limit(*limit)));
        for call in LedgerCall::ALL {
            cells.extend(LedgerResult::ALL.iter().map(|result| Cell::Ledger(*call, *result)));
        }
        cells
    }

    #[test]
    fn every_counter_has_its_own_cell() {
        let places: BTreeSet<usize> = all().into_iter().map(Cell::place).collect();
        assert_eq!(places.len(), all().len());
        assert_eq!(places.into_iter().collect::<Vec<_>>(), (0..CELLS).collect::<Vec<_>>());
    }

    #[test]
    fn the_additions_of_threads_are_summed_up() {
        let cells = Cells::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for cell in all() {
                        cells.add(cell, 3);
                    }
                });
            }
        });
        assert!(all().into_iter().all(|cell| cells.sum(cell) == 120));
        let used = cells.shards.iter().filter(|shard| shard.0[0].load(Ordering::Relaxed) != 0).count();
        assert!(1 < used, "all threads added to one shard");
    }

    #[test]
    fn a_time_on_a_bound_is_in_the_bucket_below_it() {
        assert_eq!((bucket(0), bucket(5_000), bucket(5_001), bucket(10_000)), (0, 0, 1, 1));
        assert_eq!((bucket(10_000_000_000), bucket(10_000_000_001), bucket(u64::MAX)), (19, 20, 20));
    }
}
