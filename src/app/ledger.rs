//! Opens the configured ledger, and runs its upkeep while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::codegen::BoxFuture;

use crate::app::ledger_database::Database;
use crate::app::ledger_meter::Waiting;
use crate::app::ledger_settings::embedded_settings;
use crate::app::start_error::StartError;
use crate::config::{Config, LedgerPlace};
use crate::domain::clock::{Clock, Clocking};
use crate::domain::persons::SubjectKey;
use crate::domain::units::Moment;
use crate::ledger::embedded::{EmbeddedLedger, MissingFile, Settings};
use crate::ledger::postgres::PostgresLedger;
use crate::ledger::{Ledger, LedgerError, subject_key};
use crate::metrics::standing::Counting;
use crate::repeated::Repeated;

/// An open ledger.
#[derive(Debug)]
pub struct OpenLedger {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Reports whether it answers.
    pub health: LedgerHealth,
    /// Its upkeep and the calls that wait for it.
    pub(super) waiting: Waiting,
    /// The key under which pseudonyms of identifiers are made; `None`: the server takes no identifiers.
    pub(super) subject_key: Option<SubjectKey>,
}

/// Reports whether a ledger answers.
#[derive(Debug, Clone)]
pub enum LedgerHealth {
    /// The server has no ledger.
    None,
    /// A ledger in a file knows its own state.
    File(Arc<EmbeddedLedger>),
    /// The state of a ledger in a database is that of the last upkeep; one behind its witness is closed at once.
    Database(Arc<PostgresLedger>, Arc<AtomicBool>),
}

impl LedgerHealth {
    /// Returns whether the ledger can count persons now.
    pub fn counting(&self) -> Counting {
        let is_open = match self {
            LedgerHealth::None => return Counting::None,
            LedgerHealth::File(ledger) if ledger.is_full() => return Counting::Full,
            LedgerHealth::File(ledger) => ledger.check().is_ok(),
            LedgerHealth::Database(ledger, answered) => answered.load(Ordering::Relaxed) && !ledger.is_closed(),
        };
        if is_open { Counting::Open } else { Counting::Closed }
    }
}

/// Opens the ledger; `None` if counting is turned off. Its upkeep is spawned on `upkeep`.
///
/// # Errors
/// The ledger cannot be opened, or its subject key is not there. A server that cannot count must not start.
pub async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    draining: watch::Receiver<bool>,
    upkeep: &mut JoinSet<()>,
) -> Result<Option<OpenLedger>, StartError> {
    let (answered, waiting) = (Arc::new(AtomicBool::new(true)), Waiting::default());
    let interval = Duration::from_millis(config.ledger_tick_interval_ms);
    let key_path = config.subject_key_path();
    match &config.ledger {
        LedgerPlace::None => Ok(None),
        LedgerPlace::File(path) => {
            if config.ledger_create && path.exists() {
                tracing::warn!(
                    path = %path.display(),
                    "`ledger_create` is on, and there is a ledger already: turn it off. While it is on, a start that finds neither the ledger nor its witness, for example because a disk is not mounted, begins at zero"
                );
            }
            let (path, settings) = (path.clone(), Settings { missing: missing(config), ..embedded_settings(config) });
            let opened = tokio::task::spawn_blocking(move || EmbeddedLedger::open(path, settings)).await;
            let ledger = Arc::new(opened.map_err(|error| LedgerError::Unavailable(error.to_string()))??);
            let subject_key = subject_key::at_start(ledger.as_ref(), key_path.as_deref()).await?;
            let tick = file_upkeep(&ledger, &waiting);
            upkeep.spawn(keep_tidy(tick, Arc::clone(clock), interval, draining, answered));
            Ok(Some(OpenLedger { health: LedgerHealth::File(Arc::clone(&ledger)), ledger, waiting, subject_key }))
        }
        LedgerPlace::Postgres(url) => {
            let database = Database::open(&url.0, config, clock).await?;
            let ledger = Arc::clone(&database.ledger);
            let subject_key = subject_key::at_start(ledger.as_ref(), key_path.as_deref()).await?;
            let waits = waiting.clone();
            let tick = move |now| {
                let (database, waiting) = (database.clone(), waits.clone());
                async move { database.tick(now, &waiting).await }
            };
            upkeep.spawn(keep_tidy(tick, Arc::clone(clock), interval, draining, Arc::clone(&answered)));
            let health = LedgerHealth::Database(Arc::clone(&ledger), answered);
            Ok(Some(OpenLedger { ledger, health, waiting, subject_key }))
        }
    }
}

/// Returns the action for a missing file. Only the default file is created without `ledger_create`, and only on a first start.
fn missing(config: &Config) -> MissingFile {
    match (config.ledger_create, config.ledger.is_default()) {
        (true, _) => MissingFile::Create,
        (false, true) => MissingFile::CreateFirst,
        (false, false) => MissingFile::Refuse,
    }
}

/// Returns the upkeep of a ledger in a file. It queues behind the calls of others, so a ledger that hangs shows by it.
pub(super) fn file_upkeep(
    ledger: &Arc<EmbeddedLedger>,
    waiting: &Waiting,
) -> impl Fn(Moment) -> BoxFuture<u64, LedgerError> + use<> {
    let (ledger, waiting) = (Arc::clone(ledger), waiting.clone());
    move |now| {
        let (ledger, waiting) = (Arc::clone(&ledger), waiting.clone());
        Box::pin(async move {
            let _waits = waiting.upkeep();
            // A ledger that closes logs the reason itself.
            Ok(ledger.tick(now).await.unwrap_or_default())
        })
    }
}

/// Releases expired reservations, so that the totals of a quiet ledger do not stay too high.
pub(super) async fn keep_tidy<F: Future<Output = Result<u64, LedgerError>>>(
    tick: impl Fn(Moment) -> F,
    clock: Arc<dyn Clock>,
    interval: Duration,
    mut draining: watch::Receiver<bool>,
    answered: Arc<AtomicBool>,
) {
    let mut ticks = tokio::time::interval(interval);
    let failing: Repeated = Repeated::new();
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = draining.wait_for(|draining| *draining) => return,
        }
        let now = clock.now();
        // With a clock in doubt, valid reservations would expire, and settled transfers would be forgotten too early.
        if clock.clocking(now) != Clocking::Sound {
            continue;
        }
        let ticked = tick(now).await;
        answered.store(ticked.is_ok(), Ordering::Relaxed);
        match ticked {
            Ok(_) => {
                if let Some(others) = failing.ended() {
                    tracing::info!(others, "the maintenance of the ledger works again");
                }
            }
            Err(error) => {
                if let Some(others) = failing.happened() {
                    tracing::error!(%error, others, "the ledger failed; nothing is reserved until it answers again or the server is restarted");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn b16_a_ledger_without_room_is_full_and_not_closed() {
        let directory = tempfile::tempdir().unwrap();
        for (reserve_bytes, counting) in [(0, Counting::Open), (u64::MAX, Counting::Full)] {
            let settings = Settings { reserve_bytes, ..Settings::default() };
            let ledger = Arc::new(EmbeddedLedger::open(directory.path().join("ledger"), settings).unwrap());
            ledger.tick(crate::testing::NOW).await.unwrap();
            assert_eq!(LedgerHealth::File(ledger).counting(), counting);
        }
    }
}
