//! Caps of clearances against what callers state, counters of important data, and sizes of groups: with the shipped
//! lists, a contract for many scenarios and an assessment for one.

use neglist::wire::generated::v1;

use crate::ledger::books::{Books, codes, refused_fields};

const PHARMA: &str = "91110000EXAMPLE001";
const TRIAL: &str = "beijing/pharma/clinical-trial";
const CAP_REACHED: &str = "CLEARANCE_CAP_REACHED";
const USE_NOT_KNOWN: &str = "CLEARANCE_USE_NOT_KNOWN";

const CLEARANCES: &str = "
  - {id: contract-wide, kind: contract, reference: x, exporter: 91110000EXAMPLE001, recipient: basel-two, sector: any,
     scenario: any, items: [health.trial-subject-record], covers_important_data: no,
     persons_per_year_max: {general: 0, sensitive: 15000}, first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: assessed-narrow, kind: assessment, reference: x, exporter: 91110000EXAMPLE001, recipient: basel-three,
     sector: pharma, scenario: clinical-trial, items: [health.trial-subject-record, genetic.data],
     covers_important_data: yes, persons_per_year_max: {general: 0, sensitive: 40000},
     first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: contract-at-home, kind: contract, reference: x, exporter: 91440000EXAMPLE004, recipient: basel-two, sector: any,
     scenario: any, items: [health.diagnosis], covers_important_data: no,
     persons_per_year_max: {general: 0, sensitive: 1000}, first_day: 2026-06-01, last_day: 2027-05-31}
";

fn persons(general: u64, sensitive: u64) -> v1::Persons {
    v1::Persons { general, sensitive }
}

/// A transfer of sensitive persons of the drug maker, in a scenario of pharmaceuticals.
fn pharma(recipient: &str, scenario: &str, items: &[&str], sensitive: u64) -> v1::Transfer {
    v1::Transfer {
        exporter: PHARMA.into(),
        recipient: recipient.into(),
        destination: "CH".into(),
        sector: "pharma".into(),
        scenario: scenario.into(),
        data: items.iter().map(|code| v1::DataItem { code: (*code).into(), ..v1::DataItem::default() }).collect(),
        persons: Some(persons(0, sensitive)),
        export_zone: "beijing-ftz".into(),
        ..v1::Transfer::default()
    }
}

fn trial(recipient: &str, sensitive: u64) -> v1::Transfer {
    pharma(recipient, "clinical-trial", &["health.trial-subject-record"], sensitive)
}

fn genetic(sensitive: u64) -> v1::Transfer {
    pharma("basel-three", "clinical-trial", &["genetic.data"], sensitive)
}

/// The transfer with totals that the caller states.
fn stating(transfer: v1::Transfer, year: Option<u64>, scenario: Option<u64>) -> v1::Transfer {
    let sensitive = |total: Option<u64>| total.map(|total| persons(0, total));
    v1::Transfer { year_to_date: sensitive(year), scenario_year_to_date: sensitive(scenario), ..transfer }
}

fn under_clearance(transfer: v1::Transfer, used: u64) -> v1::Transfer {
    v1::Transfer { clearance_year_to_date: Some(persons(0, used)), ..transfer }
}

/// Checks the outcome, and whether a code is among the reasons.
#[track_caller]
fn check(decision: &v1::Decision, outcome: v1::Outcome, code: &str) {
    assert_eq!(decision.outcome(), outcome, "{decision:#?}");
    assert!(codes(decision).contains(&code), "{code} of {:?}", codes(decision));
}

#[tokio::test]
async fn a1_a_a_missing_total_is_read_from_the_ledger_or_asked_for() {
    let books = Books::with(CLEARANCES);
    assert_eq!(books.reserve(&trial("basel-three", 9_999)).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    // 9,999 went out under the assessment, 35,000 more make 44,999, and its cap is 40,000.
    for (year, scenario) in [(Some(0), None), (None, Some(9_999)), (None, None), (Some(0), Some(9_999))] {
        let decision = books.decide(&stating(genetic(35_000), year, scenario)).await.unwrap();
        check(&decision, v1::Outcome::Assess, CAP_REACHED);
        let text = decision.reasons.iter().find(|reason| reason.code == CAP_REACHED).unwrap();
        assert!(text.text_en.ends_with("(44,999 persons with sensitive information, line 40,001)"), "{text:?}");
    }
    let decision = books.decide(&stating(genetic(30_001), Some(0), None)).await.unwrap();
    check(&decision, v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    let decision = books.decide(&stating(genetic(30_002), Some(0), None)).await.unwrap();
    check(&decision, v1::Outcome::Assess, CAP_REACHED);
    // Without a ledger the total is asked for.
    for (year, scenario, missing) in [
        (Some(0), None, vec!["transfer.scenario_year_to_date"]),
        (None, Some(9_999), vec!["transfer.year_to_date"]),
        (None, None, vec!["transfer.year_to_date", "transfer.scenario_year_to_date"]),
    ] {
        let refused = books.decide_without_ledger(&stating(genetic(35_000), year, scenario)).await.unwrap_err();
        assert_eq!(refused_fields(&refused), missing);
    }
    let stated = stating(genetic(35_000), Some(0), Some(9_999));
    check(&books.decide_without_ledger(&stated).await.unwrap(), v1::Outcome::Assess, CAP_REACHED);
    let decision = books.decide_without_ledger(&under_clearance(genetic(30_000), 9_999)).await.unwrap();
    check(&decision, v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    let decision = books.decide_without_ledger(&under_clearance(genetic(30_002), 9_999)).await.unwrap();
    check(&decision, v1::Outcome::Assess, CAP_REACHED);
}

#[tokio::test]
async fn a1_b_important_data_that_went_out_counts_against_the_cap_of_the_scenario() {
    let books = Books::with(CLEARANCES);
    assert_eq!(books.reserve(&genetic(30_000)).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    check(&books.decide(&trial("basel-three", 15_000)).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
    // The totals as stated before the scenario counted important data, and as they are now.
    for scenario in [0, 30_000] {
        let stated = stating(trial("basel-three", 15_000), Some(30_000), Some(scenario));
        check(&books.decide(&stated).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
        check(&books.decide_without_ledger(&stated).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
    }
    let stated = stating(trial("basel-three", 10_000), Some(30_000), Some(0));
    check(&books.decide(&stated).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    // A caller that states the total under the clearance needs no bound.
    let stated = stating(trial("basel-three", 10_000), Some(30_000), Some(30_000));
    check(&books.decide(&stated).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
    let stated = under_clearance(stated, 30_000);
    check(&books.decide(&stated).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
}

#[tokio::test]
async fn a1_c_totals_are_added_up_if_their_sum_bounds() {
    let books = Books::with(CLEARANCES);
    let elsewhere = pharma("basel-two", "other", &["health.trial-subject-record"], 9_000);
    assert_eq!(books.reserve(&elsewhere).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    assert_eq!(books.reserve(&trial("basel-two", 5_999)).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    check(&books.decide(&trial("basel-two", 1_000)).await.unwrap(), v1::Outcome::File, CAP_REACHED);
    let stated = stating(trial("basel-two", 1_000), Some(9_000), Some(5_999));
    check(&books.decide(&stated).await.unwrap(), v1::Outcome::File, CAP_REACHED);
    check(&books.decide_without_ledger(&stated).await.unwrap(), v1::Outcome::File, CAP_REACHED);
    let stated = stating(trial("basel-two", 1), Some(9_000), Some(5_999));
    check(&books.decide(&stated).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    // Totals of this scenario do not bound the total under a contract for all scenarios.
    let elsewhere = stating(pharma("basel-two", "other", &["health.trial-subject-record"], 1), Some(0), None);
    check(&books.decide(&elsewhere).await.unwrap(), v1::Outcome::Contract, USE_NOT_KNOWN);
    check(&books.decide_without_ledger(&elsewhere).await.unwrap(), v1::Outcome::Contract, USE_NOT_KNOWN);
    let elsewhere = under_clearance(elsewhere, 14_999);
    check(&books.decide(&elsewhere).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    check(&books.decide(&under_clearance(elsewhere, 15_000)).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
}

#[tokio::test]
async fn a1_without_a_list_with_own_counters_the_national_total_bounds() {
    let books = Books::with(CLEARANCES);
    let diagnoses = |sensitive, year| v1::Transfer {
        exporter: "91440000EXAMPLE004".into(),
        recipient: "basel-two".into(),
        destination: "CH".into(),
        data: vec![v1::DataItem { code: "health.diagnosis".into(), ..v1::DataItem::default() }],
        persons: Some(persons(0, sensitive)),
        year_to_date: Some(persons(0, year)),
        ..v1::Transfer::default()
    };
    check(&books.decide(&diagnoses(1, 999)).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    check(&books.decide(&diagnoses(2, 999)).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
    check(&books.decide_without_ledger(&diagnoses(2, 999)).await.unwrap(), v1::Outcome::Contract, CAP_REACHED);
}

#[tokio::test]
async fn a2_important_data_is_counted_in_its_scenario() {
    let books = Books::with(CLEARANCES);
    let both = |sensitive| {
        pharma("basel-three", "clinical-trial", &["genetic.data", "health.trial-subject-record"], sensitive)
    };
    let reserved = books.reserve(&both(9_000)).await.decision.unwrap();
    assert_eq!((reserved.outcome(), reserved.required()), (v1::Outcome::Allow, v1::Outcome::Assess));
    for counter in ["national", TRIAL, "clearance/assessed-narrow"] {
        assert_eq!(books.counted(PHARMA, &format!("{counter}/sensitive/2026")).await, 9_000, "{counter}");
    }
    let required = async |more| books.decide(&trial("not-cleared", more)).await.unwrap().required();
    assert_eq!(required(999).await, v1::Outcome::File);
    assert_eq!(required(1_000).await, v1::Outcome::Contract);
    assert_eq!(books.reserve(&both(30_999)).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    assert_eq!(required(10_000).await, v1::Outcome::Contract);
    assert_eq!(required(10_001).await, v1::Outcome::Assess);
    // Data that the caller declares important, too.
    let mut declared = trial("basel-three", 1);
    declared.data[0].data_class = v1::DataClass::Important.into();
    assert_eq!(books.reserve(&declared).await.decision.unwrap().required(), v1::Outcome::Assess);
    assert_eq!(books.counted(PHARMA, &format!("{TRIAL}/sensitive/2026")).await, 40_000);
}

#[tokio::test]
async fn a7_a_group_has_the_persons_of_the_classes_that_its_items_have() {
    let books = Books::with(CLEARANCES);
    let one = |general, sensitive| v1::Transfer {
        year_to_date: Some(persons(general, sensitive)),
        scenario_year_to_date: Some(persons(0, 0)),
        ..trial("not-cleared", 1)
    };
    let emergency = |transfer| v1::Transfer { ground: v1::Ground::Emergency.into(), ..transfer };
    // 99,999 e-mail addresses are no group of trial subjects.
    assert_eq!(books.decide(&one(99_999, 0)).await.unwrap().outcome(), v1::Outcome::File);
    assert_eq!(books.decide(&emergency(one(99_999, 0))).await.unwrap().outcome(), v1::Outcome::Allow);
    assert_eq!(books.decide(&emergency(one(9_000_000, 99_998))).await.unwrap().outcome(), v1::Outcome::Allow);
    let decision = books.decide(&emergency(one(0, 99_999))).await.unwrap();
    check(&decision, v1::Outcome::Assess, "IMPORTANT_DATA_GROUP_SIZE");
    let reason = decision.reasons.iter().find(|reason| reason.code == "IMPORTANT_DATA_GROUP_SIZE").unwrap();
    assert!(reason.text_en.ends_with("(100,000 persons with sensitive information, line 100,000)"), "{reason:?}");
    assert!(reason.text_zh.ends_with("（敏感个人信息100,000人，线100,000人）"), "{reason:?}");
    // The scenario's own counters hold up to 9,999 that the national ones do not.
    let in_scenario = |scenario| v1::Transfer { scenario_year_to_date: Some(persons(0, scenario)), ..one(0, 90_000) };
    assert_eq!(books.decide(&emergency(in_scenario(9_998))).await.unwrap().outcome(), v1::Outcome::Allow);
    let decision = books.decide(&emergency(in_scenario(9_999))).await.unwrap();
    check(&decision, v1::Outcome::Assess, "IMPORTANT_DATA_GROUP_SIZE");
    // The other 90,000 of these are counted nationally.
    assert_eq!(books.decide(&emergency(in_scenario(99_998))).await.unwrap().outcome(), v1::Outcome::Assess);
}

#[tokio::test]
async fn a7_a_group_has_the_persons_of_other_scenarios_too() {
    let uncapped = "
  - {id: filed, kind: zone-filing, reference: x, exporter: 91110000EXAMPLE001, recipient: basel-two, sector: pharma,
     scenario: clinical-trial, items: [health.trial-subject-record], covers_important_data: no, lists: [beijing-2025],
     persons_per_year_max: {general: 0, sensitive: 9999}, first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: assessed, kind: assessment, reference: x, exporter: 91110000EXAMPLE001, recipient: basel-two, sector: any,
     scenario: any, items: [health.adverse-event], covers_important_data: no, persons_per_year_max: none,
     first_day: 2026-06-01, last_day: 2027-05-31}
";
    let books = Books::with(uncapped);
    let events = |sensitive| pharma("basel-two", "pharmacovigilance", &["health.adverse-event"], sensitive);
    assert_eq!(books.reserve(&trial("basel-two", 9_999)).await.decision.unwrap().outcome(), v1::Outcome::Allow);
    check(&books.decide(&events(90_000)).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    check(&books.decide(&events(90_001)).await.unwrap(), v1::Outcome::Assess, "IMPORTANT_DATA_GROUP_SIZE");
    assert_eq!(books.reserve(&events(90_001)).await.decision.unwrap().outcome(), v1::Outcome::Assess);
    // A caller cannot state the total of another scenario: the most persons that may be in that counter alone count.
    let stated = |year| stating(events(1), Some(year), Some(0));
    check(&books.decide_without_ledger(&stated(89_999)).await.unwrap(), v1::Outcome::Allow, "COVERED_BY_CLEARANCE");
    let decision = books.decide_without_ledger(&stated(90_000)).await.unwrap();
    check(&decision, v1::Outcome::Assess, "IMPORTANT_DATA_GROUP_SIZE");
}

#[tokio::test]
async fn a10_a_sensitive_item_without_persons_counts_one_person() {
    let books = Books::with(CLEARANCES);
    for count in 1..=3 {
        let reserved = books.reserve(&trial("basel-three", 0)).await;
        assert_eq!(reserved.decision.unwrap().outcome(), v1::Outcome::Allow);
        assert_eq!(books.counted(PHARMA, &format!("{TRIAL}/sensitive/2026")).await, count);
        assert_eq!(books.counted(PHARMA, &format!("{TRIAL}/general/2026")).await, 0);
    }
}

#[tokio::test]
async fn a10_a_national_line_beside_own_lines_holds_as_written() {
    let books = Books::with(CLEARANCES);
    let face = |general, sensitive| v1::Transfer {
        year_to_date: Some(persons(general, sensitive)),
        scenario_year_to_date: Some(persons(0, 0)),
        ..pharma("not-cleared", "clinical-trial", &["biometric.face"], 1)
    };
    let outcome = async |transfer| books.decide(&transfer).await.unwrap().outcome();
    assert_eq!(outcome(face(1_000_000, 0)).await, v1::Outcome::Assess);
    assert_eq!(outcome(face(999_999, 0)).await, v1::Outcome::Contract);
    assert_eq!(outcome(face(100_000, 0)).await, v1::Outcome::Contract);
    assert_eq!(outcome(face(99_999, 0)).await, v1::Outcome::File);
    // The list has its own number for sensitive information: the national total is not considered.
    assert_eq!(outcome(face(0, 9_999)).await, v1::Outcome::File);
}
