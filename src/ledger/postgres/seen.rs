//! What this server has seen of the ledger, so that one that went back in time is noticed.
//!
//! ```text
//! each new connection, each tick ──► identity, position of the whole ledger ──► not below what was seen
//! each transaction, each read    ──► row and revision of the account        ──► the same row, not below what was seen
//! ```
//!
//! The revision of an account rises with each transaction that changes it. The position is the sum of all revisions, with
//! those of accounts that operators removed, so that it rises with each change anywhere and needs no row that all
//! accounts share. Other servers only raise both. What is below what was seen once lacks counts: an older backup in the
//! place of the database, a standby that did not have everything, a restore under the running server.
//!
//! INVARIANT (seen before): what is found is compared with what was seen *before* the query was sent. What was
//! acknowledged by then has to be in the answer; what others do meanwhile need not be.
//!
//! INVARIANT (stays closed): a ledger that was found to be less than it was is not asked any more by this server.
//! Transactions of others could raise its position again, and the counts would still be missing.
//!
//! INVARIANT (this very account): an account has one row from when it is made until an operator removes it. The number of
//! the row is drawn anew when it is made again, and those of removed rows are kept. So another row, or no row, is excused
//! by the removal of the row that was seen, and by nothing else; a lower revision of the same row is never excused.
//!
//! INVARIANT (bounded): revisions are remembered of so many accounts. For the others there is the position.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::fault::{Fault, unreadable};
use crate::ledger::mark::{Compared, Identity, Mark, compare};
use crate::ledger::recent::Recent;
use crate::ledger::{Account, LedgerError};

/// One statement, so that all of it is of one moment.
const MARK: &str = "SELECT ledger.identity, \
    (ledger.removed + COALESCE((SELECT SUM(revision) FROM neglist_account), 0))::INT8 \
    FROM neglist_ledger AS ledger WHERE ledger.id = 1";

const REMOVED: &str = "SELECT 1 FROM neglist_removed WHERE account = $1::INT8";

/// The row of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountRow {
    /// Drawn when the account is made; 0 where there is none.
    pub(super) id: i64,
    /// Rises with each change.
    pub(super) revision: i64,
}

impl AccountRow {
    /// That of an account that is not there: it has nothing to lose.
    pub(super) const MISSING: Self = Self { id: 0, revision: 0 };

    /// Reads number and revision, which stand in columns next to one another.
    pub(super) fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { id: row.try_get(column)?, revision: row.try_get(column + 1)? })
    }

    /// How what was found of the account follows what was seen of it.
    const fn to(self, found: Self) -> Step {
        if self.id == Self::MISSING.id {
            Step::Onward
        } else if self.id != found.id {
            Step::AnotherRow
        } else if self.revision <= found.revision {
            Step::Onward
        } else {
            Step::Back
        }
    }
}

/// What may have become of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It holds at least what was seen.
    Onward,
    /// What was seen is not there: removed by an operator, or lost.
    AnotherRow,
    /// It holds less.
    Back,
}

/// What was seen before a question was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    row: Option<AccountRow>,
    mark: Option<Mark>,
    /// How often the mark was checked.
    mark_checks: u64,
}

/// Reads identity and position of the ledger; `None` where one of them is missing or malformed.
pub(super) async fn read_mark(client: &ClientWrapper) -> Result<Option<Mark>, tokio_postgres::Error> {
    let statement = client.prepare_cached(MARK).await?;
    let Some(row) = client.query_opt(&statement, &[]).await? else { return Ok(None) };
    let (identity, position): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mark = Identity::parse(identity).zip(u64::try_from(position).ok());
    Ok(mark.map(|(identity, position)| Mark { identity, position }))
}

/// Says of a ledger that its identity or its position is not there or no number.
pub(super) fn unmarked() -> Fault {
    unreadable("the identity of the ledger")
}

/// What this server has seen.
#[derive(Debug)]
pub(super) struct Seen(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    mark: Option<Mark>,
    mark_checks: u64,
    rows: Recent<AccountRow>,
    /// Why it is not asked any more.
    closed: Option<String>,
}

impl Seen {
    /// Returns a memory of so many accounts. `mark`: what an earlier server saw, where that is known.
    pub(super) fn new(accounts_max: usize, mark: Option<Mark>) -> Self {
        let rows = Recent::new(accounts_max);
        Self(Mutex::new(Inner { mark, mark_checks: 0, rows, closed: None }))
    }

    /// Returns the furthest mark that was seen.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.lock().mark
    }

    /// Refuses a ledger that was found to be less than it was.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        self.lock().closed.clone().map_or(Ok(()), |why| Err(LedgerError::Unavailable(why)))
    }

    /// The same, for a transaction.
    pub(super) fn go_on(&self) -> Result<(), Fault> {
        self.lock().closed.clone().map_or(Ok(()), |why| Err(Fault::Stop(why)))
    }

    /// Returns what was seen of an account. To be taken before the account is asked for.
    pub(super) fn glance(&self, account: &Account) -> Glance {
        let inner = self.lock();
        Glance { row: inner.rows.get(account), mark: inner.mark, mark_checks: inner.mark_checks }
    }

    /// Compares the mark that was read with those that were seen; closes the ledger if it is another one, or less than it
    /// was. `before`: the mark that was seen before the query was sent.
    pub(super) fn check_mark(&self, before: Option<Mark>, found: Mark) -> Result<(), Fault> {
        let mut inner = self.lock();
        // The identity never changes, whichever query is first.
        let other = inner.mark.filter(|mark| mark.identity != found.identity);
        if let Some(why) = less(other.or(before), found) {
            drop(inner);
            return Err(self.close(why));
        }
        // A query that took longer than another one says nothing new.
        if inner.mark.is_none_or(|mark| mark.position < found.position) {
            inner.mark = Some(found);
        }
        inner.mark_checks = inner.mark_checks.saturating_add(1);
        drop(inner);
        self.go_on()
    }

    /// Compares the row of an account with the row that was seen; closes the ledger where it is less.
    pub(super) async fn check_row(
        &self,
        client: &ClientWrapper,
        account: &Account,
        glance: Glance,
        found: AccountRow,
    ) -> Result<(), Fault> {
        let before = glance.row.unwrap_or(AccountRow::MISSING);
        let mut is_removed = false;
        if before.to(found) != Step::Onward {
            // An operator may have removed it since; the position does not fall by that. Both are read now, so that a
            // removal that was noticed is in them.
            let mark = read_mark(client).await?.ok_or_else(unmarked)?;
            self.check_mark(glance.mark, mark)?;
            let statement = client.prepare_cached(REMOVED).await?;
            is_removed = client.query_opt(&statement, &[&before.id]).await?.is_some();
        }
        self.check_found(account, glance, found, is_removed)
    }

    /// The same, once it is known whether the row that was seen before is one that an operator removed.
    fn check_found(&self, account: &Account, glance: Glance, found: AccountRow, is_removed: bool) -> Result<(), Fault> {
        let before = glance.row.unwrap_or(AccountRow::MISSING);
        let lost = match before.to(found) {
            Step::Onward => None,
            Step::AnotherRow if is_removed => None,
            Step::AnotherRow if found == AccountRow::MISSING => Some("is gone".to_owned()),
            Step::AnotherRow => Some("was made anew, though no operator removed it".to_owned()),
            Step::Back => Some(format!("is at {}", found.revision)),
        };
        if let Some(lost) = lost {
            return Err(self.close(format!(
                "the ledger went back in time: an account that this server saw at revision {} {lost}, so that counts are \
                missing; {WHAT_TO_DO}",
                before.revision
            )));
        }
        self.remember(account, glance, found);
        self.go_on()
    }

    /// Remembers that a transaction of this server was committed, which raised the revision of its account by one.
    /// `glance`: as it was before the transaction began.
    pub(super) fn committed(&self, account: &Account, glance: Glance, row: AccountRow) {
        self.remember(account, glance, row);
        let mut inner = self.lock();
        // It began after the last check of the mark, and so is not in the position that was found then.
        if inner.mark_checks == glance.mark_checks
            && let Some(mark) = &mut inner.mark
        {
            mark.position = mark.position.saturating_add(1);
        }
    }

    /// Remembers what was found of an account and is not less than what was seen by the glance.
    fn remember(&self, account: &Account, glance: Glance, found: AccountRow) {
        let mut inner = self.lock();
        let is_further = match inner.rows.get(account) {
            // One that is not there has nothing to lose, and is not worth a place.
            None => found != AccountRow::MISSING,
            Some(kept) if kept.id == found.id => kept.revision < found.revision,
            // Where it is not the row of the glance, another question found it meanwhile, and which of the two rows is
            // later is not known here: the next one finds out.
            Some(kept) => glance.row.is_some_and(|before| before.id == kept.id),
        };
        if is_further {
            inner.rows.put(account, found);
        }
    }

    fn close(&self, why: String) -> Fault {
        let mut inner = self.lock();
        let why = inner.closed.get_or_insert(why).clone();
        Fault::Stop(why)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operator does about a ledger that is less than it was.
const WHAT_TO_DO: &str = "nothing is read from it or counted in it any more. Put the newer database back and start the \
    server anew; to accept the loss, stop all servers, bring in what is missing with `neglist ledger import`, give up the \
    witness where there is one with `neglist ledger accept --counts-may-be-missing`, and start them";

/// Says how what was found is less than what was seen.
fn less(before: Option<Mark>, found: Mark) -> Option<String> {
    match compare(found, before) {
        Compared::Same | Compared::Missing => None,
        Compared::Other { seen } => Some(format!(
            "the database holds ledger {}, and this server saw another, {}; {WHAT_TO_DO}",
            found.identity, seen.identity
        )),
        Compared::Older { seen } => Some(format!(
            "the ledger went back in time: this server saw it at position {} and it is at {}, so that counts are missing; \
            {WHAT_TO_DO}",
            seen.position, found.position
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::units::Year;

    fn account(number: usize) -> Account {
        Account { exporter: format!("exporter-{number}"), year: Year(2026) }
    }

    /// A ledger of a few accounts, as its tables say it.
    struct World {
        rows: [AccountRow; 4],
        removed: BTreeSet<i64>,
        drawn: i64,
    }

    impl World {
        fn made(&mut self, number: usize) {
            if self.rows[number] == AccountRow::MISSING {
                self.drawn += 1;
                self.rows[number] = AccountRow { id: self.drawn, revision: 0 };
            }
        }

        fn read(&self, seen: &Seen, number: usize) -> Result<Glance, Fault> {
            let glance = seen.glance(&account(number));
            let is_removed = glance.row.is_some_and(|row| self.removed.contains(&row.id));
            seen.check_found(&account(number), glance, self.rows[number], is_removed).map(|()| glance)
        }

        fn transact(&mut self, seen: &Seen, number: usize) {
            self.read(seen, number).unwrap();
            self.made(number);
            let glance = self.read(seen, number).unwrap();
            self.rows[number].revision += 1;
            seen.committed(&account(number), glance, self.rows[number]);
            assert_eq!(seen.glance(&account(number)).row, Some(self.rows[number]));
        }

        fn removal(&mut self, number: usize) {
            let row = std::mem::replace(&mut self.rows[number], AccountRow::MISSING);
            if row != AccountRow::MISSING {
                self.removed.insert(row.id);
            }
        }

        /// Returns an account of which this server saw counts that stand.
        fn seen_and_standing(&self, seen: &Seen, from: usize) -> Option<(usize, AccountRow)> {
            let all = (0..self.rows.len()).map(|step| (from + step) % self.rows.len());
            let mut all = all.filter_map(|number| Some((number, seen.glance(&account(number)).row?)));
            all.find(|(number, row)| row.id == self.rows[*number].id && 0 < row.revision)
        }
    }

    /// Whatever happens before: what operators remove raises no alarm, and each account that goes back does, whatever else
    /// was removed.
    #[test]
    fn only_the_removal_of_the_very_row_excuses_that_it_is_not_there() {
        let mut cases = [0; 4];
        for seed in 0..4_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let seen = Seen::new(64, None);
            let mut world = World { rows: [AccountRow::MISSING; 4], removed: BTreeSet::new(), drawn: 0 };
            for _ in 0..random.usize(1..60) {
                let number = random.usize(0..4);
                match random.u8(0..8) {
                    0..=2 => world.transact(&seen, number),
                    3..=4 => drop(world.read(&seen, number).unwrap()),
                    5 => world.removal(number),
                    // By another server.
                    _ => {
                        world.made(number);
                        world.rows[number].revision += random.i64(1..9);
                    }
                }
            }
            let Some((victim, row)) = world.seen_and_standing(&seen, random.usize(0..4)) else { continue };
            let case = random.usize(0..4);
            match case {
                0 => world.rows[victim].revision = random.i64(0..row.revision),
                1 => world.rows[victim] = AccountRow::MISSING,
                2 => {
                    world.rows[victim] = AccountRow::MISSING;
                    world.made(victim);
                    world.rows[victim].revision = row.revision + random.i64(0..9);
                }
                // Removed, and an older state of the same row put back.
                _ => {
                    world.removal(victim);
                    world.rows[victim] = AccountRow { revision: random.i64(0..row.revision), ..row };
                }
            }
            for other in (0..4).filter(|other| *other != victim) {
                if random.bool() {
                    world.removal(other);
                }
                world.read(&seen, other).unwrap();
            }
            assert!(world.read(&seen, victim).is_err() && seen.check().is_err(), "seed {seed}, case {case}");
            cases[case] += 1;
        }
        assert!(cases.iter().all(|count| 100 < *count), "{cases:?}");
    }

    #[test]
    fn an_answer_that_comes_late_does_not_displace_the_row_that_was_made_since() {
        let seen = Seen::new(64, None);
        let mut world = World { rows: [AccountRow::MISSING; 4], removed: BTreeSet::new(), drawn: 0 };
        for _ in 0..5 {
            world.transact(&seen, 0);
        }
        let (late, found) = (seen.glance(&account(0)), world.rows[0]);
        world.removal(0);
        world.transact(&seen, 0);
        seen.check_found(&account(0), late, found, false).unwrap();
        assert_eq!(seen.glance(&account(0)).row, Some(AccountRow { id: 2, revision: 1 }));
        world.rows[0].revision = 0;
        assert!(world.read(&seen, 0).is_err());
    }
}
