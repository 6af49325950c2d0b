//! The promises of every ledger, in a file or in a database.
//!
//! Each case has its own exporters and transfer ids, so that all can run on one ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use neglist::domain::units::{CountedClass, Headcount, Moment, Persons, Year};
use neglist::ledger::{
    Account, Admission, Before, Change, Counter, Hold, Judge, Judgement, Ledger, LedgerError, People, PseudonymBytes,
    ReplayLookup, Replayed, Reservation, Reserved, Settled, Usage,
};

pub(crate) fn at(seconds: i64) -> Moment {
    Moment::from_seconds(1_780_000_000 + seconds)
}

pub(crate) fn account(exporter: &str) -> Account {
    Account { exporter: exporter.to_owned(), year: Year(2026) }
}

pub(crate) fn general() -> Counter {
    Counter { name: "national".to_owned(), class: CountedClass::General }
}

pub(crate) fn sensitive() -> Counter {
    Counter { name: "national".to_owned(), class: CountedClass::Sensitive }
}

fn own() -> Counter {
    Counter { name: "beijing/pharma/clinical-trial".to_owned(), class: CountedClass::General }
}

pub(crate) fn counted(general: u64, sensitive: u64) -> People {
    let persons = |count| Persons::new(count).unwrap();
    People::Counted(Headcount { general: persons(general), sensitive: persons(sensitive) })
}

/// A person, by number.
fn person(number: u32) -> PseudonymBytes {
    format!("person-{number:04}").into_bytes().into_boxed_slice()
}

pub(crate) fn named(general: &[u32], sensitive: &[u32]) -> People {
    let all = |numbers: &[u32]| numbers.iter().map(|number| person(*number)).collect();
    People::Named { general: all(general), sensitive: all(sensitive) }
}

/// A reservation at second 0 that stands until second 100.
pub(crate) fn reservation(exporter: &str, id: &str, people: People) -> Reservation {
    Reservation {
        transfer_id: format!("{exporter}/{id}"),
        fingerprint: [7; 32],
        account: account(exporter),
        people,
        read: vec![general(), sensitive()],
        hold: Hold::Until(at(100)),
        now: at(0),
    }
}

/// Allows everything and adds it to the national counters.
pub(crate) fn goes() -> Judge {
    adds(vec![general(), sensitive()])
}

fn adds(add: Vec<Counter>) -> Judge {
    Box::new(move |before| Judgement { add: add.clone(), admission: Admission::Permit, answer: seen(before) })
}

fn refuses() -> Judge {
    Box::new(|before| Judgement { add: vec![general()], admission: Admission::Deny, answer: seen(before) })
}

/// Allows up to a total, the line itself included.
fn up_to(line: u64, added: u64) -> Judge {
    Box::new(move |before| {
        let fits = before[&general()] + added <= line;
        let admission = if fits { Admission::Permit } else { Admission::Deny };
        Judgement { add: vec![general()], admission, answer: seen(before) }
    })
}

/// The totals that the judgement saw, as its answer, so that replays show whether it was called again.
fn seen(before: &Before) -> Vec<u8> {
    let totals: Vec<_> = before.iter().map(|(counter, total)| format!("{}={total}", counter.class.name())).collect();
    totals.join(" ").into_bytes()
}

fn text(reserved: &Reserved) -> &str {
    std::str::from_utf8(&reserved.answer).unwrap()
}

fn added(reserved: &Reserved) -> Vec<(u64, u64)> {
    reserved.changes.iter().map(|change| (change.before, change.added)).collect()
}

/// Committed and reserved, general and sensitive.
async fn totals(ledger: &dyn Ledger, exporter: &str) -> [(u64, u64); 2] {
    let usage = ledger.usage(&account(exporter), at(0)).await.unwrap();
    let of = |counter| usage.get(&counter).map_or((0, 0), |usage: &Usage| (usage.committed, usage.reserved));
    [of(general()), of(sensitive())]
}

/// Runs every case.
pub(crate) async fn holds(ledger: &dyn Ledger) {
    numbers_add_up(ledger).await;
    a_repeated_id_gets_the_first_answer(ledger).await;
    each_state_answers_each_call(ledger).await;
    a_refusal_adds_nothing_and_is_kept(ledger).await;
    a_repeated_call_that_commits_commits(ledger).await;
    a_replay_lookup_finds_the_first_answer_and_adds_nothing(ledger).await;
    a_replay_lookup_that_commits_commits(ledger).await;
    persons_count_once_a_counter(ledger).await;
    a_person_goes_with_the_last_transfer(ledger).await;
    committed_transfers_stay(ledger).await;
    the_order_of_pseudonyms_does_not_matter(ledger).await;
    reservations_run_out(ledger).await;
    years_and_exporters_are_apart(ledger).await;
    a_retry_in_the_new_year_gets_the_first_answer(ledger).await;
    counters_may_be_added_to_that_were_not_read(ledger).await;
    a_panic_in_the_judgement_adds_nothing(ledger).await;
    an_unused_counter_is_zero(ledger).await;
}

async fn numbers_add_up(ledger: &dyn Ledger) {
    let first = ledger.reserve(reservation("sum", "a", counted(5, 1)), goes()).await.unwrap();
    assert_eq!((text(&first), added(&first)), ("general=0 sensitive=0", vec![(0, 5), (0, 1)]));
    assert_eq!((first.expires_at, first.replayed), (Some(at(100)), Replayed::No));
    let commit = Reservation { hold: Hold::Commit, ..reservation("sum", "b", counted(2, 0)) };
    let second = ledger.reserve(commit, goes()).await.unwrap();
    assert_eq!((text(&second), added(&second)), ("general=5 sensitive=1", vec![(5, 2), (1, 0)]));
    assert_eq!(second.expires_at, None);
    assert_eq!(totals(ledger, "sum").await, [(2, 5), (0, 1)]);
    ledger.commit("sum/a", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "sum").await, [(7, 0), (1, 0)]);
    let read = ledger.read(&account("sum"), &[general(), own()], at(1)).await.unwrap();
    assert_eq!(read, BTreeMap::from([(general(), 7), (own(), 0)]));
}

async fn a_repeated_id_gets_the_first_answer(ledger: &dyn Ledger) {
    let first = ledger.reserve(reservation("again", "a", counted(5, 1)), goes()).await.unwrap();
    ledger.reserve(reservation("again", "b", counted(1, 0)), goes()).await.unwrap();
    let again = ledger.reserve(reservation("again", "a", counted(5, 1)), refuses()).await.unwrap();
    assert_eq!(again, Reserved { replayed: Replayed::Yes, ..first.clone() });
    ledger.commit("again/a", at(1)).await.unwrap();
    let again = ledger.reserve(reservation("again", "a", counted(5, 1)), refuses()).await.unwrap();
    assert_eq!(again, Reserved { replayed: Replayed::Yes, expires_at: None, ..first });
    assert_eq!(totals(ledger, "again").await, [(5, 1), (1, 0)]);
}

/// The result of a second call, by the state of the transfer.
async fn each_state_answers_each_call(ledger: &dyn Ledger) {
    type Want = Result<(), LedgerError>;
    let settled = |how| Err(LedgerError::Settled(how));
    let (ok, other) = (Ok(()), Err(LedgerError::OtherTransfer));
    let table: [(&str, Want, Want, Want, Want); 6] = [
        // State; then the results of the same request, of another one under its id, of a commit and of a release.
        ("absent", ok.clone(), ok.clone(), Err(LedgerError::NotFound), Err(LedgerError::NotFound)),
        ("reserved", ok.clone(), other.clone(), ok.clone(), ok.clone()),
        ("committed", ok.clone(), other.clone(), ok.clone(), settled(Settled::Committed)),
        ("released", settled(Settled::Released), other.clone(), settled(Settled::Released), ok.clone()),
        ("expired", settled(Settled::Expired), other.clone(), settled(Settled::Expired), ok.clone()),
        ("refused", ok.clone(), other.clone(), settled(Settled::Refused), ok.clone()),
    ];
    for (state, same, another, commit, release) in table {
        for (call, want) in [("same", same), ("another", another), ("commit", commit), ("release", release)] {
            let exporter = format!("table-{state}-{call}");
            let id = format!("{exporter}/t");
            let first = reservation(&exporter, "t", counted(3, 0));
            let mut now = at(10);
            match state {
                "absent" => {}
                "refused" => drop(ledger.reserve(first.clone(), refuses()).await.unwrap()),
                _ => drop(ledger.reserve(first.clone(), goes()).await.unwrap()),
            }
            match state {
                "committed" => ledger.commit(&id, at(1)).await.unwrap(),
                "released" => ledger.release(&id, at(1)).await.unwrap(),
                "expired" => now = at(100),
                _ => {}
            }
            // Twice: every call is idempotent.
            for attempt in 1..=2 {
                let reservation = Reservation { now, ..first.clone() };
                let got = match call {
                    "same" => ledger.reserve(reservation, goes()).await.map(drop),
                    "another" => {
                        let fingerprint = [8; 32];
                        ledger.reserve(Reservation { fingerprint, ..reservation }, goes()).await.map(drop)
                    }
                    "commit" => ledger.commit(&id, now).await,
                    _ => ledger.release(&id, now).await,
                };
                assert_eq!(got, want, "{call} of a transfer that is {state}, attempt {attempt}");
            }
        }
    }
}

async fn a_refusal_adds_nothing_and_is_kept(ledger: &dyn Ledger) {
    let first = ledger.reserve(reservation("refused", "a", counted(3, 0)), refuses()).await.unwrap();
    assert_eq!((text(&first), added(&first), first.expires_at), ("general=0 sensitive=0", vec![], None));
    ledger.reserve(reservation("refused", "b", counted(3, 0)), goes()).await.unwrap();
    let again = ledger.reserve(reservation("refused", "a", counted(3, 0)), goes()).await.unwrap();
    assert_eq!(again, Reserved { replayed: Replayed::Yes, ..first });
    assert_eq!(totals(ledger, "refused").await, [(0, 3), (0, 0)]);
}

async fn a_repeated_call_that_commits_commits(ledger: &dyn Ledger) {
    let first = reservation("recommit", "a", named(&[1, 2], &[]));
    ledger.reserve(first.clone(), goes()).await.unwrap();
    let again = ledger.reserve(Reservation { hold: Hold::Commit, ..first.clone() }, goes()).await.unwrap();
    assert_eq!((again.expires_at, again.replayed), (None, Replayed::Yes));
    assert_eq!(totals(ledger, "recommit").await, [(2, 0), (0, 0)]);
    // Not even a later clock releases them.
    ledger.reserve(Reservation { now: at(200), ..first }, goes()).await.unwrap();
    assert_eq!(totals(ledger, "recommit").await, [(2, 0), (0, 0)]);
}

fn lookup(reservation: &Reservation) -> ReplayLookup {
    let Reservation { transfer_id, fingerprint, hold, now, .. } = reservation.clone();
    ReplayLookup { transfer_id, fingerprint, hold, now }
}

async fn a_replay_lookup_finds_the_first_answer_and_adds_nothing(ledger: &dyn Ledger) {
    let asked = reservation("replay-lookup", "a", named(&[1, 2], &[]));
    assert_eq!(ledger.find_replay(lookup(&asked)).await, Ok(None));
    assert_eq!(ledger.usage(&account("replay-lookup"), at(0)).await.unwrap(), BTreeMap::new());
    let first = ledger.reserve(asked.clone(), goes()).await.unwrap();
    let again = Reserved { replayed: Replayed::Yes, ..first.clone() };
    assert_eq!(ledger.find_replay(lookup(&asked)).await, Ok(Some(again.clone())));
    let other = ReplayLookup { fingerprint: [8; 32], ..lookup(&asked) };
    assert_eq!(ledger.find_replay(other.clone()).await, Err(LedgerError::OtherTransfer));
    assert_eq!(ledger.find_replay(ReplayLookup { hold: Hold::Commit, ..other }).await, Err(LedgerError::OtherTransfer));
    assert_eq!(totals(ledger, "replay-lookup").await, [(0, 2), (0, 0)]);
    ledger.commit("replay-lookup/a", at(1)).await.unwrap();
    let committed = Reserved { expires_at: None, ..again };
    assert_eq!(ledger.find_replay(lookup(&asked)).await, Ok(Some(committed.clone())));
    assert_eq!(ledger.find_replay(ReplayLookup { now: at(200), ..lookup(&asked) }).await, Ok(Some(committed)));

    let refused = reservation("replay-lookup", "refused", counted(3, 0));
    let first = ledger.reserve(refused.clone(), refuses()).await.unwrap();
    let again = Reserved { replayed: Replayed::Yes, ..first };
    assert_eq!(ledger.find_replay(ReplayLookup { hold: Hold::Commit, ..lookup(&refused) }).await, Ok(Some(again)));
    for (id, settled) in [("released", Settled::Released), ("expired", Settled::Expired)] {
        let asked = reservation("replay-lookup", id, counted(3, 0));
        ledger.reserve(asked.clone(), goes()).await.unwrap();
        let now = match settled {
            Settled::Released => {
                ledger.release(&asked.transfer_id, at(1)).await.unwrap();
                at(2)
            }
            _ => at(100),
        };
        for hold in [asked.hold, Hold::Commit] {
            let error = ledger.find_replay(ReplayLookup { hold, now, ..lookup(&asked) }).await;
            assert_eq!(error, Err(LedgerError::Settled(settled)), "{id}");
        }
    }
    assert_eq!(totals(ledger, "replay-lookup").await, [(2, 0), (0, 0)]);
}

async fn a_replay_lookup_that_commits_commits(ledger: &dyn Ledger) {
    for (id, people) in [("numbers", counted(2, 1)), ("names", named(&[1, 2, 3], &[3]))] {
        let asked = reservation("replay-lookup-commit", id, people);
        let first = ledger.reserve(asked.clone(), goes()).await.unwrap();
        let committing = ReplayLookup { hold: Hold::Commit, now: at(5), ..lookup(&asked) };
        for _ in 0..2 {
            let again = ledger.find_replay(committing.clone()).await;
            assert_eq!(again, Ok(Some(Reserved { replayed: Replayed::Yes, expires_at: None, ..first.clone() })));
        }
        assert_eq!(ledger.release(&asked.transfer_id, at(6)).await, Err(LedgerError::Settled(Settled::Committed)));
    }
    assert_eq!(totals(ledger, "replay-lookup-commit").await, [(5, 0), (2, 0)]);
    // Committed persons do not expire.
    let later = reservation("replay-lookup-commit", "later", counted(0, 0));
    ledger.reserve(Reservation { now: at(300), hold: Hold::Commit, ..later }, goes()).await.unwrap();
    assert_eq!(totals(ledger, "replay-lookup-commit").await, [(5, 0), (2, 0)]);
}

async fn persons_count_once_a_counter(ledger: &dyn Ledger) {
    let first = ledger.reserve(reservation("once", "a", named(&[1, 2, 3], &[3])), goes()).await.unwrap();
    assert_eq!(added(&first), [(0, 3), (0, 1)]);
    let second = ledger.reserve(reservation("once", "b", named(&[2, 3, 4], &[4])), goes()).await.unwrap();
    assert_eq!((text(&second), added(&second)), ("general=1 sensitive=1", vec![(3, 1), (1, 1)]));
    let commit = Reservation { hold: Hold::Commit, ..reservation("once", "c", named(&[1, 2, 3, 4], &[])) };
    let third = ledger.reserve(commit, goes()).await.unwrap();
    assert_eq!((text(&third), added(&third)), ("general=0 sensitive=2", vec![(4, 0), (2, 0)]));
    assert_eq!(totals(ledger, "once").await, [(4, 0), (0, 2)]);
    // Persons by number add to persons by name.
    let fourth = ledger.reserve(reservation("once", "d", counted(10, 0)), goes()).await.unwrap();
    assert_eq!(added(&fourth), [(4, 10), (2, 0)]);
    assert_eq!(totals(ledger, "once").await, [(4, 10), (0, 2)]);
}

async fn a_person_goes_with_the_last_transfer(ledger: &dyn Ledger) {
    for (id, people) in [("a", named(&[1, 2], &[])), ("b", named(&[2, 3], &[])), ("c", named(&[2], &[]))] {
        ledger.reserve(reservation("last", id, people), goes()).await.unwrap();
    }
    assert_eq!(totals(ledger, "last").await, [(0, 3), (0, 0)]);
    ledger.release("last/a", at(1)).await.unwrap();
    ledger.release("last/a", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "last").await, [(0, 2), (0, 0)], "2 is in b and c, 3 in b");
    ledger.release("last/b", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "last").await, [(0, 1), (0, 0)], "2 is in c");
    ledger.release("last/c", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "last").await, [(0, 0), (0, 0)]);
    let again = ledger.reserve(reservation("last", "d", named(&[2], &[])), goes()).await.unwrap();
    assert_eq!(added(&again), [(0, 1), (0, 0)]);
}

async fn committed_transfers_stay(ledger: &dyn Ledger) {
    for (id, people) in [("a", named(&[1, 2], &[])), ("b", named(&[2, 3], &[]))] {
        ledger.reserve(reservation("stays", id, people), goes()).await.unwrap();
    }
    ledger.commit("stays/a", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "stays").await, [(2, 1), (0, 0)], "3 is reserved only");
    ledger.release("stays/b", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "stays").await, [(2, 0), (0, 0)], "2 went out with a");
    ledger.reserve(reservation("stays", "c", named(&[1, 4], &[])), goes()).await.unwrap();
    assert_eq!(totals(ledger, "stays").await, [(2, 1), (0, 0)]);
    ledger.commit("stays/c", at(2)).await.unwrap();
    assert_eq!(totals(ledger, "stays").await, [(3, 0), (0, 0)]);
}

async fn the_order_of_pseudonyms_does_not_matter(ledger: &dyn Ledger) {
    let first = ledger.reserve(reservation("order", "a", named(&[9, 1, 9, 5], &[])), goes()).await.unwrap();
    assert_eq!(added(&first), [(0, 3), (0, 0)]);
    ledger.release("order/a", at(1)).await.unwrap();
    assert_eq!(totals(ledger, "order").await, [(0, 0), (0, 0)]);
}

async fn reservations_run_out(ledger: &dyn Ledger) {
    for (id, people) in [("a", counted(3, 0)), ("b", named(&[1, 2], &[1]))] {
        ledger.reserve(reservation("ends", id, people), goes()).await.unwrap();
    }
    let later = |id, now| Reservation { now, hold: Hold::Until(at(500)), ..reservation("ends", id, counted(1, 0)) };
    let just_before = Moment::new(at(99).seconds(), 999_999_999).unwrap();
    let before = ledger.reserve(later("c", just_before), goes()).await.unwrap();
    assert_eq!(text(&before), "general=5 sensitive=1");
    let after = ledger.reserve(later("d", at(100)), goes()).await.unwrap();
    assert_eq!(text(&after), "general=1 sensitive=0");
    assert_eq!(totals(ledger, "ends").await, [(0, 2), (0, 0)]);
    assert_eq!(ledger.commit("ends/a", at(100)).await, Err(LedgerError::Settled(Settled::Expired)));
    assert_eq!(ledger.commit("ends/b", at(0)).await, Err(LedgerError::Settled(Settled::Expired)));
    // Nanoseconds count.
    let until = Moment::new(at(200).seconds(), 5).unwrap();
    let fine = Reservation { hold: Hold::Until(until), ..later("e", at(150)) };
    assert_eq!(ledger.reserve(fine, goes()).await.unwrap().expires_at, Some(until));
    ledger.commit("ends/e", Moment::new(at(200).seconds(), 4).unwrap()).await.unwrap();
}

async fn years_and_exporters_are_apart(ledger: &dyn Ledger) {
    ledger.reserve(reservation("year", "a", named(&[1], &[])), goes()).await.unwrap();
    let next = Account { exporter: "year".to_owned(), year: Year(2027) };
    let other = Reservation { account: next.clone(), ..reservation("year", "b", named(&[1, 2], &[])) };
    assert_eq!(added(&ledger.reserve(other, goes()).await.unwrap()), [(0, 2), (0, 0)]);
    let neighbour = ledger.reserve(reservation("year-neighbour", "a", named(&[1], &[])), goes()).await.unwrap();
    assert_eq!(added(&neighbour), [(0, 1), (0, 0)]);
    assert_eq!(ledger.read(&next, &[general()], at(1)).await.unwrap()[&general()], 2);
    assert_eq!(totals(ledger, "year").await, [(0, 1), (0, 0)]);
}

async fn a_retry_in_the_new_year_gets_the_first_answer(ledger: &dyn Ledger) {
    let first = reservation("turn", "a", named(&[1], &[]));
    let answer = ledger.reserve(first.clone(), goes()).await.unwrap();
    let next = Account { exporter: "turn".to_owned(), year: Year(2027) };
    let retry = Reservation { account: next.clone(), ..first };
    let again = ledger.reserve(retry.clone(), goes()).await.unwrap();
    assert_eq!(again, Reserved { replayed: Replayed::Yes, ..answer });
    ledger.reserve(Reservation { hold: Hold::Commit, ..retry }, goes()).await.unwrap();
    assert_eq!(totals(ledger, "turn").await, [(1, 0), (0, 0)]);
    assert_eq!(ledger.read(&next, &[general()], at(1)).await.unwrap()[&general()], 0);
}

async fn counters_may_be_added_to_that_were_not_read(ledger: &dyn Ledger) {
    for (id, people, want) in [("a", named(&[1, 2], &[]), (0, 2)), ("b", named(&[2, 3], &[]), (2, 1))] {
        let reserved = ledger.reserve(reservation("unread", id, people), adds(vec![own(), own()])).await.unwrap();
        let (before, added) = want;
        assert_eq!(reserved.changes, [Change { counter: own(), before, added }]);
    }
    ledger.release("unread/a", at(1)).await.unwrap();
    let usage = ledger.usage(&account("unread"), at(1)).await.unwrap();
    assert_eq!(usage[&own()], Usage { committed: 0, reserved: 2 });
}

async fn a_panic_in_the_judgement_adds_nothing(ledger: &dyn Ledger) {
    let judge: Judge = Box::new(|_| std::panic::resume_unwind(Box::new("on purpose")));
    let error = ledger.reserve(reservation("panic", "a", counted(3, 0)), judge).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    let next = ledger.reserve(reservation("panic", "a", counted(3, 0)), goes()).await.unwrap();
    assert_eq!((added(&next), next.replayed), (vec![(0, 3), (0, 0)], Replayed::No));
}

async fn an_unused_counter_is_zero(ledger: &dyn Ledger) {
    assert_eq!(ledger.usage(&account("nobody"), at(0)).await.unwrap(), BTreeMap::new());
    let read = ledger.read(&account("nobody"), &[general()], at(0)).await.unwrap();
    assert_eq!(read, BTreeMap::from([(general(), 0)]));
    let reserved = ledger.reserve(reservation("nobody", "a", counted(1, 0)), adds(Vec::new())).await.unwrap();
    assert_eq!((text(&reserved), reserved.changes.len()), ("general=0 sensitive=0", 0));
    assert_eq!(ledger.usage(&account("nobody"), at(0)).await.unwrap(), BTreeMap::new());
}

/// Many callers at one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    /// Callers at the same time.
    pub(crate) callers: u64,
    /// Persons allowed, the last one below the line included.
    pub(crate) line: u64,
}

/// Callers ask for one person after the other until they are refused: with retries, concurrent duplicates, callers that
/// hang up and ask again, released reservations, and errors. The total ends exactly on the line, and contains
/// everything acknowledged once.
pub(crate) async fn ends_on_the_line(ledgers: &[Arc<dyn Ledger>], exporter: &str, crowd: Crowd) {
    let standing = Arc::new(AtomicU64::new(0));
    let callers = (0..crowd.callers).map(|caller| {
        let ledgers = ledgers.to_vec();
        let (exporter, standing) = (exporter.to_owned(), Arc::clone(&standing));
        tokio::spawn(async move {
            for turn in 0.. {
                let id = format!("{caller}-{turn}");
                let first = &ledgers[usize::try_from(caller + turn).unwrap() % ledgers.len()];
                let second = &ledgers[usize::try_from(caller + turn + 1).unwrap() % ledgers.len()];
                let gone = match (caller + turn) % 4 {
                    // A duplicate at the same time.
                    0 => {
                        let (one, other) = tokio::join!(
                            until_answered(first.as_ref(), &exporter, &id, crowd.line),
                            until_answered(second.as_ref(), &exporter, &id, crowd.line)
                        );
                        assert_eq!(one, other);
                        one
                    }
                    // Hangs up at once, and asks again elsewhere.
                    1 => {
                        let call = first.reserve(one_person(&exporter, &id), up_to(crowd.line, 1));
                        let _ = tokio::time::timeout(Duration::from_micros(300), call).await;
                        until_answered(second.as_ref(), &exporter, &id, crowd.line).await
                    }
                    _ => until_answered(first.as_ref(), &exporter, &id, crowd.line).await,
                };
                if gone == 0 {
                    break;
                }
                let id = format!("{exporter}/{id}");
                match (caller + turn) % 5 {
                    0 if turn < 10 => until_done(|| second.release(&id, at(1))).await,
                    1 => {
                        until_done(|| second.commit(&id, at(1))).await;
                        standing.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => drop(standing.fetch_add(1, Ordering::Relaxed)),
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    // A caller may have been refused before another one released a reservation.
    for last in 0.. {
        if until_answered(ledgers[0].as_ref(), exporter, &format!("last-{last}"), crowd.line).await == 0 {
            break;
        }
        standing.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(standing.load(Ordering::Relaxed), crowd.line, "acknowledged");
    for ledger in ledgers {
        let read = ledger.read(&account(exporter), &[general()], at(1)).await.unwrap();
        assert_eq!(read[&general()], crowd.line);
    }
}

fn one_person(exporter: &str, id: &str) -> Reservation {
    reservation(exporter, id, counted(1, 0))
}

/// Asks with the same id until there is an answer, and returns how many persons were added.
pub(crate) async fn until_answered(ledger: &dyn Ledger, exporter: &str, id: &str, line: u64) -> u64 {
    loop {
        match ledger.reserve(one_person(exporter, id), up_to(line, 1)).await {
            Ok(reserved) => return reserved.changes.iter().map(|change| change.added).sum(),
            Err(LedgerError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn until_done<F: Future<Output = Result<(), LedgerError>>>(mut call: impl FnMut() -> F) {
    loop {
        match call().await {
            Ok(()) => return,
            Err(LedgerError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
