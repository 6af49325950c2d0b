//! Opens the ledger that the configuration names, and keeps it tidy while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tonic::codegen::BoxFuture;

use super::ledger_meter::Waiting;
use crate::config::{Config, LedgerPlace};
use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::ledger::embedded::{EmbeddedLedger, Settings};
use crate::ledger::postgres::{self, PostgresLedger};
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::standing::Counting;

/// A ledger that was opened.
#[derive(Debug)]
pub struct OpenLedger {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Tells how it is.
    pub health: LedgerHealth,
    /// What waits for it: its upkeep, and the calls that are noted there.
    pub(super) waiting: Waiting,
}

/// Tells whether a ledger answers.
#[derive(Debug, Clone)]
pub enum LedgerHealth {
    /// There is none.
    None,
    /// One in a file knows by itself.
    File(Arc<EmbeddedLedger>),
    /// Of one in a database it is known since the last look.
    Database(Arc<AtomicBool>),
}

impl LedgerHealth {
    /// Returns whether persons can be counted now.
    pub fn counting(&self) -> Counting {
        let is_open = match self {
            LedgerHealth::None => return Counting::None,
            LedgerHealth::File(ledger) => ledger.check().is_ok(),
            LedgerHealth::Database(answered) => answered.load(Ordering::Relaxed),
        };
        if is_open { Counting::Open } else { Counting::Closed }
    }
}

/// Opens the ledger; `None` where counting is turned off.
///
/// # Errors
/// Where it cannot be opened: a server that cannot count must not start.
pub async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    draining: watch::Receiver<bool>,
) -> Result<Option<OpenLedger>, LedgerError> {
    let (answered, waiting) = (Arc::new(AtomicBool::new(true)), Waiting::default());
    let interval = Duration::from_millis(config.ledger_tick_interval_ms);
    match &config.ledger {
        LedgerPlace::None => Ok(None),
        LedgerPlace::File(path) => {
            let (path, settings) = (path.clone(), embedded_settings(config));
            let opened = tokio::task::spawn_blocking(move || EmbeddedLedger::open(path, settings)).await;
            let ledger = Arc::new(opened.map_err(|error| LedgerError::Unavailable(error.to_string()))??);
            let tick = file_upkeep(&ledger, &waiting);
            tokio::spawn(keep_tidy(tick, Arc::clone(clock), interval, draining, answered));
            Ok(Some(OpenLedger { health: LedgerHealth::File(Arc::clone(&ledger)), ledger, waiting }))
        }
        LedgerPlace::Postgres(url) => {
            let ledger = Arc::new(PostgresLedger::connect(&url.0, postgres_settings(config)).await?);
            ledger.compare_clocks(clock.as_ref()).await?;
            let (ticking, compared, waits) = (Arc::clone(&ledger), Arc::clone(clock), waiting.clone());
            let tick = move |now| {
                let (ledger, clock, waiting) = (Arc::clone(&ticking), Arc::clone(&compared), waits.clone());
                async move {
                    // One round trip. The rest takes as long as there are accounts with work.
                    let waits = waiting.upkeep();
                    ledger.compare_clocks(clock.as_ref()).await?;
                    drop(waits);
                    ledger.tick(now).await
                }
            };
            tokio::spawn(keep_tidy(tick, Arc::clone(clock), interval, draining, Arc::clone(&answered)));
            Ok(Some(OpenLedger { health: LedgerHealth::Database(answered), ledger, waiting }))
        }
    }
}

/// Returns how a ledger in a database is used.
pub fn postgres_settings(config: &Config) -> postgres::Settings {
    postgres::Settings {
        connections_max: config.ledger_connections_max,
        time_max_ms: config.ledger_request_max_ms,
        queue_requests_max: config.ledger_queue_requests_max,
        retention_days: config.ledger_retention_days,
        clocks_apart_max_s: config.ledger_clocks_apart_max_seconds,
        ..postgres::Settings::default()
    }
}

/// Returns how a ledger in a file is used.
pub fn embedded_settings(config: &Config) -> Settings {
    Settings {
        queue_requests_max: config.ledger_queue_requests_max,
        time_max_ms: config.ledger_request_max_ms,
        retention_days: config.ledger_retention_days,
        cache_bytes: config.ledger_cache_bytes,
        ..Settings::default()
    }
}

/// Returns the upkeep of a ledger in a file. It waits behind what others ask for, and shows where nothing is answered.
pub(super) fn file_upkeep(
    ledger: &Arc<EmbeddedLedger>,
    waiting: &Waiting,
) -> impl Fn(Moment) -> BoxFuture<u64, LedgerError> + use<> {
    let (ledger, waiting) = (Arc::clone(ledger), waiting.clone());
    move |now| {
        let (ledger, waiting) = (Arc::clone(&ledger), waiting.clone());
        Box::pin(async move {
            let _waits = waiting.upkeep();
            ledger.tick(now).await
        })
    }
}

/// Releases what has run out, so that the totals of a quiet ledger do not stay too high.
pub(super) async fn keep_tidy<F: Future<Output = Result<u64, LedgerError>>>(
    tick: impl Fn(Moment) -> F,
    clock: Arc<dyn Clock>,
    interval: Duration,
    mut draining: watch::Receiver<bool>,
    answered: Arc<AtomicBool>,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = draining.wait_for(|draining| *draining) => return,
        }
        let ticked = tick(clock.now()).await;
        // Once for each change: a ledger that stays closed would fill the log.
        if let (Err(error), true) = (&ticked, answered.swap(ticked.is_ok(), Ordering::Relaxed)) {
            tracing::error!(%error, "the ledger failed; nothing is reserved until it answers again or the server is started anew");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    #[test]
    fn defaults_are_the_ledgers_own() {
        let config = load(&Flags::default(), []).unwrap().config;
        let (configured, own) = (embedded_settings(&config), Settings::default());
        assert_eq!(configured.cache_bytes, own.cache_bytes);
        assert_eq!(configured.queue_requests_max, own.queue_requests_max);
        assert_eq!(configured.retention_days, own.retention_days);
        let (configured, own) = (postgres_settings(&config), postgres::Settings::default());
        assert_eq!(configured.connections_max, own.connections_max);
        assert_eq!(configured.time_max_ms, own.time_max_ms);
        assert_eq!(configured.queue_requests_max, own.queue_requests_max);
        assert_eq!(configured.retention_days, own.retention_days);
    }
}
