//! The table of keys: meaning, default and permitted values of each.
//!
//! One table makes the fields of [`Config`], the known keys, and the comments of `--dump-config`, so
//! that they cannot differ.

use std::path::PathBuf;

use super::address::Address;
pub use super::key::Key;
use super::parse::{
    address, addresses, connection_spread, forwarded_headers, ledger, log_format, log_level, number, octal, or_none,
    path, public_url, side_file, unmatched, unregistered, yes_or_no,
};
use super::problem::Problem;
use super::public_url::PublicUrl;
use super::raw::RawConfig;
use super::values::{ConnectionSpread, ForwardedHeaders, LedgerPlace, LogFormat, SideFile, Unregistered};
use crate::domain::gateway::Unmatched;

macro_rules! keys {
    ($($(#[doc = $comment:literal])+ $name:ident: $type:ty = $default:literal, $parse:expr;)+) => {
        /// The configuration of a server, checked.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $comment])+ pub $name: $type,)+
        }

        /// The values that could be parsed, so that checks across keys run even if other keys have problems.
        #[expect(dead_code, reason = "few keys depend on another")]
        struct Known<'v> {
            $($name: Option<&'v $type>,)+
        }

        /// All keys, in the order in which they are written.
        pub const KEYS: &[Key] = &[
            $(Key { name: stringify!($name), comment: &[$($comment),+], default: $default },)+
        ];

        impl Config {
            /// Checks every value, and adds the problems to `problems`.
            pub(super) fn check(raw: &RawConfig, problems: &mut Vec<Problem>) -> Option<Config> {
                $(let $name = raw.parsed(stringify!($name), $parse, problems);)+
                let known = Known { $($name: $name.as_ref()),+ };
                known.check_together(raw, problems);
                Some(Config { $($name: $name?,)+ })
            }
        }
    };
}

const MIB: u64 = 1 << 20;
const DAY_SECONDS: u64 = 86_400;

keys! {
    /// Addresses at which gateways and services ask: `host:port` or `unix:/path`, one or several. Port 0 takes a free port.
    listen: Vec<Address> = "127.0.0.1:50051", addresses;
    /// Treatment of a gateway's request on those addresses that no gateway rule matches and that has no label header:
    /// `refuse`, `allow`, or `flow:<id>` to decide it as a transfer of that flow. A request with incomplete or wrong labels
    /// is always refused.
    listen_unlabelled: Unmatched = "refuse", unmatched;
    /// The same for `/v1/forward-auth`: `refuse`, `allow`, or `flow:<id>`. An AuthZEN evaluation that no rule matches is
    /// always denied.
    http_unlabelled: Unmatched = "refuse", unmatched;
    /// Address of the admin API: a loopback address or `unix:/path`, or `none`.
    /// Any other address is refused until this listener has mutual TLS.
    admin: Option<Address> = "127.0.0.1:50052", or_none(address);
    /// Address of the HTTP listener, for HTTP gateways, probes and Prometheus: `host:port` or `unix:/path`, or `none`.
    http: Option<Address> = "127.0.0.1:8080", or_none(address);
    /// Public URL of the HTTP listener, such as `https://pdp.example.com`, or `none`.
    /// The AuthZEN configuration document names it; with `none` there is no such document.
    http_public_url: Option<PublicUrl> = "none", or_none(public_url);
    /// The policy directory.
    policies: PathBuf = "./policies", path;
    /// Largest policy file, in bytes. Checked before a file is read. While it is read, a file takes up to 25 times its size in
    /// memory.
    policy_file_bytes_max: u64 = "8388608", number(1, 1024 * MIB);
    /// Most policy files.
    policy_files_max: usize = "4096", number(1, 1_000_000);
    /// Most bytes of all policy files together. Policies in force take up to 12 times their size in memory, and a reload takes
    /// as much again for a while.
    policy_total_bytes_max: u64 = "25165824", number(1, 4096 * MIB);
    /// Deepest nesting of directories below the policy directory.
    policy_directory_depth_max: usize = "16", number(0, 64);
    /// Most entries of all policy files together: items, list entries, exporters, flows, clearances.
    policy_entries_max: usize = "2000000", number(1, 100_000_000);
    /// Deepest nesting within a policy file.
    policy_depth_max: usize = "32", number(8, 128);
    /// Time between two comparisons of the policy directory with the policies in force, in milliseconds.
    /// The operating system usually reports changes sooner; this interval is the guarantee.
    policy_poll_interval_ms: u64 = "5000", number(10, 1000 * DAY_SECONDS);
    /// Quiet time: how long policy files have to stay unchanged after a change before they are read, in milliseconds.
    /// Make it longer than any pause of a program that writes them in place. SIGHUP and `Reload` read at once.
    policy_debounce_ms: u64 = "2000", number(0, 600_000);
    /// How long policy files may keep changing without that quiet time before the server reports it, in milliseconds: with a
    /// warning in the log and the state STALE. They are not read until they stay unchanged.
    policy_changing_max_ms: u64 = "60000", number(1, 1000 * DAY_SECONDS);
    /// Place of the year's totals: a file, such as `/var/lib/neglist/ledger`; `postgres://user:password@host:5432/database`,
    /// shared by several servers, with `@ : / ? # %` in the password percent-encoded; or `none`: callers state totals. Any
    /// other text is refused, including `host=… password=…`.
    ledger: LedgerPlace = "./neglist.ledger", ledger;
    /// Whether a missing ledger is created, yes or no. Needed once, for the first start with a ledger other than the default
    /// `./neglist.ledger`. An existing ledger is opened. A ledger that existed and has disappeared is refused, even with
    /// yes.
    ledger_create: bool = "no", yes_or_no;
    /// Place of the witness: a small file with the identity and the position of the ledger, so that an older copy of the
    /// ledger, or a missing one, is noticed. `beside`: `PATH.witness` beside a ledger in a file, and no witness for a ledger in
    /// a database; or a path, such as `/var/lib/neglist/witness`. On another disk it detects more failures.
    ledger_witness: SideFile = "beside", side_file("witness");
    /// Place of the subject key: the secret under which the server makes pseudonyms of the identifiers of persons. `beside`:
    /// `PATH.subject-key` beside a ledger in a file, and no key for a ledger in a database; or a path, such as
    /// `/var/lib/neglist/subject-key`. It is made at the first start, for its owner alone. All servers of a ledger need the
    /// same key.
    subject_key: SideFile = "beside", side_file("subject-key");
    /// How long a call may wait for the ledger before health checks report that the server cannot count, in milliseconds:
    /// `/readyz`, `grpc.health.v1.Health`, `neglist health`. Make it longer than a working disk or database takes.
    ledger_stalled_ms: u64 = "3000", number(100, 3_600_000);
    /// Most requests that wait for the ledger. Further requests are refused at once.
    ledger_queue_requests_max: usize = "4096", number(1, 1_000_000);
    /// Days that the ledger keeps a settled transfer: a retry within this time gets the first answer. Totals stay.
    ledger_retention_days: u32 = "7", number(1, 3660);
    /// Memory for pages of the ledger's file, in bytes. The default is enough for some three million named persons;
    /// a server that opens a file of that size takes this memory and keeps it.
    ledger_cache_bytes: usize = "8388608", number(1 << 20, 1 << 40);
    /// Most accounts of a ledger in a file whose totals are kept in memory; an account is an exporter in a year. Other accounts
    /// are read from the file on demand. An account takes about a kilobyte.
    ledger_accounts_cached_max: usize = "10000", number(1, 10_000_000);
    /// Free bytes to keep on the disk of a ledger in a file. With less free space, reservations are refused, and earlier ones
    /// can still be committed and released. 0 for no limit.
    ledger_reserve_bytes: u64 = "16777216", number(0, 1 << 40);
    /// Time from a failure of a ledger in a file to the first attempt to open it again, in milliseconds. The time doubles for
    /// each further attempt.
    ledger_reopen_wait_ms: u64 = "1000", number(10, 3_600_000);
    /// Longest time between two such attempts, in milliseconds.
    ledger_reopen_wait_max_ms: u64 = "30000", number(10, 3_600_000);
    /// Most connections to the database of the ledger.
    ledger_connections_max: usize = "8", number(1, 1000);
    /// Time for a request to the ledger, in milliseconds. For a database this includes all its retries, and the request may
    /// wait as long again in the queue before.
    ledger_request_max_ms: u64 = "5000", number(100, 600_000);
    /// Largest difference between the clocks of this server and of the ledger's database, in seconds. With a larger
    /// difference reservations are refused, because they would expire at the wrong time.
    ledger_clocks_apart_max_seconds: u32 = "30", number(1, 4_000_000_000);
    /// Most accounts (an exporter in a year) of the ledger's database whose revision a server remembers, to notice an account
    /// that went back in time. For other accounts the server checks the position of the whole ledger at every tick.
    ledger_accounts_remembered_max: usize = "16384", number(2, 10_000_000);
    /// Time between two searches for expired reservations, in milliseconds.
    ledger_tick_interval_ms: u64 = "1000", number(10, 3_600_000);
    /// Most pseudonyms or identifiers of one class in one reservation.
    ledger_subjects_max: usize = "10000", number(1, 1_000_000);
    /// Treatment of reservations of exporters that no policy registers: `allow` decides and counts them by the facts and under
    /// the name that the caller states; `refuse` refuses them. `Decide` answers in both cases.
    unregistered_exporters: Unregistered = "allow", unregistered;
    /// Most unregistered exporters of one caller within an hour that are new to the ledger; 0 for none. An exporter that
    /// was counted in the year already is not new. More are refused with `RESOURCE_EXHAUSTED`.
    unregistered_exporters_new_per_hour_max: u32 = "1000", number(0, 1_000_000);
    /// The same for all callers together.
    unregistered_exporters_new_in_all_per_hour_max: u32 = "10000", number(0, 1_000_000);
    /// Default time to live of a reservation, in seconds.
    ledger_time_to_live_default_seconds: u32 = "600", number(1, 31_622_400);
    /// Longest time to live of a reservation, in seconds.
    ledger_time_to_live_max_seconds: u32 = "86400", number(1, 31_622_400);
    /// How far the moment of a counted transfer may lie in the past, in seconds.
    ledger_at_age_max_seconds: u32 = "3600", number(0, 86_400);
    /// How far it may lie in the future, by the server's clock, in seconds.
    ledger_at_ahead_max_seconds: u32 = "60", number(0, 86_400);
    /// How far the clock of this machine may be set while the server runs, in seconds. After a longer jump the server reserves
    /// nothing and reads no totals until the clock is set back or the server is restarted.
    clock_jump_max_seconds: u32 = "30", number(1, 86_400);
    /// How far the clock may be behind the newest entry of the ledger when a server starts, in seconds. With a larger
    /// difference the server does not start, because counted transfers would lie in the future.
    ledger_start_behind_max_seconds: u32 = "300", number(0, 4_000_000_000);
    /// Most days between the newest entry of the ledger and a start without a warning.
    ledger_start_gap_warn_days: u32 = "60", number(1, 3660);
    /// Longest validity of an answer, in seconds.
    valid_until_ceiling_seconds: u32 = "86400", number(1, 366 * DAY_SECONDS);
    /// Largest request message, in bytes.
    request_bytes_max: usize = "4194304", number(1024, 64 * MIB);
    /// Largest answer over gRPC, in bytes. Clients accept no more than 4194304 by default. A batch with a larger answer is
    /// refused.
    answer_bytes_max: usize = "4194304", number(MIB, 64 * MIB);
    /// Most transfers of one batch. The contract allows no more than 1000.
    batch_transfers_max: usize = "1000", number(1, 1000);
    /// Most batches in progress at once; others wait in a queue, within their deadlines. One connection has at most half of
    /// them. A batch of a thousand refusals takes some 3 MiB while it is in progress, whatever the size of the message.
    batches_in_progress_max: usize = "16", number(1, 10_000);
    /// Most `DecideStream` and reflection calls that are open at once. More are refused with `RESOURCE_EXHAUSTED`.
    streams_open_max: usize = "256", number(1, 100_000);
    /// Most received transfers that one stream still answers when the server stops.
    stream_drain_transfers_max: usize = "1024", number(0, 1_000_000);
    /// Longest time without a message on a `DecideStream` or reflection stream, in seconds; 0 for no limit.
    stream_idle_seconds: u64 = "300", number(0, DAY_SECONDS);
    /// Most requests in flight on all connections together. More are refused with `RESOURCE_EXHAUSTED`.
    /// A gRPC call is in flight from the end of its message until its answer is ready.
    requests_in_flight_max: usize = "10000", number(1, 1_000_000);
    /// Share of `requests_in_flight_max`, `streams_open_max`, `health_watches_max`, `grpc_held_bytes_max` and
    /// `http_held_bytes_max` that one connection may take when it is alone, in percent. The rest is for connections
    /// that hold little: each may take an eighth of the free part. 100 turns this rule off.
    connection_share_percent: u32 = "90", number(1, 100);
    /// Most bytes of gRPC messages that are being received or wait to be sent, on all connections together. More calls are
    /// refused with `RESOURCE_EXHAUSTED`. A waiting call counts as 8 KiB plus its message.
    grpc_held_bytes_max: usize = "134217728", number(MIB, 1 << 40);
    /// Additional bytes of these for each connection, regardless of other connections.
    grpc_connection_held_bytes_min: usize = "32768", number(16_384, 16 * MIB);
    /// Time within which a gRPC message has to arrive in full, in seconds from its first byte.
    grpc_receive_seconds: u64 = "30", number(1, 3600);
    /// Longest time for which a gRPC client may take nothing of an answer, in seconds.
    grpc_send_seconds: u64 = "30", number(1, 3600);
    /// Time after which a caller that was refused for a limit may try again, in milliseconds.
    retry_after_ms: u32 = "1000", number(1, 3_600_000);
    /// Threads that answer requests, each with its own connections; 0 for one thread for each core of the machine.
    serve_threads: usize = "0", number(0, 1024);
    /// Distribution of new connections over these threads. `fewest`: to the thread with the fewest, which suits
    /// gateways that keep a few connections open. `reuse-port`: as the operating system distributes them
    /// (`SO_REUSEPORT`), which suits many short connections; unix sockets stay with `fewest`.
    connection_spread: ConnectionSpread = "fewest", connection_spread;
    /// Most connections to all listeners together, except the admin listener. To admit another, the server closes the oldest
    /// that has had no call, or else the one without a call for the longest time. A new connection waits if every other has
    /// had a call within `connection_reclaim_idle_ms`.
    connections_max: usize = "10000", number(1, 1_000_000);
    /// Most connections to the admin listener, by the same rule.
    admin_connections_max: usize = "64", number(1, 100_000);
    /// Time without a call after which a connection may be closed to admit another, in milliseconds.
    connection_reclaim_idle_ms: u64 = "1000", number(100, 3_600_000);
    /// Time that the body of an HTTP request may take before its connection may be closed to admit another, in
    /// milliseconds.
    connection_reclaim_slow_ms: u64 = "3000", number(100, 3_600_000);
    /// Time after which a gRPC connection without a call is closed, in seconds; 0 for never. Clients connect again for
    /// their next call.
    grpc_idle_seconds: u64 = "3600", number(0, DAY_SECONDS);
    /// Most requests in flight on one connection.
    http2_streams_max: u32 = "1000", number(1, 100_000);
    /// Most calls on one connection that are cancelled before the server has accepted them. One more closes the
    /// connection: a client can use such calls to keep a server busy.
    http2_pending_resets_max: usize = "1000", number(20, 100_000);
    /// Most calls on one connection, over its whole life, that violate the HTTP/2 protocol. One more closes the connection.
    http2_error_resets_max: usize = "10000", number(20, 1_000_000);
    /// Time within which a new connection has to send the HTTP/2 preface, in seconds.
    http2_preface_seconds: u64 = "10", number(1, 3600);
    /// Time between two keep-alive pings on an idle connection, in seconds; 0 for none.
    http2_keepalive_interval_seconds: u64 = "30", number(0, DAY_SECONDS);
    /// Time within which a keep-alive ping has to be answered, in seconds.
    http2_keepalive_timeout_seconds: u64 = "20", number(1, DAY_SECONDS);
    /// Most `Watch` calls of `grpc.health.v1.Health` that are open at once, on the addresses of `listen` and on the admin
    /// listener each. They do not count as requests in flight. More are refused with `RESOURCE_EXHAUSTED`.
    health_watches_max: usize = "1000", number(1, 100_000);
    /// Time between two health checks for the watchers of health, in milliseconds.
    health_watch_interval_ms: u64 = "250", number(10, 60_000);
    /// Largest body of an HTTP request, in bytes.
    http_body_bytes_max: usize = "1048576", number(1024, 64 * MIB);
    /// Most bytes of HTTP bodies that are being received or answered, on all connections together. More are refused with 503.
    /// One connection may take `connection_share_percent` of them; each has 4 KiB besides.
    http_held_bytes_max: usize = "67108864", number(MIB, 1 << 40);
    /// Largest head of an HTTP request (its first line and its headers), in bytes.
    http_head_bytes_max: usize = "16384", number(8192, MIB);
    /// Most headers of an HTTP request.
    http_headers_max: usize = "100", number(1, 1000);
    /// Time within which the head of an HTTP request has to arrive, in seconds from its first byte or from the
    /// beginning of a new connection.
    http_head_seconds: u64 = "10", number(1, 3600);
    /// Time within which the body of an HTTP request has to arrive, in seconds.
    http_body_seconds: u64 = "10", number(1, 3600);
    /// Longest time for which an HTTP client may take nothing of an answer, in seconds.
    http_send_seconds: u64 = "10", number(1, 3600);
    /// Longest idle time of an HTTP connection between two requests, in seconds. Make it longer than the idle time of
    /// the gateways, so that the gateways close first.
    http_idle_seconds: u64 = "120", number(1, DAY_SECONDS);
    /// Headers that `/v1/forward-auth` trusts: `x-forwarded` (Traefik, Caddy, APISIX), `x-original` (nginx, HAProxy),
    /// `x-original-url` (ingress-nginx), or `either`: those that are present, which have to agree if there are several.
    forward_auth_headers: ForwardedHeaders = "either", forwarded_headers;
    /// Longest time for which a gateway may cache an answer of `/v1/forward-auth`, in seconds; 0 for no caching. Changes of
    /// policies take effect that much later.
    forward_auth_cache_seconds_max: u32 = "0", number(0, DAY_SECONDS);
    /// Most evaluations of one AuthZEN request.
    authzen_evaluations_max: usize = "100", number(1, 1000);
    /// Time for which a stopping server still takes new requests, in seconds, while health and readiness already report
    /// that it stops. Make it as long as a load balancer needs to notice.
    drain_notice_seconds: u64 = "0", number(0, 600);
    /// Time for requests in flight to finish when the server stops, in seconds.
    drain_seconds: u64 = "25", number(0, 3600);
    /// Longest wait of `WaitForDigest`, in seconds. A shorter deadline of the client takes precedence.
    wait_for_digest_seconds_max: u64 = "300", number(1, DAY_SECONDS);
    /// Permissions of unix sockets, in octal. A client needs write permission to connect.
    unix_socket_mode: u32 = "0660", octal(0o777);
    /// Format of the log lines on stderr: text or json.
    log_format: LogFormat = "text", log_format;
    /// Lowest level of log lines that are written: error, warn, info, debug or trace.
    log_level: tracing::Level = "info", log_level;
    /// Most log lines that wait to be written if stderr is read slowly or not at all. More are dropped and counted in
    /// `neglist_log_lines_dropped_total`. The server never waits for the reader.
    log_queue_lines_max: usize = "1024", number(1, 1_000_000);
    /// Longest log line, in bytes. A longer one is cut.
    log_line_bytes_max: usize = "8192", number(256, MIB);
    /// Longest wait at the end of the process for log lines and for messages on stdout and stderr, in milliseconds.
    log_flush_max_ms: u64 = "1000", number(0, 60_000);
}

impl Known<'_> {
    /// Checks the rules across several keys, if the values of those keys were parsed.
    fn check_together(&self, raw: &RawConfig, problems: &mut Vec<Problem>) {
        let mut add = |key, message, help| problems.push(Problem { place: raw.place(key), message, help: Some(help) });
        if let (Some(total), Some(file)) = (self.policy_total_bytes_max, self.policy_file_bytes_max)
            && total < file
        {
            let message =
                format!("policy_total_bytes_max is {total}, which is less than policy_file_bytes_max with {file}");
            add("policy_total_bytes_max", message, "raise it, or lower policy_file_bytes_max".into());
        }
        if let (Some(most), Some(default)) =
            (self.ledger_time_to_live_max_seconds, self.ledger_time_to_live_default_seconds)
            && most < default
        {
            let message = format!(
                "ledger_time_to_live_max_seconds is {most}, which is less than ledger_time_to_live_default_seconds with {default}"
            );
            add(
                "ledger_time_to_live_max_seconds",
                message,
                "raise it, or lower ledger_time_to_live_default_seconds".into(),
            );
        }
        if let (Some(LedgerPlace::File(ledger)), Some(witness)) = (self.ledger, self.ledger_witness) {
            // The witness file is overwritten, so it must not be the ledger. Links are resolved when the ledger is opened.
            let whole = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            if let SideFile::At(witness) = witness
                && whole(ledger) == whole(witness)
            {
                let message = format!("ledger_witness is `{}`, which is the ledger itself", witness.display());
                add("ledger_witness", message, "name another file, or `beside`".into());
            }
        }
        if let (Some(held), Some(request)) = (self.grpc_held_bytes_max, self.request_bytes_max) {
            // One message, its largest answer, and the buffers between.
            let least = request.saturating_mul(4);
            if *held < least {
                let message = format!(
                    "grpc_held_bytes_max is {held}, which is less than four times request_bytes_max with {request}"
                );
                add("grpc_held_bytes_max", message, format!("raise it to {least}, or lower request_bytes_max"));
            }
        }
        if let (Some(held), Some(body)) = (self.http_held_bytes_max, self.http_body_bytes_max) {
            // One body, and as much for others.
            let least = body.saturating_mul(2);
            if *held < least {
                let message =
                    format!("http_held_bytes_max is {held}, which is less than twice http_body_bytes_max with {body}");
                add("http_held_bytes_max", message, format!("raise it to {least}, or lower http_body_bytes_max"));
            }
        }
        if let Some(Some(admin)) = self.admin
            && admin.is_surely_remote()
        {
            let message = format!("the admin listener may not be on `{admin}`, which others can reach");
            add("admin", message, "use a loopback address, such as 127.0.0.1:50052, or a unix socket".into());
        }
    }
}
