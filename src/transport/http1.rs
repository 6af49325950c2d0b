//! Serves HTTP/1.1 on connections, each within its limits, and lets them finish when the server stops.
//!
//! HTTP/2 is for the gRPC listeners; gateways ask over HTTP/1.1. There is no upgrade.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Method, Request};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::doors::http;
use crate::doors::http::Doors;
use crate::metrics::{Limit, Metrics};
use crate::transport::accept::Incoming;
use crate::transport::admission::{self, InFlightLimit};
use crate::transport::body_guard::Held;
use crate::transport::connection::Connection;
use crate::transport::first_head::FirstHead;
use crate::transport::graceful::{serve_each, until_drained};
use crate::transport::request_body::Received;
use crate::transport::slow_client::{Pace, Paced};
use crate::transport::wrong_protocol::{Port, Strangers};

/// Serves connections until the server stops, and then what is in flight on them.
#[derive(Clone)]
pub(crate) struct HttpServer {
    router: Router,
    protocol: http1::Builder,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl HttpServer {
    /// Returns a server of these doors. `limit`: the requests that may be in flight, here and on the other listeners
    /// together.
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
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            // Runs from the end of an answer until the next head is there; heads themselves are paced.
            .header_read_timeout(Duration::from_secs(config.http_idle_seconds))
            .max_header_size(config.http_head_bytes_max)
            .max_headers(config.http_headers_max)
            // Bounds a head that does not end, too.
            .max_buf_size(config.http_head_bytes_max);
        Self { router, protocol, pace, metrics }
    }

    /// Serves.
    pub(crate) async fn serve(self, incoming: Incoming) {
        let server = Arc::new(self);
        let draining = server.pace.draining.clone();
        serve_each(incoming, draining, |connection| Arc::clone(&server).serve_one(connection)).await;
    }

    fn serve_one(self: Arc<Self>, connection: Connection) -> impl Future<Output = ()> {
        let activity = connection.activity();
        let noted = activity.clone();
        let peer = connection.peer();
        let caller = peer.caller();
        let (connection, stage) = Paced::new(connection, peer, self.pace.clone());
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let answering = (stage.answering(), noted.begin());
            // Behind it a client may send what is no HTTP.
            let is_last = request.method() == Method::CONNECT;
            let is_asked_for = !request.headers().contains_key(EXPECT);
            let (head, body) = request.into_parts();
            let (body, unread) = Received::new(body, noted.clone());
            let answer = caller.scope(router.clone().oneshot(Request::from_parts(head, Body::new(body))));
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
        let (finish, draining) = (http1::Connection::graceful_shutdown, self.pace.draining.clone());
        async move {
            let Ok(connection) = FirstHead::read(connection).await else { return };
            let serving = self.protocol.serve_connection(TokioIo::new(connection), service);
            // One that is idle ends at once, a head that has not come whole is cut off by its pace: any other owes an answer.
            let served = until_drained(serving, finish, draining, activity, || true);
            if served.await.is_some_and(|served| served.is_err_and(|error| error.is_parse_too_large())) {
                self.metrics.limited(Limit::HttpHeadBytes);
            }
        }
    }
}
