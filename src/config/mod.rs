//! How the server is set up: as written ([`RawConfig`]) and as checked ([`Config`]).
//!
//! Precedence: flag, environment (`NEGLIST_…`), file, default. Every key has the same name
//! everywhere, with its unit. Nothing unknown passes: a misspelt key is an error that names the
//! nearest known one, and all errors are reported in one run.

pub mod address;
mod dump;
mod file;
pub mod keys;
mod ledger_place;
mod parse;
pub mod public_url;
pub mod raw;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

pub use self::keys::Config;
pub use self::raw::RawConfig;
use crate::ledger::witness;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How new connections come to the threads that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionSpread {
    /// Each to the thread with the fewest.
    Fewest,
    /// As the operating system shares them out.
    ReusePort,
}

/// What becomes of reservations of exporters that are not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// They are decided and counted.
    Allow,
    /// They are refused.
    Refuse,
}

/// Which headers say what a gateway asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// `X-Original-Method`, `-URL`.
    XOriginalUrl,
    /// Those that are there; all of them have to say the same.
    Either,
}

/// Where the year's totals are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// Nowhere: callers state them.
    None,
    /// In a file.
    File(PathBuf),
    /// In a database that several servers share.
    Postgres(Secret),
}

impl LedgerPlace {
    /// The file that is taken where no place is named: the only one that is made without being asked for.
    pub const DEFAULT_FILE: &str = "./neglist.ledger";

    /// Says whether it is the place that is taken where none is named.
    pub fn is_default(&self) -> bool {
        matches!(self, LedgerPlace::File(path) if path.as_os_str() == Self::DEFAULT_FILE)
    }
}

/// Where the witness of the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessPlace {
    /// Beside a ledger in a file; none for one in a database.
    Beside,
    /// In this file.
    At(PathBuf),
}

impl Config {
    /// Returns where the witness of the ledger is; `None` where there is no ledger, and for one in a database where no place
    /// is named: servers of a database come and go, and have no place that is sure to be theirs.
    pub fn ledger_witness_path(&self) -> Option<PathBuf> {
        match (&self.ledger, &self.ledger_witness) {
            (LedgerPlace::None, _) | (LedgerPlace::Postgres(_), WitnessPlace::Beside) => None,
            (LedgerPlace::File(_) | LedgerPlace::Postgres(_), WitnessPlace::At(path)) => Some(path.clone()),
            (LedgerPlace::File(ledger), WitnessPlace::Beside) => Some(witness::beside(ledger)),
        }
    }
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the command line says: keys with their values, and a file.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Key, and the values that were given with its flag `--key`.
    pub values: Vec<(&'static str, Vec<String>)>,
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold a password.
        let keys: Vec<&str> = self.values.iter().map(|(key, _)| *key).collect();
        f.debug_struct("Flags").field("config", &self.config).field("keys", &keys).finish()
    }
}

/// A configuration, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Variables that begin as ours do, are none of ours, and resemble none: they are passed over.
    pub ignored_variables: Vec<String>,
    raw: RawConfig,
}

impl Loaded {
    /// Returns the effective configuration as commented YAML that can be read back.
    pub fn dump(&self) -> String {
        dump::dump(&self.raw)
    }
}

/// Reads file, environment and flags, and checks what they come to.
///
/// # Errors
/// All that is wrong, each with its place.
pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Loaded, ConfigError> {
    let (raw, ignored_variables, mut problems) = RawConfig::collect(flags, environment);
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

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong; never empty.
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

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `neglist.yaml:3:1`, `NEGLIST_LISTEN`, `--listen`.
    pub place: String,
    /// What: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Returns the known word that is nearest to an unknown one, where one is near.
fn nearest<'w>(unknown: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let slips_max = (unknown.len() / 3).clamp(1, 4);
    let slips = known.map(|word| (strsim::osa_distance(unknown, word), word));
    slips.min().filter(|(slips, _)| *slips <= slips_max).map(|(_, word)| word)
}
