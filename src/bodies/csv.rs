//! A CSV table (RFC 4180) with a header.

use std::borrow::Cow;

use crate::domain::gateway::{BodyFault, Fault};

/// UTF-8's mark at the beginning of a text, which spreadsheets write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the cells of a column, one of each row.
///
/// # Errors
/// The table is malformed, rows differ in length, or the column is missing or there twice.
pub(super) fn identifiers<'b>(bytes: &'b [u8], column: &str) -> Result<Vec<Cow<'b, str>>, Fault> {
    let not_csv = || Fault::Body(BodyFault::NotCsv);
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if !is_strict(bytes) {
        return Err(not_csv());
    }
    // Rows that differ in length are errors of the reader.
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|_| not_csv())?;
    let index = place(header, column)?;
    let mut found = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| not_csv())?;
        found.push(Cow::Owned(record.get(index).ok_or_else(not_csv)?.to_owned()));
    }
    Ok(found)
}

/// Returns the place of a column.
fn place(header: &csv::StringRecord, column: &str) -> Result<usize, Fault> {
    let mut same = header.iter().enumerate().filter(|(_, name)| *name == column);
    let is_similar = |name: &str| name != column && name.trim().to_lowercase() == column.trim().to_lowercase();
    match (same.next(), same.next(), header.iter().any(is_similar)) {
        (Some((index, _)), None, false) => Ok(index),
        (None, None, true) => Err(Fault::Body(BodyFault::InOtherCapitals)),
        (None, None, false) => Err(Fault::Missing),
        _ => Err(Fault::Repeated),
    }
}

/// Where a reader of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a row.
    RowBegins,
    /// At the beginning of a later cell.
    Begins,
    /// In a cell without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// Behind a quote within quotes: the end of the cell, or one of two.
    AfterQuote,
    /// Behind a carriage return: a line feed has to follow.
    AfterReturn,
}

/// Says whether a table is written as RFC 4180 demands. Readers differ in how they repair other tables: a quote that is never
/// closed takes many rows for one, and a blank line is a row with an empty cell or no row.
fn is_strict(bytes: &[u8]) -> bool {
    let mut state = State::RowBegins;
    for byte in bytes {
        state = match (state, byte) {
            (State::AfterReturn, b'\n') => State::RowBegins,
            (State::RowBegins, b'\r' | b'\n') | (State::AfterReturn, _) | (State::Bare, b'"') => return false,
            (State::Quoted, b'"') => State::AfterQuote,
            (State::RowBegins | State::Begins | State::AfterQuote, b'"') | (State::Quoted, _) => State::Quoted,
            (_, b',') => State::Begins,
            (_, b'\n') => State::RowBegins,
            (_, b'\r') => State::AfterReturn,
            (State::AfterQuote, _) => return false,
            (State::RowBegins | State::Begins | State::Bare, _) => State::Bare,
        };
    }
    !matches!(state, State::Quoted | State::AfterReturn)
}
