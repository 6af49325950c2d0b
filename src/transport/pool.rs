//! The rule that divides a limit among connections.
//!
//! A gateway with all its clients on one connection can use most of a pool when it is alone. The remainder is a reserve for
//! connections that hold little: each takes a part of the free reserve, so that it lasts for many. A connection that holds
//! nothing is refused only where nothing is free.
//!
//! INVARIANT (pool): a pool never counts less than the connections hold of it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One connection holds at most one part in this many of the free reserve: ten greedy connections leave a third of it.
const RESERVE_PART: usize = 8;

/// An amount of one thing that all connections share. Unit: the thing that is counted, such as bytes.
#[derive(Debug)]
pub(super) struct Pool {
    taken: AtomicUsize,
    max: usize,
    /// The most that one connection takes when it is alone. The rest is the reserve.
    alone_max: usize,
    /// The allowance of each connection, outside the pool.
    own: usize,
}

impl Pool {
    /// Returns a pool of `max`, of which one connection takes at most `share_percent`. Each connection has an allowance of
    /// `own` besides.
    pub(super) fn new(max: usize, share_percent: u32, own: usize) -> Self {
        let percent = usize::try_from(share_percent.min(100)).unwrap_or(100);
        // Rounded up, so that small pools can be used whole.
        let alone_max = (max / 100).saturating_mul(percent).saturating_add((max % 100 * percent).div_ceil(100));
        Self { taken: AtomicUsize::new(0), max, alone_max, own }
    }

    /// Returns how much is taken of the pool.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns the allowance of each connection.
    pub(super) const fn own(&self) -> usize {
        self.own
    }

    /// Takes `count` for a connection that holds `held`; says whether it may.
    pub(super) fn take(&self, held: &AtomicUsize, count: usize) -> bool {
        // Relaxed, here and below: no other memory is published through these counters.
        let mut before = held.load(Ordering::Relaxed);
        loop {
            let Some(after) = before.checked_add(count) else { return false };
            let had = before.saturating_sub(self.own);
            let more = after.saturating_sub(self.own).saturating_sub(had);
            // (pool) The pool counts it first.
            if more != 0 && !self.reserve(had, more) {
                return false;
            }
            match held.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => {
                    self.taken.fetch_sub(more, Ordering::Relaxed);
                    before = now;
                }
            }
        }
    }

    /// Gives back `count` that a connection took.
    pub(super) fn give_back(&self, held: &AtomicUsize, count: usize) {
        let before = held.fetch_sub(count, Ordering::Relaxed);
        let left = before.saturating_sub(count).saturating_sub(self.own);
        let less = before.saturating_sub(self.own).saturating_sub(left);
        if less != 0 {
            self.taken.fetch_sub(less, Ordering::Relaxed);
        }
    }

    /// Takes `more` for a connection that had `had` of the pool.
    pub(super) fn reserve(&self, had: usize, more: usize) -> bool {
        let reserved = |taken| self.fits(taken, had, more).then(|| taken + more);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserved).is_ok()
    }

    /// Gives back `count` that was reserved for no particular connection.
    pub(super) fn free(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }

    /// Says whether one more would fit for a connection that holds `held`, and takes nothing.
    pub(super) fn has_room(&self, held: &AtomicUsize) -> bool {
        let had = held.load(Ordering::Relaxed);
        had < self.own || self.fits(self.taken(), had.saturating_sub(self.own), 1)
    }

    /// The rule: says whether `more` fits for a connection that has `had`, while `taken` is taken in all.
    fn fits(&self, taken: usize, had: usize, more: usize) -> bool {
        let after = taken.saturating_add(more);
        let Some(free) = self.max.checked_sub(after) else { return false };
        had == 0 || after <= self.alone_max || had.saturating_add(more).saturating_mul(RESERVE_PART) <= free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one at a time until the pool refuses.
    fn fill(pool: &Pool, held: &AtomicUsize) -> usize {
        while pool.take(held, 1) {}
        held.load(Ordering::Relaxed)
    }

    #[test]
    fn b4_a_single_connection_takes_nearly_everything_and_many_leave_a_reserve() {
        let pool = Pool::new(10_000, 90, 0);
        let shares: Vec<AtomicUsize> = (0..20).map(|_| AtomicUsize::new(0)).collect();
        assert_eq!(fill(&pool, &shares[0]), 9_000);
        // Ten more, each as greedy.
        for greedy in &shares[1..11] {
            assert!(0 < fill(&pool, greedy));
        }
        // Even then each further connection has its first place.
        for modest in &shares[11..] {
            assert!(pool.take(modest, 1), "{} taken", pool.taken());
        }
        for held in &shares {
            pool.give_back(held, held.load(Ordering::Relaxed));
        }
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn b4_small_pools_can_be_used_whole() {
        for max in 1..10 {
            let (pool, held) = (Pool::new(max, 90, 0), AtomicUsize::new(0));
            assert_eq!(fill(&pool, &held), max);
            assert!(!pool.has_room(&AtomicUsize::new(0)));
        }
        let (pool, held) = (Pool::new(100, 100, 0), AtomicUsize::new(0));
        assert_eq!(fill(&pool, &held), 100);
    }

    #[test]
    fn b11_the_allowance_of_a_connection_is_outside_the_pool() {
        let pool = Pool::new(100, 90, 10);
        let (greedy, modest) = (AtomicUsize::new(0), AtomicUsize::new(0));
        assert_eq!((fill(&pool, &greedy), pool.taken()), (100, 90));
        let last = AtomicUsize::new(0);
        assert!(pool.take(&last, 20) && !pool.take(&last, 1));
        assert_eq!((fill(&pool, &modest), pool.taken()), (10, 100));
        // Given back above and below its allowance.
        pool.give_back(&greedy, 95);
        assert_eq!((greedy.load(Ordering::Relaxed), pool.taken()), (5, 10));
        pool.give_back(&greedy, 5);
        assert_eq!(pool.taken(), 10);
    }

    #[test]
    fn b11_threads_leave_nothing_behind() {
        let (pool, held) = (Pool::new(64, 90, 7), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for count in 1..9 {
                let (pool, held) = (&pool, &held);
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        if pool.take(held, count) {
                            assert!(pool.taken() <= 64);
                            pool.give_back(held, count);
                        }
                    }
                });
            }
        });
        assert_eq!((held.load(Ordering::Relaxed), pool.taken()), (0, 0));
    }
}
