//! Requests of doors that do not speak `neglist.v1`.

use super::generated::v1;
use super::labels;
use crate::domain::gateway::Labelled;

/// Returns the request that asks about a transfer.
pub fn decide_request(labelled: &Labelled<'_>) -> v1::DecideRequest {
    v1::DecideRequest { transfer: Some(labels::to_transfer(labelled)), detail: v1::Detail::Full.into() }
}

/// Returns the request that asks about a transfer and counts it in one step.
pub fn reserve_request(labelled: &Labelled<'_>, transfer_id: &str) -> v1::ReserveRequest {
    v1::ReserveRequest {
        transfer_id: transfer_id.to_owned(),
        transfer: Some(labels::to_transfer(labelled)),
        general_subjects: Vec::new(),
        sensitive_subjects: Vec::new(),
        time_to_live: None,
        commit: true,
        detail: v1::Detail::Full.into(),
    }
}

/// Returns the decision of a reservation.
pub fn reserved_decision(response: v1::ReserveResponse) -> Option<v1::Decision> {
    let v1::ReserveResponse { decision, changes: _, expires_at: _, replayed: _ } = response;
    decision
}
