//! The additions of a reservation, worked out in full before anything is written.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::directory::Directory;
use super::tables::{Kind, PersonKey, Stop};
use crate::ledger::holders::Holders;
use crate::ledger::lifecycle;
use crate::ledger::parts::Standing;
use crate::ledger::{Before, Counter, Hold, LedgerError, People, Reservation};

/// Persons of a reservation that its counters count already: for each counter, holders in the order
/// of the pseudonyms of its class. Empty where persons are only counted.
#[derive(Debug)]
pub(super) struct Persons {
    holders: BTreeMap<Counter, Vec<Holders>>,
}

/// The addition to one counter.
#[derive(Debug)]
pub(super) struct Addition {
    pub(super) counter: Counter,
    /// Its total before.
    pub(super) before: u64,
    /// Persons that it did not count yet.
    pub(super) added: u64,
    /// For each pseudonym of the counter's class: holders before and after.
    pub(super) holders: Vec<(Holders, Holders)>,
}

impl Persons {
    /// Looks up the persons of a reservation in the counters that its judgement reads.
    pub(super) fn of(
        reservation: &Reservation,
        directory: &Directory,
        people: &impl ReadableTable<PersonKey, u32>,
    ) -> Result<Self, Stop> {
        let mut holders = BTreeMap::new();
        if kind(&reservation.people) == Kind::Named {
            for counter in &reservation.read {
                holders.insert(counter.clone(), holders_in(reservation, counter, directory, people)?);
            }
        }
        Ok(Self { holders })
    }

    /// Returns how many rows of persons were read.
    pub(super) fn looked_up(&self) -> usize {
        self.holders.values().map(Vec::len).sum()
    }

    /// Returns the totals that the judgement reads, without persons of the reservation.
    pub(super) fn before(&self, reservation: &Reservation, directory: &Directory) -> Result<Before, Stop> {
        let mut before = Before::new();
        for counter in &reservation.read {
            let known = self.holders.get(counter).map_or(0, |holders| counted(holders));
            let total = total(reservation, counter, directory)?;
            before.insert(counter.clone(), lifecycle::without(total, known));
        }
        Ok(before)
    }

    /// Returns the addition to each counter, or refuses if a number does not fit.
    pub(super) fn additions(
        mut self,
        reservation: &Reservation,
        add: &[Counter],
        directory: &Directory,
        people: &impl ReadableTable<PersonKey, u32>,
    ) -> Result<Vec<Addition>, Stop> {
        let mut additions = Vec::with_capacity(add.len());
        for counter in add {
            let before = total(reservation, counter, directory)?;
            let (added, holders) = match &reservation.people {
                People::Counted(persons) => (persons.of(counter.class).get(), Vec::new()),
                People::Named { .. } => {
                    let was = match self.holders.remove(counter) {
                        Some(holders) => holders,
                        None => holders_in(reservation, counter, directory, people)?,
                    };
                    let added = was.len() as u64 - counted(&was);
                    (added, was.into_iter().map(|was| held(was, reservation.hold)).collect::<Result<_, _>>()?)
                }
            };
            if before.checked_add(added).is_none() {
                return Err(full(&counter.in_year(reservation.account.year)));
            }
            additions.push(Addition { counter: counter.clone(), before, added, holders });
        }
        Ok(additions)
    }
}

/// Sorts pseudonyms and removes duplicates: a person counted twice in one transfer would be noticed only at its
/// release.
pub(super) fn sort(reservation: &mut Reservation) {
    if let People::Named { general, sensitive } = &mut reservation.people {
        for list in [general, sensitive] {
            if !list.is_sorted_by(|one, next| one < next) {
                list.sort_unstable();
                list.dedup();
            }
        }
    }
}

/// Returns whether persons are known by pseudonym.
pub(super) const fn kind(people: &People) -> Kind {
    match people {
        People::Counted(_) => Kind::Counted,
        People::Named { .. } => Kind::Named,
    }
}

/// Returns who holds a person in a counter.
pub(super) fn holders(
    people: &impl ReadableTable<PersonKey, u32>,
    number: u32,
    pseudonym: &[u8],
) -> Result<Holders, Stop> {
    Ok(people.get((number, pseudonym))?.map_or(Holders::NONE, |stored| Holders::from_stored(stored.value())))
}

fn holders_in(
    reservation: &Reservation,
    counter: &Counter,
    directory: &Directory,
    people: &impl ReadableTable<PersonKey, u32>,
) -> Result<Vec<Holders>, Stop> {
    let pseudonyms = reservation.people.named(counter.class);
    match directory.number(&reservation.account, counter)? {
        None => Ok(vec![Holders::NONE; pseudonyms.len()]),
        Some(number) => pseudonyms.iter().map(|pseudonym| holders(people, number, pseudonym)).collect(),
    }
}

fn total(reservation: &Reservation, counter: &Counter, directory: &Directory) -> Result<u64, Stop> {
    match directory.number(&reservation.account, counter)? {
        None => Ok(0),
        Some(number) => Ok(directory.entry(number)?.parts.usage().total()),
    }
}

fn counted(holders: &[Holders]) -> u64 {
    holders.iter().filter(|holders| holders.standing() != Standing::Absent).count() as u64
}

fn held(was: Holders, hold: Hold) -> Result<(Holders, Holders), Stop> {
    let now = was.begin(hold).ok_or_else(|| full("of reservations of one person"))?;
    Ok((was, now))
}

fn full(what: &str) -> Stop {
    Stop::Answer(LedgerError::Unavailable(format!("the counter {what} is full; nothing was added")))
}
