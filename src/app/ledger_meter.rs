//! Counts the calls of a ledger, whichever it is, and how many wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::units::{Moment, Year};
use crate::ledger::{
    Account, Before, Counter, CounterName, Judge, Ledger, LedgerError, Recall, Reservation, Reserved, Usage,
};
use crate::metrics::{LedgerCall, LedgerResult, Metrics};
use crate::repeated::Repeated;

/// A ledger whose calls are counted.
#[derive(Debug)]
pub(super) struct MeteredLedger {
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    waiting: Waiting,
    /// Whether calls fail: the ledger's doing, not the caller's.
    failing: Repeated,
}

/// How many calls wait for a ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicU64>);

impl Waiting {
    /// Returns how many do.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Wait<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Wait(self)
    }
}

/// A call that waits, until it is answered or nobody wants the answer any more.
struct Wait<'w>(&'w Waiting);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MeteredLedger {
    pub(super) fn new(ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>, waiting: Waiting) -> Self {
        Self { ledger, metrics, waiting, failing: Repeated::new() }
    }

    /// Logs that calls fail, and that they no longer do.
    fn note(&self, error: Option<&LedgerError>) {
        match error {
            Some(error @ LedgerError::Unavailable(_)) => {
                if let Some(others) = self.failing.happened() {
                    tracing::error!(%error, others, "a call of the ledger failed");
                }
            }
            // What the caller got wrong was answered.
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
        let wait = self.waiting.begin();
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

    async fn recall(&self, recall: Recall) -> Result<Option<Reserved>, LedgerError> {
        self.count(LedgerCall::Recall, self.ledger.recall(recall)).await
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

    /// Not counted: it is memory that is read, for most decisions.
    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        self.ledger.read_at_hand(exporter, year, counters)
    }

    /// Not counted: it is asked once, by the start.
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
    async fn calls_are_counted_by_what_came_of_them() {
        let (memory, metrics, waiting) = (Arc::new(MemoryLedger::default()), Arc::default(), Waiting::default());
        let ledger = MeteredLedger::new(memory.clone(), Arc::clone(&metrics), waiting.clone());
        let account = Account { exporter: "city".to_owned(), year: Year(2026) };
        let counter = Counter { name: "national".to_owned(), class: CountedClass::General };
        ledger.read(&account, std::slice::from_ref(&counter), NOW).await.unwrap();
        ledger.commit("nobody", NOW).await.unwrap_err();
        memory.set_down(true);
        ledger.read(&account, std::slice::from_ref(&counter), NOW).await.unwrap_err();
        let count = |call, result| metrics.ledger_calls(call, result);
        assert_eq!(count(LedgerCall::Read, LedgerResult::Done), 1);
        assert_eq!(count(LedgerCall::Read, LedgerResult::Failed), 1);
        assert_eq!(count(LedgerCall::Commit, LedgerResult::Refused), 1);
        assert_eq!(waiting.count(), 0);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_any_longer_is_not_counted_as_waiting() {
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
