//! The newest moment that the file knows of: by it the start of a server finds a clock that is wrong.

use redb::{ReadTransaction, ReadableTable as _};

use super::tables::{SETTLED, Stop};
use crate::domain::units::Moment;

/// Returns when a transfer was settled last, of those that are remembered.
pub(super) fn newest(transaction: &ReadTransaction) -> Result<Option<Moment>, Stop> {
    let settled = transaction.open_table(SETTLED)?;
    let last = settled.last()?;
    Ok(last.and_then(|(key, _)| {
        let (seconds, nanos, _) = key.value();
        Moment::new(seconds, nanos)
    }))
}
