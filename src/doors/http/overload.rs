//! The answer of a door beyond the limit of requests in flight: the same as for any question that the server cannot answer.

use std::sync::Arc;

use axum::response::Response;

use crate::doors::http::Doors;
use crate::metrics::Door;
use crate::wire::refusal::Refusal;

/// Refuses the requests of one door that get no permit.
#[derive(Debug, Clone)]
pub struct Overload {
    pub(crate) doors: Arc<Doors>,
    pub(crate) door: Door,
    /// How the door answers a question that the server cannot answer.
    pub(crate) unanswered: fn(&Refusal) -> Response,
}

impl Overload {
    /// Answers a request that gets no permit, and counts it.
    pub fn refuse(&self, refusal: &Refusal) -> Response {
        self.doors.metrics.unanswered(self.door);
        (self.unanswered)(refusal)
    }
}
