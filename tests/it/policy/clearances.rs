//! Extensions of assessments, reserved names of families, and caps that are nearly used.

use neglist::domain::counter::{Counted, CounterKey};
use neglist::domain::headroom::caps_nearly_used;
use neglist::domain::list::PersonInBothClasses;
use neglist::domain::units::{CountedClass, Moment};
use neglist::policy::{self, Compiled, PolicyFile, Severity};

use crate::support::shipped::{self, LIMITS};

/// Cap of the assessment that is extended.
const BEFORE: &str = "{general: 100000, sensitive: 10}";

fn with(registry: String) -> Compiled {
    let mut files = shipped::policies();
    files.push(PolicyFile { path: "registry/extensions.yaml".to_owned(), text: registry });
    policy::compile(&files, &LIMITS)
}

/// An assessment that is extended by one with another cap, and further lines.
fn extension(cap: &str, further: &str) -> Vec<(&'static str, Severity, String)> {
    let clearance = |id: &str, cap: &str, further: &str, first: &str, last: &str| {
        format!(
            "  - id: {id}
    kind: assessment
    exporter: 91990000EXAMPLE005
    recipient: example-turbines-as
    sector: any
    scenario: any
    items: [contact.name]
    covers_important_data: no
    persons_per_year_max: {cap}
    first_day: {first}
    last_day: {last}
{further}"
        )
    };
    let text = format!(
        "format: 1\nkind: registry\nclearances:\n{}{}complete: yes\n",
        clearance("assessment-a", BEFORE, "", "2025-01-01", "2027-12-31"),
        clearance("assessment-b", cap, further, "2028-01-01", "2030-12-31"),
    );
    let found = with(text).diagnostics.into_iter().filter(|found| found.file == "registry/extensions.yaml");
    found.map(|found| (found.code, found.severity, found.message)).collect()
}

#[test]
fn an_extension_that_grows_by_more_than_a_fifth_is_warned_of() {
    let extends = "    extends: assessment-a\n";
    for cap in [BEFORE, "{general: 120000, sensitive: 12}", "{general: 1, sensitive: 0}"] {
        assert_eq!(extension(cap, extends), [], "{cap}");
    }
    let general = "the cap of general persons grows by more than 20 % over that of `assessment-a`: 100000 to 120001";
    let sensitive = "the cap of sensitive persons grows by more than 20 % over that of `assessment-a`: 10 to 13";
    let warning = |message: &str| ("P029", Severity::Warning, message.to_owned());
    assert_eq!(extension("{general: 120001, sensitive: 10}", extends), [warning(general)]);
    assert_eq!(extension("{general: 0, sensitive: 13}", extends), [warning(sensitive)]);
    assert_eq!(extension("none", extends).len(), 2);
    assert_eq!(extension("none", ""), [], "an assessment of its own may be of any size");
}

#[test]
fn an_extension_extends_an_assessment_between_the_same_parties() {
    let cases = [
        ("assessment-c", "P011", "unknown clearance `assessment-c`"),
        ("assessment-b", "P017", "the clearance extends itself"),
        ("contract-2026-001", "P017", "only an assessment extends an assessment"),
    ];
    for (id, code, message) in cases {
        let found = extension(BEFORE, &format!("    extends: {id}\n"));
        assert_eq!(found, [(code, Severity::Error, message.to_owned())], "{id}");
    }
    let others = with(
        "format: 1
kind: registry
clearances:
  - id: assessment-b
    kind: assessment
    exporter: 91990000EXAMPLE005
    recipient: somebody-else
    sector: any
    scenario: any
    items: [contact.name]
    covers_important_data: no
    extends: assessment-2025-001
    persons_per_year_max: none
    first_day: 2028-09-01
    last_day: 2031-08-31
complete: yes
"
        .to_owned(),
    );
    let expected = "the assessment `assessment-2025-001` is between other parties";
    assert!(others.snapshot.is_none() && others.diagnostics.iter().any(|found| found.message == expected));
}

#[test]
fn no_family_takes_the_names_of_other_counters() {
    for family in ["national", "clearance"] {
        let mut files = shipped::policies();
        let list = files.iter_mut().find(|file| file.path.ends_with("beijing-2025.yaml")).unwrap();
        list.text = list.text.replace("\nfamily: beijing\n", &format!("\nfamily: {family}\n"));
        let compiled = policy::compile(&files, &LIMITS);
        let expected = format!("`{family}` cannot be the name of a family");
        assert!(compiled.diagnostics.iter().any(|found| found.code == "P017" && found.message == expected));
    }
}

#[test]
fn the_reading_of_a_person_in_both_classes_is_the_national_lists() {
    let read = |files: &[PolicyFile]| {
        let compiled = policy::compile(files, &LIMITS);
        compiled.snapshot.unwrap().lists.nationals[0].person_in_both_classes
    };
    let mut files = shipped::policies();
    assert_eq!(read(&files), PersonInBothClasses::BothCounters);
    let list = files.iter_mut().find(|file| file.path.ends_with("national-2024.yaml")).unwrap();
    let written = "  person_in_both_classes: both-counters\n";
    assert!(list.text.contains(written));
    list.text = list.text.replace(written, "  person_in_both_classes: sensitive-only\n");
    assert_eq!(read(&files), PersonInBothClasses::SensitiveOnly);
}

#[test]
fn a_cap_is_nearly_used_from_nine_tenths_on_while_the_clearance_is_in_force() {
    let snapshot = policy::compile(&shipped::policies(), &LIMITS).snapshot.unwrap();
    // filing-2026-001: 9,999 sensitive and no general persons, from 2026-06-01 to 2027-05-31.
    let counted = Counted::parse(&snapshot, "clearance/filing-2026-001").unwrap();
    let november = Moment::from_seconds(1_793_491_200);
    let nearly = |class, used, at| {
        let key = CounterKey { counted, class };
        caps_nearly_used(&snapshot, at, [(key, used), (CounterKey { counted: Counted::National, class }, 1 << 40)])
    };
    assert_eq!(nearly(CountedClass::Sensitive, 8_999, november), []);
    let [cap] = nearly(CountedClass::Sensitive, 9_000, november)[..] else { panic!() };
    assert_eq!((cap.used, cap.cap), (9_000, 9_999));
    assert_eq!(nearly(CountedClass::General, 1, november), [], "a cap of no persons");
    assert_eq!(nearly(CountedClass::Sensitive, 9_999, Moment::from_seconds(1_750_000_000)), [], "not in force yet");
}
