//! Rows that operators bring in and read, the same for both ledgers.

use std::collections::BTreeMap;
use std::fmt;

use super::{Account, Change, Counter, LedgerError, Usage};
use crate::domain::units::{Moment, Year};

/// Persons of one counter that were counted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTotal {
    /// Whose.
    pub account: Account,
    /// Counted in which counter.
    pub counter: Counter,
    /// How many.
    pub persons: u64,
}

/// A counter as an export shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRow {
    /// Whose.
    pub account: Account,
    /// Which.
    pub counter: Counter,
    /// Its totals.
    pub usage: Usage,
    /// Of the committed ones, persons that imports brought in.
    pub imported: u64,
}

/// A transfer as an export shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The caller's id.
    pub transfer_id: String,
    /// Whose totals it concerns.
    pub account: Account,
    /// How it stands.
    pub state: State,
    /// When its reservation runs out, or when it was settled, at least to the second.
    pub at: Moment,
    /// What it added when it was answered.
    pub changes: Vec<Change>,
}

/// Accounts that an operator removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// Which.
    pub accounts: Vec<Account>,
    /// Accounts of this year and later are left where they counted a person; `None`: they go as well.
    ///
    /// What is sent from then on would be counted from zero, and a line be reached too late.
    pub totals_kept_from: Option<Year>,
}

impl Forget {
    /// Says whether an account of a year is left where it counted a person.
    pub fn keeps_totals_of(&self, year: Year) -> bool {
        self.totals_kept_from.is_some_and(|from| from <= year)
    }
}

/// What became of accounts that were to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// They are gone.
    pub gone: Vec<Account>,
    /// Left, because reservations of theirs stand.
    pub standing: Vec<Account>,
    /// Left, because they counted persons.
    pub counted: Vec<Account>,
}

impl Forgotten {
    /// Adds what became of others.
    pub fn extend(&mut self, other: Forgotten) {
        let Forgotten { gone, standing, counted } = other;
        self.gone.extend(gone);
        self.standing.extend(standing);
        self.counted.extend(counted);
    }
}

/// Why an operator's request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// It cannot be done like this.
    #[error("{0}")]
    Refused(String),
    /// The ledger did not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may go ahead until its reservation runs out.
    Reserved,
    /// It went ahead.
    Committed,
    /// It was taken back.
    Released,
    /// Its reservation ran out.
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

/// Something in a ledger that does not agree with the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Which counter or transfer.
    pub about: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.message)
    }
}

/// Totals to bring in, each counter once.
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
