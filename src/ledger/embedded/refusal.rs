//! Texts that refuse a file.

use std::io;

use redb::{DatabaseError, StorageError};

/// Beginning of the refusal of a file that another process has open.
pub const HELD_ELSEWHERE: &str = "another process has it open";

pub(super) fn refused(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            format!("{HELD_ELSEWHERE}: stop that one, or share totals through PostgreSQL")
        }
        DatabaseError::UpgradeRequired(_) => "its file format is too old for this program".to_owned(),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            "it is not a ledger: give another path".to_owned()
        }
        DatabaseError::Storage(StorageError::Corrupted(why)) => damaged(why),
        error => error.to_string(),
    }
}

pub(super) fn damaged(why: &str) -> String {
    format!("the file is damaged, restore it from a backup: {why}")
}
