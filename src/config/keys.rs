//! Every key: its meaning, its default, and the values it may take.
//!
//! One table makes the fields of [`Config`], the known keys, and the comments of
//! `--dump-config`, so that the three cannot differ.

use std::path::PathBuf;

use super::address::Address;
pub use super::key::Key;
use super::parse::{
    address, addresses, connection_spread, forwarded_headers, ledger, log_format, log_level, number, octal, or_none,
    path, public_url, unmatched, unregistered, witness, yes_or_no,
};
use super::problem::Problem;
use super::public_url::PublicUrl;
use super::raw::RawConfig;
use super::values::{ConnectionSpread, ForwardedHeaders, LedgerPlace, LogFormat, Unregistered, WitnessPlace};
use crate::domain::gateway::Unmatched;

macro_rules! keys {
    ($($(#[doc = $comment:literal])+ $name:ident: $type:ty = $default:literal, $parse:expr;)+) => {
        /// The configuration of a server, checked.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $comment])+ pub $name: $type,)+
        }

        /// The values that could be read, so that what concerns several keys is said beside what is wrong with others.
        #[expect(dead_code, reason = "most keys concern no other")]
        struct Known<'v> {
            $($name: Option<&'v $type>,)+
        }

        /// All keys, in the order in which they are written.
        pub const KEYS: &[Key] = &[
            $(Key { name: stringify!($name), comment: &[$($comment),+], default: $default },)+
        ];

        impl Config {
            /// Checks every value; adds to `problems` what is wrong.
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
    /// Where gateways and services ask: `host:port` or `unix:/path`, one or several. Port 0 takes a free one.
    listen: Vec<Address> = "127.0.0.1:50051", addresses;
    /// What gateways that ask there may do with a request that no gateway rule matches and that carries no
    /// label header: refuse, allow, or flow:<id> to decide it as a transfer of that flow. A request that is
    /// labelled incompletely or wrongly is refused whatever stands here.
    listen_unlabelled: Unmatched = "refuse", unmatched;
    /// The same for gateways that ask `/v1/forward-auth`: refuse, allow, or flow:<id>. An AuthZEN evaluation that
    /// nothing matches is denied whatever stands here.
    http_unlabelled: Unmatched = "refuse", unmatched;
    /// Where policy admins ask: a loopback address or `unix:/path`, or `none`.
    /// Any other address is refused until this listener has mutual TLS.
    admin: Option<Address> = "127.0.0.1:50052", or_none(address);
    /// Where gateways that speak HTTP ask, and probes and Prometheus: `host:port` or `unix:/path`, or `none`.
    http: Option<Address> = "127.0.0.1:8080", or_none(address);
    /// The URL at which others reach the HTTP listener, such as `https://pdp.example.com`, or `none`.
    /// The AuthZEN configuration document is made of it; with `none` there is no such document.
    http_public_url: Option<PublicUrl> = "none", or_none(public_url);
    /// The policy directory.
    policies: PathBuf = "./policies", path;
    /// Largest policy file, in bytes. Checked before a file is read. To read one takes up to 25 times its size in memory.
    policy_file_bytes_max: u64 = "8388608", number(1, 1024 * MIB);
    /// Most policy files.
    policy_files_max: usize = "4096", number(1, 1_000_000);
    /// Most bytes of all policy files together. What is in force takes up to 12 times their size in memory, and a reload as much
    /// again for a while.
    policy_total_bytes_max: u64 = "25165824", number(1, 4096 * MIB);
    /// Deepest nesting of directories below the policy directory.
    policy_directory_depth_max: usize = "16", number(0, 64);
    /// Most entries of all policy files together: items, list entries, exporters, flows, clearances.
    policy_entries_max: usize = "2000000", number(1, 100_000_000);
    /// Deepest nesting within a policy file.
    policy_depth_max: usize = "32", number(8, 128);
    /// Time between two comparisons of the policy directory with what is in force, in milliseconds.
    /// Changes are noticed sooner where the operating system tells of them; this is the guarantee.
    policy_poll_interval_ms: u64 = "5000", number(10, 1000 * DAY_SECONDS);
    /// Quiet time: how long policy files have to stay as they are after a change before they are read, in milliseconds.
    /// Longer than any pause of what writes them in place. SIGHUP and `Reload` read at once.
    policy_debounce_ms: u64 = "2000", number(0, 600_000);
    /// How long policy files may go on changing without that quiet time before it is reported, in milliseconds: a warning in
    /// the log, and the state STALE. They are not read before they stay as they are.
    policy_changing_max_ms: u64 = "60000", number(1, 1000 * DAY_SECONDS);
    /// Where the year's totals are kept: a file, as `./neglist.ledger` or `/var/lib/neglist/ledger`; where several servers
    /// share them `postgres://user:password@host:5432/database`, with `@ : / ? # %` in the password percent-encoded; or
    /// `none` to keep none, and then callers state the totals. Anything else is refused, `host=… password=…` too.
    ledger: LedgerPlace = "./neglist.ledger", ledger;
    /// Whether a ledger is made where there is none, yes or no. Needed once, for the first start with a ledger that is not
    /// the default `./neglist.ledger`; one that is there is opened, and one that was there and is gone is refused, with
    /// yes as well.
    ledger_create: bool = "no", yes_or_no;
    /// Where the witness is: a small file that tells which ledger it is and how far it came, so that an older copy of the
    /// ledger, or none, is noticed. `beside`: as `PATH.witness` beside a ledger in a file, and none for one in a database; or a
    /// path, as `/var/lib/neglist/witness`. On another disk it notices more.
    ledger_witness: WitnessPlace = "beside", witness;
    /// How long a call may wait for the ledger before the server says at its doors that it cannot count, in milliseconds:
    /// `/readyz`, `grpc.health.v1.Health`, `neglist health`. Longer than a disk or database takes that works.
    ledger_stalled_ms: u64 = "3000", number(100, 3_600_000);
    /// Requests that may wait for the ledger. One more is refused at once.
    ledger_queue_requests_max: usize = "4096", number(1, 1_000_000);
    /// Days that the ledger remembers a settled transfer: a retry within them gets the first answer. Totals stay.
    ledger_retention_days: u32 = "7", number(1, 3660);
    /// Memory for pages of the ledger's file, in bytes. The default is enough for some three million persons known
    /// by name; a server takes it up when it opens a file of that size, and keeps it.
    ledger_cache_bytes: usize = "8388608", number(1 << 20, 1 << 40);
    /// Accounts of a ledger in a file whose totals are kept in memory, an account being an exporter in a year. Others are read
    /// from the file when they are asked for. One takes about a kilobyte.
    ledger_accounts_cached_max: usize = "10000", number(1, 10_000_000);
    /// Bytes that are kept free on the disk of a ledger in a file: with less, nothing more is reserved, and what is reserved can
    /// still be committed and released. 0 for none.
    ledger_reserve_bytes: u64 = "16777216", number(0, 1 << 40);
    /// Time from a failure of a ledger in a file to the first try to open it again, in milliseconds; each try waits twice as
    /// long as the one before.
    ledger_reopen_wait_ms: u64 = "1000", number(10, 3_600_000);
    /// Longest time between two such tries, in milliseconds.
    ledger_reopen_wait_max_ms: u64 = "30000", number(10, 3_600_000);
    /// Connections to the database of the ledger.
    ledger_connections_max: usize = "8", number(1, 1000);
    /// Time for a request to the ledger, in milliseconds. At a database: with all its repetitions, and as long again in
    /// line before.
    ledger_request_max_ms: u64 = "5000", number(100, 600_000);
    /// How far this server's clock may be from that of the ledger's database, in seconds. Further apart, nothing is
    /// reserved: reservations would run out at the wrong time.
    ledger_clocks_apart_max_seconds: u32 = "30", number(1, 4_000_000_000);
    /// Accounts (an exporter in a year) of the ledger's database whose revision a server remembers, to notice one that went
    /// back in time. For all others there is the position of the whole ledger, which is looked at every tick.
    ledger_accounts_remembered_max: usize = "16384", number(2, 10_000_000);
    /// Time between two looks for reservations that have run out, in milliseconds.
    ledger_tick_interval_ms: u64 = "1000", number(10, 3_600_000);
    /// Most pseudonyms of one class in one reservation.
    ledger_subjects_max: usize = "10000", number(1, 1_000_000);
    /// What becomes of reservations of exporters that no policy registers: `allow` decides and counts them by the facts that
    /// callers state, under whatever name these give; `refuse` refuses them. Questions (`Decide`) are answered all the same.
    unregistered_exporters: Unregistered = "allow", unregistered;
    /// Most exporters that are not registered and new to the ledger, of one caller within an hour; 0 for none. One that
    /// was counted in the year already is not new. More are refused with `RESOURCE_EXHAUSTED`.
    unregistered_exporters_new_per_hour_max: u32 = "1000", number(0, 1_000_000);
    /// The same of all callers together.
    unregistered_exporters_new_in_all_per_hour_max: u32 = "10000", number(0, 1_000_000);
    /// How long a reservation stands where the caller does not say, in seconds.
    ledger_time_to_live_default_seconds: u32 = "600", number(1, 31_622_400);
    /// How long a reservation stands at most, in seconds.
    ledger_time_to_live_max_seconds: u32 = "86400", number(1, 31_622_400);
    /// How long ago the moment of a transfer may be that is counted now, in seconds.
    ledger_at_age_max_seconds: u32 = "3600", number(0, 86_400);
    /// How far ahead of the server's clock it may be, in seconds.
    ledger_at_ahead_max_seconds: u32 = "60", number(0, 86_400);
    /// How far the clock of this machine may be set while the server runs, in seconds. After a longer jump nothing is reserved
    /// and no total is read until the clock is back or the server is started anew.
    clock_jump_max_seconds: u32 = "30", number(1, 86_400);
    /// How far the clock may be behind the newest entry of the ledger when a server starts, in seconds. Further behind it
    /// does not start: what was counted would lie in the future.
    ledger_start_behind_max_seconds: u32 = "300", number(0, 4_000_000_000);
    /// How many days may lie between the newest entry of the ledger and a start without a warning.
    ledger_start_gap_warn_days: u32 = "60", number(1, 3660);
    /// Longest time for which an answer says that it holds, in seconds.
    valid_until_ceiling_seconds: u32 = "86400", number(1, 366 * DAY_SECONDS);
    /// Largest request message, in bytes.
    request_bytes_max: usize = "4194304", number(1024, 64 * MIB);
    /// Largest answer over gRPC, in bytes. Clients take no more than 4194304 unless they are told to: a batch whose answer
    /// would be larger is refused.
    answer_bytes_max: usize = "4194304", number(MIB, 64 * MIB);
    /// Most transfers of one batch. The contract allows no more than 1000.
    batch_transfers_max: usize = "1000", number(1, 1000);
    /// Most batches that are worked on at once; others wait in line, within their deadlines. One connection has half of them at
    /// most. A batch of a thousand refusals takes some 3 MiB while it is worked on, whatever its size.
    batches_in_progress_max: usize = "16", number(1, 10_000);
    /// Most `DecideStream` calls that are open at once. More are refused with `RESOURCE_EXHAUSTED`.
    streams_open_max: usize = "256", number(1, 100_000);
    /// Most transfers that one stream still answers when the server stops, of those that have arrived.
    stream_drain_transfers_max: usize = "1024", number(0, 1_000_000);
    /// Time for which a stream may be idle, in seconds: `DecideStream` without a message, and reflection; 0 for ever.
    stream_idle_seconds: u64 = "300", number(0, DAY_SECONDS);
    /// Most requests in flight on all connections together. More are refused with `RESOURCE_EXHAUSTED`.
    /// A call over gRPC is in flight from when its message is whole until its answer is there.
    requests_in_flight_max: usize = "10000", number(1, 1_000_000);
    /// What one connection may take of `requests_in_flight_max`, `streams_open_max` and `grpc_held_bytes_max` when it is alone,
    /// in percent. The rest is for connections that hold little: at most an eighth of what stays free. 100: no such rule.
    connection_share_percent: u32 = "90", number(1, 100);
    /// Most bytes that are being received over gRPC or wait to be sent, on all connections together. More calls are refused
    /// with `RESOURCE_EXHAUSTED`. A call that waits counts as 8 KiB beside its message.
    grpc_held_bytes_max: usize = "134217728", number(MIB, 1 << 40);
    /// Bytes of these that each connection has for itself besides, whatever others hold.
    grpc_connection_held_bytes_min: usize = "32768", number(16_384, 16 * MIB);
    /// Time within which a message over gRPC has to come whole, in seconds from its first byte on.
    grpc_receive_seconds: u64 = "30", number(1, 3600);
    /// Time for which a gRPC client may take nothing of an answer, in seconds.
    grpc_send_seconds: u64 = "30", number(1, 3600);
    /// When a caller that was refused for a limit may try again, in milliseconds.
    retry_after_ms: u32 = "1000", number(1, 3_600_000);
    /// Threads that answer requests, each with connections of its own; 0 for one for each core of the machine.
    serve_threads: usize = "0", number(0, 1024);
    /// How new connections come to these threads. `fewest`: each to the thread with the fewest, which suits
    /// gateways that keep a few connections open. `reuse-port`: as the operating system shares them out
    /// (`SO_REUSEPORT`), which suits many short connections; unix sockets stay with `fewest`.
    connection_spread: ConnectionSpread = "fewest", connection_spread;
    /// Most connections to all listeners together, the admin listener apart. For one more, the oldest that has had no
    /// call is closed, else the one that has been without a call for the longest time; where none has been for
    /// `connection_reclaim_idle_ms`, and none has been silent from its beginning, it waits.
    connections_max: usize = "10000", number(1, 1_000_000);
    /// Most connections to the admin listener, by the same rule.
    admin_connections_max: usize = "64", number(1, 100_000);
    /// How long a connection has to be without a call before it may be closed to admit another, in milliseconds.
    connection_reclaim_idle_ms: u64 = "1000", number(100, 3_600_000);
    /// How long the body of an HTTP request may have been coming before its connection may be closed to admit another,
    /// in milliseconds.
    connection_reclaim_slow_ms: u64 = "3000", number(100, 3_600_000);
    /// Time after which a gRPC connection without a call is closed, in seconds; 0 for never. Clients connect again when
    /// they next ask.
    grpc_idle_seconds: u64 = "3600", number(0, DAY_SECONDS);
    /// Most requests in flight on one connection.
    http2_streams_max: u32 = "1000", number(1, 100_000);
    /// Most calls on one connection that were cancelled before the server has looked at them. One more closes the
    /// connection: a client that does that on purpose keeps a server busy with nothing.
    http2_pending_resets_max: usize = "1000", number(20, 100_000);
    /// Most calls on one connection, over its whole life, that break the protocol of HTTP/2. One more closes the connection.
    http2_error_resets_max: usize = "10000", number(20, 1_000_000);
    /// Time within which a new connection has to begin to speak HTTP/2, in seconds.
    http2_preface_seconds: u64 = "10", number(1, 3600);
    /// Time between two keep-alive pings on an idle connection, in seconds; 0 for none.
    http2_keepalive_interval_seconds: u64 = "30", number(0, DAY_SECONDS);
    /// Time within which a keep-alive ping has to be answered, in seconds.
    http2_keepalive_timeout_seconds: u64 = "20", number(1, DAY_SECONDS);
    /// Most `Watch` calls of `grpc.health.v1.Health` that are open at once, on the addresses of `listen` and on the admin
    /// listener each. They hold no place of requests. More are refused with `RESOURCE_EXHAUSTED`.
    health_watches_max: usize = "1000", number(1, 100_000);
    /// Time between two looks at the health of the server for those who watch it, in milliseconds.
    health_watch_interval_ms: u64 = "250", number(10, 60_000);
    /// Largest body of an HTTP request, in bytes.
    http_body_bytes_max: usize = "1048576", number(1024, 64 * MIB);
    /// Largest head of an HTTP request, which is its first line and its headers, in bytes.
    http_head_bytes_max: usize = "16384", number(8192, MIB);
    /// Most headers of an HTTP request.
    http_headers_max: usize = "100", number(1, 1000);
    /// Time within which the head of an HTTP request has to come, in seconds, from its first byte on or from the
    /// beginning of a new connection.
    http_head_seconds: u64 = "10", number(1, 3600);
    /// Time within which the body of an HTTP request has to come, in seconds.
    http_body_seconds: u64 = "10", number(1, 3600);
    /// Time for which an HTTP client may take nothing of an answer, in seconds.
    http_send_seconds: u64 = "10", number(1, 3600);
    /// Time for which an HTTP connection may be idle between two requests, in seconds. Longer than gateways keep
    /// theirs, so that it is they who close.
    http_idle_seconds: u64 = "120", number(1, DAY_SECONDS);
    /// Which headers `/v1/forward-auth` believes: `x-forwarded` (Traefik, Caddy, APISIX), `x-original` (nginx, HAProxy),
    /// `x-original-url` (ingress-nginx), or `either`: those that are there, and where several are they have to say the same.
    forward_auth_headers: ForwardedHeaders = "either", forwarded_headers;
    /// Longest time for which a gateway may cache an answer of `/v1/forward-auth`, in seconds; 0: not at all. Policies that
    /// change are noticed that much later.
    forward_auth_cache_seconds_max: u32 = "0", number(0, DAY_SECONDS);
    /// Most evaluations of one AuthZEN request.
    authzen_evaluations_max: usize = "100", number(1, 1000);
    /// Time for which a server that stops still takes new requests, in seconds, while health and readiness say
    /// already that it stops. So long as a load balancer needs to notice.
    drain_notice_seconds: u64 = "0", number(0, 600);
    /// Time for requests in flight to finish when the server stops, in seconds.
    drain_seconds: u64 = "25", number(0, 3600);
    /// Longest time that `WaitForDigest` waits, in seconds; a shorter deadline of the client holds.
    wait_for_digest_seconds_max: u64 = "300", number(1, DAY_SECONDS);
    /// Permissions of unix sockets, in octal: who may connect needs to write.
    unix_socket_mode: u32 = "0660", octal(0o777);
    /// How log lines on stderr look: text or json.
    log_format: LogFormat = "text", log_format;
    /// Least grave log lines that are written: error, warn, info, debug or trace.
    log_level: tracing::Level = "info", log_level;
    /// Most log lines that wait to be written, where stderr is read slowly or not at all. More are dropped and counted in
    /// `neglist_log_lines_dropped_total`; nothing waits for the reader.
    log_queue_lines_max: usize = "1024", number(1, 1_000_000);
    /// Longest log line, in bytes. A longer one is cut.
    log_line_bytes_max: usize = "8192", number(256, MIB);
    /// How long the end of the process waits for log lines, and for what it says on stdout and stderr, in milliseconds.
    log_flush_max_ms: u64 = "1000", number(0, 60_000);
}

impl Known<'_> {
    /// Checks what concerns more than one key, as far as the values of those keys are there.
    fn check_together(&self, raw: &RawConfig, problems: &mut Vec<Problem>) {
        let mut add = |key, message, help| problems.push(Problem { place: raw.place(key), message, help: Some(help) });
        if let (Some(total), Some(file)) = (self.policy_total_bytes_max, self.policy_file_bytes_max)
            && total < file
        {
            let message =
                format!("policy_total_bytes_max is {total}, which is less than policy_file_bytes_max with {file}");
            add("policy_total_bytes_max", message, "raise the one or lower the other".into());
        }
        if let (Some(most), Some(default)) =
            (self.ledger_time_to_live_max_seconds, self.ledger_time_to_live_default_seconds)
            && most < default
        {
            let message = format!(
                "ledger_time_to_live_max_seconds is {most}, which is less than ledger_time_to_live_default_seconds with {default}"
            );
            add("ledger_time_to_live_max_seconds", message, "raise the one or lower the other".into());
        }
        if let (Some(LedgerPlace::File(ledger)), Some(witness)) = (self.ledger, self.ledger_witness) {
            // A witness is written over, and must not be the ledger. Links are followed where the ledger is opened.
            let whole = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            if let WitnessPlace::At(witness) = witness
                && whole(ledger) == whole(witness)
            {
                let message = format!("ledger_witness is `{}`, which is the ledger itself", witness.display());
                add("ledger_witness", message, "name another file, or `beside`".into());
            }
        }
        if let (Some(held), Some(request)) = (self.grpc_held_bytes_max, self.request_bytes_max) {
            // One message, its largest answer, and what lies between.
            let least = request.saturating_mul(4);
            if *held < least {
                let message = format!(
                    "grpc_held_bytes_max is {held}, which is less than four times request_bytes_max with {request}"
                );
                add("grpc_held_bytes_max", message, format!("raise the one to {least} or lower the other"));
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
