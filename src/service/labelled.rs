//! One request of a gateway: labelled, decided, and counted where its rule says so.
//!
//! The request is labelled and decided on the same snapshot. Nothing here lets a request pass by itself: that is for the
//! decision, and for the operator who lets a door pass what nothing matches ([`Unmatched::Allow`]).

use std::sync::Arc;

use super::{DecisionApi, LedgerApi};
use crate::domain::gateway::{
    self, Fault, Label, LabelProblem, Labelled, Origin, Reading, Record, Seen, Unlabelled, Unmatched,
};
use crate::domain::snapshot::Snapshot;
use crate::live::Live;
use crate::wire::described;
use crate::wire::generated::v1;
use crate::wire::status::{self, RpcStatus, Uncounted};

/// Answers requests of gateways at one door. Clones share everything.
#[derive(Debug, Clone)]
pub struct LabelledDoor {
    live: Arc<Live>,
    decisions: DecisionApi,
    counting: LedgerApi,
    unmatched: Arc<Unmatched>,
}

/// What a door knows of a request besides its labels.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// Whether the gateway asks to count the transfer, where its rule does not.
    pub record: Record,
    /// The gateway's own id of the request, which no client can choose: it stands for the id of the transfer where no label
    /// is one. Begins with the name of the door.
    pub request_id: Option<String>,
}

/// What a door tells a gateway.
#[derive(Debug)]
pub enum Answer {
    /// The transfer was decided.
    Decided(Box<DecidedTransfer>),
    /// The request is no transfer, and the operator lets such requests pass.
    NoTransfer {
        /// Digest of the policies that were looked at.
        digest: String,
    },
    /// The request must not pass, or the server could not answer, and then it must not pass either.
    Refused(RpcStatus),
}

/// A transfer that was decided.
#[derive(Debug)]
pub struct DecidedTransfer {
    /// The decision, in full.
    pub decision: v1::Decision,
    /// The rule of the gateway that matched.
    pub rule: Option<String>,
    /// Under which id it was counted, if it was.
    pub transfer_id: Option<String>,
}

impl LabelledDoor {
    /// Returns a door that decides and counts with these services. `unmatched`: what the operator lets it do with a
    /// request that nothing matches.
    pub fn new(live: Arc<Live>, decisions: &DecisionApi, counting: &LedgerApi, unmatched: Unmatched) -> Self {
        let (decisions, counting) = (decisions.clone(), counting.clone());
        Self { live, decisions, counting, unmatched: Arc::new(unmatched) }
    }

    /// Returns the snapshot in force. It owns it, because an answer may wait for the ledger.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.live.snapshot())
    }

    /// Answers a request.
    pub async fn answer<S: Seen + Sync + ?Sized>(
        &self,
        snapshot: &Arc<Snapshot>,
        seen: &S,
        besides: &Besides,
    ) -> Answer {
        match gateway::read(snapshot, seen, &self.unmatched) {
            Reading::Transfer(labelled) => self.decide(snapshot, &labelled, besides).await,
            Reading::NoTransfer => Answer::NoTransfer { digest: snapshot.digest.to_string() },
            Reading::Refused(unlabelled) => Answer::Refused(status::unlabelled(&unlabelled)),
        }
    }

    async fn decide(&self, snapshot: &Arc<Snapshot>, labelled: &Labelled<'_>, besides: &Besides) -> Answer {
        let record = match (labelled.record, besides.record) {
            (Record::AskOnly, Record::AskOnly) => Record::AskOnly,
            (Record::Record, _) | (_, Record::Record) => Record::Record,
        };
        let (decided, transfer_id) = match record {
            Record::AskOnly => (self.decisions.decide_on(snapshot, &described::decide_request(labelled)).await, None),
            Record::Record => match transfer_id(labelled, besides) {
                Some(transfer_id) => (self.count(snapshot, labelled, &transfer_id).await, Some(transfer_id)),
                // Nobody could tell a retry from a second transfer.
                None => return Answer::Refused(status::unlabelled(&without_id(snapshot, labelled))),
            },
        };
        let rule = labelled.rule.map(str::to_owned);
        match decided {
            Ok(decision) => Answer::Decided(Box::new(DecidedTransfer { decision, rule, transfer_id })),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn count(
        &self,
        snapshot: &Arc<Snapshot>,
        labelled: &Labelled<'_>,
        transfer_id: &str,
    ) -> Result<v1::Decision, RpcStatus> {
        let request = described::reserve_request(labelled, transfer_id);
        let reserved = self.counting.reserve_on(snapshot, &request).await;
        let reserved = reserved.map_err(|status| status::to_rpc_status(&status))?;
        // A reservation without a decision says nothing.
        let unreadable = || status::to_rpc_status(&status::uncounted(Uncounted::Unreadable));
        described::reserved_decision(reserved).ok_or_else(unreadable)
    }
}

/// Returns the id under which a transfer is counted.
///
/// Ids of callers of the ledger's own API stand apart from those of gateways, and ids that a label
/// gives from those that a gateway draws: none of them can be made to look like another.
fn transfer_id(labelled: &Labelled<'_>, besides: &Besides) -> Option<String> {
    match &labelled.transfer_id {
        Some(label) => Some(format!("gateway:{label}")),
        None => besides.request_id.clone(),
    }
}

fn without_id(snapshot: &Snapshot, labelled: &Labelled<'_>) -> Unlabelled {
    Unlabelled::Wrong(vec![LabelProblem {
        rule: labelled.rule.map(str::to_owned),
        label: Label::TransferId,
        origin: Origin::Header(snapshot.gateway.headers.transfer_id.to_string()),
        fault: Fault::Missing,
    }])
}
