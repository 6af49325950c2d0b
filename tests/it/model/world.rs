//! Policies under test: as parsed, for the model, and as compiled; and the two answers.

use std::fmt::Write as _;

use neglist::domain::asked::Asked;
use neglist::domain::counter::{Counted, CounterKey};
use neglist::domain::counting::counters;
use neglist::domain::evaluate::{evaluate, headroom};
use neglist::domain::reason::ReasonCode;
use neglist::domain::resolve::{missing_totals, resolve};
use neglist::domain::snapshot::Snapshot;
use neglist::policy::diagnostic::has_errors;
use neglist::policy::{self, Limits, PolicyFile, SourceFile};

use crate::generate::transfer::Query;
use crate::model::judge::decide;
use crate::model::law::{Answer, Law};

/// Limits that no test reaches.
pub(crate) const LIMITS: Limits = Limits { entries_max: 10_000_000, depth_max: 32 };

/// Policies, parsed and compiled.
#[derive(Debug)]
pub(crate) struct World {
    /// The texts.
    pub(crate) files: Vec<PolicyFile>,
    /// As parsed.
    pub(crate) sources: Vec<SourceFile>,
    /// As compiled.
    pub(crate) snapshot: Snapshot,
}

impl World {
    /// Parses and compiles files that have to be right.
    pub(crate) fn new(files: Vec<PolicyFile>) -> World {
        let mut diagnostics = Vec::new();
        let sources = policy::read(&files, &LIMITS, &mut diagnostics);
        let snapshot = policy::compile::compile(&sources, &LIMITS, &mut diagnostics);
        diagnostics.retain(|found| has_errors(std::slice::from_ref(found)));
        assert!(diagnostics.is_empty(), "{diagnostics:#?}\n{}", texts(&files));
        World { files, sources, snapshot: snapshot.unwrap() }
    }

    /// Returns the answer of the compiled policies; `None` where the request is refused.
    pub(crate) fn compiled(&self, asked: &Asked<'_>) -> Option<Answer> {
        let snapshot = &self.snapshot;
        let transfer = resolve(snapshot, asked, asked.at?).ok()?;
        if !missing_totals(snapshot, &transfer).is_empty() {
            return None;
        }
        let decision = evaluate(snapshot, &transfer, &transfer.stated);
        assert!(transfer.at < decision.valid_until, "an answer holds for a while: {decision:?}");
        assert!(decision.reasons.is_sorted_by_key(|reason| std::cmp::Reverse(reason.requires)), "{decision:?}");
        Some(Answer {
            outcome: decision.outcome,
            required: decision.required,
            reasons: decision.reasons.iter().map(|reason| reason.code).collect(),
            clearance: decision.clearance.map(|id| snapshot.clearance(id).unwrap().id.to_string()),
            alternative: decision.alternative_step.map(|id| snapshot.step(id).unwrap().procedure.to_string()),
            valid_until: decision.valid_until,
            counted: counters(&transfer, &decision).into_iter().map(|key| self.name(key)).collect(),
        })
    }

    /// Returns the name of a counter, with its class.
    fn name(&self, CounterKey { counted, class }: CounterKey) -> String {
        format!("{}/{}", counted.name(&self.snapshot), class.name())
    }

    /// Returns everything that the compiled policies answer, the order of equally strict reasons apart.
    pub(crate) fn in_full(&self, asked: &Asked<'_>) -> Option<(Answer, Vec<String>)> {
        let answer = self.compiled(asked)?;
        let snapshot = &self.snapshot;
        let transfer = resolve(snapshot, asked, asked.at?).ok()?;
        let decision = evaluate(snapshot, &transfer, &transfer.stated);
        let mut rest: Vec<String> = Vec::new();
        for reason in &decision.reasons {
            let (code, rule) = (reason.code.name(), snapshot.rule_id(reason.rule));
            // A clearance is said to satisfy the first of the equally strict reasons.
            if reason.code != ReasonCode::CoveredByClearance {
                rest.push(format!("{code} {rule} {:?} {:?}", reason.requires, reason.measured));
            }
        }
        for room in headroom(&transfer, &transfer.stated) {
            let family = match room.counter.counted {
                Counted::Scenario(own) => Some(snapshot.codes.families.word(own.family.0.into())),
                Counted::National | Counted::Clearance(_) => None,
            };
            rest.push(format!(
                "{:?} {:?} {family:?} {:?} {:?}",
                room.counter.class, room.projected, room.line, room.next
            ));
        }
        rest.push(format!("{:?}", decision.next_step.and_then(|step| snapshot.step(step))));
        rest.sort();
        Some((answer, rest))
    }

    /// Returns the answer of the model; `None` where the request is refused.
    pub(crate) fn naive(&self, asked: &Asked<'_>) -> Option<Answer> {
        decide(&Law(&self.sources), asked, asked.at?)
    }

    /// Fails if the two answers differ.
    #[track_caller]
    pub(crate) fn check(&self, query: &Query, seed: &str) {
        let asked = query.asked();
        let (compiled, naive) = (self.compiled(&asked), self.naive(&asked));
        if compiled != naive {
            self.fail(query, seed, &format!("compiled: {compiled:#?}\nnaive: {naive:#?}"));
        }
    }

    /// Fails, and says with what.
    #[track_caller]
    pub(crate) fn fail(&self, query: &Query, seed: &str, message: &str) -> ! {
        let refused = resolve(&self.snapshot, &query.asked(), query.moment())
            .map_or_else(|violations| format!("{violations:?}"), |_| "not refused by resolve".to_owned());
        panic!("{}\n{query:#?}\n{refused}\nseed: {seed}\n{message}", texts(&self.files));
    }
}

/// Returns the files as one text.
pub(crate) fn texts(files: &[PolicyFile]) -> String {
    let mut all = String::new();
    for PolicyFile { path, text } in files {
        let _ = writeln!(all, "--- {path}\n{text}");
    }
    all
}
