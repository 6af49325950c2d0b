//! Persons whom a gateway's request names: their pseudonyms, and the answer to a question about them that counts nothing.

use std::sync::Arc;

use crate::domain::counting;
use crate::domain::named::Named;
use crate::domain::persons::{Subject, SubjectKey, pseudonyms};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Headcount, Persons};
use crate::ledger::{Account, People, PseudonymBytes};
use crate::service::decide::{Answered, DecisionApi, Lookup, Step, Volatility, as_message};
use crate::wire::decide::from_proto::Question;
use crate::wire::refusal::Refusal;

/// Returns the pseudonyms of persons under the exporter and the year of an account.
pub(super) fn pseudonyms_in(key: &SubjectKey, account: &Account, named: &Named<Subject>) -> Named<PseudonymBytes> {
    let of = |subjects: &[Subject]| -> Vec<PseudonymBytes> {
        let made = pseudonyms(key, account.year, &account.exporter, subjects);
        made.map(|pseudonym| Box::from(pseudonym.to_bytes())).collect()
    };
    Named::new(of(&named.general), of(&named.sensitive))
}

/// Returns the number of named persons.
pub(super) fn headcount((general, sensitive): (u64, u64)) -> Headcount {
    let persons = |count| Persons::new(count).unwrap_or(Persons::MAX);
    Headcount { general: persons(general), sensitive: persons(sensitive) }
}

impl DecisionApi {
    /// Decides a transfer whose persons are named, and counts nothing. Persons already counted this year add nothing: the
    /// answer is that of a reservation at this moment.
    ///
    /// # Errors
    /// As [`DecisionApi::decide_one`].
    pub async fn decide_named_on(
        &self,
        snapshot: &Arc<Snapshot>,
        question: Question<'_>,
        named: &Named<Subject>,
        key: &SubjectKey,
    ) -> Result<Answered, Refusal> {
        let now = self.now();
        let write = as_message(question.detail);
        // Totals in memory do not say which persons are in them.
        let step = self.step(snapshot, &question, now, Lookup::Batched, |decision| self.count(decision), write);
        let mut waiting = match step.map_err(|refusal| self.refused(refusal))? {
            Step::Decided(decision, volatility) => return Ok(Answered { decision, volatility }),
            Step::Waits(waiting) => waiting,
        };
        let reading = counting::person_in_both_classes(snapshot, waiting.transfer.at);
        let named = pseudonyms_in(key, &waiting.account, named).counted(reading);
        waiting.transfer.persons = headcount(named.count());
        waiting.people = Some(People::Named { general: named.general, sensitive: named.sensitive });
        let decision = self.finish(&waiting, now, as_message(waiting.detail)).await?;
        Ok(Answered { decision, volatility: Volatility::DependsOnTotals })
    }
}
