//! The newest moment in the file: the start of a server checks its clock against it.

use redb::{ReadTransaction, ReadableTable};

use super::tables::{self, EXPIRY, META, MomentKey, SETTLED, Stop};
use crate::domain::units::Moment;

/// The longest that a reservation may stand, in seconds. Source: the range of `ledger_time_to_live_max_seconds`.
const STANDING_SECONDS_MAX: i64 = 31_622_400;

/// Returns the newest moment of a commit: a reservation, a settlement or a tidying-up, even if forgotten since.
///
/// A file from before that moment was kept gives a lower bound: the latest settlement of a remembered transfer, or the
/// earliest possible moment of the last standing reservation.
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
