//! Invented policies of any size, and questions about them. No list, item or number here is real.

mod files;

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::decision::Decision;
use neglist::domain::evaluate::evaluate;
use neglist::domain::resolve::resolve;
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::Moment;
use neglist::policy::diagnostic::has_errors;
use neglist::policy::{self, Limits, PolicyFile, SourceFile};

pub(crate) use files::{FEW, Registered, code};
use files::{LISTS, texts};

/// 2026-06-01T00:00:00+08:00.
const AT: Moment = Moment::from_seconds(1_780_243_200);

/// Returns policies with this many list entries, each naming its own item, and a registry of that size.
pub(crate) fn files(entries: usize, registered: Registered) -> Vec<PolicyFile> {
    let file = |(index, text)| PolicyFile { path: format!("{index:03}.yaml"), text };
    texts(entries, registered).into_iter().enumerate().map(file).collect()
}

/// Limits that an operator with that many entries would set.
pub(crate) fn limits(entries: usize) -> Limits {
    Limits { entries_max: 3 * entries + 1_000, depth_max: 32 }
}

/// Parses files.
///
/// # Panics
/// Where there is anything wrong with them.
pub(crate) fn parse(files: &[PolicyFile], limits: &Limits) -> Vec<SourceFile> {
    let mut diagnostics = Vec::new();
    let sources = policy::read(files, limits, &mut diagnostics);
    assert!(!has_errors(&diagnostics), "{diagnostics:#?}");
    sources
}

/// Compiles parsed policies.
///
/// # Panics
/// Where there is anything wrong with it.
pub(crate) fn compile(sources: &[SourceFile], limits: &Limits) -> Snapshot {
    let mut diagnostics = Vec::new();
    let snapshot = policy::compile::compile(sources, limits, &mut diagnostics);
    assert!(!has_errors(&diagnostics), "{diagnostics:#?}");
    snapshot.expect("no errors were found")
}

/// The words of one question.
#[derive(Debug)]
pub(crate) struct Question {
    flow: String,
    zone: String,
    sector: String,
    scenario: String,
    code: String,
    persons: u64,
}

/// Returns questions about items drawn over the whole list; others for each seed.
pub(crate) fn questions(entries: usize, registered: Registered, count: usize, seed: u64) -> Vec<Question> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 1);
    let mut draw = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let question = |_| {
        let item = draw(entries);
        Question {
            flow: format!("flow-{}", draw(registered.flows)),
            zone: format!("zone-{}", item % LISTS),
            sector: format!("sectors-{}", item % 5),
            scenario: format!("scenarios-{}", draw(8)),
            code: code(item),
            persons: draw(2_000) as u64,
        }
    };
    (0..count).map(question).collect()
}

impl Question {
    /// Asks in strings.
    pub(crate) fn spelt(&self) -> Asked<'_> {
        Asked {
            exporter: Some("an-unregistered-exporter"),
            exporter_facts: Some(AskedFacts { zones: vec![&self.zone], ..AskedFacts::default() }),
            recipient: Some("recipient"),
            destination: Some("DE"),
            sector: Some(&self.sector),
            scenario: Some(&self.scenario),
            data: vec![AskedItem { code: &self.code, ..AskedItem::default() }],
            flow: None,
            ..self.flow()
        }
    }

    /// Asks through a flow.
    pub(crate) fn flow(&self) -> Asked<'_> {
        let persons = AskedPersons { general: self.persons, sensitive: self.persons };
        Asked {
            flow: Some(&self.flow),
            persons: Some(persons),
            year_to_date: Some(persons),
            scenario_year_to_date: Some(persons),
            ..Asked::default()
        }
    }
}

/// Decides.
///
/// # Panics
/// Where the request is refused: the questions are well-formed.
pub(crate) fn decide(snapshot: &Snapshot, asked: &Asked<'_>) -> Decision {
    let transfer = resolve(snapshot, asked, AT).expect("the questions are well-formed");
    evaluate(snapshot, &transfer, &transfer.stated)
}
