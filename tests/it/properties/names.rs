//! Names and codes at the entrances: those that resemble a registered exporter or a stricter code, and those that break the rule.
//!
//! `NEGLIST_SLIP_WORDS` sets among how many registered exporters and codes every slip is tried.

use std::collections::BTreeSet;

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons, Problem};
use neglist::domain::evaluate::evaluate;
use neglist::domain::reason::Outcome;
use neglist::domain::resolve::resolve;
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::{Class, Moment};
use neglist::domain::vocabulary::{Looks, Vocabulary};
use neglist::policy::PolicyFile;
use neglist::policy::diagnostic::has_errors;

use crate::properties::targets;
use crate::support::shipped;
use crate::support::small::{OWN, Small};

/// 2026-06-01T00:00:00+08:00.
const AT: Moment = Moment::from_seconds(1_780_243_200);
const OWN_CODE: &str = "machine.far-from-all";

/// One person's data by an exporter that states no facts worth speaking of.
fn asked<'a>(exporter: &'a str, code: &'a str, class: Class) -> Asked<'a> {
    let no_persons = AskedPersons::default();
    Asked {
        exporter: Some(exporter),
        exporter_facts: Some(AskedFacts::default()),
        recipient: Some("a recipient"),
        destination: Some("DE"),
        data: vec![AskedItem { code, class: Some(class), ..AskedItem::default() }],
        persons: Some(AskedPersons { general: u64::from(class != Class::NonPersonal), sensitive: 0 }),
        year_to_date: Some(no_persons),
        scenario_year_to_date: Some(no_persons),
        ..Asked::default()
    }
}

fn outcome(snapshot: &Snapshot, asked: &Asked<'_>) -> Outcome {
    let transfer = resolve(snapshot, asked, AT).unwrap_or_else(|found| panic!("{found:?}"));
    evaluate(snapshot, &transfer, &transfer.stated).outcome
}

/// The fields that are refused, each with its problem.
fn refused(snapshot: &Snapshot, asked: &Asked<'_>) -> Vec<(String, Problem)> {
    let found = resolve(snapshot, asked, AT).err().unwrap_or_default();
    found.into_iter().map(|violation| (violation.path.of_transfer().unwrap().to_string(), violation.problem)).collect()
}

#[track_caller]
fn near_exporter(snapshot: &Snapshot, name: &str, registered: &str) {
    let wanted = Problem::NearExporter { code: name.to_owned(), nearest: registered.to_owned() };
    assert_eq!(
        refused(snapshot, &asked(name, OWN_CODE, Class::General)),
        [("exporter".to_owned(), wanted)],
        "{name:?}"
    );
}

#[track_caller]
fn near_code(snapshot: &Snapshot, own: &str, class: Class, stricter: &str) {
    let wanted = Problem::NearMiss { code: own.to_owned(), nearest: stricter.to_owned() };
    let found = refused(snapshot, &asked("a far company", own, class));
    assert_eq!(found, [("data[0].code".to_owned(), wanted)], "{own:?}");
}

#[test]
fn a3_invisible_characters_do_not_shed_the_duties_of_a_registered_exporter() {
    let snapshot = targets::compile(&shipped::policies());
    let registered = "91990000EXAMPLE005";
    for name in [
        "\u{feff}91990000EXAMPLE005",
        "91990000EXAMPLE005\u{feff}",
        "9\u{200b}1990000EXAMPLE005",
        "91990000\u{ad}EXAMPLE005",
        "91990000EXAMPLE00\u{2060}5",
        "９1990000EXAMPLE005",
        "91990000EXAMPLE00５",
        "91990000ＥXAMPLE005",
        "91990000example005",
        "91990000EXAMPLE005 ",
        "91990000EXAMPLE005\u{3000}",
        "91990000EXAMPLE005\n",
        "91990000EXAMPEL005",
        "\u{200b}９1990000EXAMPLE05",
        "91990000EXAMPLE005\u{301}",
    ] {
        near_exporter(&snapshot, name, registered);
    }
    assert_eq!(outcome(&snapshot, &asked("某某公司", OWN_CODE, Class::General)), Outcome::Allow);
}

#[test]
fn a3_invisible_characters_do_not_shed_a_stricter_code() {
    let snapshot = targets::compile(&shipped::policies());
    for own in [
        "\u{feff}health.diagnosis",
        "health.diagnosis\u{200b}",
        "hea\u{ad}lth.diagnosis",
        "health\u{2060}.diagnosis",
        "ｈealth.diagnosis",
        "health．diagnosis",
        "Health.Diagnosis",
        "health.diagnosis ",
        "health_diagnosis",
        "healht.diagnosis",
        "health.diagnosiss",
        "helth.diagnossys",
    ] {
        near_code(&snapshot, own, Class::General, "health.diagnosis");
        // Declared as strictly as it is there, it passes by nothing, but it has to be a code.
        let as_strict = refused(&snapshot, &asked("a far company", own, Class::Important));
        assert!(
            as_strict.is_empty() || as_strict[0].1 != Problem::NearMiss { code: own.into(), nearest: String::new() }
        );
    }
    let far = refused(&snapshot, &asked("a far company", "Callers Own", Class::General));
    assert!(matches!(far[..], [(_, Problem::NotACode(_))]), "{far:?}");
}

#[test]
fn a10_a_code_that_is_an_example_of_a_stricter_entry_is_refused() {
    let snapshot = targets::compile(&shipped::policies());
    for own in ["ota_type", "ota-type", "OTA_TYPE", "ota_typ", "ota.type"] {
        near_code(&snapshot, own, Class::NonPersonal, "auto.ota-type");
    }
    let found = refused(&snapshot, &asked("a far company", "medical_records", Class::General));
    assert!(matches!(&found[..], [(_, Problem::NearMiss { .. })]), "{found:?}");
    // Declared as strictly as the entry makes it.
    assert_eq!(refused(&snapshot, &asked("a far company", "ota_type", Class::Important)), []);
}

/// Every name one slip from a word, with the characters of an alphabet.
fn slips_of(word: &str, alphabet: &str) -> BTreeSet<String> {
    let characters: Vec<char> = word.chars().collect();
    let mut slips = BTreeSet::new();
    let mut add = |changed: Vec<char>| slips.insert(changed.into_iter().collect::<String>());
    for place in 0..=characters.len() {
        let (front, back) = characters.split_at(place);
        for character in alphabet.chars() {
            add([front, &[character], back].concat());
            if !back.is_empty() {
                add([front, &[character], &back[1..]].concat());
            }
        }
        if !back.is_empty() {
            add([front, &back[1..]].concat());
        }
        if 1 < back.len() {
            add([front, &[back[1], back[0]], &back[2..]].concat());
        }
    }
    slips
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but the environment")]
fn words() -> usize {
    std::env::var("NEGLIST_SLIP_WORDS").ok().map_or(200, |text| text.parse().expect("a whole number"))
}

#[test]
fn a3_no_slip_of_a_name_or_code_is_missed_by_the_index() {
    let count = words();
    for pattern in ["91110000EXAMPLE######", "invented.record-######", "######.zone-of-an-item"] {
        // Not one after the other: then nearly every slip would be another word.
        let word = |number: usize| pattern.replace("######", &format!("{:06}", number * 7_919 % 1_000_000));
        let mut vocabulary = Vocabulary::default();
        for number in 0..count {
            vocabulary.insert(&word(number)).unwrap();
        }
        vocabulary.index_slips(Looks::Apart, |_| Some(0));
        for known in (0..count).map(word) {
            for slip in slips_of(&known, "0x-") {
                assert!(vocabulary.slip(&slip, |_| true).is_some(), "{slip} is one slip from {known}");
            }
            let twice = format!("{known}xy");
            assert_eq!(vocabulary.slip(&twice, |_| true), None, "{twice}");
        }
    }
}

#[test]
fn a3_no_slip_passes_among_many_registered_operators_and_sensitive_codes() {
    let count = words();
    let exporter = |number: usize| format!("9111{:06}EXAMPLE{:03}", number * 37 % 1_000_000, number % 1_000);
    let code = |number: usize| format!("invented.record-{:06}", number * 7_919 % 1_000_000);
    let mut registry = "format: 1\nkind: registry\nexporters:\n".to_owned();
    let mut catalogue = "format: 1\nkind: catalogue\nsources: {s: {title: {zh: 甲, en: A}}}\nitems:\n".to_owned();
    for number in 0..count {
        use std::fmt::Write as _;
        let name = "name: {zh: 甲, en: A}";
        let held = "held: {general: 0, sensitive: 0, specially_sensitive: 0}";
        let _ = writeln!(registry, "  - {{id: {}, {name}, zones: [], ciio: yes, kinds: [], {held}}}", exporter(number));
        let evidence = "class: sensitive, source: s, confidence: unsure";
        let _ = writeln!(catalogue, "  - {{code: {}, {name}, {evidence}}}", code(number));
    }
    for text in [&mut registry, &mut catalogue] {
        text.push_str("complete: yes\n");
    }
    let mut files = shipped::policies();
    files.push(PolicyFile { path: "registry/many.yaml".to_owned(), text: registry });
    files.push(PolicyFile { path: "catalogue/many.yaml".to_owned(), text: catalogue });
    let snapshot = targets::compile(&files);
    // Of each word some slips; all of them are tried on the index alone.
    for number in 0..count {
        let (name, own) = (exporter(number), code(number));
        for slip in slips_of(&name, "0Z甲").into_iter().skip(number % 5).step_by(5) {
            let found = refused(&snapshot, &asked(&slip, OWN_CODE, Class::General));
            let is_known = snapshot.codes.exporters.get(&slip).is_some();
            let is_near = matches!(&found[..], [(_, Problem::NearExporter { .. })]);
            assert!(is_known || is_near, "{slip} passes for {name}: {found:?}");
        }
        for slip in slips_of(&own, "0z.").into_iter().skip(number % 5).step_by(5) {
            let found = refused(&snapshot, &asked("a far company", &slip, Class::General));
            let is_known = snapshot.codes.items.get(&slip).is_some();
            assert!(
                is_known || matches!(&found[..], [(_, Problem::NearMiss { .. })]),
                "{slip} passes for {own}: {found:?}"
            );
        }
    }
}

#[test]
fn a4_names_that_look_alike_have_no_totals_of_their_own() {
    let snapshot = targets::compile(&shipped::policies());
    let of = |exporter, before| {
        let total = AskedPersons { general: before, sensitive: 0 };
        Asked { year_to_date: Some(total), ..asked(exporter, OWN_CODE, Class::General) }
    };
    assert_eq!(outcome(&snapshot, &of("acme", 99_999)), Outcome::Contract);
    assert_eq!(outcome(&snapshot, &of("Zürich Rück", 99_999)), Outcome::Contract);
    for name in [
        "acme ",
        " acme",
        "acme\n",
        "acme\u{200b}",
        "acme\u{a0}",
        "acme\u{3000}",
        "ac\0me",
        "acme\u{202e}",
        "acme\u{e000}",
        "acme\u{2028}",
        "Zu\u{308}rich Ru\u{308}ck",
        "甲\u{3000}乙",
    ] {
        let found = refused(&snapshot, &of(name, 0));
        assert!(matches!(&found[..], [(field, Problem::NotAName(_))] if field == "exporter"), "{name:?}: {found:?}");
        let to = Asked { recipient: Some(name), ..of("acme", 0) };
        let found = refused(&snapshot, &to);
        assert!(matches!(&found[..], [(field, Problem::NotAName(_))] if field == "recipient"), "{name:?}: {found:?}");
    }
}

#[test]
fn a4_policy_files_hold_names_to_the_same_rule() {
    for (old, new, wanted) in [
        ("id: trial\n", "id: 'trial '\n", "U+0020 at byte 5"),
        ("id: trial\n", "id: \"tri\\u200bal\"\n", "U+200B at byte 3"),
        ("id: filing-1", "id: \"\\u3000filing-1\"", "U+3000 at byte 0"),
        ("recipient: partner\n    destination", "recipient: part\u{200b}ner\n    destination", "U+200B"),
        ("recipient: partner\n    sector", "recipient: \"partne\\u0301r\"\n    sector", "NFC"),
        ("id: acme", "id: \"acme\\n\"", "U+000A at byte 4"),
        ("zones: [port]", "zones: ['port ']", "U+0020 at byte 4"),
    ] {
        let small = Small::new().with(OWN, old, new);
        let found = small.diagnostics();
        let help = |found: &neglist::policy::diagnostic::Diagnostic| found.help.clone().unwrap_or_default();
        assert!(has_errors(&found), "{new}");
        assert!(found.iter().any(|found| found.code == "P006" && help(found).contains(wanted)), "{new}: {found:#?}");
    }
}
