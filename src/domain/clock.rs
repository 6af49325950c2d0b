//! The clock: a trait, so that tests control the time.

use super::units::Moment;

/// Whether the clock is reliable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocking {
    /// The clock is reliable.
    Sound,
    /// The clock was set while the server ran, by more than a clock drifts. The current year and the expiry of
    /// reservations are in doubt.
    Jumped,
    /// The clock shows an impossible present: before this program was written, or after the end of every calendar.
    Unusable,
}

impl Clocking {
    /// All values.
    pub const ALL: [Clocking; 3] = [Clocking::Sound, Clocking::Jumped, Clocking::Unusable];

    /// Returns the word for it in labels and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Clocking::Sound => "sound",
            Clocking::Jumped => "jumped",
            Clocking::Unusable => "unusable",
        }
    }
}

/// Tells the moment.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the current moment.
    fn now(&self) -> Moment;

    /// Says whether `now`, which this clock has just returned, is reliable. If it is not, every request that depends on it,
    /// rather than on a moment that the caller states, is refused.
    fn clocking(&self, now: Moment) -> Clocking {
        let _ = now;
        Clocking::Sound
    }

    /// Checks the clock. Call it every second: [`Clock::clocking`] answers from the last check.
    fn look(&self) {}

    /// Returns the time without any adjustment made since the start; equal to [`Clock::now`] while the clock is sound.
    fn undisturbed(&self) -> Moment {
        self.now()
    }
}
