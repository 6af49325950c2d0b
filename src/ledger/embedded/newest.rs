//! The newest moment that the file knows of: by it the start of a server finds a clock that is wrong.

use redb::{ReadTransaction, ReadableTable};

use super::tables::{self, EXPIRY, META, MomentKey, SETTLED, Stop};
use crate::domain::units::Moment;

/// The longest that a reservation may stand, in seconds. Source: the range of `ledger_time_to_live_max_seconds`.
const STANDING_SECONDS_MAX: i64 = 31_622_400;

/// Returns the newest moment of a commit: of what was reserved, settled or tidied up, and forgotten since.
///
/// In a file to which nothing was written since that is kept: when a transfer was settled last, of those that are
/// remembered, and no later than when the last of the standing reservations was made.
pub(super) fn newest(transaction: &ReadTransaction) -> Result<Option<Moment>, Stop> {
    let kept = tables::newest(&transaction.open_table(META)?)?;
    let settled = last(&transaction.open_table(SETTLED)?)?;
    if kept.is_some() {
        return Ok(kept.max(settled));
    }
    let runs_out = last(&transaction.open_table(EXPIRY)?)?;
    Ok(settled.max(runs_out.map(|at| at.plus_seconds(-STANDING_SECONDS_MAX))))
}

fn last(moments: &impl ReadableTable<MomentKey, ()>) -> Result<Option<Moment>, Stop> {
    let last = moments.last()?;
    Ok(last.and_then(|(key, _)| {
        let (seconds, nanos, _) = key.value();
        Moment::new(seconds, nanos)
    }))
}
