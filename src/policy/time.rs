//! Days and years of Asia/Shanghai as moments, from the time-zone database.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::source::scalar::{FIRST_YEAR, LAST_YEAR};
use crate::domain::calendar::Calendar;
use crate::domain::units::{Interval, Moment, Year};

/// The time zone of days and years.
pub const SHANGHAI: &str = "Asia/Shanghai";

/// Returns the moment at an hour of a day in Shanghai; `None` outside the range of time stamps.
pub fn moment(date: Date, hour: i8) -> Option<Moment> {
    let shanghai = TimeZone::get(SHANGHAI).ok()?;
    let timestamp = shanghai.to_timestamp(date.at(hour, 0, 0, 0)).ok()?;
    Some(Moment::from_seconds(timestamp.as_second()))
}

/// Returns the interval from the first moment of one day to the last moment of another, both included.
pub fn days(first: Date, last: Option<Date>) -> Option<Interval> {
    let until = match last {
        Some(last) => Some(moment(last.tomorrow().ok()?, 0)?),
        None => None,
    };
    Some(Interval { from: moment(first, 0)?, until })
}

/// Returns the day in Shanghai that contains a moment.
pub fn day(moment: Moment) -> Option<Date> {
    let shanghai = TimeZone::get(SHANGHAI).ok()?;
    let timestamp = jiff::Timestamp::from_second(moment.seconds()).ok()?;
    Some(shanghai.to_datetime(timestamp).date())
}

/// Returns the years of Shanghai.
///
/// # Panics
/// If the time-zone database has no Asia/Shanghai. The database is compiled in.
pub fn calendar() -> Calendar {
    let starts: Option<Vec<Moment>> =
        (FIRST_YEAR..=LAST_YEAR + 1).map(|year| moment(Date::new(year, 1, 1).ok()?, 0)).collect();
    assert!(starts.is_some(), "the time-zone database has no {SHANGHAI}");
    Calendar::new(Year(FIRST_YEAR.unsigned_abs()), starts.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_turns_at_midnight_in_shanghai() {
        let calendar = calendar();
        // 2026-01-01T00:00:00+08:00 is 2025-12-31T16:00:00Z.
        let turn = Moment::from_seconds(1_767_196_800);
        assert_eq!(calendar.year(turn).map(|(year, _)| year), Some(Year(2026)));
        assert_eq!(calendar.year(Moment::from_seconds(1_767_196_799)).map(|(year, _)| year), Some(Year(2025)));
        assert_eq!(day(turn), Date::new(2026, 1, 1).ok());
        let interval = days(Date::constant(2025, 12, 31), Some(Date::constant(2025, 12, 31))).unwrap();
        assert_eq!(interval.until, Some(turn));
    }
}
