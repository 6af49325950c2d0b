//! Opens the ledger that the configuration names, and keeps it tidy while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{Config, LedgerPlace};
use crate::domain::clock::Clock;
use crate::ledger::embedded::{EmbeddedLedger, Settings};
use crate::ledger::{Ledger, LedgerError};

/// Opens the ledger; `None` where counting is turned off.
///
/// # Errors
/// Where it cannot be opened: a server that cannot count must not start.
pub async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    draining: watch::Receiver<bool>,
) -> Result<Option<Arc<dyn Ledger>>, LedgerError> {
    let interval = Duration::from_millis(config.ledger_tick_interval_ms);
    match &config.ledger {
        LedgerPlace::None => Ok(None),
        LedgerPlace::File(path) => {
            let (path, settings) = (path.clone(), embedded_settings(config));
            let opened = tokio::task::spawn_blocking(move || EmbeddedLedger::open(path, settings)).await;
            let ledger = Arc::new(opened.map_err(|error| LedgerError::Unavailable(error.to_string()))??);
            tokio::spawn(keep_tidy(Arc::clone(&ledger), Arc::clone(clock), interval, draining));
            Ok(Some(ledger))
        }
    }
}

fn embedded_settings(config: &Config) -> Settings {
    Settings {
        queue_requests_max: config.ledger_queue_requests_max,
        retention_days: config.ledger_retention_days,
        cache_bytes: config.ledger_cache_bytes,
        ..Settings::default()
    }
}

/// Releases what has run out, so that the totals of a quiet ledger do not stay too high.
async fn keep_tidy(
    ledger: Arc<EmbeddedLedger>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    mut draining: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_open = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = draining.wait_for(|draining| *draining) => return,
        }
        let ticked = ledger.tick(clock.now()).await;
        // Once for each change: a ledger that stays closed would fill the log.
        if let (Err(error), true) = (&ticked, is_open) {
            tracing::error!(%error, "the ledger failed: nothing is reserved until the server is started anew");
        }
        is_open = ticked.is_ok();
    }
}
