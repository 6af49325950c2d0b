//! Compares the clock with the ledger when a server starts.
//!
//! A running server notices that its clock is set ([`crate::app::clock_watch`]). A server that starts knows only the ledger:
//! its newest entry cannot lie in the future, and seldom lies long ago.

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::ledger::{Ledger, LedgerError};

const SECONDS_PER_DAY: i64 = 86_400;

/// The result of the comparison with the newest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The clock is plausible.
    Plausible,
    /// The entry is this many days old.
    LongAgo(i64),
    /// The entry lies this many seconds ahead of the clock.
    Ahead(i64),
}

/// Warns of a clock that is far ahead of the ledger.
///
/// # Errors
/// The clock is behind the ledger, or the ledger does not answer.
pub(super) async fn compare(ledger: &dyn Ledger, clock: &dyn Clock, config: &Config) -> Result<(), LedgerError> {
    let Some(newest) = ledger.newest().await? else { return Ok(()) };
    let behind_max_s = config.ledger_start_behind_max_seconds;
    match verdict(newest, clock.now(), behind_max_s, config.ledger_start_gap_warn_days) {
        Verdict::Plausible => Ok(()),
        Verdict::LongAgo(days) => {
            tracing::warn!(
                days,
                "the newest entry of the ledger is older than `ledger_start_gap_warn_days`: unless the server was off for so long, its clock is wrong and it counts in the wrong year"
            );
            Ok(())
        }
        Verdict::Ahead(seconds) => Err(LedgerError::Unavailable(format!(
            "the clock of this machine is {seconds} s behind the ledger's newest entry, and at most {behind_max_s} s are allowed: set the clock; or, if the clock was wrong when that entry was counted, raise `ledger_start_behind_max_seconds`"
        ))),
    }
}

fn verdict(newest: Moment, now: Moment, behind_max_s: u32, gap_warn_days: u32) -> Verdict {
    let since_s = now.seconds().saturating_sub(newest.seconds());
    if since_s < -i64::from(behind_max_s) {
        return Verdict::Ahead(since_s.saturating_neg());
    }
    let days = since_s / SECONDS_PER_DAY;
    if i64::from(gap_warn_days) <= days { Verdict::LongAgo(days) } else { Verdict::Plausible }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    #[test]
    fn b17_a_start_compares_the_clock_with_the_newest_entry() {
        let verdict = |since_s: i64| verdict(NOW, NOW.plus_seconds(since_s), 300, 60);
        assert_eq!(verdict(0), Verdict::Plausible);
        assert_eq!((verdict(-300), verdict(-301)), (Verdict::Plausible, Verdict::Ahead(301)));
        let days = 60 * SECONDS_PER_DAY;
        assert_eq!((verdict(days - 1), verdict(days)), (Verdict::Plausible, Verdict::LongAgo(60)));
        assert_eq!(verdict(-NOW.seconds()), Verdict::Ahead(NOW.seconds()));
    }
}
