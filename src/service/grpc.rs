//! The handlers of `neglist.v1.DecisionService`: one transfer, a batch, a stream.

use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Door;
use crate::service::answers::Answers;
use crate::service::decide::{Answer, DecisionApi};
use crate::wire::decide::encode;
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::generated::raw::decision_service_server::DecisionService;
use crate::wire::generated::v1;

#[tonic::async_trait]
impl DecisionService for DecisionApi {
    type DecideStreamStream = Answers<Streaming<Received<v1::DecideStreamRequest>>>;

    async fn decide(
        &self,
        request: Request<Received<v1::DecideRequest>>,
    ) -> Result<Response<Reply<v1::DecideResponse>>, Status> {
        let answer = match self.answer(request.get_ref().bytes()) {
            Answer::Now(answer) => answer,
            Answer::Later(later) => later.await,
        };
        // The frame is written again around the message.
        Ok(Response::new(Reply::new(encode::unframed_bytes(answer?))))
    }

    async fn decide_batch(
        &self,
        request: Request<Received<v1::DecideBatchRequest>>,
    ) -> Result<Response<Reply<v1::DecideBatchResponse>>, Status> {
        Ok(Response::new(self.at(Door::DecideBatch).answer_batch(request.get_ref()).await?))
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<Received<v1::DecideStreamRequest>>>,
    ) -> Result<Response<Self::DecideStreamStream>, Status> {
        Ok(Response::new(self.at(Door::DecideStream).answers(request.into_inner())?))
    }
}
