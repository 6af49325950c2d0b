//! A ledger in a database: opened, checked every few seconds, and witnessed if the configuration names a file for that.
//!
//! The witness connects one server with the next: the next one refuses a ledger behind the position that the last one saw.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::ledger_meter::Waiting;
use crate::app::ledger_settings::postgres_settings;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::ledger::LedgerError;
use crate::ledger::mark::{Mark, gone};
use crate::ledger::postgres::{NO_TABLES, PostgresLedger, Settings, Tables};
use crate::ledger::witness::Witness;

/// Advice to the operator about a database without tables.
const HOW_TO_BEGIN: &str = "is it the right database? A new ledger counts from zero: to create one there, start once with `--ledger-create` (`ledger_create: yes`), or bring totals in with `neglist ledger import --create`";

/// A ledger in a database, with its clock and its witness.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) ledger: Arc<PostgresLedger>,
    clock: Arc<dyn Clock>,
    witness: Option<Arc<Mutex<Witness>>>,
}

impl Database {
    /// Opens a ledger.
    ///
    /// # Errors
    /// The database cannot be reached, has no tables and must not get any, or is behind the witness.
    pub(super) async fn open(url: &str, config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, LedgerError> {
        let witness = match config.ledger_witness_path() {
            None => None,
            Some(path) => Some(read_witness(&path)?),
        };
        let mark = witness.as_ref().and_then(Witness::seen);
        let tables = if config.ledger_create { Tables::Make } else { Tables::Update };
        let settings = Settings { tables, mark, ..postgres_settings(config) };
        let connected = PostgresLedger::connect(url, settings).await;
        let ledger = connected.map_err(|error| without_tables(error, witness.as_ref()))?;
        let witness = witness.map(|witness| Arc::new(Mutex::new(witness)));
        let database = Self { ledger: Arc::new(ledger), clock: Arc::clone(clock), witness };
        let mark = database.check_mark().await?;
        database.ledger.compare_clocks(clock.as_ref()).await?;
        tracing::info!(identity = %mark.identity, position = mark.position, "the ledger in the database is open");
        Ok(database)
    }

    /// Checks the ledger, releases expired reservations and forgets old transfers. Returns the number of both.
    ///
    /// # Errors
    /// The ledger does not answer, is behind its witness, or the witness cannot be written.
    pub(super) async fn tick(&self, now: Moment, waiting: &Waiting) -> Result<u64, LedgerError> {
        // Two round trips. The time for the rest depends on the number of accounts.
        let waits = waiting.upkeep();
        self.check_mark().await?;
        self.ledger.compare_clocks(self.clock.as_ref()).await?;
        drop(waits);
        self.ledger.tick(now).await
    }

    async fn check_mark(&self) -> Result<Mark, LedgerError> {
        let mark = self.ledger.check_mark().await?;
        if let Some(witness) = &self.witness {
            let witness = Arc::clone(witness);
            let kept = tokio::task::spawn_blocking(move || keep(&witness, mark)).await;
            kept.map_err(|error| LedgerError::Unavailable(error.to_string()))??;
        }
        Ok(mark)
    }
}

/// Keeps a mark in the witness. Creates the file again if it was removed meanwhile.
fn keep(witness: &Mutex<Witness>, mark: Mark) -> Result<(), LedgerError> {
    let mut witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = witness.record(mark).and_then(|()| witness.tend());
    let is_new_file = kept.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
    if is_new_file {
        tracing::warn!(witness = %witness.name(), "the witness of the ledger was missing, and was written again");
    }
    Ok(())
}

fn read_witness(path: &Path) -> Result<Witness, LedgerError> {
    let unavailable = |error: std::io::Error| LedgerError::Unavailable(error.to_string());
    let witness = Witness::open(path).map_err(unavailable)?;
    witness.check_writable().map_err(unavailable)?;
    if witness.seen().is_none() {
        // A warning only: a server on a new machine has no witness.
        tracing::warn!(witness = %witness.name(), "the ledger has no witness yet; one is made from the present state of the database");
    }
    Ok(witness)
}

/// Adds advice to the error of a database without tables.
fn without_tables(error: LedgerError, witness: Option<&Witness>) -> LedgerError {
    let LedgerError::Unavailable(why) = &error else { return error };
    if !why.contains(NO_TABLES) {
        return error;
    }
    let seen = witness.and_then(|witness| Some((witness.seen()?, witness.name())));
    LedgerError::Unavailable(match seen {
        Some((seen, name)) => format!("{why}: {}", gone(seen, &name)),
        None => format!("{why}: {HOW_TO_BEGIN}"),
    })
}
