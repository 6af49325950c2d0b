//! Serves gRPC on connections that were accepted: HTTP/2 by hyper, the services behind it.
//!
//! Nothing stands between the two that costs a request something: no layer, no span, no lock.

use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;

use super::accept::Incoming;
use super::serving::{serve_each, until_drained};
use super::short::Services;

/// What a connection may take up.
#[derive(Debug, Clone, Copy)]
pub struct Http2 {
    /// Most requests in flight on one connection.
    pub streams_max: u32,
    /// Time between two pings on an idle connection; `None` for no pings.
    pub keepalive_interval: Option<Duration>,
    /// Time within which a ping has to be answered.
    pub keepalive_timeout: Duration,
}

impl Http2 {
    fn builder(self) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            // Nobody reads it in gRPC.
            .auto_date_header(false)
            .max_concurrent_streams(self.streams_max)
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout);
        builder
    }
}

/// Serves connections until `draining` turns true, and then until what is in flight on them is answered.
///
/// Dropping it closes the connections.
pub async fn serve(incoming: Incoming, http2: Http2, services: Services, draining: watch::Receiver<bool>) {
    let (builder, drains) = (http2.builder(), draining.clone());
    let serve_one = |connection| {
        let serving = builder.serve_connection(TokioIo::new(connection), services.clone());
        let served = until_drained(serving, http2::Connection::graceful_shutdown, drains.clone());
        async move {
            if let Err(error) = served.await {
                // The other side went away, or does not speak HTTP/2.
                tracing::debug!(%error, "a connection ended");
            }
        }
    };
    serve_each(incoming, draining, serve_one).await;
}
