//! The tables of the file, and their rows as the rest of the module sees them.
//!
//! Counters have numbers, so that a row of a person costs four bytes for the counter rather than
//! the names of exporter and counter. A number belongs to one counter of one account as long as
//! anything in the file names it.

use std::fmt;

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::domain::persons::KeyFingerprint;
use crate::domain::units::{CountedClass, Moment, Year};
use crate::ledger::lifecycle::Phase;
use crate::ledger::mark::{Identity, Mark};
use crate::ledger::parts::Parts;
use crate::ledger::rows::State;
use crate::ledger::{Account, Counter, LedgerError};

/// Properties of the file, such as its format under [`FORMAT_KEY`].
pub(super) const META: TableDefinition<'static, &str, &str> = TableDefinition::new("meta");
/// Key of the format in [`META`].
pub(super) const FORMAT_KEY: &str = "format";
/// Key of the identity in [`META`]: 32 hexadecimal digits.
const IDENTITY_KEY: &str = "identity";
/// Key of the position in [`META`]: a number in decimal.
const POSITION_KEY: &str = "position";
/// Key of the newest moment of a commit in [`META`]: seconds and nanoseconds in decimal, with a space between. Missing
/// in a ledger that was last written before this key existed.
const NEWEST_KEY: &str = "newest";
/// Key of the fingerprint of the subject key in [`META`]: 32 hexadecimal digits. Missing until a server with a key has
/// started.
const SUBJECT_KEY_KEY: &str = "subject key";
/// The format that this program writes. Programs that do not raise the position with each commit refuse it.
pub(super) const FORMAT: &str = "neglist ledger 2";
/// The previous format, which is read, and upgraded to [`FORMAT`] on opening for writing. Programs without positions
/// wrote it as well, so its position may be missing or too low.
pub(super) const FORMAT_BEFORE: &str = "neglist ledger 1";

/// Transfers by id.
pub(super) const TRANSFERS: TableDefinition<'static, &str, TransferValue> = TableDefinition::new("transfers");
/// Pseudonyms of reservations, by id of the transfer: general, sensitive. Gone once it is settled.
pub(super) const HELD: TableDefinition<'static, &str, HeldValue> = TableDefinition::new("held");
/// Standing reservations, by the moment of their expiry.
pub(super) const EXPIRY: TableDefinition<'static, MomentKey, ()> = TableDefinition::new("expiry");
/// Settled transfers, by the moment when they were settled.
pub(super) const SETTLED: TableDefinition<'static, MomentKey, ()> = TableDefinition::new("settled");
/// Counters by exporter, year, name and class.
pub(super) const COUNTERS: TableDefinition<'static, CounterKey, CounterValue> = TableDefinition::new("counters");
/// Holders of each person, by number of the counter and pseudonym.
pub(super) const PEOPLE: TableDefinition<'static, PersonKey, u32> = TableDefinition::new("people");
/// Persons that an import added, by its id and the number of the counter.
pub(super) const IMPORTS: TableDefinition<'static, (&str, u32), u64> = TableDefinition::new("imports");

/// State, fingerprint, exporter, year, moment, whether persons are named, changes (number of the
/// counter, total before, added), answer.
pub(super) type TransferValue =
    (u8, &'static [u8; 32], &'static str, u16, (i64, u32), u8, Vec<(u32, u64, u64)>, &'static [u8]);
/// Pseudonyms: general, sensitive.
pub(super) type HeldValue = (Vec<&'static [u8]>, Vec<&'static [u8]>);
/// Seconds and nanoseconds of a moment, id of the transfer.
pub(super) type MomentKey = (i64, u32, &'static str);
/// Exporter, year, name, class.
pub(super) type CounterKey = (&'static str, u16, &'static str, u8);
/// Number, and [`Parts`] in the order of its fields.
pub(super) type CounterValue = (u32, (u64, u64, u64, u64, u64, u64));
/// Number of the counter, pseudonym.
pub(super) type PersonKey = (u32, &'static [u8]);

/// Why a step was not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// The request is answered with an error. The writes so far, releases of expired reservations, are valid by
    /// themselves.
    Answer(LedgerError),
    /// The file cannot be trusted any more, nor anything of this batch.
    Broken(String),
}

macro_rules! broken_by {
    ($($error:ty),*) => {$(
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Stop::Broken(error.to_string())
            }
        }
    )*};
}

broken_by!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::SetDurabilityError);

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Stop::Answer(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Answer(error) => error.fmt(f),
            Stop::Broken(why) => f.write_str(why),
        }
    }
}

/// Whether the persons of a transfer are known by pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By number alone.
    Counted,
    /// By pseudonym.
    Named,
}

/// A transfer's addition to a counter, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Number of the counter.
    pub(super) number: u32,
    /// Its total before.
    pub(super) before: u64,
    /// Persons added.
    pub(super) added: u64,
}

/// A transfer as the file stores it.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    pub(super) state: State,
    pub(super) fingerprint: [u8; 32],
    pub(super) account: Account,
    /// Expiry of the reservation, or the moment when the transfer was settled.
    pub(super) at: Moment,
    pub(super) kind: Kind,
    pub(super) steps: Vec<Step>,
    pub(super) answer: Vec<u8>,
}

impl Transfer {
    /// Returns the phase of the transfer at a moment.
    pub(super) fn phase(&self, now: Moment) -> Phase {
        Phase::of(self.state, self.at, now)
    }

    /// Returns the transfer of a row; `None` if this program cannot have written the row.
    pub(super) fn from_value(value: <TransferValue as redb::Value>::SelfType<'_>) -> Option<Self> {
        let (state, fingerprint, exporter, year, at, kind, steps, answer) = value;
        Some(Self {
            state: *State::ALL.get(usize::from(state))?,
            fingerprint: *fingerprint,
            account: Account { exporter: exporter.to_owned(), year: Year(year) },
            at: Moment::new(at.0, at.1)?,
            kind: match kind {
                0 => Kind::Counted,
                1 => Kind::Named,
                _ => return None,
            },
            steps: steps.into_iter().map(|(number, before, added)| Step { number, before, added }).collect(),
            answer: answer.to_vec(),
        })
    }

    /// Puts the transfer into the table.
    pub(super) fn store(&self, id: &str, table: &mut Table<'_, &'static str, TransferValue>) -> Result<(), Stop> {
        let kind = match self.kind {
            Kind::Counted => 0,
            Kind::Named => 1,
        };
        let steps = self.steps.iter().map(|step| (step.number, step.before, step.added)).collect::<Vec<_>>();
        let Account { exporter, year } = &self.account;
        let at = (self.at.seconds(), self.at.nanos());
        table.insert(
            id,
            (self.state as u8, &self.fingerprint, exporter.as_str(), year.0, at, kind, steps, self.answer.as_slice()),
        )?;
        Ok(())
    }
}

impl Parts {
    pub(super) const fn from_value(value: (u64, u64, u64, u64, u64, u64)) -> Self {
        let (named_committed, named_reserved, counted_committed, counted_reserved, imported, forgotten) = value;
        Self { named_committed, named_reserved, counted_committed, counted_reserved, imported, forgotten }
    }

    pub(super) const fn to_value(self) -> (u64, u64, u64, u64, u64, u64) {
        let Self { named_committed, named_reserved, counted_committed, counted_reserved, imported, forgotten } = self;
        (named_committed, named_reserved, counted_committed, counted_reserved, imported, forgotten)
    }
}

/// Returns the counter and the account of a key.
pub(super) fn counter_of(key: (&str, u16, &str, u8)) -> Option<(Account, Counter)> {
    let (exporter, year, name, class) = key;
    let class = *CountedClass::ALL.get(usize::from(class))?;
    let account = Account { exporter: exporter.to_owned(), year: Year(year) };
    Some((account, Counter { name: name.to_owned(), class }))
}

/// Returns the key of a counter of an account.
pub(super) fn counter_key<'a>(account: &'a Account, counter: &'a Counter) -> (&'a str, u16, &'a str, u8) {
    let class = match counter.class {
        CountedClass::General => 0,
        CountedClass::Sensitive => 1,
    };
    (&account.exporter, account.year.0, &counter.name, class)
}

/// The tables, open for writing.
#[derive(Debug)]
pub(super) struct Tables<'txn> {
    pub(super) transfers: Table<'txn, &'static str, TransferValue>,
    pub(super) held: Table<'txn, &'static str, HeldValue>,
    pub(super) expiry: Table<'txn, MomentKey, ()>,
    pub(super) settled: Table<'txn, MomentKey, ()>,
    pub(super) counters: Table<'txn, CounterKey, CounterValue>,
    pub(super) people: Table<'txn, PersonKey, u32>,
    pub(super) imports: Table<'txn, (&'static str, u32), u64>,
}

impl<'txn> Tables<'txn> {
    /// Opens them, and creates the missing ones.
    pub(super) fn open(transaction: &'txn WriteTransaction) -> Result<Self, Stop> {
        Ok(Self {
            transfers: transaction.open_table(TRANSFERS)?,
            held: transaction.open_table(HELD)?,
            expiry: transaction.open_table(EXPIRY)?,
            settled: transaction.open_table(SETTLED)?,
            counters: transaction.open_table(COUNTERS)?,
            people: transaction.open_table(PEOPLE)?,
            imports: transaction.open_table(IMPORTS)?,
        })
    }
}

/// A counter with its number, its account and its parts.
pub(super) type CounterOfFile = (u32, Account, Counter, Parts);

/// Returns all counters with their numbers.
pub(super) fn counters(transaction: &ReadTransaction) -> Result<Vec<CounterOfFile>, Stop> {
    let table = transaction.open_table(COUNTERS)?;
    each_counter(&table)?.collect()
}

/// Visits all counters.
pub(super) fn each_counter(
    table: &impl ReadableTable<CounterKey, CounterValue>,
) -> Result<impl Iterator<Item = Result<CounterOfFile, Stop>>, Stop> {
    Ok(table.iter()?.map(|row| {
        let (key, value) = row?;
        let (number, parts) = value.value();
        let (account, counter) = counter_of(key.value()).ok_or_else(|| unreadable("a counter"))?;
        Ok((number, account, counter, Parts::from_value(parts)))
    }))
}

/// Returns the counters of one account, with their numbers.
pub(super) fn of_account(
    table: &impl ReadableTable<CounterKey, CounterValue>,
    account: &Account,
) -> Result<Vec<(u32, Counter, Parts)>, Stop> {
    let mut found = Vec::new();
    for row in table.range((account.exporter.as_str(), account.year.0, "", 0)..)? {
        let (key, value) = row?;
        let (exporter, year, ..) = key.value();
        if (exporter, year) != (account.exporter.as_str(), account.year.0) {
            break;
        }
        let (number, parts) = value.value();
        let (_, counter) = counter_of(key.value()).ok_or_else(|| unreadable("a counter"))?;
        found.push((number, counter, Parts::from_value(parts)));
    }
    Ok(found)
}

/// Checks that each row is readable and each number unique; returns the highest number of a counter, 0 if there is
/// none.
pub(super) fn number_last(transaction: &ReadTransaction) -> Result<u32, Stop> {
    let mut numbers = Vec::new();
    for counter in each_counter(&transaction.open_table(COUNTERS)?)? {
        numbers.push(counter?.0);
    }
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| matches!(pair, [one, next] if one == next)) {
        return Err(unreadable("the number of a counter"));
    }
    Ok(numbers.last().copied().unwrap_or_default())
}

/// Says whether anything was ever counted or answered.
pub(super) fn has_entries(transaction: &ReadTransaction) -> Result<bool, Stop> {
    let has_counters = transaction.open_table(COUNTERS)?.first()?.is_some();
    Ok(has_counters || transaction.open_table(TRANSFERS)?.first()?.is_some())
}

/// Returns the mark of a ledger; `None` for a ledger older than marks.
pub(super) fn mark(meta: &impl ReadableTable<&'static str, &'static str>) -> Result<Option<Mark>, Stop> {
    let identity = meta.get(IDENTITY_KEY)?;
    let position = meta.get(POSITION_KEY)?;
    let (identity, position) = match (&identity, &position) {
        (None, None) => return Ok(None),
        (Some(identity), Some(position)) => (Identity::parse(identity.value()), position.value().parse().ok()),
        (Some(_), None) | (None, Some(_)) => (None, None),
    };
    let mark = identity.zip(position).map(|(identity, position)| Mark { identity, position });
    mark.map(Some).ok_or_else(|| unreadable("the mark of the ledger"))
}

/// Writes the mark of a ledger.
pub(super) fn set_mark(meta: &mut Table<'_, &'static str, &'static str>, mark: Mark) -> Result<(), Stop> {
    meta.insert(IDENTITY_KEY, mark.identity.to_string().as_str())?;
    set_position(meta, mark)
}

/// Writes the position of a ledger.
pub(super) fn set_position(meta: &mut Table<'_, &'static str, &'static str>, mark: Mark) -> Result<(), Stop> {
    meta.insert(POSITION_KEY, mark.position.to_string().as_str())?;
    Ok(())
}

/// Returns the newest moment of all commits, forgotten ones included; `None` if none is stored yet.
pub(super) fn newest(meta: &impl ReadableTable<&'static str, &'static str>) -> Result<Option<Moment>, Stop> {
    let Some(newest) = meta.get(NEWEST_KEY)? else { return Ok(None) };
    let parts = newest.value().split_once(' ');
    let moment = parts.and_then(|(seconds, nanos)| Moment::new(seconds.parse().ok()?, nanos.parse().ok()?));
    moment.map(Some).ok_or_else(|| unreadable("the newest moment"))
}

/// Stores the moment of a commit, unless a newer one is stored.
pub(super) fn set_newest(meta: &mut Table<'_, &'static str, &'static str>, now: Moment) -> Result<(), Stop> {
    if newest(meta)?.is_none_or(|newest| newest < now) {
        meta.insert(NEWEST_KEY, format!("{} {}", now.seconds(), now.nanos()).as_str())?;
    }
    Ok(())
}

/// Returns the fingerprint of the subject key; `None` if the ledger is bound to none.
pub(super) fn subject_key(
    meta: &impl ReadableTable<&'static str, &'static str>,
) -> Result<Option<KeyFingerprint>, Stop> {
    let Some(kept) = meta.get(SUBJECT_KEY_KEY)? else { return Ok(None) };
    let fingerprint = KeyFingerprint::parse(kept.value());
    fingerprint.map(Some).ok_or_else(|| unreadable("the fingerprint of the subject key"))
}

/// Binds a ledger to a subject key, unless it is bound already; `None` gives its key up. Says whether anything was written.
pub(super) fn bind_subject_key(
    meta: &mut Table<'_, &'static str, &'static str>,
    key: Option<KeyFingerprint>,
) -> Result<bool, Stop> {
    match key {
        None => Ok(meta.remove(SUBJECT_KEY_KEY)?.is_some()),
        Some(_) if subject_key(meta)?.is_some() => Ok(false),
        Some(key) => {
            meta.insert(SUBJECT_KEY_KEY, key.to_string().as_str())?;
            Ok(true)
        }
    }
}

/// Error for a row that this program did not write.
pub(super) fn unreadable(what: &str) -> Stop {
    Stop::Broken(format!("{what} in the file cannot be read: restore it from a backup"))
}

/// Format of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The one that this program writes.
    Current,
    /// The previous one.
    Before,
}

/// Returns the format of a ledger; refuses a file that is no ledger, and a format that this program does not read.
pub(super) fn check_format(transaction: &ReadTransaction) -> Result<Format, Stop> {
    let format = match transaction.open_table(META) {
        Ok(meta) => meta.get(FORMAT_KEY)?.map(|format| format.value().to_owned()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match format.as_deref() {
        Some(FORMAT) => Ok(Format::Current),
        Some(FORMAT_BEFORE) => Ok(Format::Before),
        Some(format) => Err(Stop::Broken(format!(
            "its format is `{format}`, this program reads `{FORMAT_BEFORE}` and `{FORMAT}`: start the program that wrote it"
        ))),
        None => Err(Stop::Broken("it is a database, but not a ledger: give another path".to_owned())),
    }
}
