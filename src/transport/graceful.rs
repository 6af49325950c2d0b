//! What serving connections comes to, whatever is spoken on them: one task for each, and an end in good order.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::repeated::Repeated;
use crate::transport::accept::Incoming;
use crate::transport::activity::Activity;
use crate::transport::connection::Connection;

/// Time for a connection that has to close to read what has come.
const READ_TIME: Duration = Duration::from_millis(1);

/// Serves connections until `draining` turns true, and then until each has come to its end. Dropping it closes them.
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

/// Drives a connection, and asks it to finish what is in flight when the server stops, or its place is needed for another.
/// `None` where it was cut off, because it had nothing to finish, or did not come to its end in time with nothing in
/// flight.
///
/// `owes`: says whether answers wait to be written, though their calls are over. A server that stops cuts off no
/// connection that owes something.
///
/// The connection is on the heap, once: futures in futures would keep a copy for each time that it is moved.
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
            // The end first: a request that comes whole at that moment is told that it is the last.
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
                    // A client need not answer what asks it to finish.
                    () = is_over => None,
                }
            }
            () = activity.has_to_close() => {
                if activity.has_nothing_to_finish() {
                    // What has come and was not read yet is read first: time that passes lets the system tell of it.
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

/// Returns when the server stops; one that is gone has stopped.
async fn stopping(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}
