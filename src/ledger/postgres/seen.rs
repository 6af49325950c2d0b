//! What this server has seen of the ledger, so that one that went back in time is noticed.
//!
//! ```text
//! each new connection, each tick ──► identity, position of the whole ledger ──► not below what was seen
//! each turn, each read           ──► revision of the account                ──► not below what was seen
//! ```
//!
//! The revision of an account rises with each turn that changes it. The position is the sum of all revisions, with those
//! of accounts that operators removed, so that it rises with each change anywhere and needs no row that all accounts
//! share. Other servers only raise both. What is below what was seen once lacks counts: an older backup in the place
//! of the database, a standby that did not have everything, a restore under the running server.
//!
//! INVARIANT (seen before): what is found is held against what was seen *before* the question was sent. What was
//! acknowledged by then has to be in the answer; what others do meanwhile need not be.
//!
//! INVARIANT (stays closed): a ledger that was found to be less than it was is not asked any more by this server. Turns of
//! others could raise its position again, and the counts would still be missing.
//!
//! INVARIANT (bounded): revisions are remembered of so many accounts. For the others there is the position.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::ClientWrapper;

use super::load::unreadable;
use super::session::Fault;
use crate::ledger::recent::Recent;
use crate::ledger::witness::{Compared, Identity, Mark, compare};
use crate::ledger::{Account, LedgerError};

/// One statement, so that all of it is of one moment.
const MARK: &str = "SELECT ledger.identity, ledger.removals, \
    (ledger.removed + COALESCE((SELECT SUM(revision) FROM neglist_account), 0))::INT8 \
    FROM neglist_ledger AS ledger WHERE ledger.id = 1";

/// What was seen of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    number: i64,
    /// Removals by operators at that time: a later one may have removed the account.
    removals: i64,
}

/// What was seen before a question was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    revision: Option<Revision>,
    mark: Option<Mark>,
    /// How often the whole ledger was looked at.
    looks: u64,
}

/// What a look at the whole ledger finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    mark: Mark,
    /// How often operators removed accounts.
    removals: i64,
}

impl Look {
    /// Looks.
    pub(super) async fn take(client: &ClientWrapper) -> Result<Option<Self>, tokio_postgres::Error> {
        let statement = client.prepare_cached(MARK).await?;
        let Some(row) = client.query_opt(&statement, &[]).await? else { return Ok(None) };
        let (identity, removals, position): (&str, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let mark = Identity::parse(identity).zip(u64::try_from(position).ok());
        Ok(mark.map(|(identity, position)| Self { mark: Mark { identity, position }, removals }))
    }
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
    removals: i64,
    looks: u64,
    revisions: Recent<Revision>,
    /// Why it is not asked any more.
    closed: Option<String>,
}

impl Seen {
    /// Returns a memory of so many accounts. `mark`: what an earlier server saw, where that is known.
    pub(super) fn new(accounts_max: usize, mark: Option<Mark>) -> Self {
        let revisions = Recent::new(accounts_max);
        Self(Mutex::new(Inner { mark, removals: 0, looks: 0, revisions, closed: None }))
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
        Glance { revision: inner.revisions.get(account), mark: inner.mark, looks: inner.looks }
    }

    /// Takes in a look at the whole ledger; closes it where it is another one, or less than it was. `before`: as it was
    /// before the look.
    pub(super) fn looked(&self, before: Option<Mark>, look: Look) -> Result<(), Fault> {
        let Look { mark: found, removals } = look;
        let mut inner = self.lock();
        // Which ledger it is never changes, whoever looks first.
        let other = inner.mark.filter(|mark| mark.identity != found.identity);
        if let Some(why) = less(other.or(before), found) {
            drop(inner);
            return Err(self.close(why));
        }
        // A look that took longer than another one says nothing new.
        if inner.mark.is_none_or(|mark| mark.position < found.position) {
            inner.mark = Some(found);
        }
        inner.removals = inner.removals.max(removals);
        inner.looks = inner.looks.saturating_add(1);
        drop(inner);
        self.go_on()
    }

    /// Holds the revision of an account against what was seen of it; closes the ledger where it is less. An account that
    /// is not there has revision 0.
    pub(super) async fn hold(
        &self,
        client: &ClientWrapper,
        account: &Account,
        glance: Glance,
        number: i64,
    ) -> Result<(), Fault> {
        let before = glance.revision.filter(|revision| number < revision.number);
        let Some(before) = before else {
            self.remember(account, number, None);
            return self.go_on();
        };
        // An operator may have removed it since; the position does not fall by that. Read now, so that a removal that was
        // noticed is in it.
        let look = Look::take(client).await?.ok_or_else(unmarked)?;
        self.looked(glance.mark, look)?;
        if before.removals < look.removals {
            self.remember(account, number, Some(look.removals));
            return self.go_on();
        }
        Err(self.close(format!(
            "the ledger went back in time: an account that this server saw at revision {} is at {number}, so that counts \
            are missing; {WHAT_TO_DO}",
            before.number
        )))
    }

    /// Remembers that a turn of this server was committed, which raised the revision of its account by one. `glance`: as
    /// it was before the turn began.
    pub(super) fn committed(&self, account: &Account, glance: Glance, number: i64) {
        self.remember(account, number, None);
        let mut inner = self.lock();
        // It began after the last look, and so is not in the position that was found there.
        if inner.looks == glance.looks
            && let Some(mark) = &mut inner.mark
        {
            mark.position = mark.position.saturating_add(1);
        }
    }

    /// `removals`: where the account was removed since, as often as that was done by then.
    fn remember(&self, account: &Account, number: i64, removals: Option<i64>) {
        let mut inner = self.lock();
        if let Some(removals) = removals {
            inner.removals = inner.removals.max(removals);
        }
        let seen = Revision { number, removals: inner.removals };
        let kept = inner.revisions.get(account);
        let further = match kept {
            Some(kept) if number < kept.number && removals.is_none_or(|removals| removals <= kept.removals) => kept,
            Some(_) | None => seen,
        };
        // One that is not there has nothing to lose, and is not worth a place.
        if 0 < number || kept.is_some() {
            inner.revisions.put(account, further);
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
