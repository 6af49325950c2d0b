//! From the configuration to the settings of a ledger.

use crate::config::Config;
use crate::ledger::{embedded, postgres};

/// Returns the settings of a ledger in a database.
pub fn postgres_settings(config: &Config) -> postgres::Settings {
    postgres::Settings {
        connections_max: config.ledger_connections_max,
        time_max_ms: config.ledger_request_max_ms,
        queue_requests_max: config.ledger_queue_requests_max,
        retention_days: config.ledger_retention_days,
        clocks_apart_max_s: config.ledger_clocks_apart_max_seconds,
        accounts_remembered_max: config.ledger_accounts_remembered_max,
        ..postgres::Settings::default()
    }
}

/// Returns the settings of a ledger in a file.
pub fn embedded_settings(config: &Config) -> embedded::Settings {
    embedded::Settings {
        queue_requests_max: config.ledger_queue_requests_max,
        time_max_ms: config.ledger_request_max_ms,
        retention_days: config.ledger_retention_days,
        cache_bytes: config.ledger_cache_bytes,
        witness: config.ledger_witness_path(),
        accounts_max: config.ledger_accounts_cached_max,
        reserve_bytes: config.ledger_reserve_bytes,
        reopen_wait_ms: config.ledger_reopen_wait_ms,
        reopen_wait_max_ms: config.ledger_reopen_wait_max_ms,
        ..embedded::Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    #[test]
    fn defaults_are_those_of_the_ledger() {
        let config = load(&Flags::default(), []).unwrap().config;
        let (configured, own) = (embedded_settings(&config), embedded::Settings::default());
        assert_eq!(configured.cache_bytes, own.cache_bytes);
        assert_eq!(configured.queue_requests_max, own.queue_requests_max);
        assert_eq!(configured.retention_days, own.retention_days);
        assert_eq!(configured.accounts_max, own.accounts_max);
        assert_eq!(configured.reserve_bytes, own.reserve_bytes);
        assert_eq!(configured.reopen_wait_ms, own.reopen_wait_ms);
        assert_eq!(configured.reopen_wait_max_ms, own.reopen_wait_max_ms);
        let (configured, own) = (postgres_settings(&config), postgres::Settings::default());
        assert_eq!(configured.connections_max, own.connections_max);
        assert_eq!(configured.time_max_ms, own.time_max_ms);
        assert_eq!(configured.queue_requests_max, own.queue_requests_max);
        assert_eq!(configured.retention_days, own.retention_days);
        assert_eq!(configured.accounts_remembered_max, own.accounts_remembered_max);
    }
}
