//! `POST /v1/decide`: one transfer, in proto3 JSON of `neglist.v1.DecideRequest`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::doors::http::{Doors, respond};
use crate::metrics::Door;
use crate::repeated::Repeated;
use crate::wire::json::message;
use crate::wire::refusal::http::{self, Misread, Refused};

/// A repeated request has the same decision.
static UNWRITABLE: Repeated = Repeated::new();

/// Decides one transfer.
pub(crate) async fn decide(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let bytes = match doors.body.read(request, &doors.metrics).await {
        Ok(bytes) => bytes,
        Err(misread) => return misread_here(&doors, &misread),
    };
    let request = match message::decide_request(&bytes) {
        Ok(request) => request,
        Err(error) => {
            return misread_here(&doors, &Misread::NotTheRequest { wanted: "DecideRequest", error: &error });
        }
    };
    match doors.decisions.decide_one(&request).await {
        Ok(response) => match message::decide_response(&response) {
            Ok(body) => respond::json(StatusCode::OK, body),
            Err(error) => unwritable(&error),
        },
        Err(refusal) => respond::refused(http::render(&refusal)),
    }
}

fn misread_here(doors: &Doors, misread: &Misread<'_>) -> Response {
    doors.metrics.refused(Door::HttpDecide);
    respond::refused(misread.refused())
}

/// An answer that cannot be written permits nothing.
fn unwritable(error: &message::JsonError) -> Response {
    if let Some(others) = UNWRITABLE.happened() {
        tracing::error!(%error, others, "a decision cannot be written as JSON");
    }
    respond::refused(Refused::broken())
}
