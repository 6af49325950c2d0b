//! Messages of the policy administration API.
//!
//! Does not know the origin of a status: the service passes it in.

use std::time::Duration;

use tonic::metadata::MetadataMap;

use crate::domain::reason::Text;
use crate::domain::units::{Interval, Moment};
use crate::live::status::Files;
use crate::policy::codes::explanation;
use crate::policy::{Diagnostic, Severity};
use crate::wire::generated::v1;
use crate::wire::grpc_timeout;

/// Most diagnostics of one answer, so that it stays far below the 4 MiB that clients accept.
const DIAGNOSTICS_MAX: usize = 1_000;

/// The status of the policies.
#[derive(Debug)]
pub struct StatusView<'v> {
    /// Whether the files on disk are in force.
    pub files: Files,
    /// Revision of the snapshot in force.
    pub revision: u64,
    /// Its content digest.
    pub digest: &'v str,
    /// When it came into force.
    pub activated_at: Moment,
    /// When the files were last tried.
    pub attempted_at: Moment,
    /// How long that took.
    pub load_time: Duration,
    /// Editions in force.
    pub editions: Vec<EditionView<'v>>,
    /// Diagnostics of the last attempt.
    pub diagnostics: &'v [Diagnostic],
}

/// An edition of a list that is in force.
#[derive(Debug, Clone, Copy)]
pub struct EditionView<'v> {
    /// Id.
    pub id: &'v str,
    /// Title.
    pub title: &'v Text,
    /// When it is in force.
    pub interval: Interval,
}

/// Returns the answer to `GetStatus`.
pub fn get_status(status: StatusView<'_>) -> v1::GetStatusResponse {
    v1::GetStatusResponse { status: Some(policy_status(status)) }
}

/// Returns the answer to `Reload`.
pub fn reload(status: StatusView<'_>) -> v1::ReloadResponse {
    v1::ReloadResponse { status: Some(policy_status(status)) }
}

/// Returns the answer to `Validate`; `digest` where there are no errors.
pub fn validate(diagnostics: &[Diagnostic], digest: Option<String>) -> v1::ValidateResponse {
    v1::ValidateResponse { diagnostics: bounded(diagnostics), digest: digest.unwrap_or_default() }
}

/// Returns the digest that `WaitForDigest` asks for.
pub fn wanted_digest(request: v1::WaitForDigestRequest) -> String {
    let v1::WaitForDigestRequest { digest } = request;
    digest
}

/// Returns the answer to `WaitForDigest`.
pub fn wait_for_digest(status: StatusView<'_>) -> v1::WaitForDigestResponse {
    v1::WaitForDigestResponse { status: Some(policy_status(status)) }
}

/// Returns a message of `WatchStatus`.
pub fn watch_status(status: StatusView<'_>) -> v1::WatchStatusResponse {
    v1::WatchStatusResponse { status: Some(policy_status(status)) }
}

/// Returns the time-out of a client, where it sets one.
pub fn client_timeout(metadata: &MetadataMap) -> Option<Duration> {
    grpc_timeout::parse(metadata.get(grpc_timeout::HEADER)?.to_str().ok()?)
}

fn policy_status(status: StatusView<'_>) -> v1::PolicyStatus {
    let StatusView { files, revision, digest, activated_at, attempted_at, load_time, editions, diagnostics } = status;
    let state = match files {
        Files::Current => v1::State::Current,
        Files::Stale => v1::State::Stale,
    };
    v1::PolicyStatus {
        state: state.into(),
        snapshot: Some(v1::Snapshot { revision, digest: digest.to_owned() }),
        activated_at: Some(timestamp(activated_at)),
        editions: editions.into_iter().map(edition).collect(),
        diagnostics: bounded(diagnostics),
        attempted_at: Some(timestamp(attempted_at)),
        load_time: prost_types::Duration::try_from(load_time).ok(),
    }
}

fn edition(edition: EditionView<'_>) -> v1::Edition {
    let EditionView { id, title, interval } = edition;
    v1::Edition {
        id: id.to_owned(),
        title_zh: title.zh.to_string(),
        title_en: title.en.to_string(),
        effective_from: Some(timestamp(interval.from)),
        effective_until: interval.until.map(timestamp),
    }
}

fn bounded(diagnostics: &[Diagnostic]) -> Vec<v1::Diagnostic> {
    let mut messages: Vec<_> = diagnostics.iter().take(DIAGNOSTICS_MAX).map(diagnostic).collect();
    if let Some(more) = diagnostics.len().checked_sub(DIAGNOSTICS_MAX).filter(|more| 0 < *more) {
        messages.push(v1::Diagnostic {
            severity: v1::Severity::Note.into(),
            message: format!("{more} more diagnostics are left out"),
            help: "run `neglist check` to see them all".to_owned(),
            problem_zh: format!("另有 {more} 条诊断未列出"),
            fix_zh: "请运行 `neglist check` 查看全部".to_owned(),
            ..v1::Diagnostic::default()
        });
    }
    messages
}

fn diagnostic(diagnostic: &Diagnostic) -> v1::Diagnostic {
    let Diagnostic { code, severity, file, span, message, help } = diagnostic;
    let severity = match severity {
        Severity::Error => v1::Severity::Error,
        Severity::Warning => v1::Severity::Warning,
        Severity::Note => v1::Severity::Note,
    };
    let span = span.unwrap_or_default();
    let meaning = explanation(code);
    v1::Diagnostic {
        code: (*code).to_owned(),
        severity: severity.into(),
        file: file.clone(),
        line: span.line,
        column: span.column,
        message: message.clone(),
        help: help.clone().unwrap_or_default(),
        problem_zh: meaning.map(|meaning| meaning.problem_zh.to_owned()).unwrap_or_default(),
        fix_zh: meaning.map(|meaning| meaning.fix_zh.to_owned()).unwrap_or_default(),
    }
}

fn timestamp(moment: Moment) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: moment.seconds(), nanos: i32::try_from(moment.nanos()).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_of_a_client_is_read_in_every_unit() {
        let timeout = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            client_timeout(&metadata)
        };
        assert_eq!(timeout("2H"), Some(Duration::from_hours(2)));
        assert_eq!(timeout("3M"), Some(Duration::from_mins(3)));
        assert_eq!(timeout("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("5u"), Some(Duration::from_micros(5)));
        assert_eq!(timeout("7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "5", "5x", "-1S", "999999999S", "1.5S"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
        assert_eq!(client_timeout(&MetadataMap::new()), None);
    }

    #[test]
    fn an_answer_with_too_many_findings_states_their_number() {
        let diagnostic = Diagnostic {
            code: "P001",
            severity: Severity::Error,
            file: "a.yaml".into(),
            span: None,
            message: "wrong".into(),
            help: None,
        };
        let response = validate(&vec![diagnostic; DIAGNOSTICS_MAX + 3], None);
        assert_eq!(response.diagnostics.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(response.diagnostics[DIAGNOSTICS_MAX].message, "3 more diagnostics are left out");
    }
}
