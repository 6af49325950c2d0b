//! Serves connections of any protocol: one task for each, and an orderly end.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::repeated::Repeated;
use crate::transport::accept::Incoming;
use crate::transport::activity::Activity;
use crate::transport::connection::Connection;

/// Time in which a connection that has to close reads the bytes that have arrived.
const READ_TIME: Duration = Duration::from_millis(1);

/// Serves connections until `draining` turns true, and then until each has ended. Dropping the future closes them.
pub(super) async fn serve_each<F>(
    mut incoming: Incoming,
    mut draining: watch::Receiver<bool>,
    serve_one: impl Fn(Connection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut open, failing) = (JoinSet::new(), Repeated::<()>::new());
    loop {
        tokio::select! {
            () = stopping(&mut draining) => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            connection = incoming.next() => match connection {
                Some(Ok(connection)) => drop(open.spawn(serve_one(connection))),
                Some(Err(error)) => {
                    if let Some(others) = failing.happened() {
                        tracing::warn!(%error, others, "cannot accept a connection");
                    }
                }
                None => break,
            },
        }
    }
    // Closes the sockets.
    drop(incoming);
    while open.join_next().await.is_some() {}
}

/// Drives a connection. Asks it to finish its requests in flight when the server stops, or when it has to close for another
/// connection. Returns `None` if the connection was closed because it had nothing to finish, or because it did not end in time
/// with nothing in flight.
///
/// `owes`: says whether answers wait to be written although their calls have ended. A server that stops closes no connection
/// with such answers.
///
/// The connection is moved to the heap once: each future that contained it would have room for a copy.
pub(super) fn until_drained<C: Future>(
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
    mut draining: watch::Receiver<bool>,
    activity: Activity,
    owes: impl Fn() -> bool,
) -> impl Future<Output = Option<C::Output>> {
    let mut connection = Box::pin(connection);
    async move {
        tokio::select! {
            // Polled first: if a request completes at that moment, its answer says that it is the last one.
            biased;
            () = stopping(&mut draining) => {
                finish(connection.as_mut());
                let is_over = async {
                    activity.closing_time_is_over().await;
                    while owes() {
                        activity.closing_time_is_over().await;
                    }
                };
                tokio::select! {
                    served = connection => Some(served),
                    // A client need not answer the request to finish.
                    () = is_over => None,
                }
            }
            () = activity.has_to_close() => {
                if activity.has_nothing_to_finish() {
                    // Bytes that have arrived are read first. The pause lets the system report them.
                    tokio::select! {
                        biased;
                        served = connection.as_mut() => return Some(served),
                        () = tokio::time::sleep(READ_TIME) => {}
                    }
                    if activity.has_nothing_to_finish() {
                        return None;
                    }
                }
                finish(connection.as_mut());
                tokio::select! {
                    served = connection => Some(served),
                    () = activity.closing_time_is_over() => None,
                }
            }
            served = connection.as_mut() => Some(served),
        }
    }
}

/// Returns when the server stops, or the sender is dropped.
async fn stopping(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}
