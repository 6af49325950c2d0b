//! Serves HTTP/1.1 on connections, each within its limits, and lets them finish when the server stops.
//!
//! HTTP/2 is for the gRPC listeners; gateways ask over HTTP/1.1. There is no upgrade.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tower::ServiceExt as _;

use super::accept::Incoming as Accepted;
use super::connection::Connection;
use super::in_flight::{self, InFlightLimit};
use super::paced::{Answering, Pace, Paced};
use crate::config::Config;
use crate::http::{self, Doors};
use crate::metrics::{Limit, Metrics};

/// Serves connections until the server stops, and then what is in flight on them.
#[derive(Clone)]
pub(super) struct HttpServer {
    router: Router,
    protocol: http1::Builder,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl HttpServer {
    /// Returns a server of these doors. `limit`: the requests that may be in flight, here and on the other listeners
    /// together.
    pub(super) fn new(
        config: &Config,
        doors: &Arc<Doors>,
        limit: InFlightLimit,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let limited = http::decisions(doors).layer(axum::middleware::from_fn_with_state(limit, in_flight::admit));
        let router = http::complete(limited.merge(http::probes(doors)));
        let metrics = Arc::clone(&doors.metrics);
        let pace = Pace {
            head_max: Duration::from_secs(config.http_head_seconds),
            send_max: Duration::from_secs(config.http_send_seconds),
            draining,
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
    pub(super) async fn serve(self, mut incoming: Accepted) {
        let server = Arc::new(self);
        let mut draining = server.pace.draining.clone();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = stopping(&mut draining) => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                connection = incoming.next() => match connection {
                    Some(Ok(connection)) => drop(open.spawn(Arc::clone(&server).serve_one(connection))),
                    Some(Err(error)) => tracing::warn!(%error, "cannot accept a connection"),
                    None => break,
                },
            }
        }
        // Closes the sockets.
        drop(incoming);
        while open.join_next().await.is_some() {}
    }

    async fn serve_one(self: Arc<Self>, connection: Connection) {
        let (connection, stage) = Paced::new(connection, self.pace.clone());
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let answering = stage.answering();
            let answer = router.clone().oneshot(request.map(Body::new));
            async move { answer.await.map(|response| response.map(|body| Sent { body, _answering: answering })) }
        });
        let mut serving = pin!(self.protocol.serve_connection(TokioIo::new(connection), service));
        let mut draining = self.pace.draining.clone();
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = stopping(&mut draining) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if served.is_err_and(|error| error.is_parse_too_large()) {
            self.metrics.limited(Limit::HttpHeadBytes);
        }
    }
}

/// Returns when the server stops; one that is gone has stopped.
async fn stopping(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

/// A body that is being sent.
struct Sent {
    body: Body,
    _answering: Answering,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
