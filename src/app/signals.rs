//! Signals of the operating system as events of the server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// A request of the operator to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Read the policies again: SIGHUP.
    Reload,
    /// Stop: SIGTERM or SIGINT. A second one stops at once, with this exit code.
    Stop {
        /// 128 plus the number of the signal, as in shells.
        exit_code: u8,
    },
}

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Begins to listen to signals. From now on they do not end the process by themselves.
///
/// Must be called within a runtime.
///
/// # Errors
/// The system refuses.
pub fn listen() -> io::Result<mpsc::Receiver<Event>> {
    let (events, received) = mpsc::channel(8);
    let signals = [
        (SignalKind::hangup(), Event::Reload),
        (SignalKind::interrupt(), Event::Stop { exit_code: 128 + SIGINT }),
        (SignalKind::terminate(), Event::Stop { exit_code: 128 + SIGTERM }),
    ];
    for (kind, event) in signals {
        tokio::spawn(forward(signal(kind)?, event, events.clone()));
    }
    Ok(received)
}

async fn forward(mut signal: Signal, event: Event, events: mpsc::Sender<Event>) {
    while signal.recv().await.is_some() {
        if events.send(event).await.is_err() {
            return;
        }
    }
}
