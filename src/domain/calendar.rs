//! The years of Asia/Shanghai as moments on the UTC time line.
//!
//! Counters run over a calendar year in Shanghai. The policy compiler makes the table of years from a
//! time-zone database. The domain only looks years up, and needs neither a clock nor a time zone.

use super::units::{Moment, Year};

/// First moments of consecutive years, in Asia/Shanghai.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    first_year: u16,
    /// INVARIANT (starts): ascending, one for each year and one for the end of the last.
    starts: Vec<Moment>,
}

impl Calendar {
    /// Returns the calendar whose years begin at `starts`. The last start is only the end of the last year.
    ///
    /// # Panics
    /// If there are fewer than two starts, or they do not ascend.
    pub fn new(first_year: Year, starts: Vec<Moment>) -> Self {
        assert!(2 <= starts.len() && starts.is_sorted(), "a calendar needs ascending years");
        Self { first_year: first_year.0, starts }
    }

    /// Returns the year in which the moment falls and the first moment of the next year, or
    /// `None` outside the years of the calendar.
    pub fn year(&self, moment: Moment) -> Option<(Year, Moment)> {
        let passed = self.starts.partition_point(|start| *start <= moment);
        let end = *self.starts.get(passed)?;
        let index = u16::try_from(passed.checked_sub(1)?).ok()?;
        Some((Year(self.first_year + index), end))
    }

    /// Returns the first moment of the calendar and the first moment after it.
    pub fn range(&self) -> (Moment, Moment) {
        let first = self.starts.first().copied().unwrap_or(Moment::from_seconds(0));
        (first, self.starts.last().copied().unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_its_first_instant_and_not_the_next_years() {
        let at = Moment::from_seconds;
        let calendar = Calendar::new(Year(2024), vec![at(100), at(200), at(300)]);
        assert_eq!(calendar.year(at(99)), None);
        assert_eq!(calendar.year(at(100)), Some((Year(2024), at(200))));
        assert_eq!(calendar.year(Moment::new(199, 999_999_999).unwrap()), Some((Year(2024), at(200))));
        assert_eq!(calendar.year(at(200)), Some((Year(2025), at(300))));
        assert_eq!(calendar.year(at(300)), None);
    }
}
