//! The parts of a counter's total, the same for every kind of ledger.

use super::rows::State;
use super::{Hold, Usage};

/// The part of a counter that a person known by pseudonym is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In none.
    Absent,
    /// Included in reservations alone.
    Reserved,
    /// Included in a transfer that went ahead.
    Committed,
}

/// The parts of a counter. All but the last are persons that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    /// Known by pseudonym, of transfers that went ahead.
    pub(super) named_committed: u64,
    /// Known by pseudonym, of reservations alone.
    pub(super) named_reserved: u64,
    /// Only counted, of transfers that went ahead.
    pub(super) counted_committed: u64,
    /// Only counted, of reservations.
    pub(super) counted_reserved: u64,
    /// Brought in by imports.
    pub(super) imported: u64,
    /// Of `counted_committed`, those whose transfers were forgotten.
    pub(super) forgotten: u64,
}

/// Name and size of a part.
type Part = (&'static str, fn(&Parts) -> u64);

impl Parts {
    /// Parts that a verification recomputes, with the name of each in a discrepancy.
    const NAMES: [Part; 5] = [
        ("committed persons by pseudonym", |parts| parts.named_committed),
        ("reserved persons by pseudonym", |parts| parts.named_reserved),
        ("committed persons by number", |parts| parts.counted_committed),
        ("reserved persons by number", |parts| parts.counted_reserved),
        ("imported persons", |parts| parts.imported),
    ];

    /// Returns the totals that follow.
    pub(super) const fn usage(self) -> Usage {
        let committed = self.named_committed.saturating_add(self.counted_committed).saturating_add(self.imported);
        Usage { committed, reserved: self.named_reserved.saturating_add(self.counted_reserved) }
    }

    /// Moves a person from one part to another. `None` if there is no person to move, or no room.
    #[must_use]
    pub(super) fn moved(mut self, from: Standing, to: Standing) -> Option<Self> {
        match from {
            Standing::Absent => {}
            Standing::Reserved => self.named_reserved = self.named_reserved.checked_sub(1)?,
            Standing::Committed => self.named_committed = self.named_committed.checked_sub(1)?,
        }
        match to {
            Standing::Absent => {}
            Standing::Reserved => self.named_reserved = self.named_reserved.checked_add(1)?,
            Standing::Committed => self.named_committed = self.named_committed.checked_add(1)?,
        }
        Some(self)
    }

    /// Adds the persons of a transfer that are known by number only. `None` if there is no room.
    #[must_use]
    pub(super) fn begin(mut self, persons: u64, hold: Hold) -> Option<Self> {
        let part = match hold {
            Hold::Commit => &mut self.counted_committed,
            Hold::Until(_) => &mut self.counted_reserved,
        };
        *part = part.checked_add(persons)?;
        Some(self)
    }

    /// Moves the persons of a reservation that are known by number only to the part of its new state. `None` if there
    /// are not that many, or no room.
    #[must_use]
    pub(super) fn settle(mut self, persons: u64, to: State) -> Option<Self> {
        self.counted_reserved = self.counted_reserved.checked_sub(persons)?;
        if to == State::Committed {
            self.counted_committed = self.counted_committed.checked_add(persons)?;
        }
        Some(self)
    }

    /// Notes that a committed transfer is forgotten, whose persons are known by number only. They stay counted.
    #[must_use]
    pub(super) fn forget(mut self, persons: u64) -> Option<Self> {
        self.forgotten = self.forgotten.checked_add(persons)?;
        Some(self)
    }

    /// Describes how the stored counter differs from the sum of its rows; `None` if they agree.
    pub(super) fn disagreement(self, rows: Parts) -> Option<String> {
        // Forgotten transfers have no rows to add up.
        let expected = Parts {
            counted_committed: rows.counted_committed.saturating_add(self.forgotten),
            forgotten: self.forgotten,
            ..rows
        };
        let differ = |(name, of): &Part| {
            let (kept, counted) = (of(&self), of(&expected));
            (kept != counted).then(|| format!("{name} are kept as {kept}, the rows add up to {counted}"))
        };
        let differences: Vec<String> = Self::NAMES.iter().filter_map(differ).collect();
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}
