//! The binding of a ledger to its subject key.
//!
//! Under another key every person would get another pseudonym, and be counted again. So a ledger keeps the fingerprint
//! of its key, and a server with another key, or without the key, does not start. A ledger without a fingerprint takes
//! that of the first server that has a key.
//!
//! INVARIANT (key first): the key is in its file, durably, before its fingerprint is in the ledger. A start that ends between
//! the two leaves a key that the next start finds.

use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFileError};
use super::{LedgerError, files};
use crate::domain::persons::{KeyFingerprint, SubjectKey};

/// The command that gives up the key of a ledger.
pub const GIVE_UP_COMMAND: &str = "neglist ledger give-up-key --persons-are-counted-again";

/// A ledger that is bound to a subject key.
#[async_trait::async_trait]
pub trait KeyBinding: Send + Sync {
    /// Returns the fingerprint of the ledger's key; `None` if the ledger has none yet.
    ///
    /// # Errors
    /// The ledger cannot be read.
    async fn bound_key(&self) -> Result<Option<KeyFingerprint>, LedgerError>;

    /// Binds the ledger to a key. A ledger that is bound already stays as it is.
    ///
    /// # Errors
    /// The ledger cannot be written.
    async fn bind_key(&self, fingerprint: KeyFingerprint) -> Result<(), LedgerError>;

    /// Gives up the key of the ledger, so that the next start binds it to another one.
    ///
    /// # Errors
    /// The ledger cannot be written.
    async fn unbind_key(&self) -> Result<(), LedgerError>;
}

/// Why a server has no subject key for its ledger.
#[derive(Debug, thiserror::Error)]
pub enum SubjectKeyError {
    /// The file of the key cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The ledger does not tell its key.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file of the key is missing, and the ledger has a key.
    #[error(
        "the subject key `{}` is missing, and the ledger counts under the key {bound}: put that key back, from a backup or \
         from another server of this ledger. With another key every person is counted again; if the key is lost, \
         `{GIVE_UP_COMMAND}` / 缺少化名密钥文件，而台账按密钥 {bound} 计数：请从备份或使用同一台账的其他服务器恢复该密钥；更换密钥会使\
         所有个人被重复计数",
        files::whole(path).display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key of the ledger.
        bound: KeyFingerprint,
    },
    /// The ledger has another key.
    #[error(
        "the subject key `{}` is {found}, and the ledger counts under the key {bound}: put that key in its place, from a \
         backup or from another server of this ledger. With another key every person is counted again; if the key is lost, \
         `{GIVE_UP_COMMAND}` / 化名密钥为 {found}，而台账按密钥 {bound} 计数：请从备份或使用同一台账的其他服务器取得后者；更换密钥会使\
         所有个人被重复计数",
        files::whole(path).display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// The key in the file.
        found: KeyFingerprint,
        /// The key of the ledger.
        bound: KeyFingerprint,
    },
    /// The ledger has a key, and the server is not told where it is.
    #[error(
        "the ledger counts under the subject key {bound}, and `subject_key` names no file: copy the key from another server \
         of this ledger and name its place / 台账按化名密钥 {bound} 计数，而 `subject_key` 未指定文件：请从使用同一台账的其他服务器\
         复制该密钥并指明其位置"
    )]
    NoPlace {
        /// The key of the ledger.
        bound: KeyFingerprint,
    },
}

/// Returns the subject key of a server that starts: the key in the file, which is made if the ledger has none. `None` if the
/// server is told of no file and the ledger has no key.
///
/// # Errors
/// The file cannot be used, or is not the key of the ledger.
pub async fn at_start(ledger: &dyn KeyBinding, path: Option<&Path>) -> Result<Option<SubjectKey>, SubjectKeyError> {
    let bound = ledger.bound_key().await?;
    let Some(path) = path else {
        return bound.map_or(Ok(None), |bound| Err(SubjectKeyError::NoPlace { bound }));
    };
    let key = match (key_file::read(path)?, bound) {
        (Some(key), _) => key,
        (None, Some(bound)) => return Err(SubjectKeyError::Missing { path: path.to_owned(), bound }),
        (None, None) => {
            let key = key_file::make(path)?;
            tracing::warn!(
                path = %files::whole(path).display(),
                key = %key.fingerprint(),
                "a new subject key was made: back it up, apart from the ledger, and copy it to every other server of this ledger"
            );
            key
        }
    };
    let found = key.fingerprint();
    if bound.is_none() {
        ledger.bind_key(found).await?;
    }
    // Another server may have been first.
    match ledger.bound_key().await? {
        Some(bound) if bound == found => Ok(Some(key)),
        Some(bound) => Err(SubjectKeyError::Other { path: path.to_owned(), found, bound }),
        None => Err(LedgerError::Unavailable("it did not keep the fingerprint of its subject key".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A ledger that another server binds at the same moment, if the test asks for it.
    #[derive(Default)]
    struct Bound {
        key: Mutex<Option<KeyFingerprint>>,
        first: Option<KeyFingerprint>,
    }

    #[async_trait::async_trait]
    impl KeyBinding for Bound {
        async fn bound_key(&self) -> Result<Option<KeyFingerprint>, LedgerError> {
            Ok(*self.key.lock().unwrap())
        }

        async fn bind_key(&self, fingerprint: KeyFingerprint) -> Result<(), LedgerError> {
            let mut key = self.key.lock().unwrap();
            *key = self.first.or(*key).or(Some(fingerprint));
            Ok(())
        }

        async fn unbind_key(&self) -> Result<(), LedgerError> {
            *self.key.lock().unwrap() = None;
            Ok(())
        }
    }

    #[tokio::test]
    async fn of_two_servers_that_start_at_once_the_second_does_not_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let first = SubjectKey::from_bytes([1; 32]).fingerprint();
        let ledger = Bound { first: Some(first), ..Bound::default() };
        let error = at_start(&ledger, Some(&path)).await.unwrap_err();
        assert!(matches!(error, SubjectKeyError::Other { bound, .. } if bound == first), "{error}");
        assert_eq!(ledger.bound_key().await.unwrap(), Some(first));
        // The key that lost is still there, and is refused again.
        assert!(matches!(at_start(&ledger, Some(&path)).await, Err(SubjectKeyError::Other { .. })));
    }

    #[tokio::test]
    async fn a_key_that_is_kept_and_not_bound_is_bound_by_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let kept = key_file::make(&path).unwrap();
        let ledger = Bound::default();
        assert_eq!(at_start(&ledger, None).await.unwrap(), None);
        assert_eq!(at_start(&ledger, Some(&path)).await.unwrap(), Some(kept.clone()));
        assert_eq!(ledger.bound_key().await.unwrap(), Some(kept.fingerprint()));
        assert!(matches!(at_start(&ledger, None).await, Err(SubjectKeyError::NoPlace { .. })));
    }
}
