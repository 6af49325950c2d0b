//! One request of a gateway: labelled, decided, and counted where its rule says so.
//!
//! Doors that do not speak `neglist.v1` hand over what they have seen and get one answer, whatever their protocol. The
//! request is labelled and decided on the same snapshot. Nothing here lets a request pass by itself: that is for the
//! decision, and for the operator who lets a door pass what nothing matches ([`Unmatched::Allow`]).

use std::sync::Arc;

use crate::domain::gateway::{
    self, Fault, LABEL_ID_PREFIX, Label, LabelProblem, Labelled, Origin, Reading, Record, Seen, Unlabelled, Unmatched,
};
use crate::domain::snapshot::Snapshot;
use crate::live::Live;
use crate::metrics::{Door, Metrics, Stopwatch};
use crate::service::decide::{Answered, Volatility};
use crate::service::{DecisionApi, LedgerApi};
use crate::wire::generated::v1;
use crate::wire::refusal::grpc::{self, Uncounted};
use crate::wire::refusal::{Blame, Refusal};
use crate::wire::render::{self, Verdict};

/// Answers requests of gateways at one door. Clones share everything.
#[derive(Debug, Clone)]
pub struct LabelledDoor {
    live: Arc<Live>,
    decisions: DecisionApi,
    counting: LedgerApi,
    unmatched: Arc<Unmatched>,
    metrics: Arc<Metrics>,
    door: Door,
}

/// What a door knows of a request besides what labels are made of.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// Whether the gateway asks to count the transfer, where no rule does.
    pub record: Record,
    /// The gateway's own id of the request, which no client can choose: it stands for the id of the transfer where no
    /// label is one. Begins with the name of the door.
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
    /// The request has no labels that make a transfer, or none that the lists know. It must not pass.
    Refused(Refusal),
    /// The server could not answer. The request must not pass.
    Unanswered(Refusal),
}

/// A transfer that was decided.
#[derive(Debug)]
pub struct DecidedTransfer {
    /// The decision, in full.
    pub decision: v1::Decision,
    /// The rule of the gateway that matched.
    pub rule: Option<String>,
    /// How long the answer can be kept.
    pub cacheable: Cacheable,
    /// Under which id it was to be counted, if it was to be.
    pub transfer_id: Option<String>,
    /// Whether it stands in the ledger.
    pub counted: Counted,
}

/// Whether a transfer stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Under its id, since this question or an earlier one.
    Yes,
    /// It was only asked about, or may not go.
    No,
}

impl Counted {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Counted::Yes => "yes",
            Counted::No => "no",
        }
    }
}

/// How long an answer can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cacheable {
    /// Until it runs out, for the same request and under the same policies.
    UntilExpiry,
    /// Not at all: it rests on totals, or was counted.
    Never,
}

impl LabelledDoor {
    /// Returns a door that decides and counts with these services. `unmatched`: what the operator lets it do with a
    /// request that nothing matches.
    pub fn new(
        live: Arc<Live>,
        decisions: &DecisionApi,
        counting: &LedgerApi,
        unmatched: Unmatched,
        door: Door,
    ) -> Self {
        let metrics = Arc::clone(decisions.metrics());
        let (decisions, counting) = (decisions.at(door), counting.at(door));
        Self { live, decisions, counting, unmatched: Arc::new(unmatched), metrics, door }
    }

    /// Answers a request of which nothing is known besides what labels are made of.
    pub async fn answer<S: Seen + Sync + ?Sized>(&self, seen: &S) -> Answer {
        // It may wait for the ledger, so it owns the snapshot.
        self.answer_on(&self.snapshot(), seen, &Besides::default()).await
    }

    /// Answers a request on a snapshot that the door has taken.
    pub async fn answer_on<S: Seen + Sync + ?Sized>(
        &self,
        snapshot: &Arc<Snapshot>,
        seen: &S,
        besides: &Besides,
    ) -> Answer {
        let stopwatch = Stopwatch::start();
        // Where the gateway says that everything is counted, what cannot be counted must not pass.
        let unmatched = match (besides.record, &*self.unmatched) {
            (Record::Record, Unmatched::Allow) => &Unmatched::Refuse,
            (_, unmatched) => unmatched,
        };
        let answer = self.settle(snapshot, gateway::read(snapshot, seen, unmatched), besides).await;
        self.took(stopwatch);
        answer
    }

    /// Returns the policies in force, for a door that asks several questions in one request.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.live.snapshot())
    }

    /// Answers a question of a door that never counts, on a snapshot that it has taken. A transfer that its rule wants
    /// counted is refused: it would pass uncounted. `doubt` is asked once the rules have looked at the question; what it
    /// says refuses it. The door counts the time.
    pub async fn ask<S: Seen + Sync + ?Sized>(
        &self,
        snapshot: &Arc<Snapshot>,
        seen: &S,
        doubt: impl FnOnce() -> Option<Refusal> + Send,
    ) -> Answer {
        let reading = gateway::read(snapshot, seen, &self.unmatched);
        if let Some(refusal) = doubt() {
            return self.refuse(refusal);
        }
        match reading {
            Reading::Transfer(labelled) if labelled.record == Record::Record => {
                self.refuse(grpc::uncounted(Uncounted::NotHere))
            }
            reading => self.settle(snapshot, reading, &Besides::default()).await,
        }
    }

    /// Answers a question that needs no label. The door counts the time.
    pub async fn ask_about(&self, snapshot: &Arc<Snapshot>, request: &v1::DecideRequest) -> Answer {
        decided(asked(self.decisions.decide_on(snapshot, request).await), None, None)
    }

    /// Refuses a request that the door itself cannot make sense of, and counts it.
    pub fn refuse(&self, refusal: Refusal) -> Answer {
        self.count_refused();
        Answer::Refused(refusal)
    }

    /// Counts a request that the door refuses by itself.
    pub fn count_refused(&self) {
        self.metrics.refused(self.door);
    }

    /// Counts how long a request took.
    pub fn took(&self, stopwatch: Stopwatch) {
        self.metrics.took(self.door, stopwatch.elapsed());
    }

    async fn settle(&self, snapshot: &Arc<Snapshot>, reading: Reading<'_>, besides: &Besides) -> Answer {
        match reading {
            Reading::Transfer(labelled) => self.decide(snapshot, &labelled, besides).await,
            Reading::NoTransfer => {
                self.metrics.unlabelled(self.door);
                Answer::NoTransfer { digest: snapshot.digest.to_string() }
            }
            Reading::Refused(unlabelled) => self.refuse(grpc::unlabelled(&unlabelled)),
        }
    }

    async fn decide(&self, snapshot: &Arc<Snapshot>, labelled: &Labelled<'_>, besides: &Besides) -> Answer {
        let (answered, transfer_id) = match (labelled.record, besides.record) {
            (Record::AskOnly, Record::AskOnly) => {
                (asked(self.decisions.decide_on(snapshot, &render::decide_request(labelled)).await), None)
            }
            (Record::Record, _) | (_, Record::Record) => match transfer_id(labelled, besides) {
                Some(transfer_id) => (self.count(snapshot, labelled, &transfer_id).await, Some(transfer_id)),
                // Nobody could tell a retry from a second transfer.
                None => return self.refuse(grpc::unlabelled(&without_id(snapshot, labelled))),
            },
        };
        decided(answered, labelled.rule, transfer_id)
    }

    async fn count(
        &self,
        snapshot: &Arc<Snapshot>,
        labelled: &Labelled<'_>,
        transfer_id: &str,
    ) -> Result<(Answered, Counted), Refusal> {
        let request = render::reserve_request(labelled, transfer_id);
        let reserved = self.counting.reserve_on(snapshot, &request).await;
        let decision = render::reserved_decision(reserved?);
        // A reservation without a decision says nothing.
        let unreadable = || grpc::uncounted(Uncounted::Unreadable);
        let (decision, is_first_answer_again) = decision.ok_or_else(unreadable)?;
        if render::verdict(&decision) == Verdict::Stays {
            return Ok((Answered { decision, volatility: Volatility::DependsOnTotals }, Counted::No));
        }
        // The ledger answers a retry as it did at first, for days. Here each question lets a request pass, so that what the
        // policies have forbidden since must not go on under an old id. The transfer's own persons stand in the totals already
        // and are added once more, which can only be stricter.
        if is_first_answer_again && !render::holds(&decision, &snapshot.digest, self.decisions.now()) {
            let again = self.decisions.decide_on(snapshot, &render::decide_request(labelled)).await?;
            if render::verdict(&again.decision) == Verdict::Stays {
                return Ok((Answered { volatility: Volatility::DependsOnTotals, ..again }, Counted::Yes));
            }
        }
        Ok((Answered { decision, volatility: Volatility::DependsOnTotals }, Counted::Yes))
    }
}

/// What was only asked about is not counted.
fn asked(answered: Result<Answered, Refusal>) -> Result<(Answered, Counted), Refusal> {
    answered.map(|answered| (answered, Counted::No))
}

/// Returns the id under which a transfer is counted.
///
/// Ids that a label gives, ids that a gateway draws and ids of callers of the ledger's own API stand apart: none of them
/// can be made to look like another, because the ledger's own API refuses ids that begin like those of doors.
fn transfer_id(labelled: &Labelled<'_>, besides: &Besides) -> Option<String> {
    match &labelled.transfer_id {
        Some(label) => Some(format!("{LABEL_ID_PREFIX}{label}")),
        None => besides.request_id.clone(),
    }
}

fn decided(answered: Result<(Answered, Counted), Refusal>, rule: Option<&str>, transfer_id: Option<String>) -> Answer {
    match answered {
        Ok((Answered { decision, volatility }, counted)) => {
            let cacheable = match volatility {
                Volatility::Stable => Cacheable::UntilExpiry,
                Volatility::DependsOnTotals => Cacheable::Never,
            };
            let rule = rule.map(str::to_owned);
            Answer::Decided(Box::new(DecidedTransfer { decision, rule, cacheable, transfer_id, counted }))
        }
        Err(refusal) => match refusal.blame() {
            Blame::Caller => Answer::Refused(render::without_totals(refusal)),
            Blame::Server => Answer::Unanswered(refusal),
        },
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

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
