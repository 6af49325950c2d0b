//! Tests of pools, shares and what looks whether answers are taken.

use super::*;

/// How long an answer may wait: short, because these tests wait for it.
const SEND: Duration = Duration::from_millis(50);

/// Returns the share of a connection that is alone, with these bytes for all and for itself.
pub(in crate::transport) fn share(bytes_max: usize, connection_bytes_min: usize) -> Arc<Share> {
    budgets(bytes_max, connection_bytes_min).share()
}

/// Returns budgets with these bytes for all connections and for each.
pub(in crate::transport) fn budgets(bytes_max: usize, connection_bytes_min: usize) -> Arc<Budgets> {
    let metrics = Arc::<Metrics>::default();
    let requests = InFlightLimit::new(1_000, 90, 1_000, Arc::clone(&metrics));
    let settings = BudgetSettings {
        streams_max: 16,
        bytes_max,
        connection_bytes_min,
        batches_max: 4,
        share_percent: 90,
        patience: Patience { receive: SEND, send: SEND, idle: None },
        retry_after_ms: 1_000,
    };
    Budgets::new(settings, requests, metrics)
}

/// Returns how many requests are in flight.
pub(in crate::transport) fn in_flight(budgets: &Budgets) -> usize {
    budgets.requests.taken()
}

/// Takes as much as may be, one by one.
fn fill(pool: &Pool, held: &AtomicUsize) -> usize {
    while pool.take(held, 1) {}
    held.load(Ordering::Relaxed)
}

#[test]
fn b4_a_connection_alone_takes_nearly_everything_and_leaves_something_however_many_come() {
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
fn b11_what_a_connection_has_for_itself_is_beyond_the_pool() {
    let pool = Pool::new(100, 90, 10);
    let (greedy, modest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    assert_eq!((fill(&pool, &greedy), pool.taken()), (100, 90));
    let last = AtomicUsize::new(0);
    assert!(pool.take(&last, 20) && !pool.take(&last, 1));
    assert_eq!((fill(&pool, &modest), pool.taken()), (10, 100));
    // Gone back above and below what is its own.
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

/// Says whether a connection is to be closed within a time.
async fn look(taking: &mut Taking, time: Duration) -> bool {
    tokio::time::timeout(time, std::future::poll_fn(|context| taking.poll_stuck(context))).await.is_ok()
}

#[tokio::test]
async fn b11_a_connection_whose_answers_wait_for_a_turn_is_closed_and_one_with_little_is_not() {
    let share = share(1_000, 10);
    let mut taking = Taking::new(Arc::clone(&share));
    let little = share.unsent(10).unwrap();
    assert!(!look(&mut taking, SEND * 4).await);
    let more = share.unsent(1).unwrap();
    // It goes in time.
    assert!(!look(&mut taking, SEND / 10).await);
    drop(more);
    assert!(!look(&mut taking, SEND * 4).await);
    let more = share.unsent(500).unwrap();
    let started = tokio::time::Instant::now();
    assert!(look(&mut taking, SEND * 100).await);
    assert!(SEND <= started.elapsed());
    drop((little, more));
    assert_eq!((share.budgets.bytes.taken(), share.has_unsent()), (0, false));
}

#[test]
fn a_connection_whose_client_takes_its_answers_slowly_goes_on() {
    let share = share(1_000, 10);
    let mut answer = Outgoing::whole(Bytes::from(vec![0; 500]), share.unsent(500).unwrap());
    assert!(!share.next_turn(), "it has not waited for a whole turn");
    // As much as a connection has for itself, each turn.
    for _ in 0..20 {
        answer.advance(10);
        assert!(!share.next_turn());
    }
    // A trickle is too little.
    answer.advance(9);
    assert!((0..2).any(|_| share.next_turn()));
}
