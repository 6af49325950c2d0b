//! One transaction at an account, which carries out several requests, one after the other.
//!
//! The rows are read under the lock of the account, changed in memory, and written back. A transaction that fails
//! leaves nothing behind and can be repeated, judgements included; a commit without an answer is found again by the
//! transfer ids, because the next transaction reads them under the lock, once the earlier one has committed or aborted.
//!
//! INVARIANT (room): a transaction looks up a limited number of persons, unless its first request alone has more.
//! Requests without room go first next time; expired reservations without room still count.

use std::collections::BTreeSet;

use deadpool_postgres::ClientWrapper;

use super::account_rows::{AccountRows, PersonKey, Stop};
use super::fault::Fault;
use super::load::{self, Wanted};
use super::request::{Operation, Reply, Request};
use super::seen::{AccountRow, Seen};
use super::store::{self, Doubt};
use crate::domain::units::Moment;
use crate::ledger::{Account, LedgerError};

/// Bounds of one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransactionLimits {
    /// Persons to look up, each in each of its counters: for callers, and as many again for expired reservations.
    pub(super) persons: usize,
    /// Expired reservations to release; the rest still count until the next transaction.
    pub(super) run_out: usize,
    /// Settled transfers that one tick forgets.
    pub(super) forgotten: usize,
}

/// Carries out the first requests, as many as there is room for, at least one. The replies are durable, in the order of
/// the requests.
pub(super) async fn run(
    client: &ClientWrapper,
    account: &Account,
    requests: &mut [Request],
    limits: TransactionLimits,
    (seen, doubt): (&Seen, &mut Doubt),
) -> Result<Vec<Result<Reply, LedgerError>>, Fault> {
    let ids: BTreeSet<&str> = requests.iter().filter_map(|request| request.operation.id()).collect();
    let Some(now) = requests.iter().map(|request| request.operation.now()).max() else { return Ok(Vec::new()) };
    let wanted = Wanted {
        ids: ids.into_iter().map(str::to_owned).collect(),
        now,
        run_out_max: limits.run_out,
        run_out_persons_max: limits.persons,
    };
    let glance = seen.glance(account);
    let mut account_rows = load::begin(client, account, &wanted, (seen, glance)).await?;
    let mut keys: BTreeSet<_> = account_rows.expired(now).iter().flat_map(|id| account_rows.people_of(id)).collect();
    let count = with_room(&account_rows, requests, limits.persons, &mut keys);
    load::people(client, &mut account_rows, keys.into_iter().collect()).await?;
    let mut replies = Vec::with_capacity(count);
    for request in requests.iter_mut().take(count) {
        let reply = match &request.operation {
            Operation::Tick { now, settled_before } => {
                let (now, settled_before) = (*now, *settled_before);
                Ok(Reply::Count(tick(client, &mut account_rows, now, settled_before, limits).await?))
            }
            Operation::Reserve(..) | Operation::FindReplay(_) | Operation::Commit(..) | Operation::Release(..) => {
                one(client, account, &mut account_rows, request).await?
            }
        };
        replies.push(reply);
    }
    // The ledger may meanwhile have been found to have lost counts.
    seen.go_on()?;
    store::commit(client, &account_rows, doubt).await?;
    if let Some(revision) = account_rows.next_revision() {
        seen.committed(account, glance, AccountRow { id: account_rows.account(), revision });
    }
    Ok(replies)
}

/// Returns the number of requests that there is room for, and adds their persons to the keys.
fn with_room(
    account_rows: &AccountRows,
    requests: &[Request],
    persons_max: usize,
    keys: &mut BTreeSet<PersonKey>,
) -> usize {
    let mut left = persons_max;
    for (index, request) in requests.iter().enumerate() {
        let more = match &request.operation {
            Operation::Reserve(reservation, _) if account_rows.transfer(&reservation.transfer_id).is_none() => {
                account_rows.people_to_load(&reservation.read, &reservation.people)
            }
            Operation::Reserve(reservation, _) => account_rows.people_of(&reservation.transfer_id),
            Operation::Commit(id, _) | Operation::Release(id, _) => account_rows.people_of(id),
            // A repeated request may commit.
            Operation::FindReplay(lookup) => account_rows.people_of(&lookup.transfer_id),
            Operation::Tick { .. } => Vec::new(),
        };
        if 0 < index && left < more.len() {
            return index;
        }
        left = left.saturating_sub(more.len());
        keys.extend(more);
    }
    requests.len()
}

/// Carries out one request; reads further persons in between if they are needed.
async fn one(
    client: &ClientWrapper,
    account: &Account,
    account_rows: &mut AccountRows,
    request: &mut Request,
) -> Result<Result<Reply, LedgerError>, Fault> {
    // Once for the persons of the judgement's counters; more often only if the judgement changes.
    for _ in 0..4 {
        let keys = match step(account, account_rows, request) {
            Ok(reply) => return Ok(Ok(reply)),
            Err(Stop::Answer(error)) => return Ok(Err(error)),
            Err(Stop::Elsewhere(number)) => return Ok(Ok(Reply::Elsewhere(number))),
            Err(Stop::Broken(why)) => return Err(broken(why)),
            Err(Stop::Load(keys)) => keys,
        };
        load::people(client, account_rows, keys).await?;
    }
    Ok(Err(LedgerError::Unavailable("the judgement names other counters each time; nothing was added".to_owned())))
}

fn step(account: &Account, account_rows: &mut AccountRows, request: &mut Request) -> Result<Reply, Stop> {
    for id in account_rows.expired(request.operation.now()) {
        account_rows.expire(&id)?;
    }
    match &mut request.operation {
        Operation::Reserve(reservation, judge) => {
            if reservation.account != *account && account_rows.transfer(&reservation.transfer_id).is_none() {
                let why = "the transfer id was forgotten just now: ask again".to_owned();
                return Err(Stop::Answer(LedgerError::Unavailable(why)));
            }
            account_rows.reserve(reservation, request.token, judge).map(Reply::Reserved)
        }
        Operation::FindReplay(lookup) => account_rows.find_replay(lookup, request.token).map(Reply::Replay),
        Operation::Commit(id, now) => account_rows.commit(id, *now).map(|()| Reply::Done),
        Operation::Release(id, now) => account_rows.release(id, *now).map(|()| Reply::Done),
        Operation::Tick { .. } => Ok(Reply::Done),
    }
}

/// Releases and forgets, and returns the number of transfers.
async fn tick(
    client: &ClientWrapper,
    account_rows: &mut AccountRows,
    now: Moment,
    settled_before: Moment,
    limits: TransactionLimits,
) -> Result<u64, Fault> {
    let run_out = account_rows.expired(now);
    for id in &run_out {
        let keys = account_rows.people_of(id);
        load::people(client, account_rows, keys).await?;
        account_rows.expire(id).map_err(not_done)?;
    }
    let old = load::old(client, account_rows, settled_before, limits.forgotten).await?;
    for id in &old {
        account_rows.forget(id).map_err(not_done)?;
    }
    Ok((run_out.len() + old.len()) as u64)
}

fn not_done(stop: Stop) -> Fault {
    match stop {
        Stop::Broken(why) => broken(why),
        Stop::Answer(error) => Fault::Stop(error.to_string()),
        Stop::Elsewhere(_) | Stop::Load(_) => broken("a transfer is not where it was read"),
    }
}

fn broken(why: &str) -> Fault {
    Fault::Stop(format!("its rows contradict one another: {why}: run `neglist ledger verify`"))
}
