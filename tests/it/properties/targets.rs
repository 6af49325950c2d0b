//! Statements that hold for any input of a stranger, for the fuzz targets of `fuzz/` and for [`super::fuzz_smoke`].
//!
//! Each takes bytes, panics where something does not hold, and says whether the bytes got past the first reader: bytes that
//! never do show nothing.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use neglist::domain::asked::{Asked, AskedFacts, AskedItem, Violation};
use neglist::domain::evaluate::evaluate;
use neglist::domain::gateway::{self, Reading, Seen, Unmatched};
use neglist::domain::names::{check_code, check_name};
use neglist::domain::path::Field;
use neglist::domain::resolve::{missing_totals, resolve};
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::{Class, Moment};
use neglist::doors::authzen;
use neglist::doors::authzen::{Evaluation, Evaluations, Mapped};
use neglist::doors::envoy::check::Check;
use neglist::doors::forward_auth::forwarded::Forwarded;
use neglist::doors::forward_auth::wording;
use neglist::doors::http::Believed;
use neglist::doors::squid;
use neglist::policy::{self, Limits, PolicyFile};
use neglist::wire::decide::read::Scratch;
use neglist::wire::decide::to_proto::{self, Decided};
use neglist::wire::decide::{decode, from_proto};
use neglist::wire::generated::v1;
use neglist::wire::generated::vendor::envoy::service::auth::v3::CheckRequest;
use neglist::wire::refusal::{Refusal, grpc};
use prost::Message as _;

/// Limits of the policies of the questions.
const LIMITS: Limits = Limits { entries_max: 100_000, depth_max: 32 };
/// 2026-06-01T00:00:00+08:00.
const NOW: Moment = Moment::from_seconds(1_780_243_200);
/// Most evaluations of one request.
const EVALUATIONS_MAX: usize = 10;

/// Compiles policies.
pub(crate) fn compile(files: &[PolicyFile]) -> Snapshot {
    policy::compile(files, &LIMITS).snapshot.expect("valid policies")
}

/// Compiles policies that fit on a few screens, with rules for gateways.
pub(crate) fn small() -> Snapshot {
    let file = |path: &str, text: &str| PolicyFile { path: path.to_owned(), text: text.to_owned() };
    compile(&[
        file("catalogue/codes.yaml", include_str!("../support/small/catalogue/codes.yaml")),
        file("lists/national/nation.yaml", include_str!("../support/small/lists/national/nation.yaml")),
        file("lists/zones/port.yaml", include_str!("../support/small/lists/zones/port.yaml")),
        file("registry/own.yaml", include_str!("../support/small/registry/own.yaml")),
        file("gateways/routes.yaml", include_str!("../support/small/gateways/routes.yaml")),
    ])
}

/// A text as the name of an exporter that is not registered, and as a code of a caller's own: a word that is taken for
/// new keeps the rule and resembles nothing stricter, and a refusal says where the word breaks the rule, or which word
/// it resembles.
pub(crate) fn new_names(snapshot: &Snapshot, bytes: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()) else { return false };
    let known = snapshot.codes.exporters.get(text).is_some() || snapshot.codes.items.get(text).is_some();
    let refused = |exporter: &str, code: &str| {
        let asked = Asked {
            exporter: Some(exporter),
            exporter_facts: Some(AskedFacts::default()),
            recipient: Some(text),
            destination: Some("DE"),
            data: vec![AskedItem { code, class: Some(Class::NonPersonal), ..AskedItem::default() }],
            ..Asked::default()
        };
        resolve(snapshot, &asked, NOW).err().map(|violations| {
            assert!(
                !grpc::render(&Refusal::Invalid(violations.clone())).message.contains(char::is_control),
                "{violations:?}"
            );
            violations
        })
    };
    let as_name = refused(text, "machine.far-from-all");
    let as_code = refused("a company far from all", text);
    assert_eq!(
        check_name(text).is_err(),
        as_code.iter().flatten().any(|found| found.path == Field::Recipient.into()),
        "{text:?}"
    );
    assert!(known || check_name(text).is_ok() || as_name.is_some(), "{text:?} is no name");
    assert!(known || check_code(text).is_ok() || as_code.is_some(), "{text:?} is no code");
    // An invisible difference makes no new name of a registered one.
    let added = text.chars().next().map(String::from).filter(|added| added.is_ascii() || check_name(added).is_err());
    for registered in snapshot.codes.exporters.iter().filter(|_| added.is_some()) {
        let hidden = format!("{registered}{}", added.as_deref().unwrap_or_default());
        let is_known = snapshot.codes.exporters.get(&hidden).is_some();
        assert!(is_known || refused(&hidden, "machine.far-from-all").is_some(), "{hidden:?} passes");
    }
    as_name.is_none() || as_code.is_none()
}

/// A gateway's request becomes a labelled transfer, or is refused with a reason; it never passes without one.
fn check_seen<S: Seen>(snapshot: &Snapshot, seen: &S) {
    match gateway::read(snapshot, seen, &Unmatched::Refuse) {
        Reading::Transfer(labelled) => assert!(labelled.rule.is_some() || labelled.flow.is_some()),
        Reading::NoTransfer => panic!("passed by itself"),
        Reading::Refused(why) => assert!(!grpc::render(&Refusal::unlabelled(why)).message.is_empty()),
    }
}

/// A message of an Envoy.
pub(crate) fn check_read(snapshot: &Snapshot, bytes: &[u8]) -> bool {
    let Ok(request) = CheckRequest::decode(bytes) else { return false };
    check_seen(snapshot, &Check::new(&request));
    true
}

/// Headers of a question of forward-auth, one a line; the first byte says which family is believed.
pub(crate) fn forward_auth(snapshot: &Snapshot, bytes: &[u8]) -> bool {
    let Some((first, lines)) = bytes.split_first() else { return false };
    let believed =
        [Believed::Either, Believed::XOriginal, Believed::XForwarded, Believed::XOriginalUrl][usize::from(*first) % 4];
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    match Forwarded::read(&headers, believed) {
        Ok(seen) => {
            for said in [seen.method(), seen.host(), seen.path()] {
                assert!(said.is_some_and(|said| !said.is_empty()), "this door speaks of HTTP only");
            }
            check_seen(snapshot, &seen);
            true
        }
        Err(unforwarded) => {
            assert!(!wording::refusal(&unforwarded).issues().is_empty());
            false
        }
    }
}

/// A line of a Squid: a line that is no question is answered on one line, on its channel, and never with OK.
pub(crate) fn squid_line(snapshot: &Snapshot, bytes: &[u8]) -> bool {
    let headers = ["x-neglist-flow".to_owned(), "x-neglist-persons".to_owned()];
    if let Ok(question) = squid::question(bytes, &headers) {
        check_seen(snapshot, &Check::new(&question.request));
        return true;
    }
    let why = String::from_utf8_lossy(bytes);
    let answer = squid::line(squid::channel(bytes), &squid::broken(&why));
    assert!(!answer.contains(" OK") && !answer.starts_with("OK"), "{answer}");
    assert!(answer.trim_end_matches('\n').lines().count() <= 1, "{answer}");
    false
}

/// Decodes a plain message again: it has only fields of the contract.
fn decoded<T: prost::Message + prost::Name + Default + Clone>(bytes: &[u8]) -> T {
    Scratch::default().decode(bytes).cloned().expect("a plain message can be decoded")
}

/// A request of the contract: a reading without copies equals that of the ordinary decoder.
pub(crate) fn plain_read(bytes: &[u8]) -> bool {
    const WELL_FORMED: &str = "a plain message is well-formed";
    const TRANSFERS_MAX: usize = 3;
    let mut is_plain = false;
    if let Some(question) = decode::decide(bytes) {
        is_plain = true;
        let request = decoded::<v1::DecideRequest>(bytes);
        assert_eq!(format!("{question:?}"), format!("{:?}", from_proto::decide(&request).expect(WELL_FORMED)));
    }
    if let Some((sequence, question)) = decode::stream(bytes) {
        is_plain = true;
        let request = decoded::<v1::DecideStreamRequest>(bytes);
        let (expected, ordinary) = from_proto::stream(&request);
        assert_eq!(sequence, expected);
        assert_eq!(format!("{question:?}"), format!("{:?}", ordinary.expect(WELL_FORMED)));
    }
    let batch = decode::batch(bytes, TRANSFERS_MAX);
    let asked = batch.map(|(messages, _)| messages.into_iter().map(decode::asked).collect::<Option<Vec<_>>>());
    if let Some(asked) = asked.flatten() {
        is_plain = true;
        let request = decoded::<v1::DecideBatchRequest>(bytes);
        from_proto::batch_detail(&request, TRANSFERS_MAX).expect(WELL_FORMED);
        let well_formed = |transfer| from_proto::asked(transfer).expect(WELL_FORMED);
        let ordinary: Vec<_> = request.transfers.iter().map(well_formed).collect();
        assert_eq!(format!("{asked:?}"), format!("{ordinary:?}"));
    }
    is_plain
}

/// A request of the contract: decoding, resolving, deciding and answering end, and a refusal names a fault.
pub(crate) fn wire_decode(snapshot: &Snapshot, bytes: &[u8]) -> bool {
    let Ok(request) = v1::DecideRequest::decode(bytes) else { return false };
    let question = match from_proto::decide(&request) {
        Ok(question) => question,
        Err(violations) => {
            check_refusal(&violations);
            return true;
        }
    };
    match resolve(snapshot, &question.asked, NOW) {
        Ok(transfer) => {
            let missing = missing_totals(snapshot, &transfer);
            if !missing.is_empty() {
                check_refusal(&question.location.locate(missing));
            }
            // Decided all the same: a missing total counts as above every line.
            let totals = transfer.stated.clone();
            let decision = evaluate(snapshot, &transfer, &totals);
            assert!(!decision.reasons.is_empty(), "a decision has a reason");
            assert!(decision.evaluated_at < decision.valid_until, "an answer holds for a while");
            let (transfer, decision) = (&transfer, &decision);
            let decided = Decided { snapshot, transfer, totals: &totals, decision, valid_for_max_s: 60 };
            let response = to_proto::decide(to_proto::decision(decided, "id".to_owned(), question.detail));
            let again = v1::DecideResponse::decode(response.encode_to_vec().as_slice());
            assert_eq!(again.as_ref(), Ok(&response), "an answer goes through the wire unchanged");
        }
        Err(violations) => check_refusal(&question.location.locate(violations)),
    }
    true
}

fn check_refusal(violations: &[Violation]) {
    assert!(!violations.is_empty(), "a refusal names a fault");
    let paths: Vec<String> = violations.iter().map(|violation| violation.path.to_string()).collect();
    assert!(paths.iter().all(|path| path.starts_with("transfer") || path == "detail"), "{paths:?}");
    let refusal = grpc::render(&Refusal::Invalid(violations.to_vec()));
    // A status has to fit into the headers of an answer.
    assert!(refusal.encoded_len() < 8_192, "{}", refusal.encoded_len());
}

/// The body of an AuthZEN request: reading and mapping it end, and a refusal or denial gives its reason.
pub(crate) fn authzen_read(bytes: &[u8]) -> bool {
    match authzen::evaluation(bytes) {
        Ok(evaluation) => check_evaluation(&evaluation),
        Err(error) => assert!(!error.issues.is_empty()),
    }
    match authzen::evaluations(bytes, EVALUATIONS_MAX) {
        Ok(Evaluations::One(evaluation)) => check_evaluation(&evaluation),
        Ok(Evaluations::Several { semantic: _, evaluations }) => {
            assert!((1..=EVALUATIONS_MAX).contains(&evaluations.len()));
            evaluations.flatten().for_each(|evaluation| check_evaluation(&evaluation));
        }
        Err(error) => {
            assert!(!error.issues.is_empty());
            return false;
        }
    }
    true
}

fn check_evaluation(evaluation: &Evaluation) {
    match authzen::map(evaluation) {
        Mapped::Transfer(request) => {
            let transfer = request.transfer.expect("a transfer");
            assert_eq!(transfer.exporter, evaluation.subject_id, "the subject is the exporter");
        }
        Mapped::ByRules => assert!(!authzen::unmapped(evaluation).is_empty()),
        Mapped::Unmapped(said) => assert!(!said.is_empty()),
    }
}
