//! What a door says where too much is in flight: the same as of any question that the server cannot answer.

use std::sync::Arc;

use axum::response::Response;

use crate::doors::http::Doors;
use crate::metrics::Door;
use crate::wire::refusal::grpc::RpcStatus;

/// Refuses the requests of one door for which there is no place.
#[derive(Debug, Clone)]
pub struct Overload {
    pub(crate) doors: Arc<Doors>,
    pub(crate) door: Door,
    /// How the door says that a question is not answered.
    pub(crate) unanswered: fn(&RpcStatus) -> Response,
}

impl Overload {
    /// Answers a request for which there is no place, and counts it.
    pub fn refuse(&self, refusal: &RpcStatus) -> Response {
        self.doors.metrics.unanswered(self.door);
        (self.unanswered)(refusal)
    }
}
