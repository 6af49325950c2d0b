//! Access to the ledger for commands: its configuration, how it is opened, and one interface for both kinds.
//!
//! The settings of the ledger are those of a server, so an operator writes them once, in the environment
//! or in a file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::stop::Stop;
use crate::app::ledger_settings::{embedded_settings, postgres_settings};
use crate::config::{self, Config, Flags, LedgerPlace};
use crate::domain::persons::KeyFingerprint;
use crate::ledger::LedgerError;
use crate::ledger::embedded::{self, CheckOnOpen, EmbeddedLedger, HELD_ELSEWHERE, LedgerReader, MissingFile};
use crate::ledger::postgres::{self, NO_TABLES, PostgresLedger, Tables};
use crate::ledger::rows::{CounterRow, Discrepancy, ImportedTotal, OperateError, TransferRow};
use crate::ledger::subject_key::KeyBinding;
use crate::ledger::witness;

/// The kind of access that a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads an existing ledger.
    Read,
    /// Changes an existing ledger.
    Change,
    /// Changes a ledger, and creates it if it does not exist.
    Create,
}

/// A configured ledger.
pub(super) struct ConfiguredLedger {
    /// INVARIANT (some ledger): its ledger is not [`LedgerPlace::None`]. The URL of a database may
    /// hold a password, and is never shown.
    config: Config,
}

impl ConfiguredLedger {
    /// Returns the ledger that is named by the flag, else by the environment, else by the configuration file.
    pub(super) fn find(
        flag: Option<&str>,
        file: Option<&PathBuf>,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, Stop> {
        let values = flag.map(|ledger| ("ledger", vec![ledger.to_owned()]));
        let flags = Flags { config: file.cloned(), values: values.into_iter().collect() };
        let environment = environment.iter().filter(|(name, _)| concerns_ledger(name)).cloned();
        let loaded = config::load(&flags, environment).map_err(|error| Stop::Usage(error.to_string()))?;
        if loaded.config.ledger == LedgerPlace::None {
            let text = "error: counting is turned off\n  help: name a ledger with `--ledger`";
            return Err(Stop::Usage(text.to_owned()));
        }
        Ok(ConfiguredLedger { config: loaded.config })
    }

    /// Opens the ledger.
    pub(super) async fn open(&self, access: Access) -> Result<OpenLedger, Stop> {
        match &self.config.ledger {
            LedgerPlace::File(path) => {
                let named = "name the ledger with `--ledger` or `NEGLIST_LEDGER`";
                let help = "a running server answers `LedgerService.GetUsage`; for this command, stop it first";
                let missing = match access {
                    Access::Read => {
                        must_exist(path, named)?;
                        return self.reader(path, CheckOnOpen::Always, help).map(OpenLedger::Reader);
                    }
                    Access::Change => {
                        must_exist(path, &format!("{named}; to begin a new one there, add `--create`"))?;
                        MissingFile::Refuse
                    }
                    Access::Create => MissingFile::Create,
                };
                let settings = embedded::Settings { missing, ..embedded_settings(&self.config) };
                let opened = EmbeddedLedger::open(path, settings);
                Ok(OpenLedger::File(opened.map_err(|error| with_help(&error, HELD_ELSEWHERE, help))?))
            }
            LedgerPlace::Postgres(url) => Ok(OpenLedger::Database(self.connect(&url.0, access).await?)),
            // (some ledger) cannot occur.
            LedgerPlace::None => Err(Stop::Usage("error: counting is turned off".to_owned())),
        }
    }

    /// Returns all counters. Changes nothing: a file is opened read-only.
    pub(super) async fn counters(&self) -> Result<Vec<CounterRow>, Stop> {
        let LedgerPlace::File(path) = &self.config.ledger else {
            return Ok(self.open(Access::Read).await?.counters().await?);
        };
        must_exist(path, "name the ledger with `--ledger`")?;
        let help = "ask the running server with `LedgerService.GetUsage`, or name a copy of the file that was made \
            while the server was stopped";
        Ok(self.reader(path, CheckOnOpen::AfterCrash, help)?.ledger.counters()?)
    }

    fn reader(&self, path: &Path, check_on_open: CheckOnOpen, help: &str) -> Result<Reader, Stop> {
        let settings = embedded::Settings { check_on_open, ..embedded_settings(&self.config) };
        let ledger = LedgerReader::open(path, &settings).map_err(|error| with_help(&error, HELD_ELSEWHERE, help))?;
        Ok(Reader { ledger, witness: settings.witness.unwrap_or_else(|| witness::beside(path)) })
    }

    /// Accepts a ledger that is missing or older than its witness, and gives up the lost counts. Returns a report.
    pub(super) fn accept(&self) -> Result<String, Stop> {
        let LedgerPlace::File(path) = &self.config.ledger else { return self.accept_database() };
        let settings = embedded_settings(&self.config);
        let witness_path = settings.witness.clone().unwrap_or_else(|| witness::beside(path));
        if path.try_exists().is_ok_and(|exists| !exists) {
            if witness_path.try_exists().is_ok_and(|exists| !exists) {
                let message = format!("there is neither a ledger at `{}` nor a witness of one", path.display());
                return Err(Stop::Refused(message, Some("name the ledger with `--ledger` or `NEGLIST_LEDGER`".into())));
            }
            witness::remove(&witness_path).map_err(|error| Stop::Refused(error.to_string(), None))?;
            return Ok(format!(
                "the witness `{}` is removed: the next start with `--ledger-create` creates a new ledger, and its totals \
                 begin at zero",
                witness_path.display()
            ));
        }
        let help = "stop the server first";
        let mark = EmbeddedLedger::accept(path, &settings).map_err(|error| with_help(&error, HELD_ELSEWHERE, help))?;
        Ok(format!(
            "`{}` is accepted as it is, as ledger {}: missing counts are lost. Add the counts that you know with \
             `neglist ledger import`",
            path.display(),
            mark.identity
        ))
    }

    /// Removes the witness: a server without a witness accepts the database as it is.
    fn accept_database(&self) -> Result<String, Stop> {
        let Some(witness_path) = self.config.ledger_witness_path() else {
            let message = "a ledger in a database has a witness only if `ledger_witness` names one".to_owned();
            let help = "without one, stop all servers and start them again: they accept the database as it is";
            return Err(Stop::Refused(message, Some(help.to_owned())));
        };
        let shown = witness_path.display();
        if witness_path.try_exists().is_ok_and(|exists| !exists) {
            let help = "name it with `ledger_witness`, as for the server";
            return Err(Stop::Refused(format!("there is no witness at `{shown}`"), Some(help.to_owned())));
        }
        witness::remove(&witness_path).map_err(|error| Stop::Refused(error.to_string(), None))?;
        Ok(format!(
            "the witness `{shown}` is removed: a server that starts now accepts the database as it is, and missing \
             counts are lost. A server that still runs writes its witness again: stop it first"
        ))
    }

    async fn connect(&self, url: &str, access: Access) -> Result<PostgresLedger, Stop> {
        let (tables, help) = match access {
            Access::Read => (Tables::Leave, NAME_IT),
            Access::Change => (Tables::Leave, NAME_IT_OR_CREATE),
            Access::Create => (Tables::Make, ""),
        };
        let settings = postgres::Settings { tables, ..postgres_settings(&self.config) };
        let connected = PostgresLedger::connect(url, settings).await;
        connected.map_err(|error| with_help(&error, NO_TABLES, help))
    }
}

/// The fix for a database without tables.
const NAME_IT: &str =
    "name the right database; a server creates the tables if it is started once with `--ledger-create`";
const NAME_IT_OR_CREATE: &str = "name the right database; `ledger import --create` creates the tables, and so does a server \
    that is started once with `--ledger-create`";

/// Says whether a variable concerns the ledger. These commands ignore other settings, such as listeners.
fn concerns_ledger(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("NEGLIST_LEDGER") || name == "NEGLIST_CONFIG")
}

fn must_exist(path: &Path, help: &str) -> Result<(), Stop> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        let message = format!("there is no ledger at `{}`", path.display());
        return Err(Stop::Refused(message, Some(help.to_owned())));
    }
    Ok(())
}

/// Returns the error of a ledger that was not opened, with help if the error has the given reason.
fn with_help(error: &LedgerError, reason: &str, help: &str) -> Stop {
    let message = error.to_string();
    let help = message.contains(reason).then(|| help.to_owned());
    Stop::Refused(message, help)
}

/// A file that is opened read-only, with its witness.
pub(super) struct Reader {
    ledger: LedgerReader,
    witness: PathBuf,
}

/// An open ledger.
pub(super) enum OpenLedger {
    Reader(Reader),
    File(EmbeddedLedger),
    Database(PostgresLedger),
}

impl OpenLedger {
    /// Returns all counters, by exporter, year, name and class.
    pub(super) async fn counters(&self) -> Result<Vec<CounterRow>, LedgerError> {
        match self {
            OpenLedger::Reader(reader) => reader.ledger.counters(),
            OpenLedger::File(ledger) => Ok(ledger.export()?.counters().to_vec()),
            OpenLedger::Database(ledger) => Ok(ledger.export().await?.counters),
        }
    }

    /// Passes on all transfers, by id.
    pub(super) async fn each_transfer(
        &self,
        mut with: impl FnMut(TransferRow) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self {
            OpenLedger::Reader(reader) => reader.ledger.export()?.transfers().try_for_each(|row| with(row?)),
            OpenLedger::File(ledger) => ledger.export()?.transfers().try_for_each(|row| with(row?)),
            OpenLedger::Database(ledger) => {
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

    pub(super) async fn verify(&self) -> Result<Vec<Discrepancy>, LedgerError> {
        match self {
            OpenLedger::Reader(reader) => reader.ledger.verify(&reader.witness),
            OpenLedger::File(ledger) => ledger.verify(),
            OpenLedger::Database(ledger) => ledger.verify().await,
        }
    }

    /// Gives up the subject key. Returns its fingerprint; `None` if there is none.
    pub(super) async fn give_up_key(&self) -> Result<Option<KeyFingerprint>, OperateError> {
        let binding: &dyn KeyBinding = match self {
            OpenLedger::Reader(_) => return Err(read_only()),
            OpenLedger::File(ledger) => ledger,
            OpenLedger::Database(ledger) => ledger,
        };
        let bound = binding.bound_key().await?;
        if bound.is_some() {
            binding.unbind_key().await?;
        }
        Ok(bound)
    }

    pub(super) async fn import(&self, id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        match self {
            OpenLedger::Reader(_) => Err(read_only()),
            OpenLedger::File(ledger) => ledger.import_totals(id, totals).await,
            OpenLedger::Database(ledger) => ledger.import_totals(id, totals).await,
        }
    }

    pub(super) async fn withdraw(&self, id: &str) -> Result<u64, OperateError> {
        match self {
            OpenLedger::Reader(_) => Err(read_only()),
            OpenLedger::File(ledger) => ledger.withdraw_import(id).await,
            OpenLedger::Database(ledger) => ledger.withdraw_import(id).await,
        }
    }
}

/// Returns the refusal to change a ledger that is open read-only.
pub(super) fn read_only() -> OperateError {
    OperateError::Refused("the ledger is open read-only".to_owned())
}
