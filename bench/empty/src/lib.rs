//! A decision service that decides nothing: it reads a request as tonic does, and always gives the same answer.
//!
//! The answer is as large as one of neglist, so that both write the same number of octets.

mod contract;
pub mod listen;

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use contract::v1;
use contract::v1::decision_service_server::{DecisionService, DecisionServiceServer};

/// The service.
#[derive(Debug, Clone)]
pub struct Empty {
    decision: Arc<v1::Decision>,
}

impl Empty {
    /// Returns the service, ready to be served.
    pub fn service() -> DecisionServiceServer<Self> {
        DecisionServiceServer::new(Self { decision: Arc::new(decision()) })
    }

    fn decision(&self) -> v1::Decision {
        self.decision.as_ref().clone()
    }

    fn result(&self) -> v1::DecideResult {
        v1::DecideResult { result: Some(v1::decide_result::Result::Decision(self.decision())) }
    }
}

/// Returns a decision with the fields of a brief one; their values are invented.
fn decision() -> v1::Decision {
    let moment = |seconds| Some(prost_types::Timestamp { seconds, nanos: 863_973_438 });
    v1::Decision {
        decision_id: "d37d4899dda57ba00000000000000000".to_owned(),
        outcome: v1::Outcome::Allow.into(),
        required: v1::Outcome::Contract.into(),
        reasons: vec![v1::Reason {
            code: "GENERAL_PERSONS_AT_OR_OVER_CONTRACT_LINE".to_owned(),
            rule: "list-2/general-contract_from".to_owned(),
            requires: v1::Outcome::Contract.into(),
            ..v1::Reason::default()
        }],
        clearance: "contract-2".to_owned(),
        snapshot: Some(v1::Snapshot {
            revision: 1,
            digest: "blake3:cae2f1bf928fa072ff39817d99f21d53e5f84d12e1eeb34770a8b8f05b8aa1b7".to_owned(),
        }),
        evaluated_at: moment(1_780_243_200),
        valid_until: moment(1_780_329_600),
        ..v1::Decision::default()
    }
}

#[tonic::async_trait]
impl DecisionService for Empty {
    type DecideStreamStream = Pin<Box<dyn Stream<Item = Result<v1::DecideStreamResponse, Status>> + Send>>;

    async fn decide(&self, _: Request<v1::DecideRequest>) -> Result<Response<v1::DecideResponse>, Status> {
        Ok(Response::new(v1::DecideResponse { decision: Some(self.decision()) }))
    }

    async fn decide_batch(
        &self,
        request: Request<v1::DecideBatchRequest>,
    ) -> Result<Response<v1::DecideBatchResponse>, Status> {
        let count = request.get_ref().transfers.len();
        let results = (0..count).map(|_| self.result()).collect();
        Ok(Response::new(v1::DecideBatchResponse { results }))
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<v1::DecideStreamRequest>>,
    ) -> Result<Response<Self::DecideStreamStream>, Status> {
        let this = self.clone();
        let answers = request.into_inner().map(move |request| {
            Ok(v1::DecideStreamResponse { sequence: request?.sequence, result: Some(this.result()) })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
