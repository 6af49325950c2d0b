//! `neglist.v1.LedgerService`: decides and counts in one step, and reports the counts.
//!
//! A transfer is resolved once against the snapshot in force. The ledger then calls the judge in its critical section, with
//! the totals of that moment, so that no two callers can both count the last person below a line. Neither the ledger nor this
//! module knows a rule.
//!
//! A transfer is counted at the present moment. Any other moment would let a caller choose the year, an edition or a
//! clearance, and is refused.
//!
//! A reload can remove a name that a transfer uses, so that the transfer can no longer be resolved. Before such a transfer is
//! refused, it is looked up in the ledger: a caller that was answered once gets that answer again. Other transfers need no
//! lookup, because the ledger looks for a first answer before it calls the judge. The same holds for exporters that may not
//! begin to be counted ([`crate::service::newcomers`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::asked::{CountingProblem, Problem, Violation};
use crate::domain::clock::{Clock, Clocking};
use crate::domain::counter::{Counted, CounterKey};
use crate::domain::counting;
use crate::domain::evaluate::evaluate;
use crate::domain::gateway::Labelled;
use crate::domain::headroom::{self, CapUse};
use crate::domain::named::Named;
use crate::domain::path::{Field, RequestField};
use crate::domain::persons::{Subject, SubjectKey};
use crate::domain::reason::Outcome;
use crate::domain::resolve::resolve;
use crate::domain::snapshot::Snapshot;
use crate::domain::transfer::{Totals, Transfer};
use crate::domain::units::{CountedClass, ExporterId, Moment};
use crate::ledger::{
    Account, Admission, Counter, Hold, Judge, Judgement, Ledger, LedgerError, People, ReplayLookup, Replayed,
    Reservation, Reserved, Usage,
};
use crate::live::Live;
use crate::metrics::{Door, Limit, Metrics, Stopwatch};
use crate::repeated::Repeated;
use crate::service::caller::Caller;
use crate::service::newcomers::{NewcomerLimits, Newcomers, Unregistered};
use crate::service::persons::{headcount, pseudonyms_in};
use crate::service::totals::{NamedCounters, account, refusal};
use crate::wire::decide::to_proto::{self, Decided, DecisionIds, Detail};
use crate::wire::generated::v1;
use crate::wire::generated::v1::ledger_service_server::LedgerService;
use crate::wire::ledger::{self as wire, Keep, Naming, Replay, ReserveLimits, UsageQuestion, Verdict};
use crate::wire::refusal::{Fault, Refusal, Unavailable, Uncounted};
use crate::wire::subjects::{NamedPersons, check_count};

/// Limits of the ledger service.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// Most pseudonyms or identifiers of one class in one call.
    pub subjects_max: usize,
    /// Default lifetime of a reservation, in seconds.
    pub time_to_live_default_s: u32,
    /// Longest lifetime of a reservation, in seconds.
    pub time_to_live_max_s: u32,
    /// How far in the past the stated moment of a counted transfer may be, in seconds.
    pub at_age_max_s: u32,
    /// How far ahead of the server's clock it may be, in seconds.
    pub at_ahead_max_s: u32,
    /// Longest time for which an answer may be kept, in seconds.
    pub valid_for_max_s: u32,
    /// The delay after which a caller may retry if the ledger has not answered, in milliseconds.
    pub retry_after_ms: u32,
    /// Limits on exporters that are not registered.
    pub newcomers: NewcomerLimits,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            // 20,000 of 32 bytes each are some 700 KB, a sixth of the largest message.
            subjects_max: 10_000,
            // Long enough for a large transfer, short enough that a dead gateway does not block others for long.
            time_to_live_default_s: 600,
            time_to_live_max_s: 86_400,
            // An hour: a caller that states the moment and tries again within it gets its first answer.
            at_age_max_s: 3_600,
            // A minute of difference between two clocks.
            at_ahead_max_s: 60,
            // A day, as for decisions.
            valid_for_max_s: 86_400,
            retry_after_ms: 1_000,
            newcomers: NewcomerLimits::default(),
        }
    }
}

/// Answers the calls of the ledger service. Clones share everything.
#[derive(Debug, Clone)]
pub struct LedgerApi {
    inner: Arc<Inner>,
    metrics: Arc<Metrics>,
    /// The key under which pseudonyms of identifiers are made; `None`: identifiers are refused.
    subject_key: Option<Arc<SubjectKey>>,
    /// The door under which its calls are counted.
    door: Door,
}

#[derive(Debug)]
struct Inner {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    settings: LedgerSettings,
    ledger: Option<Arc<dyn Ledger>>,
    ids: DecisionIds,
    newcomers: Newcomers,
}

impl LedgerApi {
    /// Returns a service that decides by the snapshot in force. `None`: there is no ledger, and
    /// every call is refused with `UNIMPLEMENTED`.
    pub fn new(
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        settings: LedgerSettings,
        ledger: Option<Arc<dyn Ledger>>,
    ) -> Self {
        let newcomers = Newcomers::new(settings.newcomers);
        let inner = Inner { live, clock, settings, ledger, ids: DecisionIds::random(), newcomers };
        let inner = Arc::new(inner);
        Self { inner, metrics: Arc::default(), subject_key: None, door: Door::Reserve }
    }

    /// Returns the same service, counted in `metrics`.
    #[must_use]
    pub fn metered(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Returns the same service with the key of its ledger. Without a key it refuses identifiers.
    #[must_use]
    pub fn with_subject_key(self, subject_key: Option<SubjectKey>) -> Self {
        Self { subject_key: subject_key.map(Arc::new), ..self }
    }

    /// Returns the key of its ledger; `None`: identifiers are refused.
    pub fn subject_key(&self) -> Option<&SubjectKey> {
        self.subject_key.as_deref()
    }

    /// Returns the same service, counted under another door.
    #[must_use]
    pub fn at(&self, door: Door) -> Self {
        Self { door, ..self.clone() }
    }

    /// Decides a transfer and counts it in one step, on a snapshot that the caller has used already. The caller counts the
    /// time.
    ///
    /// # Errors
    /// As `Reserve`: the request has violations, or the ledger did not count the transfer.
    pub async fn reserve_on(
        &self,
        snapshot: &Arc<Snapshot>,
        request: Result<wire::Reserve<'_>, Vec<Violation>>,
    ) -> Result<v1::ReserveResponse, Refusal> {
        let reserved = self.reserve_and_count(snapshot, request).await;
        match &reserved {
            Ok((_, verdict)) => self.metrics.decided(self.door, verdict.outcome, verdict.codes.iter().copied()),
            Err(refusal) => match refusal.fault() {
                Fault::Caller => self.metrics.refused(self.door),
                Fault::Server => self.metrics.unanswered(self.door),
            },
        }
        reserved.map(|(response, _)| response)
    }

    fn ledger(&self) -> Result<&dyn Ledger, Refusal> {
        self.inner.ledger.as_deref().ok_or(Refusal::Uncounted(Uncounted::NoLedger))
    }

    /// Returns the moment, or a refusal if the clock is in doubt. A wrong moment would release a reservation that has not
    /// expired, or count into another year.
    fn now(&self) -> Result<Moment, Refusal> {
        let now = self.inner.clock.now();
        match self.inner.clock.clocking(now) {
            Clocking::Sound => Ok(now),
            clocking @ (Clocking::Jumped | Clocking::Unusable) => {
                Err(Refusal::Unavailable(Unavailable::Clock(clocking), self.inner.settings.retry_after_ms))
            }
        }
    }

    fn invalid(&self, violations: Vec<Violation>) -> Refusal {
        Refusal::invalid(violations, self.inner.settings.retry_after_ms)
    }

    fn refusal(&self, error: &LedgerError) -> Refusal {
        refusal(error, self.inner.settings.retry_after_ms)
    }

    /// Resolves a request to a reservation and its judge.
    fn prepare(
        &self,
        snapshot: &Arc<Snapshot>,
        request: wire::Reserve<'_>,
        now: Moment,
    ) -> Result<Prepared, Vec<Violation>> {
        let wire::Reserve { transfer_id, mut asked, named, naming, keep, detail, fingerprint } = request;
        if let Some(at) = asked.at {
            self.check_moment(at, now)?;
            // The caller's clock is ahead of this one. The counters of the next year are not open yet.
            asked.at = Some(at.min(now));
        }
        let transfer = resolve(snapshot, &asked, now)?;
        let account = account(snapshot, &asked, &transfer);
        let is_registered = transfer.exporter.is_some();
        if !is_registered && self.inner.newcomers.unregistered() == Unregistered::Refuse {
            let problem = Problem::Counting(CountingProblem::ExporterNotRegistered);
            return Err(vec![Violation::new(Field::Exporter, problem)]);
        }
        let mut transfer = transfer.into_owned();
        let people = match named {
            None => People::Counted(counting::persons_counted(&transfer)),
            Some(persons) => {
                let reading = counting::person_in_both_classes(snapshot, transfer.at);
                let named = self.pseudonyms(&account, &persons)?;
                if naming == Naming::Caller {
                    check_named(&persons, counting::classes_without_names(&transfer, &named, reading))?;
                }
                let named = named.counted(reading);
                transfer.persons = headcount(named.count());
                People::Named { general: named.general, sensitive: named.sensitive }
            }
        };
        let counters = NamedCounters::new(snapshot, counting::counters_to_read(snapshot, &transfer));
        let reservation = Reservation {
            transfer_id: transfer_id.to_owned(),
            fingerprint,
            account,
            people,
            read: counters.names(),
            hold: hold(keep, now),
            now,
        };
        let judge = self.judge(snapshot, transfer, counters.clone(), detail);
        Ok(Prepared { reservation, judge, counters, is_registered })
    }

    /// Reads the transfer of a gateway's request, to be counted under an id.
    ///
    /// # Errors
    /// The id breaks the rule for names, or more persons are named than one request may name.
    pub fn read_labelled<'a>(
        &self,
        labelled: &'a Labelled<'_>,
        transfer_id: &'a str,
    ) -> Result<wire::Reserve<'a>, Vec<Violation>> {
        wire::labelled(labelled, transfer_id, self.inner.settings.subjects_max, self.subject_key.as_deref())
    }

    /// Checks how many persons a question names: it looks each of them up, as a transfer does that is counted.
    ///
    /// # Errors
    /// More persons are named than one request may name.
    pub fn check_asked(&self, named: &Named<Subject>) -> Result<(), Vec<Violation>> {
        check_count(named, self.inner.settings.subjects_max)
    }

    /// Returns the pseudonyms of persons, those of identifiers under the account's exporter and year.
    fn pseudonyms(&self, account: &Account, persons: &NamedPersons) -> Result<Named<Box<[u8]>>, Vec<Violation>> {
        let named = match persons {
            NamedPersons::ByPseudonym(named) => return Ok(named.clone()),
            NamedPersons::ByIdentifier(named) => named,
        };
        let key = self.subject_key.as_deref().ok_or_else(wire::no_subject_key)?;
        Ok(pseudonyms_in(key, account, named))
    }

    /// Checks that the stated moment is the present one. Clocks differ, and callers retry, so there is a tolerance.
    fn check_moment(&self, at: Moment, now: Moment) -> Result<(), Vec<Violation>> {
        let LedgerSettings { at_age_max_s: age_max_s, at_ahead_max_s: ahead_max_s, .. } = self.inner.settings;
        let first = now.plus_seconds(-i64::from(age_max_s));
        let last = now.plus_seconds(i64::from(ahead_max_s));
        if first <= at && at <= last {
            return Ok(());
        }
        let problem = Problem::Counting(CountingProblem::NotNow { age_max_s, ahead_max_s, at, now });
        Err(vec![Violation::new(Field::At, problem)])
    }

    /// Returns the judge that the ledger calls between reading and adding. It gives the same decision id at each call.
    fn judge(
        &self,
        snapshot: &Arc<Snapshot>,
        transfer: Transfer<'static>,
        counters: NamedCounters,
        detail: Detail,
    ) -> Judge {
        let snapshot = Arc::clone(snapshot);
        let valid_for_max_s = self.inner.settings.valid_for_max_s;
        let decision_id = self.inner.ids.next_id();
        Box::new(move |before| {
            let totals = &counters.totals(&Totals::default(), before);
            let decision = &evaluate(&snapshot, &transfer, totals);
            let add = counters.names_of(&counting::counters(&transfer, decision));
            let admission = if decision.outcome == Outcome::Allow { Admission::Permit } else { Admission::Deny };
            let decided = Decided { snapshot: &snapshot, transfer: &transfer, totals, decision, valid_for_max_s };
            let answer = wire::to_answer(&to_proto::decision(decided, decision_id.clone(), detail));
            Judgement { add, admission, answer }
        })
    }

    async fn reserve_and_count(
        &self,
        snapshot: &Arc<Snapshot>,
        request: Result<wire::Reserve<'_>, Vec<Violation>>,
    ) -> Result<(v1::ReserveResponse, Verdict), Refusal> {
        let ledger = self.ledger()?;
        let request = request.map_err(|violations| self.invalid(violations))?;
        let now = self.now()?;
        let (transfer_id, keep, fingerprint) = (request.transfer_id, request.keep, request.fingerprint);
        let mut prepared = self.prepare(snapshot, request, now).map_err(|violations| self.invalid(violations));
        if let Ok(Prepared { reservation, is_registered: false, .. }) = &prepared
            && let Err(refusal) = self.admit(ledger, &reservation.account, now).await
        {
            prepared = Err(refusal);
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            // A request that is no longer accepted may have been answered when it was.
            Err(refusal) => {
                let lookup =
                    ReplayLookup { transfer_id: transfer_id.to_owned(), fingerprint, hold: hold(keep, now), now };
                let found = ledger.find_replay(lookup).await.map_err(|error| self.refusal(&error))?;
                return response(snapshot, &found.ok_or(refusal)?);
            }
        };
        let Prepared { reservation, judge, counters, is_registered: _ } = prepared;
        let reserved = ledger.reserve(reservation, judge).await.map_err(|error| self.refusal(&error))?;
        warn_of_caps(snapshot, &counters, &reserved);
        response(snapshot, &reserved)
    }

    /// Admits an unregistered exporter to the ledger; refuses it if too many have begun within the hour.
    async fn admit(&self, ledger: &dyn Ledger, account: &Account, now: Moment) -> Result<(), Refusal> {
        let newcomers = &self.inner.newcomers;
        if newcomers.knows(account) {
            return Ok(());
        }
        let counted = ledger.usage(account, now).await.map_err(|error| self.refusal(&error))?;
        if !counted.is_empty() {
            newcomers.remember(account);
            return Ok(());
        }
        newcomers.admit(account, Caller::current(), now).map_err(|too_many| {
            self.metrics.limited(Limit::NewExporters);
            Refusal::TooManyNewExporters { per_hour_max: too_many.per_hour_max, seconds: too_many.seconds }
        })
    }

    /// Returns the counters to show for an exporter, including those without a count.
    fn counters_to_show(
        snapshot: &Snapshot,
        at: Moment,
        registered: Option<ExporterId>,
        counted: BTreeMap<Counter, Usage>,
    ) -> BTreeMap<Counter, Usage> {
        let mut shown = counted;
        let in_force = |id| {
            let clearance = snapshot.clearance(id)?;
            clearance.persons_per_year_max.filter(|_| clearance.interval.contains(at))
        };
        let clearances = registered.into_iter().flat_map(|id| snapshot.clearances_of(id));
        let capped = clearances.filter(|id| in_force(*id).is_some()).map(Counted::Clearance);
        for counted in std::iter::once(Counted::National).chain(capped) {
            for class in CountedClass::ALL {
                shown.entry(Counter { name: counted.name(snapshot).into_owned(), class }).or_default();
            }
        }
        shown
    }
}

/// Caps that have become nearly used, by clearance and class.
static CAPS: Repeated<(String, CountedClass)> = Repeated::new();
/// A retry cannot read an unreadable answer either.
static UNREADABLE: Repeated = Repeated::new();

/// A reservation, ready to be judged.
struct Prepared {
    reservation: Reservation,
    judge: Judge,
    counters: NamedCounters,
    is_registered: bool,
}

fn hold(keep: Keep, now: Moment) -> Hold {
    match keep {
        Keep::Commit => Hold::Commit,
        Keep::ForSeconds(seconds) => Hold::Until(now.plus_seconds(i64::from(seconds))),
    }
}

fn check_named(persons: &NamedPersons, classes: Vec<CountedClass>) -> Result<(), Vec<Violation>> {
    if classes.is_empty() {
        return Ok(());
    }
    let violation =
        |class| Violation::new(persons.field(class), Problem::Counting(CountingProblem::NoPersonNamed { class }));
    Err(classes.into_iter().map(violation).collect())
}

/// Warns if the cap of a clearance has just become nearly used.
fn warn_of_caps(snapshot: &Snapshot, counters: &NamedCounters, reserved: &Reserved) {
    for change in &reserved.changes {
        let key: Option<CounterKey> = counters.key(&change.counter);
        let Some(key) = key.filter(|_| reserved.replayed == Replayed::No) else { continue };
        let was = CapUse::of(snapshot, key, change.before);
        let is = CapUse::of(snapshot, key, change.before.saturating_add(change.added));
        let (Some(was), Some(is)) = (was, is) else { continue };
        if is.is_nearly_used() && !was.is_nearly_used() {
            let clearance = snapshot.clearance(is.clearance).map_or("", |clearance| &clearance.id);
            // Reservations that are released and repeated cross the line again and again.
            if let Some(others) = CAPS.happened_to(&(clearance.to_owned(), is.class)) {
                let class = is.class.name();
                tracing::warn!(clearance, class, used = is.used, cap = is.cap, others, "cap nearly used");
            }
        }
    }
}

fn response(snapshot: &Snapshot, reserved: &Reserved) -> Result<(v1::ReserveResponse, Verdict), Refusal> {
    let unreadable = || {
        if let Some(others) = UNREADABLE.happened() {
            tracing::error!(others, "an answer that the ledger kept cannot be read");
        }
        Refusal::Uncounted(Uncounted::Unreadable)
    };
    let kept = wire::from_answer(&reserved.answer).map_err(|wire::Unreadable| unreadable())?;
    // A retry in January of a transfer of December names the counters of December.
    let (year, _) = snapshot.calendar.year(kept.evaluated_at).ok_or_else(unreadable)?;
    let added = reserved.changes.iter().filter(|change| change.added != 0);
    let changes = added.map(|change| wire::Change {
        counter: change.counter.in_year(year),
        before: change.before,
        added: change.added,
    });
    let replay = match reserved.replayed {
        Replayed::Yes => Replay::Repeated,
        Replayed::No => Replay::First,
    };
    let verdict = kept.verdict();
    Ok((wire::reserved(kept, changes.collect(), reserved.expires_at, replay), verdict))
}

#[tonic::async_trait]
impl LedgerService for LedgerApi {
    async fn reserve(&self, request: Request<v1::ReserveRequest>) -> Result<Response<v1::ReserveResponse>, Status> {
        let stopwatch = Stopwatch::start();
        if let Err(violations) = wire::callers_id(&request.get_ref().transfer_id) {
            self.metrics.refused(self.door);
            return Err(self.invalid(violations).into());
        }
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let LedgerSettings { subjects_max, time_to_live_default_s, time_to_live_max_s, .. } = self.inner.settings;
        let limits = ReserveLimits { subjects_max, time_to_live_default_s, time_to_live_max_s };
        let read = wire::reserve(request.get_ref(), limits, self.subject_key.as_deref());
        let reserved = self.reserve_on(&snapshot, read).await;
        self.metrics.took(self.door, stopwatch.elapsed());
        Ok(Response::new(reserved?))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Result<Response<v1::CommitResponse>, Status> {
        let ledger = self.ledger()?;
        let transfer_id = wire::commit(request.get_ref()).map_err(|violations| self.invalid(violations))?;
        let done = ledger.commit(transfer_id, self.now()?).await;
        done.map(|()| Response::new(v1::CommitResponse {})).map_err(|error| self.refusal(&error).into())
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseResponse>, Status> {
        let ledger = self.ledger()?;
        let transfer_id = wire::release(request.get_ref()).map_err(|violations| self.invalid(violations))?;
        let done = ledger.release(transfer_id, self.now()?).await;
        done.map(|()| Response::new(v1::ReleaseResponse {})).map_err(|error| self.refusal(&error).into())
    }

    async fn get_usage(&self, request: Request<v1::GetUsageRequest>) -> Result<Response<v1::GetUsageResponse>, Status> {
        let ledger = self.ledger()?;
        let question = wire::get_usage(request.get_ref()).map_err(|violations| self.invalid(violations))?;
        let now = self.now()?;
        let UsageQuestion { exporter, year } = question;
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let current = snapshot.calendar.year(now).map(|(year, _)| year);
        let Some(year) = year.or(current) else {
            return Err(self
                .invalid(vec![Violation::new(RequestField::Year, Problem::Clock(Clocking::Unusable))])
                .into());
        };
        let account = Account { exporter: exporter.to_owned(), year };
        let counted = ledger.usage(&account, now).await.map_err(|error| self.refusal(&error))?;
        let registered = snapshot.codes.exporters.get(exporter).map(ExporterId);
        if registered.is_none() && counted.is_empty() {
            return Err(Refusal::Uncounted(Uncounted::ExporterNotFound).into());
        }
        let is_current = current == Some(year);
        let shown = if is_current { Self::counters_to_show(&snapshot, now, registered, counted) } else { counted };
        let lines = shown.into_iter().map(|(counter, usage)| {
            let counted = Counted::parse(&snapshot, &counter.name).filter(|_| is_current);
            let key = counted.map(|counted| CounterKey { counted, class: counter.class });
            let headroom = key.and_then(|key| headroom::headroom(&snapshot, now, year, key, usage.total()));
            let Usage { committed, reserved } = usage;
            wire::CounterUsage { counter: counter.in_year(year), committed, reserved, headroom }
        });
        Ok(Response::new(wire::usage(&snapshot, lines.collect())))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
