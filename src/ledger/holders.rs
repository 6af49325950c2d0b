//! Holders: for each person of a counter, the transfers that include the person, so that each person counts once.
//!
//! A counter counts a person while at least one transfer holds the person. A committed transfer holds its persons for
//! good, so one bit is enough for all of them; reservations end, so they are counted. Both together tell in which part
//! of a counter the person is:
//!
//! ```text
//!                 went ahead   reservations   counted as
//!     Absent          no            0         nothing (no row is kept)
//!     Reserved        no           1..        reserved
//!     Committed      yes          any         committed
//! ```
//!
//! Every step moves a person from one state to another and updates the counter accordingly, so the split between
//! committed and reserved persons is right in any order of steps.

use super::Hold;
use super::parts::Standing;
use super::rows::State;

/// Transfers that include one person, in one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holders(u32);

/// A transfer that includes the person went ahead.
const WENT_AHEAD: u32 = 1 << 31;
/// The most reservations that can include one person at a time.
const RESERVATIONS_MAX: u32 = WENT_AHEAD - 1;

impl Holders {
    /// No transfer includes the person.
    pub(super) const NONE: Holders = Holders(0);

    /// Returns the holders from the number that [`Holders::to_stored`] returned.
    pub(super) const fn from_stored(stored: u32) -> Self {
        Self(stored)
    }

    /// Returns the number that a file stores.
    pub(super) const fn to_stored(self) -> u32 {
        self.0
    }

    /// Returns the holders from the columns of a database: whether a transfer went ahead, and how many reservations stand.
    /// `None` if the number of reservations is negative.
    pub(super) fn from_columns(went_ahead: bool, reservations: i32) -> Option<Self> {
        let reservations = Self(u32::try_from(reservations).ok()?);
        Some(if went_ahead { reservations.commit() } else { reservations })
    }

    /// Returns the columns that a database stores.
    pub(super) const fn to_columns(self) -> (bool, i32) {
        (WENT_AHEAD <= self.0, self.reservations().cast_signed())
    }

    /// Returns the holders once a transfer with the person begins. `None` if there are too many reservations.
    #[must_use]
    pub(super) const fn begin(self, hold: Hold) -> Option<Self> {
        match hold {
            Hold::Commit => Some(self.commit()),
            Hold::Until(_) => self.reserve(),
        }
    }

    /// Returns the holders once a reservation with the person is settled. `None` if there is none.
    #[must_use]
    pub(super) fn settle(self, to: State) -> Option<Self> {
        let left = self.release()?;
        Some(if to == State::Committed { left.commit() } else { left })
    }

    /// Returns in which part of the counter the person is.
    pub(super) const fn standing(self) -> Standing {
        match self.0 {
            0 => Standing::Absent,
            1..=RESERVATIONS_MAX => Standing::Reserved,
            WENT_AHEAD.. => Standing::Committed,
        }
    }

    /// Returns how many reservations include the person.
    pub(super) const fn reservations(self) -> u32 {
        self.0 & RESERVATIONS_MAX
    }

    /// A reservation includes the person. `None` if there are too many.
    #[must_use]
    const fn reserve(self) -> Option<Self> {
        if self.reservations() == RESERVATIONS_MAX { None } else { Some(Self(self.0 + 1)) }
    }

    /// One of the reservations is released or expires. `None` if there is none.
    #[must_use]
    const fn release(self) -> Option<Self> {
        if self.reservations() == 0 { None } else { Some(Self(self.0 - 1)) }
    }

    /// A transfer that includes the person goes ahead without a reservation.
    #[must_use]
    const fn commit(self) -> Self {
        Self(self.0 | WENT_AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_counts_while_one_transfer_holds_them() {
        let one = Holders::NONE.reserve().unwrap();
        let two = one.reserve().unwrap();
        assert_eq!(
            [Holders::NONE, one, two].map(Holders::standing),
            [Standing::Absent, Standing::Reserved, Standing::Reserved]
        );
        assert_eq!(two.release(), Some(one));
        assert_eq!(one.release(), Some(Holders::NONE));
        assert_eq!(Holders::NONE.release(), None);
    }

    #[test]
    fn committed_transfers_outlast_reservations() {
        let both = Holders::NONE.reserve().unwrap().commit();
        assert_eq!((both.standing(), both.reservations()), (Standing::Committed, 1));
        let alone = both.release().unwrap();
        assert_eq!((alone.standing(), alone.reservations()), (Standing::Committed, 0));
        assert_eq!(alone.release(), None);
        for holders in [Holders::NONE, both, alone] {
            assert_eq!(Holders::from_stored(holders.to_stored()), holders);
            let (went_ahead, reservations) = holders.to_columns();
            assert_eq!(Holders::from_columns(went_ahead, reservations), Some(holders));
        }
        assert_eq!(Holders::from_columns(true, -1), None);
    }

    #[test]
    fn reservations_are_never_taken_for_a_commit() {
        let full = Holders::from_stored(RESERVATIONS_MAX);
        assert_eq!(full.standing(), Standing::Reserved);
        assert_eq!(full.reserve(), None);
        assert_eq!(full.commit().reserve(), None);
    }
}
