//! `AuthZEN` Authorization API 1.0: one evaluation, several, and the document that says where to ask.
//!
//! A denial is 200 with `decision: false`. A request that is not well-formed is 400, whatever code a web framework would give.
//! An evaluation counts nothing.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

use crate::domain::gateway::{Body, BodyFault, BodySource, Context, Fault, Header, Seen};
use crate::domain::snapshot::Snapshot;
use crate::doors::authzen;
use crate::doors::authzen::{CONFIGURATION_PATH, Denied, Evaluation, Evaluations, Mapped, Semantic};
use crate::doors::http::{Doors, respond};
use crate::doors::labelled::Answer;
use crate::doors::render::Verdict;
use crate::json::{self, Tree};
use crate::metrics::{Door, Stopwatch};
use crate::wire::json::message::JsonError;
use crate::wire::refusal::http::Misread;
use crate::wire::refusal::{Issue, Refusal};

/// Time for which the configuration document may be cached, in seconds: it changes with a restart only.
const CONFIGURATION_KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Most bytes of answers to several evaluations before the rest is refused. An answer has some 1,000 to 40,000.
const ANSWERS_BYTES_MAX: usize = 8 << 20;

/// Answers one evaluation.
pub(crate) async fn evaluation(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let bytes = match body(&doors, request).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    // The client's time ends here, and the server's begins.
    let stopwatch = Stopwatch::start();
    let response = match authzen::evaluation(&bytes) {
        Ok(evaluation) => one(&doors, &evaluation).await,
        Err(error) => return malformed(&doors, &error),
    };
    doors.authzen.took(stopwatch);
    response
}

/// Answers several evaluations in order, on one snapshot.
pub(crate) async fn evaluations(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let bytes = match body(&doors, request).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    let stopwatch = Stopwatch::start();
    let response = match authzen::evaluations(&bytes, doors.evaluations_max) {
        Ok(Evaluations::One(evaluation)) => one(&doors, &evaluation).await,
        Ok(Evaluations::Several { semantic, evaluations }) => several(&doors, semantic, evaluations).await,
        Err(error) => return malformed(&doors, &error),
    };
    doors.authzen.took(stopwatch);
    response
}

/// Says where to ask for evaluations, by the configured URL and never by the host of the request.
pub(crate) async fn configuration(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let Some(url) = &doors.public_url else {
        return respond::refused(Misread::NoPublicUrl.refused());
    };
    // The standard puts the well-known part between the host and the path of the URL. A proxy may have cut off the latter.
    let rest = request.uri().path().strip_prefix(CONFIGURATION_PATH);
    if !rest.is_some_and(|rest| rest.is_empty() || rest == url.path()) {
        return respond::refused(Misread::NoSuchPath.refused());
    }
    let mut response = respond::json(StatusCode::OK, authzen::configuration(url.as_str()).to_string());
    response.headers_mut().insert(CACHE_CONTROL, CONFIGURATION_KEPT);
    response
}

async fn body(doors: &Doors, request: Request) -> Result<Bytes, Response> {
    doors.body.read(request, &doors.metrics).await.map_err(|misread| refuse(doors, &misread))
}

fn refuse(doors: &Doors, misread: &Misread<'_>) -> Response {
    doors.authzen.count_refused();
    respond::refused(misread.refused_as_bad_request())
}

fn malformed(doors: &Doors, error: &JsonError) -> Response {
    refuse(doors, &Misread::NotTheRequest { wanted: "AuthZEN request", error })
}

/// The result of an evaluation.
enum Evaluated {
    /// It is permitted or denied.
    Answered(Verdict, Value),
    /// The server could not answer.
    Unanswered(Refusal),
}

async fn one(doors: &Doors, evaluation: &Evaluation) -> Response {
    match evaluate(doors, &doors.authzen.snapshot(), evaluation).await {
        Evaluated::Answered(_, answer) => respond::json(StatusCode::OK, answer.to_string()),
        Evaluated::Unanswered(refusal) => respond::unanswered(&refusal),
    }
}

async fn several(doors: &Doors, semantic: Semantic, evaluations: authzen::Several) -> Response {
    let snapshot = doors.authzen.snapshot();
    let mut answers = String::from("{\"evaluations\":[");
    // After the ledger has not answered one evaluation, each of the others would wait as long.
    let mut outage: Option<Refusal> = None;
    for (index, evaluation) in evaluations.enumerate() {
        let refused = |issues: &[Issue]| {
            doors.authzen.count_refused();
            Evaluated::Answered(Verdict::Deny, authzen::denied(Denied::Malformed, issues))
        };
        let evaluated = match (evaluation, &outage) {
            _ if ANSWERS_BYTES_MAX <= answers.len() => refused(&[authzen::too_much()]),
            (Err(error), _) => refused(&error.issues),
            (Ok(_), Some(refusal)) => {
                doors.metrics.unanswered(Door::Authzen);
                Evaluated::Unanswered(refusal.clone())
            }
            (Ok(evaluation), None) => evaluate(doors, &snapshot, &evaluation).await,
        };
        let (verdict, answer) = match evaluated {
            Evaluated::Answered(verdict, answer) => (verdict, answer),
            Evaluated::Unanswered(refusal) => {
                let answer = authzen::denied(Denied::Unanswered, &refusal.issues());
                outage = Some(refusal);
                (Verdict::Deny, answer)
            }
        };
        if index != 0 {
            answers.push(',');
        }
        answers.push_str(&answer.to_string());
        if semantic.ends_after(verdict) {
            break;
        }
        // Other tasks of this thread run in between: an evaluation takes from some microseconds to some milliseconds.
        tokio::task::yield_now().await;
    }
    answers.push_str("]}");
    respond::json(StatusCode::OK, answers)
}

async fn evaluate(doors: &Doors, snapshot: &Arc<Snapshot>, evaluation: &Evaluation) -> Evaluated {
    let denied = |issues: &[Issue]| Evaluated::Answered(Verdict::Deny, authzen::denied(Denied::NoTransfer, issues));
    let answer = match authzen::map(evaluation) {
        Mapped::Transfer(request) => doors.authzen.ask_about(snapshot, &request).await,
        Mapped::ByRules => {
            let seen = SeenEvaluation::new(evaluation);
            doors.authzen.ask(snapshot, &seen, || seen.doubt()).await
        }
        Mapped::Unmapped(issues) => {
            doors.authzen.count_refused();
            return denied(&issues);
        }
    };
    match answer {
        Answer::Decided(decided) => {
            let (verdict, answer) = authzen::decided(&decided.decision, decided.rule.as_deref());
            Evaluated::Answered(verdict, answer)
        }
        Answer::Refused(refusal) => denied(&authzen::refused(&refusal, evaluation)),
        // No operator can let this door pass unmatched requests. If one could, that would still be no permit.
        Answer::NoTransfer { digest: _ } => denied(&authzen::unmapped(evaluation)),
        Answer::Unanswered(refusal) => Evaluated::Unanswered(refusal),
    }
}

/// An evaluation, as the rules of gateways see it.
struct SeenEvaluation<'e> {
    evaluation: &'e Evaluation,
    /// A property that a rule depends on, and whose value no rule can be compared with.
    unreadable: Mutex<Option<String>>,
}

impl<'e> SeenEvaluation<'e> {
    fn new(evaluation: &'e Evaluation) -> Self {
        Self { evaluation, unreadable: Mutex::new(None) }
    }

    /// Returns the refusal where a rule could not read a property: the rule may not have matched for that reason alone, and a
    /// milder one in its place.
    fn doubt(&self) -> Option<Refusal> {
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.as_deref().map(authzen::unreadable_property)
    }

    /// Returns a property: `subject.properties.role`.
    fn property(&self, key: &str) -> Option<&str> {
        let (entity, name) = key.split_once(".properties.")?;
        match self.evaluation.whole.get(entity)?.get("properties")?.get(name)? {
            Tree::Text(text) => Some(text),
            Tree::Bool(true) => Some("true"),
            Tree::Bool(false) => Some("false"),
            Tree::Null | Tree::Number(_) | Tree::List(_) | Tree::Object(_) => {
                *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.to_owned());
                None
            }
        }
    }
}

impl Seen for SeenEvaluation<'_> {
    fn host(&self) -> Option<&str> {
        None
    }

    fn method(&self) -> Option<&str> {
        None
    }

    fn path(&self) -> Option<&str> {
        None
    }

    fn sni(&self) -> Option<&str> {
        None
    }

    fn context(&self, key: &str) -> Context<'_> {
        let Evaluation { subject_type, subject_id, action_name, resource_type, resource_id, whole: _ } =
            self.evaluation;
        let text: Option<&str> = match key {
            "subject.type" => Some(subject_type),
            "subject.id" => Some(subject_id),
            "action.name" => Some(action_name),
            "resource.type" => Some(resource_type),
            "resource.id" => Some(resource_id),
            property => self.property(property),
        };
        text.map_or(Context::Absent, Context::Text)
    }

    fn header(&self, _name: &str) -> Header<'_> {
        Header::Absent
    }

    fn body(&self, pointer: &str) -> Body<'_> {
        json::member_of(&self.evaluation.whole, pointer)
    }

    fn identifiers(&self, source: &BodySource) -> Result<Vec<Cow<'_, str>>, Fault> {
        match source {
            BodySource::Json(path) => json::identifiers_of(&self.evaluation.whole, path),
            // An evaluation is a JSON document.
            BodySource::Lines(_) | BodySource::Csv(_) | BodySource::Form(_) => Err(Fault::Body(BodyFault::OtherType)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doors::http::testing::{ask, post, router, standing};
    use crate::metrics::standing::{Counting, Serving};
    use crate::testing::ledger::MemoryLedger;

    fn trial() -> Value {
        json!({
            "subject": {"type": "exporter", "id": "zoned"}, "action": {"name": "export"},
            "resource": {"type": "flow", "id": "trial"}, "context": {"persons": 0, "sensitive_persons": 5},
        })
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_permits_nothing() {
        let ledger = Arc::new(MemoryLedger::default());
        let router = router(&ledger, standing(Serving::Ready, Counting::Open));
        let (code, answer) = ask(&router, post(authzen::EVALUATION_PATH, &trial())).await;
        assert_eq!((code, &answer["context"]["outcome"]), (200, &json!("file")));
        ledger.set_down(true);
        let (code, refusal) = ask(&router, post(authzen::EVALUATION_PATH, &trial())).await;
        assert_eq!((code, &refusal["code"]), (503, &json!(14)));
        // One of several is denied, and says that it was not for its sake.
        let several = json!({"evaluations": [trial(), {"subject": {}}]});
        let (code, answer) = ask(&router, post(authzen::EVALUATIONS_PATH, &several)).await;
        assert_eq!(code, 200);
        for (index, status) in [(0, 503), (1, 400)] {
            let one = &answer["evaluations"][index];
            assert_eq!((&one["decision"], &one["context"]["error"]["status"]), (&json!(false), &json!(status)));
        }
        assert_eq!(ledger.writes(), 0);
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_one_is_not_waited_for_by_the_others() {
        let ledger = Arc::new(MemoryLedger::default());
        let router = router(&ledger, standing(Serving::Ready, Counting::Open));
        ledger.set_down(true);
        let mut several = trial();
        several["evaluations"] = json!([{}, {}, {}]);
        let (_, answer) = ask(&router, post(authzen::EVALUATIONS_PATH, &several)).await;
        for one in answer["evaluations"].as_array().unwrap() {
            assert_eq!((&one["decision"], &one["context"]["outcome"]), (&json!(false), &json!("unanswered")));
        }
        assert_eq!((answer["evaluations"].as_array().unwrap().len(), ledger.reads()), (3, 1));
    }

    #[test]
    fn rules_see_what_an_evaluation_says() {
        let mut whole = trial();
        whole["resource"]["properties"] = json!({"to": ["a", "b"], "half": 0.5, "whole": 1.0, "is": true, "a/b": "x"});
        let evaluation = authzen::evaluation(whole.to_string().as_bytes()).unwrap();
        let seen = SeenEvaluation::new(&evaluation);
        let context = ["subject.type", "subject.id", "action.name", "resource.type", "resource.id", "resource"];
        let found = context.map(|key| seen.context(key));
        let [exporter, zoned, export, flow, trial] =
            ["exporter", "zoned", "export", "flow", "trial"].map(Context::Text);
        assert_eq!(found, [exporter, zoned, export, flow, trial, Context::Absent]);
        for (pointer, expected) in [
            ("/context/sensitive_persons", Body::Number(5)),
            ("/resource/properties/to", Body::Count(2)),
            ("/resource/properties/to/1", Body::Text("b".into())),
            ("/resource/properties/a~1b", Body::Text("x".into())),
            ("/resource/properties/half", Body::Other),
            ("/resource/properties/whole", Body::Number(1)),
            ("/resource/properties/is", Body::Other),
            ("/resource/properties", Body::Other),
            ("/resource/nothing", Body::Absent),
        ] {
            assert_eq!(seen.body(pointer), expected, "{pointer}");
        }
        let keys =
            ["resource.properties.a/b", "resource.properties.is", "subject.properties.role", "context.properties.x"];
        let (x, is) = (Context::Text("x"), Context::Text("true"));
        assert_eq!(keys.map(|key| seen.context(key)), [x, is, Context::Absent, Context::Absent]);
        assert!(seen.doubt().is_none());
        for key in ["resource.properties.to", "resource.properties.half"] {
            let seen = SeenEvaluation::new(&evaluation);
            assert_eq!(seen.context(key), Context::Absent);
            assert!(seen.doubt().unwrap().issues()[0].field.contains(key));
        }
        assert_eq!((seen.host(), seen.path(), seen.header("x-neglist-flow")), (None, None, Header::Absent));
    }
}
