//! Decision tables: every case of the shipped policies holds.

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::evaluate::evaluate;
use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::resolve::resolve;
use neglist::domain::units::{Class, Moment};
use neglist::policy::{self, Severity, verify};

use crate::support::shipped::{self, LIMITS};

#[test]
fn every_case_of_the_shipped_policies_holds() {
    let mut diagnostics = Vec::new();
    let policies = policy::read(&shipped::policies(), &LIMITS, &mut diagnostics);
    let results = verify::run(&policies, &shipped::tests(), &LIMITS, &mut diagnostics);
    let errors: Vec<_> = diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let failed: Vec<_> = results.iter().filter(|result| !result.failures.is_empty()).collect();
    for result in &failed {
        println!("{} {}: {:?}; got {}", result.file, result.id, result.failures, result.got);
    }
    assert!(failed.is_empty(), "{} of {} cases fail", failed.len(), results.len());
    assert!(300 <= results.len(), "only {} cases", results.len());
}

#[test]
fn a_moment_before_the_first_list_has_the_strictest_outcome() {
    let snapshot = policy::compile(&shipped::policies(), &LIMITS).snapshot.unwrap();
    let asked = Asked {
        exporter: Some("somebody"),
        exporter_facts: Some(AskedFacts::default()),
        destination: Some("DE"),
        data: vec![AskedItem { code: "contact.email", class: Some(Class::General), ..AskedItem::default() }],
        persons: Some(AskedPersons { general: 1, sensitive: 0 }),
        year_to_date: Some(AskedPersons::default()),
        ..Asked::default()
    };
    // 2024-03-21T15:59:59Z is the last second before the Provisions of 2024 in Shanghai.
    let before = resolve(&snapshot, &asked, Moment::from_seconds(1_711_036_799)).unwrap();
    let decision = evaluate(&snapshot, &before, &before.stated);
    assert_eq!(decision.outcome, Outcome::Assess);
    assert_eq!(decision.reasons[0].code, ReasonCode::NoRulesInForce);
    assert_eq!(decision.valid_until, Moment::from_seconds(1_711_036_800));
    let first = resolve(&snapshot, &asked, Moment::from_seconds(1_711_036_800)).unwrap();
    assert_eq!(evaluate(&snapshot, &first, &first.stated).outcome, Outcome::Allow);
    assert!(resolve(&snapshot, &asked, Moment::from_seconds(0)).is_err(), "1970 lies outside the calendar");
}
