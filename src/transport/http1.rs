//! Serves HTTP/1.1 on connections within their limits, and lets them finish when the server stops.
//!
//! gRPC listeners use HTTP/2, gateways use HTTP/1.1. There is no upgrade.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body as AnyBody;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Method, Request};
use axum::{BoxError, Router};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::doors::http;
use crate::doors::http::Doors;
use crate::metrics::{Limit, Metrics};
use crate::transport::accept::Incoming as Connections;
use crate::transport::admission::{self, InFlightLimit};
use crate::transport::body_guard::Held;
use crate::transport::connection::Connection;
use crate::transport::first_head::FirstHead;
use crate::transport::graceful::{serve_each, until_drained};
use crate::transport::request_body::{Received, Room};
use crate::transport::rounds::{Participant, Rounds};
use crate::transport::slow_client::{Pace, Paced};
use crate::transport::wrong_protocol::{Port, Strangers};

/// Serves connections until the server stops, and then until their requests in flight are answered.
#[derive(Clone)]
pub(crate) struct HttpServer {
    router: Router,
    protocol: http1::Builder,
    pace: Pace,
    room: Room,
    metrics: Arc<Metrics>,
}

impl HttpServer {
    /// Returns a server of these doors. `limit`: the limit on requests in flight on all listeners.
    pub(crate) fn new(
        config: &Config,
        doors: &Arc<Doors>,
        limit: &InFlightLimit,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let limited = http::decisions(doors, |door, overload| {
            door.layer(axum::middleware::from_fn_with_state((limit.clone(), overload), admission::admit))
        });
        let router = http::complete(limited.merge(http::probes(doors)));
        let metrics = Arc::clone(&doors.metrics);
        let pace = Pace {
            head_max: Duration::from_secs(config.http_head_seconds),
            send_max: Duration::from_secs(config.http_send_seconds),
            draining,
            strangers: Strangers::at(Port::Http),
            metrics: Arc::clone(&metrics),
        };
        let room = Room::new(config.http_held_bytes_max, config.connection_share_percent);
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            // Runs from the end of an answer to the end of the next head. `Pace` limits the head itself.
            .header_read_timeout(Duration::from_secs(config.http_idle_seconds))
            .max_header_size(config.http_head_bytes_max)
            .max_headers(config.http_headers_max)
            // Also bounds a head that does not end.
            .max_buf_size(config.http_head_bytes_max);
        Self { router, protocol, pace, room, metrics }
    }

    /// Serves connections on the runtime of the caller.
    pub(crate) async fn serve(self, incoming: Connections) {
        let server = Arc::new(self);
        let draining = server.pace.draining.clone();
        let rounds = Rounds::new();
        let serve_one = |connection| Arc::clone(&server).serve_one(connection, Participant::new(Arc::clone(&rounds)));
        tokio::select! {
            () = serve_each(incoming, draining, serve_one) => {}
            () = rounds.run() => {}
        }
    }

    fn serve_one(self: Arc<Self>, connection: Connection, participant: Participant) -> impl Future<Output = ()> {
        let activity = connection.activity();
        let noted = activity.clone();
        let bytes = self.room.on_connection();
        let peer = connection.peer();
        let caller = peer.caller();
        let (connection, stage) = Paced::new(connection, peer, self.pace.clone());
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let answering = (stage.answering(), noted.begin(), bytes.until_answered());
            // After a CONNECT a client may send bytes that are no HTTP.
            let is_last = request.method() == Method::CONNECT;
            let is_asked_for = !request.headers().contains_key(EXPECT);
            let (head, body) = request.into_parts();
            let (body, unread) = Received::new(body, noted.clone(), Arc::clone(&bytes));
            let answer = caller.scope(router.clone().oneshot(Request::from_parts(head, AnyBody::new(body))));
            let stage = stage.clone();
            async move {
                let mut response = answer.await?;
                if is_last || !unread.is_discarded(is_asked_for) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    stage.leave_unread();
                }
                Ok::<_, Infallible>(response.map(|body| Held { body, _held: answering }))
            }
        });
        let (protocol, draining) = (self.protocol.clone(), self.pace.draining.clone());
        let stage = Stage::Head(Some(Box::new(Begun { head: FirstHead::new(connection), service, protocol })));
        let serving = Serving { participant, stage };
        // An idle connection ends at once, and `Pace` closes one with an incomplete head. Any other connection owes an answer.
        let served = until_drained(serving, |serving| serving.get_mut().finish(), draining, activity, || true);
        async move {
            if served.await.is_some_and(|served| served.is_err_and(|error| error.is_parse_too_large())) {
                self.metrics.limited(Limit::HttpHeadBytes);
            }
        }
    }
}

type Reader = FirstHead<Paced<Connection>>;

/// A connection whose first head is gathered, and the service that follows.
struct Begun<S> {
    head: Reader,
    service: S,
    protocol: http1::Builder,
}

/// A connection that is served when the rounds allow it.
struct Serving<S: HttpService<Incoming>> {
    participant: Participant,
    stage: Stage<S>,
}

/// The stage of a connection. First its head is gathered, then the library serves its requests.
enum Stage<S: HttpService<Incoming>> {
    /// `None` once the connection has ended.
    Head(Option<Box<Begun<S>>>),
    Requests(Pin<Box<http1::Connection<TokioIo<Reader>, S>>>),
}

impl<S> Serving<S>
where
    S: HttpService<Incoming, ResBody: Body<Error: Into<BoxError>> + 'static>,
    S::Error: Into<BoxError>,
{
    /// Makes the current request the last one.
    fn finish(&mut self) {
        match &mut self.stage {
            // The library would close a connection from which it has read nothing, so the setting is made before it begins.
            Stage::Head(Some(begun)) => {
                begun.protocol.keep_alive(false);
            }
            Stage::Head(None) => {}
            Stage::Requests(requests) => requests.as_mut().graceful_shutdown(),
        }
    }
}

impl<S> Future for Serving<S>
where
    S: HttpService<Incoming, ResBody: Body<Error: Into<BoxError>> + 'static> + Unpin,
    S::Error: Into<BoxError>,
{
    type Output = Result<(), hyper::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.participant.may_be_polled(context.waker()) {
            return Poll::Pending;
        }
        if let Stage::Head(begun) = &mut this.stage {
            let Some(reading) = begun else { return Poll::Ready(Ok(())) };
            let read = ready!(reading.head.poll_head(context));
            match (read, begun.take()) {
                (Err(_), _) | (Ok(()), None) => return Poll::Ready(Ok(())),
                (Ok(()), Some(begun)) => {
                    let Begun { head, service, protocol } = *begun;
                    this.stage = Stage::Requests(Box::pin(protocol.serve_connection(TokioIo::new(head), service)));
                }
            }
        }
        match &mut this.stage {
            Stage::Requests(requests) => requests.as_mut().poll(context),
            Stage::Head(_) => Poll::Ready(Ok(())),
        }
    }
}
