//! Serves gRPC on accepted connections: hyper speaks HTTP/2, and the services answer.
//!
//! A request passes no layer, span or lock between the two.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use crate::transport::accept::Incoming;
use crate::transport::activity::Noted;
use crate::transport::budget::Taking;
use crate::transport::connection::Connection;
use crate::transport::fast_path::Services;
use crate::transport::graceful::{serve_each, until_drained};
use crate::transport::inline_executor::{Calls, Inline};

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Http2 {
    /// Most requests in flight on one connection.
    pub streams_max: u32,
    /// Time between two pings on an idle connection; `None` for no pings.
    pub keepalive_interval: Option<Duration>,
    /// Longest wait for the answer to a ping.
    pub keepalive_timeout: Duration,
    /// Bytes that a client may send on a stream before they are read; four times as many on a connection.
    pub window_bytes: u32,
    /// Most streams that a client may reset before the server has accepted them.
    pub resets_pending_max: usize,
    /// Most streams that may be reset for protocol errors over the life of a connection.
    pub error_resets_max: usize,
}

/// Bytes of the answer to one call that HTTP/2 keeps while the client takes none: four parts.
const SEND_BUFFER_BYTES: usize = 64 << 10;

impl Http2 {
    fn builder(self, calls: Noted<Calls>) -> http2::Builder<Noted<Calls>> {
        let mut builder = http2::Builder::new(calls);
        builder
            .timer(TokioTimer::new())
            // gRPC clients do not read the date.
            .auto_date_header(false)
            .max_concurrent_streams(self.streams_max)
            .initial_stream_window_size(self.window_bytes)
            .initial_connection_window_size(self.window_bytes.saturating_mul(4))
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(self.resets_pending_max)
            .max_local_error_reset_streams(self.error_resets_max)
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout);
        builder
    }
}

/// The end of a connection.
enum Ended<E> {
    /// By its client or the server; `None` if it was closed to admit another.
    ByItself(Option<Result<(), E>>),
    /// Its client does not read answers.
    Stuck,
}

/// Serves connections until `draining` turns true, and then until their requests in flight are answered.
///
/// Dropping the future closes the connections.
pub async fn serve(incoming: Incoming, http2: Http2, services: Services, draining: watch::Receiver<bool>) {
    let drains = draining.clone();
    let serve_one = |connection: Connection| {
        let peer = connection.peer();
        let activity = connection.activity();
        let (services, share) = services.on_connection(peer.caller());
        let calls = Calls::new(share.clone());
        let noted = Noted::new(calls.clone(), activity.clone());
        let serving = http2.builder(noted).serve_connection(TokioIo::new(connection), services);
        let serving = Inline::new(serving, calls);
        let finish = |serving: Pin<&mut Inline<_>>| http2::Connection::graceful_shutdown(serving.connection());
        let owing = Arc::clone(&share);
        let served = until_drained(serving, finish, drains.clone(), activity, move || owing.has_unsent());
        async move {
            let (mut served, mut taking) = (pin!(served), Taking::new(share));
            let ended = std::future::poll_fn(|context| match served.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Ended::ByItself(ended)),
                Poll::Pending => taking.poll_stuck(context).map(|()| Ended::Stuck),
            });
            match ended.await {
                // Closed to admit another, or by its client.
                Ended::ByItself(None | Some(Ok(()))) => {}
                // The client has gone away, or does not speak HTTP/2.
                Ended::ByItself(Some(Err(error))) => tracing::debug!(%peer, %error, "a connection ended"),
                Ended::Stuck => tracing::debug!(%peer, "a connection was closed: its client does not read answers"),
            }
        }
    };
    serve_each(incoming, draining, serve_one).await;
}
