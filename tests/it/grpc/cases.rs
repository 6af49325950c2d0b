//! Every case of the shipped policies over gRPC: one by one, in one batch, in one stream.
//!
//! A test file with a registry of its own gets a server of its own, whose policy directory has that
//! registry as one more file. The expected result of each case has two sources: the case, and the
//! library, called directly. The three calls must agree with both, and with one another.

use neglist::domain::asked::Asked;
use neglist::domain::evaluate::evaluate;
use neglist::domain::resolve::{missing_totals, resolve};
use neglist::domain::snapshot::Snapshot;
use neglist::policy::source::Document;
use neglist::policy::source::cases::{Case, TestFile};
use neglist::policy::{self, PolicyFile, verify};
use neglist::wire::decide::to_proto;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::decision_service_client::DecisionServiceClient;
use tonic::transport::Channel;

use crate::support::clients::{self, Refusal, answer, refusal};
use crate::support::server::{Directory, Process, digest_of};
use crate::support::shipped::{self, LIMITS};
use crate::support::wait::within;

/// A test file, and the policies that its cases test.
struct Table {
    file: Box<TestFile>,
    policies: Vec<PolicyFile>,
}

impl Table {
    fn all() -> Vec<Self> {
        let sources = shipped::tests().into_iter();
        let tables = sources.filter_map(|source| {
            let Document::Test(mut file) = source.document else { return None };
            // Cases about requests of gateways ask through other doors: see `labels`.
            file.cases.retain(|case| case.transfer.is_some());
            let text = shipped::files().into_iter().find(|file| file.path == source.path).unwrap().text;
            let registry = registry_of(&text).map(|text| PolicyFile { path: "registry/own.yaml".into(), text });
            assert_eq!(registry.is_some(), file.registry.is_some(), "{}", source.path);
            Some(Self { file, policies: shipped::policies().into_iter().chain(registry).collect() })
        });
        tables.collect()
    }

    fn transfers(&self) -> Vec<v1::Transfer> {
        self.file.cases.iter().map(|case| clients::to_proto(&asked(case), case.at.0)).collect()
    }
}

/// Returns the request of a case.
fn asked(case: &Case) -> Asked<'_> {
    verify::asked(case.transfer.as_ref().unwrap())
}

/// Returns the registry of a test file as a registry file: the same lines, two columns to the left.
fn registry_of(test: &str) -> Option<String> {
    let lines = test.lines().skip_while(|line| *line != "registry:").skip(1);
    let inner: Vec<&str> = lines.map_while(|line| line.strip_prefix("  ")).collect();
    (!inner.is_empty()).then(|| format!("format: 1\nkind: registry\n{}\ncomplete: yes\n", inner.join("\n")))
}

/// Checks an answer against its case and against the library.
#[track_caller]
fn check(case: &Case, snapshot: &Snapshot, answer: &Result<v1::Decision, Refusal>, root: &str) {
    let id = &case.id.value.0;
    let asked = asked(case);
    let resolved = resolve(snapshot, &asked, case.at.0).and_then(|transfer| {
        let missing = missing_totals(snapshot, &transfer);
        if missing.is_empty() { Ok(transfer) } else { Err(missing) }
    });
    let (decision, transfer) = match (answer, resolved) {
        (Ok(decision), Ok(transfer)) => (decision, transfer),
        (Err(fields), Err(violations)) => {
            let expected: Vec<_> =
                violations.iter().map(|violation| violation.path.to_string().replacen("transfer", root, 1)).collect();
            let fields: Vec<_> = fields.iter().map(|(field, _)| field.as_str()).collect();
            assert_eq!(fields, expected, "{id}");
            let wanted = case.want.error.as_ref().unwrap_or_else(|| panic!("{id} is refused: {fields:?}"));
            let wanted = wanted.0.replacen("transfer", root, 1);
            assert!(fields.contains(&wanted.as_str()), "{id}: {fields:?}");
            return;
        }
        (answer, _) => panic!("{id}: the library says otherwise: {answer:?}"),
    };
    assert!(case.want.error.is_none(), "{id} is not refused");
    let expected = evaluate(snapshot, &transfer, &transfer.stated);
    let outcomes = (decision.outcome(), decision.required());
    assert_eq!(outcomes, (to_proto::outcome(expected.outcome), to_proto::outcome(expected.required)), "{id}");
    let reasons = decision.reasons.iter().map(|reason| (reason.code.as_str(), reason.rule.as_str()));
    let expected_reasons = expected.reasons.iter().map(|reason| (reason.code.name(), snapshot.rule_id(reason.rule)));
    assert!(reasons.clone().eq(expected_reasons), "{id}: {decision:?}");
    let clearance = expected.clearance.and_then(|id| snapshot.clearance(id)).map(|clearance| &*clearance.id);
    assert_eq!(decision.clearance, clearance.unwrap_or_default(), "{id}");

    let want = &case.want;
    let wanted = want.outcome.map(|wanted| to_proto::outcome(verify::outcome(wanted)));
    assert_eq!(Some(outcomes.0), wanted, "{id}");
    if let Some(required) = want.required {
        assert_eq!(outcomes.1, to_proto::outcome(verify::outcome(required)), "{id}");
    }
    for code in &want.reasons {
        assert!(reasons.clone().any(|(got, _)| got == &*code.value.0), "{id} wants {}", code.value.0);
    }
    if let Some(clearance) = &want.clearance {
        assert_eq!(decision.clearance, &*clearance.0, "{id}");
    }
    check_the_rest(id, decision, case);
}

/// Checks the invariants of every decision.
#[track_caller]
fn check_the_rest(id: &str, decision: &v1::Decision, case: &Case) {
    let seconds = |timestamp: &Option<prost_types::Timestamp>| timestamp.unwrap().seconds;
    assert_eq!(seconds(&decision.evaluated_at), case.at.0.seconds(), "{id}");
    assert!(seconds(&decision.evaluated_at) < seconds(&decision.valid_until), "{id}");
    assert!(!decision.reasons.is_empty(), "{id}");
    assert!(decision.reasons.is_sorted_by_key(|reason| std::cmp::Reverse(reason.requires)), "{id}: strictest first");
    for reason in &decision.reasons {
        let texts = [&reason.text_zh, &reason.text_en, &reason.citation, &reason.rule];
        assert!(texts.iter().all(|text| !text.is_empty()), "{id}: {reason:?}");
    }
    for headroom in &decision.headroom {
        assert_eq!(headroom.remaining, headroom.line - headroom.projected - 1, "{id}: {headroom:?}");
    }
    // Before the first national rules there is no authority to name.
    let has_rules = decision.reasons.iter().all(|reason| reason.code != "NO_RULES_IN_FORCE");
    let is_told = decision.outcome() == v1::Outcome::Allow || decision.next_step.is_some();
    assert!(is_told || !has_rules, "{id}: {decision:?}");
}

/// Returns the answer without the parts that differ from call to call.
fn comparable(answer: &Result<v1::Decision, Refusal>, root: &str) -> Result<v1::Decision, Refusal> {
    match answer {
        Ok(decision) => Ok(v1::Decision { decision_id: String::new(), ..decision.clone() }),
        Err(fields) => {
            let within = |(field, reason): &(String, String)| (field.replacen(root, "transfer", 1), reason.clone());
            Err(fields.iter().map(within).collect())
        }
    }
}

/// Asks for brief answers: one by one, which takes the short way, and in a batch, which does not.
async fn brief_answers_agree(client: &mut DecisionServiceClient<Channel>, transfers: &[v1::Transfer]) {
    let batch = v1::DecideBatchRequest { transfers: transfers.to_vec(), detail: 0 };
    let batch = within("a batch", client.decide_batch(batch)).await.unwrap().into_inner().results;
    for (index, (transfer, result)) in transfers.iter().zip(batch).enumerate() {
        let request = v1::DecideRequest { transfer: Some(transfer.clone()), detail: 0 };
        let one = within("an answer", client.decide(request)).await;
        let one = one.map(|response| response.into_inner().decision.unwrap()).map_err(|status| refusal(&status));
        let of_batch = comparable(&answer(Some(result)), &format!("transfers[{index}]"));
        assert_eq!(comparable(&one, "transfer"), of_batch, "{transfer:?}");
    }
}

#[tokio::test]
async fn every_case_holds_one_by_one_in_a_batch_and_in_a_stream() {
    let mut cases = 0;
    for table in Table::all() {
        let directory = Directory::of(&table.policies);
        let server = Process::start(&directory.policies());
        let snapshot = policy::compile(&table.policies, &LIMITS).snapshot.unwrap();
        let mut client = server.decisions().await;
        let transfers = table.transfers();

        let mut one_by_one = Vec::new();
        for transfer in transfers.clone() {
            let answer = within("an answer", client.decide(clients::request(transfer))).await;
            one_by_one.push(match answer {
                Ok(response) => Ok(response.into_inner().decision.unwrap()),
                Err(status) => Err(refusal(&status)),
            });
        }
        let batch = v1::DecideBatchRequest { transfers: transfers.clone(), detail: v1::Detail::Full.into() };
        let batch = within("a batch", client.decide_batch(batch)).await.unwrap().into_inner().results;
        let batch: Vec<_> = batch.into_iter().map(|result| answer(Some(result))).collect();
        brief_answers_agree(&mut client, &transfers).await;
        // Sequence numbers that are in no order, some of them twice: they are the caller's own.
        let sequence = |index: usize| index as u64 * 7_919 % 101;
        let messages: Vec<_> = transfers.iter().cloned().enumerate().collect();
        let messages = messages.into_iter().map(move |(index, transfer)| clients::message(sequence(index), transfer));
        let mut stream = client.decide_stream(tokio_stream::iter(messages)).await.unwrap().into_inner();
        let mut streamed = Vec::new();
        while let Some(message) = within("an answer", stream.message()).await.unwrap() {
            assert_eq!(message.sequence, sequence(streamed.len()));
            streamed.push(answer(message.result));
        }

        assert_eq!(
            (one_by_one.len(), batch.len(), streamed.len()),
            (transfers.len(), transfers.len(), transfers.len())
        );
        let digest = digest_of(&table.policies);
        for (index, case) in table.file.cases.iter().enumerate() {
            let in_batch = format!("transfers[{index}]");
            check(case, &snapshot, &one_by_one[index], "transfer");
            check(case, &snapshot, &batch[index], &in_batch);
            check(case, &snapshot, &streamed[index], "transfer");
            let expected = comparable(&one_by_one[index], "transfer");
            assert_eq!(comparable(&batch[index], &in_batch), expected);
            assert_eq!(comparable(&streamed[index], "transfer"), expected);
            if let Ok(decision) = expected {
                assert_eq!(decision.snapshot, Some(v1::Snapshot { revision: 1, digest: digest.clone() }));
            }
        }
        let answers = [&one_by_one, &batch, &streamed].map(|answers| answers.iter().flatten());
        let mut ids: Vec<_> = answers.into_iter().flatten().map(|decision| &decision.decision_id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "decision ids differ");
        cases += transfers.len();
        server.stop().await;
    }
    assert!(300 <= cases, "only {cases} cases");
}
