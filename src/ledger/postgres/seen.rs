//! This server's memory of the ledger, which detects a ledger that went back in time.
//!
//! ```text
//! each new connection, each tick ──► identity, position of the whole ledger ──► not below what was seen
//! each transaction, each read    ──► row and revision of the account        ──► the same row, not below what was seen
//! ```
//!
//! The revision of an account rises with each transaction that changes it. The position is the sum of all revisions,
//! removed accounts included, so that it rises with each change anywhere and needs no row that all accounts share.
//! Other servers only raise both. A lower value than one seen before means missing counts: an older backup was put in
//! place of the database, a standby without all commits took over, or the database was restored under the running
//! server.
//!
//! INVARIANT (seen before): an answer is compared with the values seen *before* its query was sent. It has to contain
//! everything acknowledged by then; later changes by others need not be in it.
//!
//! INVARIANT (stays closed): once a ledger is found to have lost counts, this server does not use it any more.
//! Transactions of others could raise its position again, and the counts would still be missing.
//!
//! INVARIANT (this very account): an account has one row from its creation until an operator removes it. A new row gets
//! a new random number, and the numbers of removed rows are kept. So only the removal of the row that was seen excuses
//! another row, or no row; a lower revision of the same row is never excused.
//!
//! INVARIANT (bounded): revisions of a limited number of accounts are remembered. The position covers the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::fault::{Fault, unreadable};
use crate::ledger::mark::{Compared, Identity, Mark, compare};
use crate::ledger::recent::Recent;
use crate::ledger::{Account, LedgerError};

/// One statement, so that all values are of one moment.
const MARK: &str = "SELECT ledger.identity, \
    (ledger.removed + COALESCE((SELECT SUM(revision) FROM neglist_account), 0))::INT8 \
    FROM neglist_ledger AS ledger WHERE ledger.id = 1";

const REMOVED: &str = "SELECT 1 FROM neglist_removed WHERE account = $1::INT8";

/// The row of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountRow {
    /// Random number, drawn at the creation of the account; 0 for none.
    pub(super) id: i64,
    /// Rises with each change.
    pub(super) revision: i64,
}

impl AccountRow {
    /// The row of a missing account: it has nothing to lose.
    pub(super) const MISSING: Self = Self { id: 0, revision: 0 };

    /// Reads number and revision from adjacent columns.
    pub(super) fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { id: row.try_get(column)?, revision: row.try_get(column + 1)? })
    }

    /// Compares the row that was found with the row seen before.
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

/// How the row of an account may differ from the row seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The same row, at the same or a later revision.
    Onward,
    /// The row seen before is gone: removed by an operator, or lost.
    AnotherRow,
    /// The same row, at an earlier revision.
    Back,
}

/// The values seen before a query was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    row: Option<AccountRow>,
    mark: Option<Mark>,
    /// Number of checks of the mark so far.
    mark_checks: u64,
}

/// Reads identity and position of the ledger; `None` if one of them is missing or malformed.
pub(super) async fn read_mark(client: &ClientWrapper) -> Result<Option<Mark>, tokio_postgres::Error> {
    let statement = client.prepare_cached(MARK).await?;
    let Some(row) = client.query_opt(&statement, &[]).await? else { return Ok(None) };
    let (identity, position): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mark = Identity::parse(identity).zip(u64::try_from(position).ok());
    Ok(mark.map(|(identity, position)| Mark { identity, position }))
}

/// Error for a missing or malformed identity or position.
pub(super) fn unmarked() -> Fault {
    unreadable("the identity of the ledger")
}

/// This server's memory of a ledger.
#[derive(Debug)]
pub(super) struct Seen(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    mark: Option<Mark>,
    mark_checks: u64,
    rows: Recent<AccountRow>,
    /// Why the ledger is not used any more.
    closed: Option<String>,
}

impl Seen {
    /// Returns a memory of that many accounts. `mark`: the mark that an earlier server saw, if known.
    pub(super) fn new(accounts_max: usize, mark: Option<Mark>) -> Self {
        let rows = Recent::new(accounts_max);
        Self(Mutex::new(Inner { mark, mark_checks: 0, rows, closed: None }))
    }

    /// Returns the highest mark that was seen.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.lock().mark
    }

    /// Refuses a ledger that was found to have lost counts.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        self.lock().closed.clone().map_or(Ok(()), |why| Err(LedgerError::Unavailable(why)))
    }

    /// The same, for a transaction.
    pub(super) fn go_on(&self) -> Result<(), Fault> {
        self.lock().closed.clone().map_or(Ok(()), |why| Err(Fault::Stop(why)))
    }

    /// Returns the values seen of an account. Call it before the account is queried.
    pub(super) fn glance(&self, account: &Account) -> Glance {
        let inner = self.lock();
        Glance { row: inner.rows.get(account), mark: inner.mark, mark_checks: inner.mark_checks }
    }

    /// Compares the mark that was read with those that were seen; closes the ledger if it is another one, or has lost
    /// counts. `before`: the mark that was seen before the query was sent.
    pub(super) fn check_mark(&self, before: Option<Mark>, found: Mark) -> Result<(), Fault> {
        let mut inner = self.lock();
        // The identity never changes, in whatever order queries end.
        let other = inner.mark.filter(|mark| mark.identity != found.identity);
        if let Some(why) = less(other.or(before), found) {
            drop(inner);
            return Err(self.close(why));
        }
        // A slower query that began earlier tells nothing new.
        if inner.mark.is_none_or(|mark| mark.position < found.position) {
            inner.mark = Some(found);
        }
        inner.mark_checks = inner.mark_checks.saturating_add(1);
        drop(inner);
        self.go_on()
    }

    /// Compares the row of an account with the row seen before; closes the ledger if the account has lost counts.
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
            // An operator may have removed it since; that does not lower the position. Read both now, so that they
            // include that removal.
            let mark = read_mark(client).await?.ok_or_else(unmarked)?;
            self.check_mark(glance.mark, mark)?;
            let statement = client.prepare_cached(REMOVED).await?;
            is_removed = client.query_opt(&statement, &[&before.id]).await?.is_some();
        }
        self.check_found(account, glance, found, is_removed)
    }

    /// The same, once it is known whether an operator removed the row that was seen before.
    fn check_found(&self, account: &Account, glance: Glance, found: AccountRow, is_removed: bool) -> Result<(), Fault> {
        let before = glance.row.unwrap_or(AccountRow::MISSING);
        let lost = match before.to(found) {
            Step::Onward => None,
            Step::AnotherRow if is_removed => None,
            Step::AnotherRow if found == AccountRow::MISSING => Some("is gone".to_owned()),
            Step::AnotherRow => Some("was created again, though no operator removed it".to_owned()),
            Step::Back => Some(format!("is at {}", found.revision)),
        };
        if let Some(lost) = lost {
            return Err(self.close(format!(
                "the ledger went back in time: an account that this server saw at revision {} {lost}, so that counts are \
                missing; {REMEDY}",
                before.revision
            )));
        }
        self.remember(account, glance, found);
        self.go_on()
    }

    /// Remembers a committed transaction of this server, which raised the revision of its account by one. `glance`: the
    /// values seen before the transaction began.
    pub(super) fn committed(&self, account: &Account, glance: Glance, row: AccountRow) {
        self.remember(account, glance, row);
        let mut inner = self.lock();
        // It began after the last check of the mark, so that position does not include it.
        if inner.mark_checks == glance.mark_checks
            && let Some(mark) = &mut inner.mark
        {
            mark.position = mark.position.saturating_add(1);
        }
    }

    /// Remembers the row of an account that was checked against the glance.
    fn remember(&self, account: &Account, glance: Glance, found: AccountRow) {
        let mut inner = self.lock();
        let is_further = match inner.rows.get(account) {
            // A missing account has nothing to lose, and needs no entry.
            None => found != AccountRow::MISSING,
            Some(kept) if kept.id == found.id => kept.revision < found.revision,
            // If the kept row is not the row of the glance, another query found it meanwhile. Which of the two is later
            // is unknown here; the next query finds out.
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

/// Remedy for a ledger that has lost counts.
const REMEDY: &str = "nothing is read from it or counted in it any more. Put the newer database back and start the \
    server again; to accept the loss, stop all servers, add the missing counts with `neglist ledger import`, give up the \
    witness, if there is one, with `neglist ledger accept --counts-may-be-missing`, and start them";

/// Describes how the mark that was found is less than the mark seen before.
fn less(before: Option<Mark>, found: Mark) -> Option<String> {
    match compare(found, before) {
        Compared::Same | Compared::Missing => None,
        Compared::Other { seen } => Some(format!(
            "the database holds ledger {}, and this server saw another, {}; {REMEDY}",
            found.identity, seen.identity
        )),
        Compared::Older { seen } => Some(format!(
            "the ledger went back in time: this server saw it at position {} and it is at {}, so that counts are missing; \
            {REMEDY}",
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

    /// A ledger of a few accounts, as in its tables.
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

        /// Returns an account with counts that this server saw and that stand.
        fn seen_and_standing(&self, seen: &Seen, from: usize) -> Option<(usize, AccountRow)> {
            let all = (0..self.rows.len()).map(|step| (from + step) % self.rows.len());
            let mut all = all.filter_map(|number| Some((number, seen.glance(&account(number)).row?)));
            all.find(|(number, row)| row.id == self.rows[*number].id && 0 < row.revision)
        }
    }

    /// After any history, removals by operators raise no alarm, and each account that goes back does, whatever else was
    /// removed.
    #[test]
    fn only_the_removal_of_the_very_row_excuses_its_absence() {
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
    fn a_late_answer_does_not_displace_a_newer_row() {
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
