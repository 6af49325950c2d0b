//! Test vectors of `docs/persons.md`, computed with another program, and the differences that make another pseudonym.

use super::*;
use crate::domain::persons::{KEY_BYTES, Normalise, write_key};

/// The key of the test vectors: the bytes 0 to 31.
fn key() -> SubjectKey {
    let mut bytes = [0; KEY_BYTES];
    for (byte, number) in bytes.iter_mut().zip(0..) {
        *byte = number;
    }
    SubjectKey::from_bytes(bytes)
}

fn pseudonym(year: u16, exporter: &str, kind: &str, identifier: &str) -> String {
    let space = PseudonymSpace::new(&key(), Year(year), exporter, &Kind::parse(kind).unwrap());
    space.pseudonym(&Identifier::new(identifier, Normalise::NONE).unwrap()).to_string()
}

#[test]
fn pseudonyms_are_those_of_the_test_vectors() {
    let long = "x".repeat(1_024);
    for (year, exporter, kind, identifier, wanted) in [
        (2026, "acme", "customer", "c-1001", "045ad4440c854d848922e75a7f6f63c2"),
        (2027, "acme", "customer", "c-1001", "1401cc6f03be3cf320800cc3c80ca93f"),
        (2026, "acme", "patient", "c-1001", "e84c3f0792fd1e284649cbcdc1f0d72a"),
        (2026, "北京某某科技有限公司", "客户", "ann.müller@example.com", "b46a2e8afdcbc2a84faff49a045c8274"),
        (2026, "acme", "customer", long.as_str(), "26e1ddd2955ea2303d5be4daa5d77c1a"),
        // The same bytes, divided in another way.
        (2026, "acmec", "ustomer", "c-1001", "454919eb40e1ba733fe93574a87b886a"),
    ] {
        assert_eq!(pseudonym(year, exporter, kind, identifier), wanted, "{year} {exporter} {kind}");
    }
    assert_eq!(key().fingerprint().to_string(), "fbf1a65fc155faa41e9b0e625934f290");
    assert!(write_key(&key()).ends_with("\n84248d2d4ba10d34\n"));
}

#[test]
fn the_same_person_has_one_pseudonym_and_another_key_another() {
    let kind = Kind::parse("customer").unwrap();
    let of = |key: &SubjectKey, text: &str| {
        PseudonymSpace::new(key, Year(2026), "acme", &kind)
            .pseudonym(&Identifier::new(text, Normalise::NONE).unwrap())
            .to_bytes()
    };
    assert_eq!(of(&key(), "a"), of(&key(), "a"));
    assert_ne!(of(&key(), "a"), of(&key(), "b"));
    assert_ne!(of(&key(), "a"), of(&SubjectKey::from_bytes([7; KEY_BYTES]), "a"));
}

#[test]
fn neither_a_pseudonym_nor_its_space_is_shown_by_accident() {
    let space = PseudonymSpace::new(&key(), Year(2026), "acme", &Kind::parse("customer").unwrap());
    let pseudonym = space.pseudonym(&Identifier::new("c-1001", Normalise::NONE).unwrap());
    assert_eq!(format!("{space:?} {pseudonym:?}"), "PseudonymSpace(…) Pseudonym(…)");
}

#[test]
fn subjects_of_several_kinds_have_the_pseudonyms_of_their_kind() {
    let subject = |kind: &str, identifier: &str| Subject {
        kind: Kind::parse(kind).unwrap(),
        identifier: Identifier::new(identifier, Normalise::NONE).unwrap(),
    };
    let named = [("customer", "c-1001"), ("customer", "b"), ("patient", "c-1001"), ("customer", "c-1001")];
    let subjects = named.map(|(kind, identifier)| subject(kind, identifier));
    let made: Vec<String> = pseudonyms(&key(), Year(2026), "acme", &subjects).map(|made| made.to_string()).collect();
    assert_eq!(made, named.map(|(kind, identifier)| pseudonym(2026, "acme", kind, identifier)));
}
