//! One request of a gateway: labelled, decided, and counted where its rule says so.
//!
//! Doors that do not speak `neglist.v1` pass on what they see of a request, and get one answer whatever their protocol. The
//! request is labelled and decided on the same snapshot. A request passes by a decision, or because the operator lets a door
//! pass requests that no rule matches ([`Unmatched::Allow`]). Nothing else here lets it pass.

use std::sync::Arc;

use crate::domain::gateway::{
    self, Fault, LABEL_ID_PREFIX, Label, LabelProblem, Labelled, Origin, Reading, Record, Seen, Unlabelled, Unmatched,
};
use crate::domain::snapshot::Snapshot;
use crate::doors::render::{self, Verdict};
use crate::live::Live;
use crate::metrics::{Door, Metrics, Stopwatch};
use crate::service::decide::{Answered, Volatility};
use crate::service::{DecisionApi, LedgerApi};
use crate::wire::decide::from_proto::{self, Question};
use crate::wire::decide::to_proto::Detail;
use crate::wire::generated::v1;
use crate::wire::refusal::{self, Refusal, Uncounted};

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

/// The facts about a request that a door knows besides its labels.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// Whether the gateway asks to count the transfer, where no rule does.
    pub record: Record,
    /// The gateway's own id of the request, which no client can choose: the id of the transfer where no label gives one.
    /// Begins with the name of the door.
    pub request_id: Option<String>,
}

/// The answer of a door to a gateway.
#[derive(Debug)]
pub enum Answer {
    /// The transfer was decided.
    Decided(Box<DecidedTransfer>),
    /// The request is no transfer, and the operator lets such requests pass.
    NoTransfer {
        /// Digest of the policies in force.
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
    /// Whether the answer can be cached.
    pub cacheable: Cacheable,
    /// The id under which the door was to count it, if it was to.
    pub transfer_id: Option<String>,
    /// Whether the ledger has counted it.
    pub counted: Counted,
}

/// Whether the ledger has counted a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Under its id, since this question or an earlier one.
    Yes,
    /// It was only a question, or the transfer may not go.
    No,
}

impl Counted {
    /// Returns its word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Counted::Yes => "yes",
            Counted::No => "no",
        }
    }
}

/// Whether an answer can be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cacheable {
    /// Until it expires, for the same request and under the same policies.
    UntilItExpires,
    /// No: it depends on totals, or was counted.
    Never,
}

impl LabelledDoor {
    /// Returns a door that decides and counts with these services. `unmatched`: how the operator lets it
    /// treat a request that no rule matches.
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

    /// Answers a request of which the door knows nothing besides its labels.
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
        // Where the gateway wants everything counted, a request that cannot be counted must not pass.
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

    /// Answers a question of a door that never counts, on a snapshot that it has taken. If the rule wants the transfer
    /// counted, the question is refused: the transfer would pass uncounted. `doubt` is called after the rules have looked at
    /// the question; a refusal that it returns is the answer. The door counts the time.
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
                self.refuse(Refusal::Uncounted(Uncounted::NotHere))
            }
            reading => self.settle(snapshot, reading, &Besides::default()).await,
        }
    }

    /// Answers a question that needs no label. The door counts the time.
    pub async fn ask_about(&self, snapshot: &Arc<Snapshot>, request: &v1::DecideRequest) -> Answer {
        let answered = match from_proto::decide(request) {
            Ok(question) => self.decisions.decide_on(snapshot, question).await,
            Err(violations) => Err(self.decisions.invalid(violations)),
        };
        decided(asked(answered), None, None)
    }

    /// Refuses a request that the door itself cannot read, and counts it.
    pub fn refuse(&self, refusal: Refusal) -> Answer {
        self.count_refused();
        Answer::Refused(refusal)
    }

    /// Counts a request that the door itself refuses.
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
            Reading::Refused(unlabelled) => self.refuse(Refusal::unlabelled(unlabelled)),
        }
    }

    async fn decide(&self, snapshot: &Arc<Snapshot>, labelled: &Labelled<'_>, besides: &Besides) -> Answer {
        let (answered, transfer_id) = match (labelled.record, besides.record) {
            (Record::AskOnly, Record::AskOnly) => (asked(self.question(snapshot, labelled).await), None),
            (Record::Record, _) | (_, Record::Record) => match transfer_id(labelled, besides) {
                Some(transfer_id) => (self.count(snapshot, labelled, &transfer_id).await, Some(transfer_id)),
                // Without an id, a retry looks like a second transfer.
                None => return self.refuse(Refusal::unlabelled(without_id(snapshot, labelled))),
            },
        };
        decided(answered.map_err(render::without_totals), labelled.rule, transfer_id)
    }

    /// Answers a question. Persons who are named and counted already add nothing.
    async fn question(&self, snapshot: &Arc<Snapshot>, labelled: &Labelled<'_>) -> Result<Answered, Refusal> {
        if let Some(named) = &labelled.subjects {
            self.counting.check_asked(named).map_err(|violations| self.decisions.invalid(violations))?;
        }
        match (&labelled.subjects, self.counting.subject_key()) {
            (Some(named), Some(key)) => self.decisions.decide_named_on(snapshot, question(labelled), named, key).await,
            // Without a key no person was counted by identifier.
            _ => self.decisions.decide_on(snapshot, question(labelled)).await,
        }
    }

    async fn count(
        &self,
        snapshot: &Arc<Snapshot>,
        labelled: &Labelled<'_>,
        transfer_id: &str,
    ) -> Result<(Answered, Counted), Refusal> {
        let reserved = self.counting.reserve_on(snapshot, self.counting.read_labelled(labelled, transfer_id)).await?;
        let v1::ReserveResponse { decision, changes: _, expires_at: _, replayed } = reserved;
        // A reservation without a decision permits nothing.
        let decision = decision.ok_or(Refusal::Uncounted(Uncounted::Unreadable))?;
        let volatility = Volatility::DependsOnTotals;
        if render::verdict(&decision) == Verdict::Deny {
            return Ok((Answered { decision, volatility }, Counted::No));
        }
        // The ledger replays its first answer to a retry for days. Here each question lets a request pass, so an old id must
        // not let pass what the policies have forbidden since. The totals contain the persons of this transfer already. Numbers
        // are added once more, which can only be stricter; persons who are named add nothing.
        if replayed && !render::holds(&decision, &snapshot.digest, self.decisions.now()) {
            let again = self.question(snapshot, labelled).await?;
            if render::verdict(&again.decision) == Verdict::Deny {
                return Ok((Answered { volatility, ..again }, Counted::Yes));
            }
        }
        Ok((Answered { decision, volatility }, Counted::Yes))
    }
}

/// Returns the question that labels ask, to be answered in full.
fn question<'l>(labelled: &'l Labelled<'_>) -> Question<'l> {
    Question::of_one(labelled.asked(), Detail::Full)
}

/// A question that counts nothing.
fn asked(answered: Result<Answered, Refusal>) -> Result<(Answered, Counted), Refusal> {
    answered.map(|answered| (answered, Counted::No))
}

/// Returns the id under which a transfer is counted.
///
/// Ids from labels, ids that a gateway draws and ids of callers of the ledger's own API are distinct: the prefixes of the
/// first two differ, and the ledger's own API refuses ids with such a prefix.
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
                Volatility::Stable => Cacheable::UntilItExpires,
                Volatility::DependsOnTotals => Cacheable::Never,
            };
            let rule = rule.map(str::to_owned);
            Answer::Decided(Box::new(DecidedTransfer { decision, rule, cacheable, transfer_id, counted }))
        }
        Err(refusal) => match refusal.fault() {
            refusal::Fault::Caller => Answer::Refused(refusal),
            refusal::Fault::Server => Answer::Unanswered(refusal),
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
