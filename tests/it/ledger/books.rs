//! Decisions and counts in this process, without a listener: the shipped policies with a test's own registry.

use std::cell::Cell;
use std::sync::Arc;

use neglist::domain::clock::Clock;
use neglist::domain::units::Moment;
use neglist::ledger::Ledger;
use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::live::Live;
use neglist::policy::PolicyFile;
use neglist::service::{DecideSettings, DecisionApi, LedgerApi, LedgerSettings};
use neglist::wire::generated::v1;
use tonic::Status;

use crate::model::world::World;
use crate::support::shipped;

/// 2026-06-15T12:00:00+08:00.
pub(crate) const NOON: Moment = Moment::from_seconds(1_781_496_000);

/// A clock that stands still.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        NOON
    }
}

/// A decision service and a ledger service over one ledger, and a decision service without a ledger.
#[derive(Debug)]
pub(crate) struct Books {
    decide: DecisionApi,
    alone: DecisionApi,
    count: LedgerApi,
    live: Arc<Live>,
    transfers: Cell<u64>,
    _directory: tempfile::TempDir,
}

impl Books {
    /// Returns services that decide by the shipped lists and catalogue, and by these clearances beside the registry's.
    pub(crate) fn with(clearances: &str) -> Self {
        let mut files = shipped::policies();
        let text = format!("format: 1\nkind: registry\nclearances:\n{clearances}\ncomplete: yes\n");
        files.push(PolicyFile { path: "registry/of-the-test.yaml".into(), text });
        Self::of(Arc::new(Live::new(World::new(files).snapshot)))
    }

    /// Returns services that decide by the same policies, with an empty ledger.
    pub(crate) fn restarted(&self) -> Self {
        Self::of(Arc::clone(&self.live))
    }

    fn of(live: Arc<Live>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Most accounts are read from the file, as with more exporters than fit into memory.
        let settings = Settings { accounts_max: 2, ..Settings::default() };
        let ledger = EmbeddedLedger::open(directory.path().join("ledger"), settings).unwrap();
        let ledger: Option<Arc<dyn Ledger>> = Some(Arc::new(ledger));
        let decide = |ledger| DecisionApi::new(Arc::clone(&live), Arc::new(Noon), DecideSettings::default(), ledger);
        Self {
            decide: decide(ledger.clone()),
            alone: decide(None),
            count: LedgerApi::new(Arc::clone(&live), Arc::new(Noon), LedgerSettings::default(), ledger),
            live,
            transfers: Cell::new(0),
            _directory: directory,
        }
    }

    /// Decides; missing totals are read from the ledger.
    pub(crate) async fn decide(&self, transfer: &v1::Transfer) -> Result<v1::Decision, Status> {
        decision(&self.decide, transfer).await
    }

    /// Decides without a ledger.
    pub(crate) async fn decide_without_ledger(&self, transfer: &v1::Transfer) -> Result<v1::Decision, Status> {
        decision(&self.alone, transfer).await
    }

    /// Decides and counts, under a new transfer id.
    pub(crate) async fn reserve(&self, transfer: &v1::Transfer) -> v1::ReserveResponse {
        use neglist::wire::generated::v1::ledger_service_server::LedgerService as _;
        let number = self.transfers.replace(self.transfers.get() + 1);
        let request = v1::ReserveRequest {
            transfer_id: format!("transfer-{number}"),
            transfer: Some(transfer.clone()),
            commit: true,
            ..v1::ReserveRequest::default()
        };
        self.count.reserve(tonic::Request::new(request)).await.unwrap().into_inner()
    }

    /// Returns the committed persons of a counter of an exporter, such as `national/sensitive/2026`.
    pub(crate) async fn counted(&self, exporter: &str, counter: &str) -> u64 {
        use neglist::wire::generated::v1::ledger_service_server::LedgerService as _;
        let request = v1::GetUsageRequest { exporter: exporter.into(), year: 2026 };
        let usage = self.count.get_usage(tonic::Request::new(request)).await.unwrap().into_inner();
        usage.counters.iter().find(|usage| usage.counter == counter).map_or(0, |usage| usage.committed)
    }
}

async fn decision(api: &DecisionApi, transfer: &v1::Transfer) -> Result<v1::Decision, Status> {
    let request = v1::DecideRequest { transfer: Some(transfer.clone()), detail: v1::Detail::Full.into() };
    Ok(api.decide_one(&request).await?.decision.unwrap())
}

/// Returns the codes of the reasons.
pub(crate) fn codes(decision: &v1::Decision) -> Vec<&str> {
    decision.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// Returns the field paths of a refusal.
pub(crate) fn refused_fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let violations = status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
