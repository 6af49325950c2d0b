//! The clock, as the domain's users see it: injected, so that tests own the time.

use super::units::Moment;

/// Whether the moments of a clock can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocking {
    /// They can.
    Sound,
    /// Somebody set the clock while the server ran, further than a clock may go wrong by itself. Which year's totals
    /// count, and which reservations have run out, is in doubt.
    Jumped,
    /// It tells a moment that cannot be the present one: before this program was written, or after every calendar.
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

    /// Says whether a moment can be relied on that this clock has just told. Whatever rests on the moment, and not on
    /// a caller's, is refused where it cannot.
    fn clocking(&self, now: Moment) -> Clocking {
        let _ = now;
        Clocking::Sound
    }

    /// Looks whether it can be relied on still. To be called every second: what [`Clock::clocking`] says rests on it.
    fn look(&self) {}

    /// Returns the moment that a clock would tell that nobody has set: the same as [`Clock::now`] while it is sound.
    fn undisturbed(&self) -> Moment {
        self.now()
    }
}
