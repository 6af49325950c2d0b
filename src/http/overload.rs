//! What a door says where too much is in flight: the same as of any question that the server cannot answer.

use std::sync::Arc;

use axum::response::Response;

use super::Doors;
use crate::metrics::Door;
use crate::wire::status::RpcStatus;

/// Refuses the requests of one door for which there is no place.
#[derive(Debug, Clone)]
pub struct Overload {
    pub(super) doors: Arc<Doors>,
    pub(super) door: Door,
    /// How the door says that a question is not answered.
    pub(super) unanswered: fn(&RpcStatus) -> Response,
}

impl Overload {
    /// Answers a request for which there is no place, and counts it.
    pub fn refuse(&self, refusal: &RpcStatus) -> Response {
        self.doors.metrics.unanswered(self.door);
        (self.unanswered)(refusal)
    }
}
