//! Counts the calls of any ledger, the calls that wait, and the time that the oldest has waited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::units::{Moment, Year};
use crate::ledger::{
    Account, Before, Counter, CounterName, Judge, Ledger, LedgerError, People, ReplayLookup, Reservation, Reserved,
    Usage,
};
use crate::metrics::{LedgerCall, LedgerResult, Metrics};
use crate::repeated::Repeated;

/// A ledger whose calls are counted.
#[derive(Debug)]
pub(super) struct MeteredLedger {
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    waiting: Waiting,
    /// Whether calls fail because of the ledger, not of the caller.
    failing: Repeated,
}

/// The calls that wait for a ledger, with their beginnings. Clones share it.
///
/// Upkeep waits like a call, so that a ledger that hangs is noticed even without calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Since>>);

/// The beginnings of the calls.
#[derive(Debug, Default)]
struct Since {
    /// With a number, because two calls may begin at the same moment. The first is the oldest.
    began: BTreeSet<(Instant, u64)>,
    next: u64,
    /// The number of callers among `began`.
    calls: u64,
}

/// The origin of a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// A caller.
    Call,
    /// The server itself.
    Upkeep,
}

impl Waiting {
    /// Returns how many calls wait.
    pub(super) fn count(&self) -> u64 {
        self.with(|since| since.calls)
    }

    /// Returns the time that the oldest call has waited, upkeep included; `None` if no call waits.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let began = self.with(|since| since.began.first().map(|(began, _)| *began))?;
        Some(began.elapsed())
    }

    /// Notes that upkeep waits for the ledger, until the result is dropped.
    pub(super) fn upkeep(&self) -> Wait<'_> {
        self.begin(For::Upkeep)
    }

    fn begin(&self, who: For) -> Wait<'_> {
        let began = self.with(|since| {
            let began = (Instant::now(), since.next);
            since.next = since.next.wrapping_add(1);
            since.began.insert(began);
            since.calls += u64::from(who == For::Call);
            began
        });
        Wait { waiting: self, began, who }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Since) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that waits, until it is answered or cancelled.
#[derive(Debug)]
pub(super) struct Wait<'w> {
    waiting: &'w Waiting,
    began: (Instant, u64),
    who: For,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waiting.with(|since| {
            since.began.remove(&self.began);
            since.calls = since.calls.saturating_sub(u64::from(self.who == For::Call));
        });
    }
}

impl MeteredLedger {
    pub(super) fn new(ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>, waiting: Waiting) -> Self {
        Self { ledger, metrics, waiting, failing: Repeated::new() }
    }

    /// Logs the beginning and the end of failures.
    fn note(&self, error: Option<&LedgerError>) {
        match error {
            Some(error @ LedgerError::Unavailable(_)) => {
                if let Some(others) = self.failing.happened() {
                    tracing::error!(%error, others, "a call of the ledger failed");
                }
            }
            // The ledger has answered: the fault is the caller's.
            None | Some(LedgerError::OtherTransfer | LedgerError::NotFound | LedgerError::Settled(_)) => {
                if let Some(others) = self.failing.ended() {
                    tracing::info!(others, "the ledger answers again");
                }
            }
        }
    }

    async fn count<T>(
        &self,
        call: LedgerCall,
        answer: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        let wait = self.waiting.begin(For::Call);
        let answer = answer.await;
        drop(wait);
        self.note(answer.as_ref().err());
        self.metrics.ledger(
            call,
            match &answer {
                Ok(_) => LedgerResult::Done,
                Err(LedgerError::Unavailable(_)) => LedgerResult::Failed,
                Err(LedgerError::OtherTransfer | LedgerError::NotFound | LedgerError::Settled(_)) => {
                    LedgerResult::Refused
                }
            },
        );
        answer
    }
}

#[async_trait::async_trait]
impl Ledger for MeteredLedger {
    async fn reserve(&self, reservation: Reservation, judge: Judge) -> Result<Reserved, LedgerError> {
        self.count(LedgerCall::Reserve, self.ledger.reserve(reservation, judge)).await
    }

    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError> {
        self.count(LedgerCall::FindReplay, self.ledger.find_replay(lookup)).await
    }

    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.count(LedgerCall::Commit, self.ledger.commit(transfer_id, now)).await
    }

    async fn release(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.count(LedgerCall::Release, self.ledger.release(transfer_id, now)).await
    }

    async fn read(&self, account: &Account, counters: &[Counter], now: Moment) -> Result<Before, LedgerError> {
        self.count(LedgerCall::Read, self.ledger.read(account, counters, now)).await
    }

    async fn read_without(
        &self,
        account: &Account,
        counters: &[Counter],
        people: &People,
        now: Moment,
    ) -> Result<Before, LedgerError> {
        self.count(LedgerCall::Read, self.ledger.read_without(account, counters, people, now)).await
    }

    /// Not counted: it reads memory, and most decisions call it.
    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        self.ledger.read_at_hand(exporter, year, counters)
    }

    /// Not counted: the server calls it once, at its start.
    async fn newest(&self) -> Result<Option<Moment>, LedgerError> {
        self.ledger.newest().await
    }

    async fn usage(&self, account: &Account, now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        self.count(LedgerCall::Usage, self.ledger.usage(account, now)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::{CountedClass, Year};
    use crate::testing::NOW;
    use crate::testing::ledger::MemoryLedger;

    #[tokio::test]
    async fn calls_are_counted_by_their_results() {
        let (memory, metrics, waiting) = (Arc::new(MemoryLedger::default()), Arc::default(), Waiting::default());
        let ledger = MeteredLedger::new(memory.clone(), Arc::clone(&metrics), waiting.clone());
        let account = Account { exporter: "city".to_owned(), year: Year(2026) };
        let counter = Counter { name: "national".to_owned(), class: CountedClass::General };
        ledger.read(&account, std::slice::from_ref(&counter), NOW).await.unwrap();
        ledger.commit("unknown", NOW).await.unwrap_err();
        memory.set_down(true);
        ledger.read(&account, std::slice::from_ref(&counter), NOW).await.unwrap_err();
        let count = |call, result| metrics.ledger_calls(call, result);
        assert_eq!(count(LedgerCall::Read, LedgerResult::Done), 1);
        assert_eq!(count(LedgerCall::Read, LedgerResult::Failed), 1);
        assert_eq!(count(LedgerCall::Commit, LedgerResult::Refused), 1);
        assert_eq!(waiting.count(), 0);
    }

    #[test]
    fn b18_the_oldest_wait_counts_for_calls_and_upkeep() {
        let waiting = Waiting::default();
        assert_eq!((waiting.count(), waiting.oldest()), (0, None));
        let upkeep = waiting.upkeep();
        let long = Duration::from_millis(5);
        while waiting.oldest().is_some_and(|waited| waited < long) {}
        let (first, second) = (waiting.begin(For::Call), waiting.begin(For::Call));
        assert!(long <= waiting.oldest().unwrap());
        assert_eq!(waiting.count(), 2);
        let before = waiting.oldest().unwrap();
        drop((upkeep, first));
        // The others have waited for less long.
        assert!(waiting.oldest().unwrap() < before + long);
        assert_eq!(waiting.with(|since| since.began.len()), 1);
        drop(second);
        assert_eq!((waiting.count(), waiting.oldest()), (0, None));
    }

    #[tokio::test]
    async fn an_abandoned_call_is_not_counted_as_waiting() {
        let waiting = Waiting::default();
        let ledger = MeteredLedger::new(Arc::new(MemoryLedger::default()), Arc::default(), waiting.clone());
        let never = ledger.count(LedgerCall::Read, std::future::pending::<Result<(), LedgerError>>());
        let ended = tokio::time::timeout(std::time::Duration::from_millis(1), async {
            tokio::select! {
                _ = never => {}
                () = async { while waiting.count() == 0 { tokio::task::yield_now().await } } => {}
            }
        });
        ended.await.unwrap();
        assert_eq!(waiting.count(), 0);
    }
}
