//! The fast path of `DecisionService.Decide`: from the bytes of a request to those of its answer.
//!
//! The decision of an ordinary call costs less than the general server around it: a router, boxed bodies and futures, copied
//! texts. The fast path answers ordinary `Decide` calls: those that are decided, those that are refused, and those that wait
//! for the ledger. The fallback is the generated services: other methods, compression, a message in pieces, an answer with
//! details. A call takes the fallback before it is decided, and never afterwards.
//!
//! Except for streams, no service sees a call before its message is complete. A call that has begun holds bytes of the budget
//! ([`crate::transport::budget`]), and a permit only once it can be answered.
//!
//! INVARIANT (once): a call is answered by the fast path or by the fallback, never by both, and the answers differ in their
//! decision id only.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::http::{HeaderName, HeaderValue, Request, Response, header, request};
use tonic::codegen::{Bytes, Service as _};
use tonic::service::Routes;

use crate::service::DecisionApi;
use crate::service::caller::Caller;
use crate::service::deadline::{Deadline, MalformedTimeout};
use crate::service::decide::{self, Later};
use crate::transport::budget::{Budgets, CALL_BYTES, Charge, Progress, Share};
use crate::transport::call_head::{GRPC, Kind, compressed, is_plain, not_grpc};
use crate::transport::framing::one_message;
use crate::transport::gather::{Ended, Gathering};
use crate::transport::inbound::{Inbound, STREAM_BYTES};
use crate::transport::response_body::{Answer, GRPC_STATUS, Holds, Whole};
use crate::wire::decide::encode::unframed;
use crate::wire::refusal::framing::Misframed;
use crate::wire::refusal::{Exhausted, Refusal, call, grpc};

const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
/// The header with the reason of a failed call.
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Memory of a `Watch` besides that of a call: its write buffer.
const WATCH_BYTES: usize = CALL_BYTES / 2;

/// The services of a listener. Clones share everything.
#[derive(Debug, Clone)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Answers `Decide` calls on the fast path.
    decisions: Option<DecisionApi>,
    routes: Routes,
    /// Names of the services, for the refusal of an unknown one.
    names: &'static [&'static str],
    /// Largest message, in bytes.
    message_bytes_max: usize,
    budgets: Arc<Budgets>,
}

impl Services {
    /// Returns services. `decisions`: answers `Decide` calls on the fast path, where the listener has them; `routes`: the
    /// fallback; `names`: the names of its services; `message_bytes_max`: the largest message.
    pub fn new(
        decisions: Option<DecisionApi>,
        routes: Routes,
        names: &'static [&'static str],
        message_bytes_max: usize,
        budgets: Arc<Budgets>,
    ) -> Self {
        Self(Arc::new(Inner { decisions, routes, names, message_bytes_max, budgets }))
    }

    /// Returns the services for a new connection of this caller, and its share of the budgets.
    pub(super) fn on_connection(&self, caller: Caller) -> (OnConnection, Arc<Share>) {
        let share = self.0.budgets.share();
        (OnConnection { services: self.clone(), caller, share: Arc::clone(&share) }, share)
    }
}

/// The services of a listener on one connection.
#[derive(Debug, Clone)]
pub(super) struct OnConnection {
    services: Services,
    caller: Caller,
    share: Arc<Share>,
}

impl hyper::service::Service<Request<Incoming>> for OnConnection {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let (head, body) = request.into_parts();
        // The deadline runs from here, the first byte of the call.
        let (deadline, wrong) = match Deadline::from_now(&head.headers) {
            Ok(deadline) => (deadline, None),
            Err(wrong) => (None, Some(wrong)),
        };
        let kind = Kind::of(head.uri.path());
        let begun = Begun { head, kind, deadline, on: self.clone(), progress: None };
        if let Some(MalformedTimeout(sent)) = wrong {
            Answering(begun.refuse(call::malformed_timeout(&sent)))
        } else if kind.takes_messages_as_they_come() {
            Answering(begun.stream(body))
        } else {
            Answering(State::Reading(Some(Reading { begun, body, frame: None })))
        }
    }
}

/// A call that has begun.
struct Begun {
    head: request::Parts,
    kind: Kind,
    deadline: Option<Deadline>,
    on: OnConnection,
    /// Set once the call does not answer at once.
    progress: Option<Arc<Progress>>,
}

impl Begun {
    /// Returns the progress of the call, for the timers of the connection.
    fn progress(&mut self) -> Arc<Progress> {
        Arc::clone(self.progress.get_or_insert_default())
    }

    /// Returns the memory of the call while it waits, besides its message.
    fn bytes(&self) -> usize {
        let headers = self.head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        CALL_BYTES.saturating_add(headers.sum())
    }

    fn message_bytes_max(&self) -> usize {
        self.on.services.0.message_bytes_max
    }

    /// Refuses a gRPC call whose body is not exactly one message. A call that is not gRPC has its own refusal.
    fn misframed(self, misframed: Misframed) -> State {
        match not_grpc(&self.head).or_else(|| compressed(&self.head.headers)) {
            Some(refusal) => self.answer_with(refusal),
            None => self.refuse(misframed.to_status()),
        }
    }

    fn refuse(self, status: tonic::Status) -> State {
        self.answer_with(status.into_http())
    }

    fn answer_with(mut self, response: Response<Body>) -> State {
        let progress = self.progress();
        let share = Arc::clone(&self.on.share);
        let answer = long(response, Holds::default(), Arc::clone(&progress), Arc::clone(&share));
        State::GoneOn { answer: Box::pin(std::future::ready(answer)), progress, share }
    }

    /// Begins a stream.
    fn stream(self, body: Incoming) -> State {
        let share = Arc::clone(&self.on.share);
        let Some(stream) = share.stream() else {
            return self.refuse(share.budgets().exhausted(Exhausted::OpenStreams));
        };
        let charged = share.charge(self.bytes().saturating_add(STREAM_BYTES));
        let Some(charge) = charged else { return self.refuse(share.budgets().exhausted(Exhausted::HeldBytes)) };
        let body = Body::new(Inbound::new(body, charge, share, self.deadline));
        self.go_on(body, Holds { stream: Some(stream), ..Holds::default() })
    }

    /// Passes a call to the fallback.
    fn go_on(mut self, body: Body, mut holds: Holds) -> State {
        if let Some(refusal) = not_grpc(&self.head).or_else(|| compressed(&self.head.headers)) {
            return self.answer_with(refusal);
        }
        let share = Arc::clone(&self.on.share);
        if holds.stream.is_none() && holds.charge.is_none() {
            let more = if self.kind == Kind::Probe { WATCH_BYTES } else { 0 };
            let message = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            holds.charge = share.charge(self.bytes().saturating_add(more).saturating_add(message));
            if holds.charge.is_none() {
                return self.refuse(share.budgets().exhausted(Exhausted::HeldBytes));
            }
        }
        if matches!(self.kind, Kind::Decide | Kind::Request | Kind::Batch | Kind::Stream) {
            holds.permit = share.permit();
            if holds.permit.is_none() {
                return self.refuse(share.budgets().exhausted(Exhausted::RequestsInFlight));
            }
        }
        let progress = self.progress();
        let Self { head, kind, deadline, on, progress: _ } = self;
        let mut request = Request::from_parts(head, body);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        if kind == Kind::Probe {
            // A watch counts in the share of its connection.
            request.extensions_mut().insert(Arc::clone(&share));
        }
        let (of_answer, of_share) = (Arc::clone(&progress), Arc::clone(&share));
        let answer = Box::pin(async move {
            let answering = async {
                if kind == Kind::Batch {
                    holds.batch = of_share.batch().await;
                }
                on.caller.scope(on.services.answer(request)).await
            };
            let answer = match deadline {
                None => answering.await,
                Some(deadline) => match tokio::time::timeout_at(deadline.at(), answering).await {
                    Ok(answer) => answer,
                    Err(_) => call::late().into_http(),
                },
            };
            long(answer, holds, of_answer, of_share)
        });
        State::GoneOn { answer, progress, share }
    }

    /// Waits for the answer to a call of the fast path, with a permit and the bytes of its request.
    fn wait_for(mut self, later: Later, message_bytes: usize) -> State {
        let share = Arc::clone(&self.on.share);
        let charge = share.charge(self.bytes().saturating_add(message_bytes));
        if charge.is_none() {
            return self.refuse(share.budgets().exhausted(Exhausted::HeldBytes));
        }
        let permit = share.permit();
        if permit.is_none() {
            return self.refuse(share.budgets().exhausted(Exhausted::RequestsInFlight));
        }
        let holds = Holds { permit, charge, ..Holds::default() };
        let (progress, deadline) = (self.progress(), self.deadline);
        let (of_answer, of_share) = (Arc::clone(&progress), Arc::clone(&share));
        let answer = Box::pin(async move {
            let answer = match deadline {
                None => later.await,
                Some(deadline) => tokio::time::timeout_at(deadline.at(), later).await.unwrap_or(Err(Refusal::Late)),
            };
            let answer = match answer {
                Ok(message) => {
                    let mut response = Response::new(Body::new(Whole::new(message)));
                    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
                    response
                }
                Err(refusal) => grpc::status(&refusal).into_http(),
            };
            long(answer, holds, of_answer, of_share)
        });
        State::GoneOn { answer, progress, share }
    }
}

impl Services {
    /// Asks the fallback.
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (names, uri) = (self.0.names, request.uri().clone());
        match self.0.routes.clone().call(request).await {
            Ok(answer) if is_no_method(&answer) => call::no_such_method(uri.path(), names).into_http(),
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// Says whether an answer is that of the router to an unknown method.
fn is_no_method(answer: &Response<Body>) -> bool {
    let headers = answer.headers();
    headers.get(&GRPC_STATUS) == Some(&UNIMPLEMENTED) && headers.get(&GRPC_MESSAGE).is_none_or(HeaderValue::is_empty)
}

/// A call that is being answered.
pub struct Answering(State);

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

#[expect(clippy::large_enum_variant, reason = "nearly all are read here: a box would cost each an allocation")]
enum State {
    /// Its message is being read. `None` only while it is polled, and afterwards.
    Reading(Option<Reading>),
    /// Its message arrives in several parts.
    Gathering(Option<Box<Waiting>>),
    /// It is being answered: by the fallback, or after a wait for the ledger.
    GoneOn { answer: GoneOn, progress: Arc<Progress>, share: Arc<Share> },
}

type GoneOn = Pin<Box<dyn Future<Output = Response<Answer>> + Send>>;

/// A call whose message is being read.
struct Reading {
    begun: Begun,
    body: Incoming,
    /// The first frame, once it is there.
    frame: Option<Bytes>,
}

/// A call that waits for its message.
struct Waiting {
    begun: Begun,
    gathering: Gathering,
    charge: Charge,
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().0;
        if let State::Reading(reading) = state {
            // After an answer there is nothing left to poll.
            let Some(mut call) = reading.take() else { return Poll::Pending };
            *state = match call.poll_message(context) {
                Poll::Ready(Message::Whole) => match call.answer() {
                    Some(Ending::Answered(answer)) => return Poll::Ready(Ok(answer)),
                    Some(Ending::Refused(refusal)) => call.begun.refuse(grpc::status(&refusal)),
                    Some(Ending::Waits(later)) => {
                        let message_bytes = call.frame.as_ref().map_or(0, Bytes::len);
                        call.begun.wait_for(later, message_bytes)
                    }
                    None => call.go_on(),
                },
                Poll::Ready(Message::InPieces(next)) => call.wait(Some(next)),
                Poll::Ready(Message::CutOff) => call.begun.refuse(call::cut_off()),
                Poll::Pending => call.wait(None),
            };
        }
        if let State::Gathering(waiting) = state {
            let Some(mut call) = waiting.take() else { return Poll::Pending };
            match call.gathering.poll(&mut call.charge, call.begun.on.share.budgets(), context) {
                Poll::Pending => {
                    call.begun.progress().tell(&call.begun.on.share);
                    *waiting = Some(call);
                    return Poll::Pending;
                }
                Poll::Ready(Ended::Refused(refusal)) => *state = call.begun.refuse(refusal),
                Poll::Ready(Ended::Whole(message)) => {
                    let Waiting { begun, charge, .. } = *call;
                    let holds = Holds { charge: Some(charge), ..Holds::default() };
                    *state = match message.one_message(begun.message_bytes_max()) {
                        Ok(()) => begun.go_on(Body::new(message), holds),
                        Err(misframed) => begun.misframed(misframed),
                    };
                }
            }
        }
        let State::GoneOn { answer, progress, share } = state else { return Poll::Pending };
        let answer = answer.as_mut().poll(context);
        if answer.is_pending() {
            progress.tell(share);
        }
        answer.map(Ok)
    }
}

fn long(answer: Response<Body>, holds: Holds, progress: Arc<Progress>, share: Arc<Share>) -> Response<Answer> {
    answer.map(|body| Answer::long(body, holds, progress, share))
}

/// The end of a call on the fast path.
enum Ending {
    /// It is answered.
    Answered(Response<Answer>),
    /// It is refused.
    Refused(Refusal),
    /// It waits for the ledger.
    Waits(Later),
}

/// How far a message has arrived.
enum Message {
    /// It is complete, in one frame or none.
    Whole,
    /// It is in pieces: this one follows the first frame.
    InPieces(Bytes),
    /// It is cut off: the client has gone away.
    CutOff,
}

impl Reading {
    /// Reads the first frame, and waits for the end of the request.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        loop {
            let Some(next) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(Message::Whole);
            };
            match next.map(Frame::into_data) {
                // Many clients end a request with an empty frame.
                Ok(Ok(data)) if data.is_empty() => {}
                Ok(Ok(data)) if self.frame.is_none() => self.frame = Some(data),
                Ok(Ok(data)) => return Poll::Ready(Message::InPieces(data)),
                // Trailers of a request have no meaning in gRPC.
                Ok(Err(_)) => {}
                Err(_) => return Poll::Ready(Message::CutOff),
            }
            if self.body.is_end_stream() {
                return Poll::Ready(Message::Whole);
            }
        }
    }

    /// Answers the call; `None` if it takes the fallback.
    fn answer(&self) -> Option<Ending> {
        if self.begun.deadline.is_some_and(Deadline::is_over) {
            return Some(Ending::Refused(Refusal::Late));
        }
        let Inner { decisions, message_bytes_max, .. } = &*self.begun.on.services.0;
        let decisions = decisions.as_ref().filter(|_| self.begun.kind == Kind::Decide && is_plain(&self.begun.head))?;
        let message = self.frame.as_deref().and_then(unframed)?;
        let share = &self.begun.on.share;
        // Beyond a limit the fallback refuses, and counts the refusal.
        if *message_bytes_max < message.len() || !share.has_permit() {
            return None;
        }
        let unsent = share.unsent_brief()?;
        Some(match decisions.answer_brief(message)? {
            decide::Answer::Now(Ok(message)) => {
                let mut response = Response::new(Answer::short(message, unsent));
                response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
                Ending::Answered(response)
            }
            decide::Answer::Now(Err(refusal)) => Ending::Refused(refusal),
            decide::Answer::Later(later) => Ending::Waits(later),
        })
    }

    /// Passes a complete message to the fallback.
    fn go_on(self) -> State {
        let Self { begun, frame, .. } = self;
        let frame = frame.unwrap_or_default();
        match one_message(frame.first_chunk().copied(), frame.len(), begun.message_bytes_max()) {
            Ok(()) => begun.go_on(Body::new(http_body_util::Full::new(frame)), Holds::default()),
            Err(misframed) => begun.misframed(misframed),
        }
    }

    /// Waits for the rest of a message of which these have arrived: the first frame, and `next`.
    fn wait(self, next: Option<Bytes>) -> State {
        let Self { begun, body, frame } = self;
        let share = Arc::clone(&begun.on.share);
        let budgets = share.budgets();
        let Some(mut charge) = share.charge(begun.bytes()) else {
            return begun.refuse(budgets.exhausted(Exhausted::HeldBytes));
        };
        let bytes_max = begun.on.services.0.message_bytes_max;
        let mut gathering = Gathering::begin(body, bytes_max, begun.deadline, budgets);
        for data in frame.into_iter().chain(next) {
            if let Err(refusal) = gathering.keep(&data, &mut charge, budgets) {
                return begun.refuse(refusal);
            }
        }
        State::Gathering(Some(Box::new(Waiting { begun, gathering, charge })))
    }
}

#[cfg(test)]
#[path = "fast_path_tests.rs"]
mod tests;
