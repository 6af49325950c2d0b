//! Serves gRPC on connections that were accepted: HTTP/2 by hyper, the services behind it.
//!
//! Nothing stands between the two that costs a request something: no layer, no span, no lock.

use std::pin::Pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::accept::Incoming;
use super::connection::Connection;
use super::connections::Noted;
use super::inline::{Calls, Inline};
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
    fn builder(self, calls: Noted<Calls>) -> http2::Builder<Noted<Calls>> {
        let mut builder = http2::Builder::new(calls);
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
    let drains = draining.clone();
    let serve_one = |connection: Connection| {
        let peer = connection.peer();
        let (calls, activity) = (Calls::default(), connection.activity());
        let noted = Noted::new(calls.clone(), activity.clone());
        let serving = http2.builder(noted).serve_connection(TokioIo::new(connection), services.of(peer.caller()));
        let serving = Inline::new(serving, calls);
        let finish = |serving: Pin<&mut Inline<_>>| http2::Connection::graceful_shutdown(serving.connection());
        let served = until_drained(serving, finish, drains.clone(), activity);
        async move {
            if let Some(Err(error)) = served.await {
                // The other side went away, or does not speak HTTP/2.
                tracing::debug!(%peer, %error, "a connection ended");
            }
        }
    };
    serve_each(incoming, draining, serve_one).await;
}
