//! Checks that the policies know the names in a CSV file.
//!
//! A total under a misspelt name is never compared with a line, so the line is reached too late. The form
//! of a name is always checked; this module checks that the name is known.

use super::values::quoted;
use crate::domain::counter::Counted;
use crate::domain::route::OwnCounter;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{ClearanceId, EditionId, ExporterId};
use crate::domain::vocabulary::Vocabulary;

/// The names in a snapshot.
#[derive(Debug)]
pub(super) struct Known<'s> {
    snapshot: &'s Snapshot,
    /// Ids of clearances, in the order of their numbers.
    clearances: Vocabulary,
}

impl<'s> Known<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        let mut clearances = Vocabulary::default();
        for clearance in &snapshot.registry.clearances {
            // The compiler refuses duplicate ids.
            let _ = clearances.insert(&clearance.id);
        }
        clearances.freeze();
        Self { snapshot, clearances }
    }

    /// Returns a message for each name of a line that the policies do not know: its exporter, its counter.
    pub(super) fn unknown(&self, exporter: &str, counter: &str) -> Vec<String> {
        let exporters = &self.snapshot.codes.exporters;
        let mut found = Vec::new();
        let number = exporters.get(exporter).map(ExporterId);
        if number.is_none() {
            let hint = hint(exporters, exporter, "register it, or import it without `--policies`");
            found.push(format!("no policy file registers the exporter {}: {hint}", quoted(exporter)));
        }
        found.extend(match Counted::parse(self.snapshot, counter) {
            Some(Counted::National) => None,
            Some(Counted::Clearance(id)) => number.and_then(|exporter| self.of_another(id, exporter)),
            Some(Counted::Scenario(own)) => self.not_listed(own, counter),
            None => Some(self.unknown_counter(counter)),
        });
        found
    }

    /// Reports a clearance of another exporter.
    fn of_another(&self, id: ClearanceId, exporter: ExporterId) -> Option<String> {
        let clearance = self.snapshot.clearance(id)?;
        let quoted = |exporter: ExporterId| quoted(self.snapshot.codes.exporters.word(exporter.0));
        (clearance.exporter != exporter).then(|| {
            format!(
                "the clearance `{}` does not belong to {}: it belongs to {}",
                clearance.id,
                quoted(exporter),
                quoted(clearance.exporter)
            )
        })
    }

    /// Reports a scenario without its own counters: no edition of the family lists it or may list it.
    fn not_listed(&self, own: OwnCounter, counter: &str) -> Option<String> {
        let editions = self.snapshot.lists.editions.iter().enumerate();
        let mut of_family = editions.filter(|(_, edition)| edition.family == own.family);
        let is_listed = of_family.any(|(number, _)| {
            let id = u16::try_from(number).ok().map(EditionId);
            id.is_some_and(|id| self.snapshot.listed(id, own.sector, own.scenario).is_some())
        });
        (!is_listed)
            .then(|| format!("no list has separate counters for {}: count it under `national`", quoted(counter)))
    }

    fn unknown_counter(&self, counter: &str) -> String {
        let codes = &self.snapshot.codes;
        let (first, rest) = counter.split_once('/').unwrap_or((counter, ""));
        let (noun, word, words) = match rest.split_once('/') {
            _ if first == "clearance" => ("clearance", rest, &self.clearances),
            _ if codes.families.get(first).is_none() => ("family of lists", first, &codes.families),
            Some((sector, _)) if codes.sectors.get(sector).is_none() => ("sector", sector, &codes.sectors),
            Some((_, scenario)) => ("scenario", scenario, &codes.scenarios),
            None => ("sector", rest, &codes.sectors),
        };
        format!("the policies know no {noun} {}: {}", quoted(word), hint(words, word, "correct the word"))
    }
}

/// Returns a hint for an unknown word.
fn hint(words: &Vocabulary, word: &str, otherwise: &str) -> String {
    let nearest = words.nearest(word).map(|number| format!("did you mean {}?", quoted(words.word(number))));
    nearest.unwrap_or_else(|| otherwise.to_owned())
}
