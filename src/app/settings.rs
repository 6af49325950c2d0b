//! From the configuration to the settings of each part of the server.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, ForwardedHeaders};
use crate::doors::http::{Believed, ForwardAuthSettings};
use crate::live::read::ReadLimits;
use crate::live::reload::Compiler;
use crate::metrics::Metrics;
use crate::policy;
use crate::service::newcomers::{NewcomerLimits, Unregistered};
use crate::service::{DecideSettings, LedgerSettings};
use crate::transport::admission::InFlightLimit;
use crate::transport::budget::{BudgetSettings, Budgets, CallTimeLimits};
use crate::transport::connections::ConnectionRules;
use crate::transport::http2::Http2;
use crate::transport::message_size::MessageSizes;

/// Requests in flight on one admin connection.
pub(super) const ADMIN_STREAMS_MAX: u32 = 64;
/// Largest request to the admin API, which consists mainly of a digest, and to health and reflection, which consists of a name.
pub(super) const SMALL_REQUEST_BYTES_MAX: usize = 64 << 10;
/// Most bytes of all calls on the admin listener: as many calls as its connections can have, and 4 MiB for messages. Other
/// listeners have another budget, so that an admin gets answers under any load.
pub(super) const ADMIN_HELD_BYTES_MAX: usize = 36 << 20;

/// Returns the limits on reads of the policy directory.
pub fn read_limits(config: &Config) -> ReadLimits {
    ReadLimits {
        file_bytes_max: config.policy_file_bytes_max,
        files_max: config.policy_files_max,
        total_bytes_max: config.policy_total_bytes_max,
        directory_depth_max: config.policy_directory_depth_max,
    }
}

/// Returns the compiler of real policies, with the limits of the configuration.
pub fn compiler(config: &Config) -> Compiler {
    let limits = policy::Limits { entries_max: config.policy_entries_max, depth_max: config.policy_depth_max };
    Compiler::new(move |files| policy::compile(files, &limits))
}

pub(super) fn decide_settings(config: &Config) -> DecideSettings {
    DecideSettings {
        batch_transfers_max: config.batch_transfers_max,
        answer_bytes_max: config.answer_bytes_max,
        stream_drain_transfers_max: config.stream_drain_transfers_max,
        valid_for_max_s: config.valid_until_ceiling_seconds,
        retry_after_ms: config.retry_after_ms,
    }
}

pub(super) fn ledger_settings(config: &Config) -> LedgerSettings {
    LedgerSettings {
        subjects_max: config.ledger_subjects_max,
        time_to_live_default_s: config.ledger_time_to_live_default_seconds,
        time_to_live_max_s: config.ledger_time_to_live_max_seconds,
        at_age_max_s: config.ledger_at_age_max_seconds,
        at_ahead_max_s: config.ledger_at_ahead_max_seconds,
        valid_for_max_s: config.valid_until_ceiling_seconds,
        retry_after_ms: config.retry_after_ms,
        newcomers: NewcomerLimits {
            unregistered: match config.unregistered_exporters {
                config::Unregistered::Allow => Unregistered::Allow,
                config::Unregistered::Refuse => Unregistered::Refuse,
            },
            of_caller_per_hour_max: config.unregistered_exporters_new_per_hour_max,
            in_all_per_hour_max: config.unregistered_exporters_new_in_all_per_hour_max,
        },
    }
}

pub(super) fn forward_auth_settings(config: &Config) -> ForwardAuthSettings {
    ForwardAuthSettings {
        believed: match config.forward_auth_headers {
            ForwardedHeaders::XForwarded => Believed::XForwarded,
            ForwardedHeaders::XOriginal => Believed::XOriginal,
            ForwardedHeaders::XOriginalUrl => Believed::XOriginalUrl,
            ForwardedHeaders::Either => Believed::Either,
        },
        cache_seconds_max: config.forward_auth_cache_seconds_max,
    }
}

pub(super) fn in_flight_limit(config: &Config, metrics: &Arc<Metrics>) -> InFlightLimit {
    let (requests_max, percent) = (config.requests_in_flight_max, config.connection_share_percent);
    InFlightLimit::new(requests_max, percent, config.retry_after_ms, Arc::clone(metrics))
}

pub(super) fn budget_settings(config: &Config) -> BudgetSettings {
    let idle = config.stream_idle_seconds;
    BudgetSettings {
        streams_max: config.streams_open_max,
        bytes_max: config.grpc_held_bytes_max,
        connection_bytes_min: config.grpc_connection_held_bytes_min,
        batches_max: config.batches_in_progress_max,
        share_percent: config.connection_share_percent,
        time_limits: CallTimeLimits {
            receive: Duration::from_secs(config.grpc_receive_seconds),
            send: Duration::from_secs(config.grpc_send_seconds),
            idle: (0 < idle).then(|| Duration::from_secs(idle)),
        },
        retry_after_ms: config.retry_after_ms,
    }
}

/// Returns the budgets of the admin listener. They are its own, so that an admin gets answers under any load.
pub(super) fn admin_budgets(config: &Config, metrics: &Arc<Metrics>) -> Arc<Budgets> {
    let streams_max =
        config.admin_connections_max.saturating_mul(usize::try_from(ADMIN_STREAMS_MAX).unwrap_or(usize::MAX));
    let limit =
        InFlightLimit::new(streams_max, config.connection_share_percent, config.retry_after_ms, Arc::clone(metrics));
    let settings = BudgetSettings { streams_max, bytes_max: ADMIN_HELD_BYTES_MAX, ..budget_settings(config) };
    Budgets::new(settings, limit, Arc::clone(metrics))
}

/// Returns the bytes that a client may send on a stream before the server reads them: one part in 512 of the budget. Only
/// streams leave bytes unread. By default 256 may be open, so at most half of the budget, 64 MiB, is unread.
fn window_bytes(config: &Config) -> u32 {
    const LEAST: u32 = 64 << 10;
    const MOST: u32 = 1 << 20;
    u32::try_from(config.grpc_held_bytes_max / 512).unwrap_or(MOST).clamp(LEAST, MOST)
}

pub(super) fn http2(config: &Config, streams_max: u32) -> Http2 {
    let seconds = config.http2_keepalive_interval_seconds;
    Http2 {
        window_bytes: window_bytes(config),
        resets_pending_max: config.http2_pending_resets_max,
        error_resets_max: config.http2_error_resets_max,
        streams_max,
        keepalive_interval: (0 < seconds).then(|| Duration::from_secs(seconds)),
        keepalive_timeout: Duration::from_secs(config.http2_keepalive_timeout_seconds),
    }
}

pub(super) fn connection_rules(config: &Config, connections_max: usize) -> ConnectionRules {
    let seconds = config.grpc_idle_seconds;
    ConnectionRules {
        connections_max,
        reclaim_idle: Duration::from_millis(config.connection_reclaim_idle_ms),
        reclaim_slow: Duration::from_millis(config.connection_reclaim_slow_ms),
        grpc_idle: (0 < seconds).then(|| Duration::from_secs(seconds)),
    }
}

pub(super) fn message_sizes(config: &Config, metrics: &Arc<Metrics>) -> MessageSizes {
    let (request_bytes_max, answer_bytes_max) = (config.request_bytes_max, config.answer_bytes_max);
    MessageSizes { request_bytes_max, answer_bytes_max, metrics: Arc::clone(metrics) }
}
