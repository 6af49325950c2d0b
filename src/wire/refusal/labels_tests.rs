//! Every problem of labels names the fault and the source of the label, and fits into a status.

use std::fmt::Write as _;

use super::*;
use crate::domain::names::NameFault;
use crate::wire::refusal::{Refusal, grpc};

const EVERY_ORIGIN: usize = 8;

fn origins() -> [Origin; EVERY_ORIGIN] {
    [
        Origin::Header("x-neglist-flow".into()),
        Origin::Body("/count".into()),
        Origin::Context("route".into()),
        Origin::Host,
        Origin::Method,
        Origin::Path,
        Origin::Sni,
        Origin::Request,
    ]
}

fn labels() -> [Label; 12] {
    [
        Label::Rule,
        Label::Flow,
        Label::Exporter,
        Label::Recipient,
        Label::Destination,
        Label::Sector,
        Label::Scenario,
        Label::ExportZone,
        Label::Item(1),
        Label::Persons,
        Label::SensitivePersons,
        Label::TransferId,
    ]
}

fn faults(word: &str) -> Vec<Fault> {
    let rules = || vec![word.to_owned(), word.to_owned(), word.to_owned(), word.to_owned()];
    let mut faults = vec![
        Fault::Missing,
        Fault::Empty,
        Fault::NotSeen,
        Fault::Repeated,
        Fault::NotText,
        Fault::NotANumber { text: word.to_owned() },
        Fault::TooManyPersons { count: u64::MAX },
        Fault::TooLong { bytes: 4_096, max: 128 },
        Fault::NotAName(NameFault::Unseen { character: '\u{200b}', byte: 4 }),
        Fault::Disagrees { request: word.to_owned(), rule: word.to_owned() },
        Fault::OtherDigit,
        Fault::FlowBesideFields,
        Fault::NumberBesideNames,
        Fault::Choice(ChoiceFault::HostNotSeen),
        Fault::Choice(ChoiceFault::ServerNameNotMet),
        Fault::Choice(ChoiceFault::OnlyServerName),
        Fault::Choice(ChoiceFault::ServerNameNotSeen),
        Fault::Choice(ChoiceFault::PathNotSeen),
        Fault::Choice(ChoiceFault::InsideTunnel),
        Fault::Choice(ChoiceFault::MethodNotInCapitals),
        Fault::Choice(ChoiceFault::ConditionsNotMet { rules: rules() }),
        Fault::Choice(ChoiceFault::Ambiguous { rules: rules() }),
        Fault::Choice(ChoiceFault::SlashAtEnd { written: word.to_owned() }),
        Fault::Choice(ChoiceFault::SuffixAtEnd { written: word.to_owned() }),
        Fault::Choice(ChoiceFault::MethodOverridden { header: "x-http-method", says: word.to_owned() }),
        Fault::Choice(ChoiceFault::PathOverridden { header: "x-rewrite-url" }),
    ];
    let bodies = [
        BodyFault::WrongKind,
        BodyFault::InOtherCapitals,
        BodyFault::NotThere,
        BodyFault::Partial,
        BodyFault::NotJson,
        BodyFault::NotCsv,
        BodyFault::NotForm,
        BodyFault::OtherType,
        BodyFault::Compressed,
    ];
    faults.extend(bodies.map(Fault::Body));
    let hosts = [HostFault::Character, HostFault::NotAscii, HostFault::Parts, HostFault::Address, HostFault::Port];
    faults.extend(hosts.map(Fault::Host));
    let paths = [
        PathFault::NoSlash,
        PathFault::DotSegment,
        PathFault::EmptySegment,
        PathFault::HiddenSlash,
        PathFault::HiddenEnd,
        PathFault::Character,
        PathFault::Encoding,
        PathFault::EncodedTwice,
        PathFault::Parameters,
        PathFault::DotOrBlankAtEnd,
        PathFault::TooLong,
    ];
    faults.extend(paths.map(Fault::Path));
    faults
}

fn wrong(rule: Option<&str>, label: Label, origin: Origin, fault: Fault) -> Unlabelled {
    Unlabelled::Wrong(vec![LabelProblem { rule: rule.map(str::to_owned), label, origin, fault }])
}

fn nothing(word: &str) -> Unlabelled {
    let said = || Some(word.to_owned());
    Unlabelled::NothingMatches(Nothing {
        host: said(),
        method: said(),
        path: said(),
        sni: said(),
        flow_header: word.to_owned(),
    })
}

#[test]
fn every_problem_names_the_fault_and_the_source() {
    let mut page = String::new();
    let mut add = |unlabelled: &Unlabelled| {
        for Issue { code, field, en, zh } in explain(unlabelled) {
            let _ = writeln!(page, "{code} at {field}\n  {en}\n  {zh}");
        }
    };
    add(&nothing("a.b"));
    let empty = Nothing { host: None, method: None, path: None, sni: None, flow_header: "x-neglist-flow".into() };
    add(&Unlabelled::NothingMatches(empty));
    for origin in origins() {
        add(&wrong(None, Label::Flow, origin, Fault::Missing));
    }
    for label in labels() {
        add(&wrong(Some("trial-uploads"), label, Origin::Header("x-label".into()), Fault::Missing));
    }
    for fault in faults("a\u{1b}") {
        add(&wrong(Some("trial-uploads"), Label::Persons, Origin::Path, fault));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn a_status_fits_into_headers_for_any_request() {
    // A control character is the longest in the text, a Chinese one the longest in a header.
    for character in ["\u{1}", "数", "\u{10ffff}", "`"] {
        let word = character.repeat(128);
        let mut all = vec![nothing(&word)];
        let mut problems = Vec::new();
        for fault in faults(&word) {
            let problem = wrong(Some(&word), Label::SensitivePersons, Origin::Header("x".repeat(128)), fault);
            let Unlabelled::Wrong(found) = &problem else { panic!() };
            problems.extend(found.clone());
            all.push(problem);
        }
        all.push(Unlabelled::Wrong(problems));
        for unlabelled in &all {
            let status = grpc::status(&Refusal::unlabelled(unlabelled.clone()));
            let message: usize = status.message().bytes().map(|byte| if byte.is_ascii_graphic() { 1 } else { 3 }).sum();
            let bytes = message + status.details().len().div_ceil(3) * 4;
            assert!(bytes < 8_192 - 512, "{bytes}: {}", status.message());
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
    }
}
