//! Serves gRPC on connections that were accepted: HTTP/2 by hyper, the services behind it.
//!
//! Nothing stands between the two that costs a request something: no layer, no span, no lock.

use std::io;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt as _};

use super::connection::Connection;
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
            .max_concurrent_streams(self.streams_max)
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout);
        builder
    }
}

/// Serves connections until `draining` turns true, and then until what is in flight on them is answered.
///
/// Dropping it closes the connections.
pub async fn serve(
    mut incoming: impl Stream<Item = io::Result<Connection>> + Unpin,
    http2: Http2,
    services: Services,
    mut draining: watch::Receiver<bool>,
) {
    let builder = http2.builder();
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    let drained = async move {
        // A sender that is gone means the same.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            biased;
            () = &mut drained => break,
            Some(_) = open.join_next() => {}
            next = incoming.next() => match next {
                Some(Ok(connection)) => {
                    let serving = builder.serve_connection(TokioIo::new(connection), services.clone());
                    let serving = graceful.watch(serving);
                    open.spawn(async move {
                        if let Err(error) = serving.await {
                            // The other side went away, or does not speak HTTP/2.
                            tracing::debug!(%error, "a connection ended");
                        }
                    });
                }
                Some(Err(error)) => tracing::debug!(%error, "a connection was lost before it was served"),
                None => break,
            },
        }
    }
    drop(incoming);
    graceful.shutdown().await;
    open.join_all().await;
}
