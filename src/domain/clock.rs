//! The clock, as the domain's users see it: injected, so that tests own the time.

use super::units::Moment;

/// Tells the moment.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the current moment.
    fn now(&self) -> Moment;
}
