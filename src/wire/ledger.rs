//! Messages of `neglist.v1.LedgerService`.
//!
//! Knows neither ledger nor list: a request becomes a question or violations, and the result of
//! the handler becomes a response.

use prost::Message as _;

use crate::domain::asked::{Asked, AskedPersons, CountingProblem, Need, Problem, Violation};
use crate::domain::decision::Headroom;
use crate::domain::gateway::{LABEL_ID_PREFIX, Labelled, STREAM_ID_PREFIX};
use crate::domain::named::Named;
use crate::domain::names::{NameFault, check_name};
use crate::domain::path::{Counts, Field, RequestField};
use crate::domain::persons::SubjectKey;
use crate::domain::reason::{Outcome, ReasonCode};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{CountedClass, Moment, Year};
use crate::wire::decide::from_proto;
use crate::wire::decide::to_proto::{self, Detail};
use crate::wire::generated::v1;
use crate::wire::labelled::to_transfer;
use crate::wire::subjects::{self, NamedPersons};

/// Bounds of a reservation.
#[derive(Debug, Clone, Copy)]
pub struct ReserveLimits {
    /// Most pseudonyms or identifiers of one class of information.
    pub subjects_max: usize,
    /// How long a reservation holds by default, in seconds.
    pub time_to_live_default_s: u32,
    /// How long it holds at most, in seconds.
    pub time_to_live_max_s: u32,
}

/// A transfer to decide and to count, in its caller's words.
#[derive(Debug, Clone)]
pub struct Reserve<'a> {
    /// The caller's id of the transfer.
    pub transfer_id: &'a str,
    /// The transfer. Its persons are those who are named, where any are.
    pub asked: Asked<'a>,
    /// The persons concerned; `None`: only their number is known.
    pub named: Option<NamedPersons>,
    /// Who says for which classes persons are named.
    pub naming: Naming,
    /// How long the persons stay counted.
    pub keep: Keep,
    /// How much the answer says.
    pub detail: Detail,
    /// Equal for the same transfer: see [`fingerprint`].
    pub fingerprint: [u8; 32],
}

/// Who says for which classes of information persons are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The caller, who may have forgotten a class: a class that is sent and has no names is refused.
    Caller,
    /// A gateway rule, which states a place for each class that is sent. A list there may be empty.
    Rule,
}

/// How long persons stay counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For good.
    Commit,
    /// For this number of seconds, unless the transfer is committed or released before.
    ForSeconds(u32),
}

/// Reads a request to reserve. `key`: of the server, which identifiers need.
///
/// # Errors
/// All violations of the message itself, in the order of its fields.
pub fn reserve<'a>(
    request: &'a v1::ReserveRequest,
    limits: ReserveLimits,
    key: Option<&SubjectKey>,
) -> Result<Reserve<'a>, Vec<Violation>> {
    let v1::ReserveRequest {
        transfer_id,
        transfer,
        time_to_live,
        commit,
        detail,
        general_subjects: _,
        sensitive_subjects: _,
        general_subject_ids: _,
        sensitive_subject_ids: _,
        subject_kind: _,
        subject_normalise: _,
    } = request;
    let mut violations = Vec::new();
    check_transfer_id(transfer_id, &mut violations);
    let mut asked = match transfer {
        Some(transfer) => from_proto::asked(transfer),
        None => Err(vec![Violation::new(RequestField::Transfer, Problem::Missing(Need::Transfer))]),
    };
    let named = subjects::read(request, limits.subjects_max, &mut violations);
    match &mut asked {
        Ok(asked) => check_counts(asked, named.as_ref(), &mut violations),
        Err(found) => violations.append(found),
    }
    let seconds = seconds_to_live(time_to_live.as_ref(), limits, &mut violations);
    let detail = from_proto::read_detail(*detail).map_err(|violation| violations.push(violation));
    let (Ok(asked), Ok(detail), Some(transfer), true) = (asked, detail, transfer, violations.is_empty()) else {
        return Err(violations);
    };
    let fingerprint = fingerprint(transfer, named.as_ref(), key)?;
    let keep = if *commit { Keep::Commit } else { Keep::ForSeconds(seconds) };
    Ok(Reserve { transfer_id, asked, named, naming: Naming::Caller, keep, detail, fingerprint })
}

/// Returns the request of a gateway's transfer: to be counted at once, and answered in full. `key`: of the server, which
/// identifiers need.
///
/// # Errors
/// The id of the transfer breaks the rule for names, or more persons are named than `subjects_max` in a class.
pub fn labelled<'a>(
    labelled: &'a Labelled<'_>,
    transfer_id: &'a str,
    subjects_max: usize,
    key: Option<&SubjectKey>,
) -> Result<Reserve<'a>, Vec<Violation>> {
    let mut violations = Vec::new();
    check_transfer_id(transfer_id, &mut violations);
    if let Some(named) = &labelled.subjects {
        violations.extend(subjects::check_count(named, subjects_max).err().into_iter().flatten());
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let named = labelled.subjects.clone().map(NamedPersons::ByIdentifier);
    Ok(Reserve {
        transfer_id,
        asked: labelled.asked(),
        keep: Keep::Commit,
        detail: Detail::Full,
        fingerprint: fingerprint(&to_transfer(labelled), named.as_ref(), key)?,
        named,
        naming: Naming::Rule,
    })
}

/// Returns the fingerprint that tells a transfer from another one under the same id.
///
/// The same transfer is the same words: every field of `transfer` as the caller wrote it, and the
/// same persons, in whatever order and however often they are named. The detail of the answer
/// (`detail`) and the life of the reservation (`time_to_live`, `commit`) do not make it another
/// transfer. A number of persons beside their names adds nothing and is left out.
///
/// Identifiers enter by a digest under the server's key, so that a kept fingerprint reveals nothing of them. The digest is that
/// of the identifiers, not of their pseudonyms, which change with the year: a retry in January gets the answer of December.
///
/// # Errors
/// There are identifiers, and no key.
fn fingerprint(
    transfer: &v1::Transfer,
    named: Option<&NamedPersons>,
    key: Option<&SubjectKey>,
) -> Result<[u8; 32], Vec<Violation>> {
    // A ledger keeps fingerprints: another way to make them is another context.
    let mut hasher = blake3::Hasher::new_derive_key("neglist.v1 transfer fingerprint 1");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match named {
        None => add(&transfer.encode_to_vec()),
        Some(NamedPersons::ByIdentifier(named)) => {
            add(&v1::Transfer { persons: None, ..transfer.clone() }.encode_to_vec());
            // Of 32 bytes, and so not the number that begins a list of pseudonyms.
            add(&key.ok_or_else(no_subject_key)?.digest(named));
        }
        Some(NamedPersons::ByPseudonym(Named { general, sensitive })) => {
            add(&v1::Transfer { persons: None, ..transfer.clone() }.encode_to_vec());
            for list in [general, sensitive] {
                add(&(list.len() as u64).to_le_bytes());
                for pseudonym in list {
                    add(pseudonym);
                }
            }
        }
    }
    Ok(hasher.finalize().into())
}

/// The violation of identifiers at a server that has no subject key.
pub fn no_subject_key() -> Vec<Violation> {
    let problem = Problem::Counting(CountingProblem::NoSubjectKey);
    vec![Violation::new(RequestField::SubjectIds(CountedClass::General), problem)]
}

fn check_transfer_id(transfer_id: &str, violations: &mut Vec<Violation>) {
    let problem = match check_name(transfer_id) {
        Ok(()) => return,
        Err(NameFault::Empty) => Problem::Missing(Need::TransferId),
        Err(NameFault::TooLong { bytes }) => Problem::TooLong { bytes },
        Err(fault) => Problem::NotAName(fault),
    };
    violations.push(Violation::new(RequestField::TransferId, problem));
}

/// Checks the id of a reserved transfer. The id may be older than the rule for names, and a transfer that went ahead must count.
fn check_reserved_id(transfer_id: &str, violations: &mut Vec<Violation>) {
    let problem = match check_name(transfer_id) {
        Err(NameFault::Empty) => Problem::Missing(Need::TransferId),
        Err(NameFault::TooLong { bytes }) => Problem::TooLong { bytes },
        // No ledger keeps an id with a zero byte.
        Err(fault) if transfer_id.contains('\0') => Problem::NotAName(fault),
        Ok(()) | Err(_) => return,
    };
    violations.push(Violation::new(RequestField::TransferId, problem));
}

/// Checks that the caller states no totals, which the ledger keeps, and no other number of persons than it names.
fn check_counts(asked: &mut Asked<'_>, named: Option<&NamedPersons>, violations: &mut Vec<Violation>) {
    let mut add = |field: Field, problem| violations.push(Violation::new(field, Problem::Counting(problem)));
    if let Some(named) = named {
        let (general, sensitive) = named.count();
        if let Some(stated) = asked.persons {
            let classes = [
                (CountedClass::General, stated.general, general),
                (CountedClass::Sensitive, stated.sensitive, sensitive),
            ];
            for (class, stated, named) in classes {
                if stated != named {
                    add(Field::Count(Counts::Persons, class), CountingProblem::NotAsManyAsNamed { stated, named });
                }
            }
        }
        asked.persons = Some(AskedPersons { general, sensitive });
    }
    if asked.year_to_date.is_some() {
        add(Field::Counts(Counts::YearToDate), CountingProblem::TotalsKeptByLedger);
    }
    if asked.scenario_year_to_date.is_some() {
        add(Field::Counts(Counts::ScenarioYearToDate), CountingProblem::TotalsKeptByLedger);
    }
    if asked.clearance_year_to_date.is_some() {
        add(Field::Counts(Counts::ClearanceYearToDate), CountingProblem::TotalsKeptByLedger);
    }
}

/// Reads a time in whole seconds, rounded up.
fn seconds_to_live(
    time_to_live: Option<&prost_types::Duration>,
    limits: ReserveLimits,
    violations: &mut Vec<Violation>,
) -> u32 {
    let ReserveLimits { time_to_live_default_s, time_to_live_max_s, .. } = limits;
    let Some(prost_types::Duration { seconds, nanos }) = time_to_live else {
        return time_to_live_default_s.min(time_to_live_max_s);
    };
    let is_duration = (0..1_000_000_000).contains(nanos) && 0 <= *seconds;
    let rounded = seconds.checked_add(i64::from(0 < *nanos)).and_then(|seconds| u32::try_from(seconds).ok());
    let read = rounded.filter(|seconds| is_duration && (1..=time_to_live_max_s).contains(seconds));
    if read.is_none() {
        let problem = CountingProblem::TimeToLive { max_s: time_to_live_max_s };
        violations.push(Violation::new(RequestField::TimeToLive, Problem::Counting(problem)));
    }
    read.unwrap_or(time_to_live_max_s)
}

/// Reads a request to commit: the id of the transfer.
///
/// # Errors
/// A malformed id.
pub fn commit(request: &v1::CommitRequest) -> Result<&str, Vec<Violation>> {
    let v1::CommitRequest { transfer_id } = request;
    transfer_id_of(transfer_id)
}

/// Reads a request to release: the id of the transfer.
///
/// # Errors
/// A malformed id.
pub fn release(request: &v1::ReleaseRequest) -> Result<&str, Vec<Violation>> {
    let v1::ReleaseRequest { transfer_id } = request;
    transfer_id_of(transfer_id)
}

fn transfer_id_of(transfer_id: &str) -> Result<&str, Vec<Violation>> {
    let mut violations = Vec::new();
    check_reserved_id(transfer_id, &mut violations);
    if !violations.is_empty() {
        return Err(violations);
    }
    callers_id(transfer_id).map(|()| transfer_id)
}

/// Checks that an id is not one that a door gives to a request of a gateway. A caller that could use such an id could count in
/// place of the door, and the request at the door would then pass as a retry.
///
/// # Errors
/// It is such an id.
pub fn callers_id(transfer_id: &str) -> Result<(), Vec<Violation>> {
    let prefix = [LABEL_ID_PREFIX, STREAM_ID_PREFIX].into_iter().find(|prefix| transfer_id.starts_with(prefix));
    let problem = prefix.map(|prefix| Problem::Counting(CountingProblem::IdOfADoor { prefix }));
    problem.map_or(Ok(()), |problem| Err(vec![Violation::new(RequestField::TransferId, problem)]))
}

/// A question about the totals of an exporter.
#[derive(Debug, Clone, Copy)]
pub struct UsageQuestion<'a> {
    /// The exporter.
    pub exporter: &'a str,
    /// The year; `None`: the current one.
    pub year: Option<Year>,
}

/// Last year that a time stamp can name.
const YEAR_MAX: u16 = 9_999;

/// Reads a question about totals.
///
/// # Errors
/// No exporter, a malformed name, a number that is not a year.
pub fn get_usage(request: &v1::GetUsageRequest) -> Result<UsageQuestion<'_>, Vec<Violation>> {
    let v1::GetUsageRequest { exporter, year } = request;
    let mut violations = Vec::new();
    let problem = check_name(exporter).err().map(|fault| match fault {
        NameFault::Empty => Problem::Missing(Need::UsageExporter),
        NameFault::TooLong { bytes } => Problem::TooLong { bytes },
        fault => Problem::NotAName(fault),
    });
    violations.extend(problem.map(|problem| Violation::new(RequestField::Exporter, problem)));
    let read = u16::try_from(*year).ok().filter(|year| *year <= YEAR_MAX);
    if read.is_none() {
        violations.push(Violation::new(RequestField::Year, Problem::Counting(CountingProblem::NotAYear)));
    }
    let year = read.filter(|year| *year != 0).map(Year);
    if violations.is_empty() { Ok(UsageQuestion { exporter, year }) } else { Err(violations) }
}

/// Returns a decision as the bytes that a ledger keeps.
pub fn to_answer(decision: &v1::Decision) -> Vec<u8> {
    decision.encode_to_vec()
}

/// An addition to a counter.
#[derive(Debug, Clone)]
pub struct Change {
    /// The counter, as users see its name.
    pub counter: String,
    /// Its total before.
    pub before: u64,
    /// Persons added.
    pub added: u64,
}

/// Whether an answer is a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// No: it is the first answer under its transfer id.
    First,
    /// Yes: the first answer is given again.
    Repeated,
}

/// A decision that was kept and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// A decision that a ledger kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The moment of the decision, which may be in an earlier year than the call that reads it.
    pub evaluated_at: Moment,
    decision: v1::Decision,
}

/// The outcome and the reasons of a decision, for metrics.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// The codes of its reasons; those that this program does not know are left out.
    pub codes: Vec<ReasonCode>,
}

impl Kept {
    /// Returns the outcome and the reasons.
    pub fn verdict(&self) -> Verdict {
        let outcome = match self.decision.outcome() {
            v1::Outcome::Allow => Outcome::Allow,
            v1::Outcome::File => Outcome::File,
            v1::Outcome::Contract => Outcome::Contract,
            // `from_answer` reads no decision without an outcome.
            v1::Outcome::Assess | v1::Outcome::Unspecified => Outcome::Assess,
        };
        let known = |name: &str| ReasonCode::ALL.iter().copied().find(|code| code.name() == name);
        Verdict { outcome, codes: self.decision.reasons.iter().filter_map(|reason| known(&reason.code)).collect() }
    }
}

/// Reads a decision that [`to_answer`] wrote.
///
/// # Errors
/// The decision cannot be read, or has no outcome: nothing may pass on it.
pub fn from_answer(answer: &[u8]) -> Result<Kept, Unreadable> {
    let decision = v1::Decision::decode(answer).map_err(|_| Unreadable)?;
    if decision.outcome() == v1::Outcome::Unspecified {
        return Err(Unreadable);
    }
    let at = decision.evaluated_at.ok_or(Unreadable)?;
    let nanos = u32::try_from(at.nanos).map_err(|_| Unreadable)?;
    let evaluated_at = Moment::new(at.seconds, nanos).ok_or(Unreadable)?;
    Ok(Kept { evaluated_at, decision })
}

/// Returns the response to a request to reserve.
pub fn reserved(kept: Kept, changes: Vec<Change>, expires_at: Option<Moment>, replay: Replay) -> v1::ReserveResponse {
    let change = |Change { counter, before, added }| v1::CounterChange { counter, before, added };
    v1::ReserveResponse {
        decision: Some(kept.decision),
        changes: changes.into_iter().map(change).collect(),
        expires_at: expires_at.map(to_proto::timestamp),
        replayed: replay == Replay::Repeated,
    }
}

/// Totals of one counter.
#[derive(Debug, Clone)]
pub struct CounterUsage {
    /// The counter, as users see its name.
    pub counter: String,
    /// Persons of transfers that went ahead.
    pub committed: u64,
    /// Persons of reservations that hold.
    pub reserved: u64,
    /// How far it is from the next line.
    pub headroom: Option<Headroom>,
}

/// Returns the response to a question about totals. `snapshot` is the one that the head-room is from.
pub fn usage(snapshot: &Snapshot, counters: Vec<CounterUsage>) -> v1::GetUsageResponse {
    let line = |usage: CounterUsage| {
        let CounterUsage { counter, committed, reserved, headroom } = usage;
        let headroom = headroom.map(|headroom| to_proto::headroom_of(snapshot, &headroom));
        v1::CounterUsage { counter, committed, reserved, headroom }
    };
    v1::GetUsageResponse { counters: counters.into_iter().map(line).collect() }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
