//! An issue as gRPC has it, and the number of issues for which one status has room.

use prost::Message as _;
use tonic_types::pb::bad_request::FieldViolation;

use crate::wire::refusal::issue::Issue;

/// Most bytes of issues that one refusal lists; the first is listed whatever its size.
///
/// A status travels in HTTP/2 headers, which many clients and proxies bound to 8 KiB together. Headers encode the details in
/// base64, 4 bytes for 3, and percent-encode the message. The message is one English text, at most 900 bytes as worst case
/// (a code of 128 control characters and its escapes), and the details repeat it: (3,072 + 900) · 4/3 + 900 · 1.7 ≈ 6,900,
/// which leaves a margin of a kibibyte for the rest.
pub(crate) const ISSUES_BYTES_MAX: usize = 3_072;

/// Returns an issue as gRPC has it.
pub(super) fn field_violation(Issue { field, code, en, zh }: &Issue) -> FieldViolation {
    FieldViolation {
        field: field.clone(),
        description: format!("{en} / {zh}"),
        reason: (*code).to_owned(),
        localized_message: None,
    }
}

/// Returns the first issues, as many as a status has room for.
pub(super) fn listed(all: impl Iterator<Item = Issue>) -> Vec<Issue> {
    let mut listed: Vec<Issue> = Vec::new();
    let mut bytes = 0;
    for issue in all {
        bytes += field_violation(&issue).encoded_len();
        if !listed.is_empty() && ISSUES_BYTES_MAX < bytes {
            break;
        }
        listed.push(issue);
    }
    listed
}
