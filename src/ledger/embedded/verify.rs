//! Counts everything again, and lists the contradictions in the file.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::tables::{self, EXPIRY, HELD, IMPORTS, Kind, PEOPLE, SETTLED, Step, Stop, TRANSFERS, Transfer, unreadable};
use crate::domain::units::CountedClass;
use crate::ledger::holders::Holders;
use crate::ledger::parts::{Parts, Standing};
use crate::ledger::rows::{Discrepancy, State};
use crate::ledger::{Account, Counter};

/// The sums of the rows.
#[derive(Debug, Default)]
struct Count {
    counters: BTreeMap<u32, (Account, Counter, Parts)>,
    found: BTreeMap<u32, Parts>,
    /// For each person, the number of reservations that list the person.
    reservations: BTreeMap<(u32, Vec<u8>), u32>,
    discrepancies: Vec<Discrepancy>,
}

/// Returns the discrepancies.
pub(super) fn verify(transaction: &ReadTransaction) -> Result<Vec<Discrepancy>, Stop> {
    let mut count = Count::default();
    let mut names = BTreeSet::new();
    for (number, account, counter, parts) in tables::counters(transaction)? {
        let about = format!("{} {}", account.exporter, counter.in_year(account.year));
        if count.counters.insert(number, (account, counter, parts)).is_some() || !names.insert(about.clone()) {
            count.discrepancies.push(Discrepancy { about, message: "two counters have one number".to_owned() });
        }
    }
    count.transfers(transaction)?;
    count.people(transaction)?;
    count.imports(transaction)?;
    count.compare();
    Ok(count.discrepancies)
}

impl Count {
    fn transfers(&mut self, transaction: &ReadTransaction) -> Result<(), Stop> {
        let (expiry, settled) = (transaction.open_table(EXPIRY)?, transaction.open_table(SETTLED)?);
        let held = transaction.open_table(HELD)?;
        let (mut standing, mut ended, mut holding) = (0, 0, 0);
        for row in transaction.open_table(TRANSFERS)?.iter()? {
            let (id, value) = row?;
            let transfer = Transfer::from_value(value.value()).ok_or_else(|| unreadable("a transfer"))?;
            let key = (transfer.at.seconds(), transfer.at.nanos(), id.value());
            let indexed = if transfer.state == State::Reserved {
                standing += 1;
                expiry.get(key)?.is_some()
            } else {
                ended += 1;
                settled.get(key)?.is_some()
            };
            if !indexed {
                self.discrepancy(format!("transfer `{}`", id.value()), "no index leads to it".to_owned());
            }
            let lists = held.get(id.value())?;
            let lists = lists.as_ref().map(redb::AccessGuard::value);
            if lists.is_some() != holds(&transfer) {
                self.discrepancy(
                    format!("transfer `{}`", id.value()),
                    "its pseudonyms do not fit its state".to_owned(),
                );
            }
            if let Some((general, sensitive)) = &lists {
                holding += 1;
                self.hold(&transfer.steps, general, sensitive);
            }
            self.add_counted(id.value(), &transfer);
        }
        for (what, rows, expected) in
            [("expiry", expiry.len()?, standing), ("settled", settled.len()?, ended), ("held", held.len()?, holding)]
        {
            if rows != expected {
                self.discrepancy(format!("table `{what}`"), format!("has {rows} rows, {expected} transfers need one"));
            }
        }
        Ok(())
    }

    fn hold(&mut self, steps: &[Step], general: &[&[u8]], sensitive: &[&[u8]]) {
        for step in steps {
            let Some((_, counter, _)) = self.counters.get(&step.number) else { continue };
            let pseudonyms = match counter.class {
                CountedClass::General => general,
                CountedClass::Sensitive => sensitive,
            };
            for pseudonym in pseudonyms {
                *self.reservations.entry((step.number, pseudonym.to_vec())).or_default() += 1;
            }
        }
    }

    fn add_counted(&mut self, id: &str, transfer: &Transfer) {
        for step in &transfer.steps {
            if !self.counters.contains_key(&step.number) {
                self.discrepancy(format!("transfer `{id}`"), "adds to a counter that is not there".to_owned());
            }
            let parts = self.found.entry(step.number).or_default();
            match (transfer.kind, transfer.state) {
                (Kind::Counted, State::Reserved) => add(&mut parts.counted_reserved, step.added),
                (Kind::Counted, State::Committed) => add(&mut parts.counted_committed, step.added),
                (Kind::Named, _) | (_, State::Released | State::Expired | State::Refused) => {}
            }
        }
    }

    fn people(&mut self, transaction: &ReadTransaction) -> Result<(), Stop> {
        let mut wrong: BTreeMap<u32, u64> = BTreeMap::new();
        for row in transaction.open_table(PEOPLE)?.iter()? {
            let (key, value) = row?;
            let (number, pseudonym) = key.value();
            let holders = Holders::from_stored(value.value());
            let listed = self.reservations.remove(&(number, pseudonym.to_vec())).unwrap_or_default();
            let parts = self.found.entry(number).or_default();
            match holders.standing() {
                Standing::Absent => *wrong.entry(number).or_default() += 1,
                Standing::Reserved => add(&mut parts.named_reserved, 1),
                Standing::Committed => add(&mut parts.named_committed, 1),
            }
            if holders.reservations() != listed {
                *wrong.entry(number).or_default() += 1;
            }
        }
        for (number, _) in std::mem::take(&mut self.reservations).into_keys() {
            *wrong.entry(number).or_default() += 1;
        }
        for (number, persons) in wrong {
            let message = format!("{persons} persons are not held by the reservations that list them");
            self.discrepancy(self.name(number), message);
        }
        Ok(())
    }

    fn imports(&mut self, transaction: &ReadTransaction) -> Result<(), Stop> {
        for row in transaction.open_table(IMPORTS)?.iter()? {
            let (key, persons) = row?;
            add(&mut self.found.entry(key.value().1).or_default().imported, persons.value());
        }
        Ok(())
    }

    fn compare(&mut self) {
        for number in self.found.keys().chain(self.counters.keys()).copied().collect::<BTreeSet<_>>() {
            let found = self.found.get(&number).copied().unwrap_or_default();
            let Some((_, _, kept)) = self.counters.get(&number) else {
                self.discrepancy(self.name(number), "rows name a counter that is not there".to_owned());
                continue;
            };
            if let Some(message) = kept.disagreement(found) {
                self.discrepancy(self.name(number), message);
            }
        }
    }

    fn name(&self, number: u32) -> String {
        match self.counters.get(&number) {
            Some((account, counter, _)) => format!("{} {}", account.exporter, counter.in_year(account.year)),
            None => format!("counter number {number}"),
        }
    }

    fn discrepancy(&mut self, about: String, message: String) {
        self.discrepancies.push(Discrepancy { about, message });
    }
}

/// Whether pseudonyms of the transfer have to be kept.
fn holds(transfer: &Transfer) -> bool {
    (transfer.kind, transfer.state) == (Kind::Named, State::Reserved)
}

fn add(to: &mut u64, persons: u64) {
    *to = to.saturating_add(persons);
}
