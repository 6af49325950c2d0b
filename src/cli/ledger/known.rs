//! Whether the policies know what a sheet names.
//!
//! A total under a name that is not quite right is counted where nothing looks at it, and lines
//! are reached too late. The form of a name is checked always; this is for the name itself.

use super::values::quoted;
use crate::domain::counter::Counted;
use crate::domain::route::OwnCounter;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{ClearanceId, EditionId, ExporterId};
use crate::domain::vocabulary::Vocabulary;

/// The names that some policies know.
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
            // The compiler refuses an id that stands twice.
            let _ = clearances.insert(&clearance.id);
        }
        clearances.freeze();
        Self { snapshot, clearances }
    }

    /// Says what the policies do not know of a line: its exporter, its counter.
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

    /// The counter of a clearance is its exporter's.
    fn of_another(&self, id: ClearanceId, exporter: ExporterId) -> Option<String> {
        let clearance = self.snapshot.clearance(id)?;
        let quoted = |exporter: ExporterId| quoted(self.snapshot.codes.exporters.word(exporter.0));
        (clearance.exporter != exporter).then(|| {
            format!(
                "the clearance `{}` is not of {}: it is of {}",
                clearance.id,
                quoted(exporter),
                quoted(clearance.exporter)
            )
        })
    }

    /// Only what some edition of the family lists, or may list, is counted apart.
    fn not_listed(&self, own: OwnCounter, counter: &str) -> Option<String> {
        let editions = self.snapshot.lists.editions.iter().enumerate();
        let mut of_family = editions.filter(|(_, edition)| edition.family == own.family);
        let is_listed = of_family.any(|(number, _)| {
            let id = u16::try_from(number).ok().map(EditionId);
            id.is_some_and(|id| self.snapshot.listed(id, own.sector, own.scenario).is_some())
        });
        (!is_listed).then(|| format!("no list counts {} apart: count it under `national`", quoted(counter)))
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

/// Returns what to write instead of a word.
fn hint(words: &Vocabulary, word: &str, otherwise: &str) -> String {
    let nearest = words.nearest(word).map(|number| format!("did you mean {}?", quoted(words.word(number))));
    nearest.unwrap_or_else(|| otherwise.to_owned())
}
