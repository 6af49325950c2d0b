//! Tests of shares, permits and the check that a client takes its answers.

use tonic_types::StatusExt as _;

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
        time_limits: CallTimeLimits { receive: SEND, send: SEND, idle: None },
        retry_after_ms: 1_000,
    };
    Budgets::new(settings, requests, metrics)
}

/// Returns how many requests are in flight.
pub(in crate::transport) fn in_flight(budgets: &Budgets) -> usize {
    budgets.requests.taken()
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
    // The connection's own allowance, each turn.
    for _ in 0..20 {
        answer.advance(10);
        assert!(!share.next_turn());
    }
    // A trickle is too little.
    answer.advance(9);
    assert!((0..2).any(|_| share.next_turn()));
}

#[test]
fn open_streams_are_bounded_and_give_their_permits_back() {
    let budgets = budgets(1_000, 10);
    let (first, other) = (budgets.share(), budgets.share());
    let of_first: Vec<_> = std::iter::from_fn(|| first.stream()).collect();
    let of_other: Vec<_> = std::iter::from_fn(|| other.stream()).collect();
    // One connection leaves a permit for another, and all connections together keep the limit.
    assert!(!of_other.is_empty());
    assert_eq!((of_first.len() + of_other.len(), budgets.streams.taken()), (16, 16));
    let refusal = budgets.exhausted(Exhausted::OpenStreams);
    let delay = refusal.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert_eq!((refusal.code(), delay), (tonic::Code::ResourceExhausted, Duration::from_secs(1)));
    assert_eq!(budgets.metrics.limit_refusals(Limit::StreamsOpen), 1);
    drop((of_first, of_other));
    assert_eq!(budgets.streams.taken(), 0);
    assert!(first.stream().is_some());
}
