//! No message makes decoding, resolving, deciding or answering panic; and a refusal says what is wrong.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::evaluate::evaluate;
use neglist::domain::resolve::{missing_totals, resolve};
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::Moment;
use neglist::policy::{Limits, PolicyFile, compile};
use neglist::wire::generated::v1;
use neglist::wire::to_proto::{self, Decided};
use neglist::wire::{from_proto, status};
use prost::Message;

const LIMITS: Limits = Limits { entries_max: 100_000, depth_max: 32 };
/// 2026-06-01T00:00:00+08:00.
const NOW: Moment = Moment::from_seconds(1_780_243_200);

/// The shipped policies.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut files = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.to_str().unwrap().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if name.ends_with(".yaml") && !name.ends_with("_test.yaml") {
                files.push(PolicyFile { path: name, text: fs::read_to_string(path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    compile(&files, &LIMITS).snapshot.expect("the shipped policies are right")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = v1::DecideRequest::decode(bytes) else { return };
    let question = match from_proto::decide(&request) {
        Ok(question) => question,
        Err(violations) => return check_refusal(&violations),
    };
    match resolve(&SNAPSHOT, &question.asked, NOW) {
        Ok(transfer) => {
            let missing = missing_totals(&SNAPSHOT, &transfer);
            if !missing.is_empty() {
                check_refusal(&question.place.locate(missing));
            }
            // Decided all the same: what is missing counts as above every line.
            let totals = transfer.stated.clone();
            let decision = evaluate(&SNAPSHOT, &transfer, &totals);
            assert!(!decision.reasons.is_empty(), "a decision has a reason");
            assert!(decision.evaluated_at < decision.valid_until, "an answer holds for a while");
            let (transfer, decision) = (&transfer, &decision);
            let decided = Decided { snapshot: &SNAPSHOT, transfer, totals: &totals, decision, valid_for_max_s: 60 };
            let response = to_proto::decide(to_proto::decision(decided, "id".to_owned(), question.detail));
            let again = v1::DecideResponse::decode(response.encode_to_vec().as_slice());
            assert_eq!(again.as_ref(), Ok(&response), "an answer goes through the wire unchanged");
        }
        Err(violations) => check_refusal(&question.place.locate(violations)),
    }
});

fn check_refusal(violations: &[neglist::domain::asked::Violation]) {
    assert!(!violations.is_empty(), "a refusal says what is wrong");
    assert!(violations.iter().all(|violation| violation.field.starts_with("transfer") || violation.field == "detail"));
    let refusal = status::invalid(violations);
    // A status has to fit into the headers of an answer.
    assert!(refusal.encoded_len() < 8_192, "{}", refusal.encoded_len());
}
