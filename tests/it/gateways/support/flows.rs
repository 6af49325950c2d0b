//! A policy directory for gateways: flows that come to each outcome, and rules that find them by path.

use std::fmt::Write as _;

use neglist::policy::PolicyFile;

use crate::support::small::{OWN, Small};

/// A flow, and how many persons' sensitive information is sent, so that it comes to an outcome.
///
/// `trial` is covered by a filing and `uncovered` is not; from 10,000 persons on the list asks for a contract, from 50,000 on
/// for an assessment.
pub(crate) const ALLOW: (&str, u64) = ("trial", 10);
/// See [`ALLOW`].
pub(crate) const FILE: (&str, u64) = ("uncovered", 10);
/// See [`ALLOW`].
pub(crate) const CONTRACT: (&str, u64) = ("trial", 10_000);
/// See [`ALLOW`].
pub(crate) const ASSESS: (&str, u64) = ("trial", 50_000);

/// The moment at which servers stand that decide these flows: 2026-06-01T00:00:00Z.
pub(crate) const AT: i64 = 1_780_272_000;

/// Returns the small directory with a second flow, of which nothing was filed, and without gateway rules.
pub(crate) fn files() -> Vec<PolicyFile> {
    let uncovered = "  - id: uncovered
    exporter: acme
    recipient: stranger
    destination: CH
    sector: pharma
    scenario: clinical-trial
    items: [{code: health.diagnosis}]
    ground: none
clearances:
";
    let mut files = Small::new().with(OWN, "clearances:\n", uncovered).files;
    // The example's own rules would interfere.
    files.retain(|file| !file.path.starts_with("gateways/"));
    files
}

/// Returns the same with rules for gateways: the path names the flow, and a header, or a list in the body, says how many.
pub(crate) fn files_with_rules() -> Vec<PolicyFile> {
    let mut files = files();
    files.push(PolicyFile { path: "gateways/rules.yaml".to_owned(), text: RULES.to_owned() });
    files
}

/// Returns the files of [`files`] with rules that count trial subjects by their identifiers, one rule for each place.
pub(crate) fn files_with_subjects() -> Vec<PolicyFile> {
    let mut files = files();
    let rules = [
        ("body", "body: '$.subjects[*].id'"),
        ("lines", "lines: $.id"),
        ("csv", "csv: id"),
        ("form", "form: id"),
        ("query", "query: id"),
        ("header", "header: x-ids"),
        ("v1/patients", "path: '/v1/patients/{}'"),
    ];
    let mut text = "format: 1\nkind: gateway\nrules:\n".to_owned();
    for (path, place) in rules {
        for (id, kind, prefix) in [("", "trial-subject", ""), ("other-", "employee", "/other")] {
            let place = place.replace("'/v1", &format!("'{prefix}/v1"));
            writeln!(
                text,
                "  - {{id: {id}{}, match: {{path_prefix: {prefix}/{path}}}, flow: trial, record: yes, \
                 sensitive_subjects: {{{place}, kind: {kind}, normalise: [trim, lowercase]}}}}",
                path.replace('/', "-")
            )
            .unwrap();
        }
    }
    text +=
        "  - {id: asked, match: {path: /asked}, flow: trial, sensitive_subjects: {query: id, kind: trial-subject}}\n";
    text += "complete: yes\n";
    files.push(PolicyFile { path: "gateways/subjects.yaml".to_owned(), text });
    files
}

const RULES: &str = "format: 1
kind: gateway
rules:
  - {id: by-header, match: {path_prefix: /trial}, flow: trial, sensitive_persons: {header: x-subjects}}
  - {id: by-header-uncovered, match: {path_prefix: /uncovered}, flow: uncovered, sensitive_persons: {header: x-subjects}}
  - {id: by-body, match: {path_prefix: /body}, flow: trial, sensitive_persons: {body: /subjects}}
  - {id: recorded, match: {path_prefix: /recorded}, flow: trial, sensitive_persons: {header: x-subjects}, record: yes}
  - id: recorded-by-number
    match: {path_prefix: /numbered}
    flow: trial
    sensitive_persons: {header: x-subjects}
    transfer_id: {header: x-request-id}
    record: yes
  - {id: counted-by-route, match: {path_prefix: /counted/trial}, flow: trial, sensitive_persons: {header: x-subjects}}
  - id: tunnel
    match: {host: localhost, methods: [CONNECT], context: {kind: tunnel}}
    flow: trial
    sensitive_persons: {header: x-neglist-sensitive-persons}
  - {id: request, match: {host: localhost, path_prefix: /trial}, flow: trial, sensitive_persons: {header: x-subjects}}
  - {id: connection, match: {sni: localhost}, flow: trial, sensitive_persons: 10}
complete: yes
";
