//! The configuration of the server: as written ([`RawConfig`]) and as checked ([`Config`]).
//!
//! Precedence: flag, environment (`NEGLIST_…`), file, default. Every key has one name, with its unit, in
//! all of these. An unknown key is an error that names the nearest known key, and one run reports all
//! errors.

pub mod address;
mod dump;
mod file;
mod key;
pub mod keys;
mod ledger_place;
mod parse;
mod problem;
pub mod public_url;
pub mod raw;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

pub use self::keys::Config;
use self::keys::KEYS;
pub use self::problem::Problem;
pub use self::raw::{Flags, RawConfig};
pub use self::values::{ConnectionSpread, ForwardedHeaders, LedgerPlace, LogFormat, Secret, SideFile, Unregistered};
use crate::ledger::{key_file, witness};

impl Config {
    /// Returns the path of the ledger's witness. `None` if there is no ledger, and for a ledger in a database unless a path is
    /// configured: servers of a database come and go, and have no path that is certainly theirs.
    pub fn ledger_witness_path(&self) -> Option<PathBuf> {
        self.side_file(&self.ledger_witness, witness::beside)
    }

    /// Returns the path of the subject key. `None` if there is no ledger, and for a ledger in a database unless a path
    /// is configured: all its servers need the same key, which an operator has to copy.
    pub fn subject_key_path(&self) -> Option<PathBuf> {
        self.side_file(&self.subject_key, key_file::beside)
    }

    fn side_file(&self, place: &SideFile, beside: fn(&Path) -> PathBuf) -> Option<PathBuf> {
        match (&self.ledger, place) {
            (LedgerPlace::None, _) | (LedgerPlace::Postgres(_), SideFile::Beside) => None,
            (LedgerPlace::File(_) | LedgerPlace::Postgres(_), SideFile::At(path)) => Some(path.clone()),
            (LedgerPlace::File(ledger), SideFile::Beside) => Some(beside(ledger)),
        }
    }
}

/// A configuration and its origin.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Ignored variables: they have our prefix, but neither are keys nor resemble one.
    pub ignored_variables: Vec<String>,
    raw: RawConfig,
}

impl Loaded {
    /// Returns the effective configuration as commented YAML that can be read back.
    pub fn dump(&self) -> String {
        dump::dump(&self.raw)
    }
}

/// Reads file, environment and flags, and checks the resulting configuration.
///
/// # Errors
/// Every problem, with its place.
pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Loaded, ConfigError> {
    let (raw, ignored_variables, mut problems) = RawConfig::collect(KEYS, flags, environment);
    let config = Config::check(&raw, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, ignored_variables, raw }),
        Some(_) | None => Err(ConfigError { problems }),
    }
}

/// Returns the environment of this process.
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Every problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems; never empty.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {}", problem.place, problem.message)?;
            if let Some(help) = &problem.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}
