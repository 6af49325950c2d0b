//! Which ledger is meant, and the two kinds of ledger behind one door.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Stop;
use crate::config::{self, Flags, LedgerPlace};
use crate::ledger::LedgerError;
use crate::ledger::embedded::{self, EmbeddedLedger, MissingFile};
use crate::ledger::postgres::{self, PostgresLedger};
use crate::ledger::rows::{CounterRow, Finding, ImportedTotal, OperateError, TransferRow};

/// Where a ledger is kept.
pub(super) enum Place {
    /// In a file.
    File(PathBuf),
    /// In a database. The URL may hold a password, and is never shown.
    Database(String),
}

impl Place {
    /// Returns the ledger that the flag names, else the environment, else the configuration.
    pub(super) fn find(flag: Option<&str>, environment: &[(OsString, OsString)]) -> Result<Self, Stop> {
        let values = flag.map(|ledger| ("ledger", vec![ledger.to_owned()]));
        let flags = Flags { config: None, values: values.into_iter().collect() };
        // Where a server listens is no business of these commands.
        let concerns = |name: &OsString| name == "NEGLIST_LEDGER" || name == "NEGLIST_CONFIG";
        let environment = environment.iter().filter(|(name, _)| concerns(name)).cloned();
        let loaded = config::load(&flags, environment).map_err(|error| Stop::Usage(error.to_string()))?;
        match loaded.config.ledger {
            LedgerPlace::File(path) => Ok(Place::File(path)),
            LedgerPlace::Postgres(url) => Ok(Place::Database(url.0)),
            LedgerPlace::None => {
                let text = "error: counting is turned off\n  help: name a ledger with `--ledger`";
                Err(Stop::Usage(text.to_owned()))
            }
        }
    }

    /// Opens the ledger.
    pub(super) async fn open(&self, missing: MissingFile) -> Result<Opened, Stop> {
        match self {
            Place::File(path) => {
                if missing == MissingFile::Refuse && path.try_exists().is_ok_and(|exists| !exists) {
                    let help = "name the ledger with `--ledger` or `NEGLIST_LEDGER`";
                    return Err(Stop::Refused(
                        format!("there is no ledger at `{}`", path.display()),
                        Some(help.to_owned()),
                    ));
                }
                let settings = embedded::Settings { missing, ..embedded::Settings::default() };
                Ok(Opened::File(EmbeddedLedger::open(path, settings)?))
            }
            Place::Database(url) => {
                Ok(Opened::Database(PostgresLedger::connect(url, postgres::Settings::default()).await?))
            }
        }
    }
}

/// A ledger that is open.
pub(super) enum Opened {
    File(EmbeddedLedger),
    Database(PostgresLedger),
}

impl Opened {
    /// Returns all counters, by exporter, year, name and class.
    pub(super) async fn counters(&self) -> Result<Vec<CounterRow>, LedgerError> {
        match self {
            Opened::File(ledger) => Ok(ledger.export()?.counters().to_vec()),
            Opened::Database(ledger) => Ok(ledger.export().await?.counters),
        }
    }

    /// Passes on all transfers, by id.
    pub(super) async fn each_transfer(
        &self,
        mut with: impl FnMut(TransferRow) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self {
            Opened::File(ledger) => ledger.export()?.transfers().try_for_each(|row| with(row?)),
            Opened::Database(ledger) => {
                let mut export = ledger.export().await?;
                loop {
                    let page = export.transfers().await?;
                    if page.is_empty() {
                        return Ok(());
                    }
                    page.into_iter().try_for_each(&mut with)?;
                }
            }
        }
    }

    pub(super) async fn verify(&self) -> Result<Vec<Finding>, LedgerError> {
        match self {
            Opened::File(ledger) => ledger.verify(),
            Opened::Database(ledger) => ledger.verify().await,
        }
    }

    pub(super) async fn import(&self, id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        match self {
            Opened::File(ledger) => ledger.import_totals(id, totals).await,
            Opened::Database(ledger) => ledger.import_totals(id, totals).await,
        }
    }

    pub(super) async fn withdraw(&self, id: &str) -> Result<u64, OperateError> {
        match self {
            Opened::File(ledger) => ledger.withdraw_import(id).await,
            Opened::Database(ledger) => ledger.withdraw_import(id).await,
        }
    }
}
