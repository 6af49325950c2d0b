//! A stopwatch for calls and for loads of the policies.

use std::time::{Duration, Instant};

/// Runs from its creation. It is monotonic, and never part of an answer about the law: decisions use the injected clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[expect(clippy::disallowed_methods, reason = "a monotonic interval, which the clock of the domain cannot measure")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
