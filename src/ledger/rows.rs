//! Rows that operators import and export, the same for both ledgers.

use std::collections::BTreeMap;
use std::fmt;

use super::{Account, Change, Counter, LedgerError, Usage};
use crate::domain::units::{Moment, Year};

/// Persons of one counter that were counted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTotal {
    /// Exporter and year.
    pub account: Account,
    /// Counter that they were counted in.
    pub counter: Counter,
    /// Number of persons.
    pub persons: u64,
}

/// A counter as an export shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRow {
    /// Exporter and year.
    pub account: Account,
    /// Name of the counter.
    pub counter: Counter,
    /// Its totals.
    pub usage: Usage,
    /// Persons added by imports; part of the committed ones.
    pub imported: u64,
}

/// A transfer as an export shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The caller's id.
    pub transfer_id: String,
    /// Exporter and year whose totals it concerns.
    pub account: Account,
    /// Its state.
    pub state: State,
    /// When its reservation expires, or when it was settled, at least to the second.
    pub at: Moment,
    /// Persons added when it was answered.
    pub changes: Vec<Change>,
}

/// Accounts that an operator removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// The accounts to remove.
    pub accounts: Vec<Account>,
    /// Accounts of this year and later are kept if they counted a person; `None`: these are removed as well.
    ///
    /// Once removed, an account counts later transfers from zero, and reaches a line too late.
    pub totals_kept_from: Option<Year>,
}

impl Forget {
    /// Says whether an account of a year is kept if it counted a person.
    pub fn keeps_totals_of(&self, year: Year) -> bool {
        self.totals_kept_from.is_some_and(|from| from <= year)
    }
}

/// Result of removing accounts, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// They are gone.
    pub gone: Vec<Account>,
    /// Kept, because their reservations stand.
    pub standing: Vec<Account>,
    /// Kept, because they counted persons.
    pub counted: Vec<Account>,
}

impl Forgotten {
    /// Adds another result.
    pub fn extend(&mut self, other: Forgotten) {
        let Forgotten { gone, standing, counted } = other;
        self.gone.extend(gone);
        self.standing.extend(standing);
        self.counted.extend(counted);
    }
}

/// Why an operator's request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// The request is refused, with the reason.
    #[error("{0}")]
    Refused(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// State of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may go ahead until its reservation expires.
    Reserved,
    /// It went ahead.
    Committed,
    /// It was released.
    Released,
    /// Its reservation expired.
    Expired,
    /// It was not allowed to go.
    Refused,
}

impl State {
    /// In the order of their numbers in files: it must not change.
    pub(super) const ALL: [State; 5] =
        [State::Reserved, State::Committed, State::Released, State::Expired, State::Refused];

    /// Returns the word for the state in exports.
    pub const fn name(self) -> &'static str {
        match self {
            State::Reserved => "reserved",
            State::Committed => "committed",
            State::Released => "released",
            State::Expired => "expired",
            State::Refused => "refused",
        }
    }
}

/// A row or total of a ledger that contradicts the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The counter or transfer.
    pub about: String,
    /// The contradiction, in words.
    pub message: String,
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.message)
    }
}

/// Totals to import, each counter once.
pub(super) type Wanted = BTreeMap<(Account, Counter), u64>;

/// Puts totals in order, and refuses a counter that is there twice.
pub(super) fn sorted(totals: Vec<ImportedTotal>) -> Result<Wanted, OperateError> {
    let mut wanted = Wanted::new();
    for ImportedTotal { account, counter, persons } in totals {
        let (exporter, name) = (account.exporter.clone(), counter.in_year(account.year));
        if wanted.insert((account, counter), persons).is_some() {
            return Err(OperateError::Refused(format!("`{exporter}` has `{name}` twice: add the rows up")));
        }
    }
    Ok(wanted)
}
