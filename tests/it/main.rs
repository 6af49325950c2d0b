//! The one integration-test binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "tests fail by panicking"
)]

/// The policies that ship.
mod shipped;

/// The contract of the Greater Bay Area, at each door.
mod area;
/// Extensions of assessments, families that cannot be called so, and caps that are nearly used.
mod clearances;
/// The commands of the policy admin.
mod commands;
/// Files that are cut off: no beginning of one is taken for the whole.
mod cut_off;
/// Decision tables: every case of the shipped policies holds.
mod decisions;
/// What a compliance officer reads for each class of mistake.
mod diagnostics;
/// Warnings and notes of `check`.
mod lint;
/// The JSON Schema of the policy files.
mod schema;
/// A policy directory that fits on a few screens.
mod small;

/// The fuzz targets, for a short time.
mod fuzz_smoke;
/// Random policies and transfers.
mod generate;
/// What the ledger tests share: accounts, reservations, random numbers.
mod ledger_support;
/// A naive evaluation, straight from the design.
mod model;
/// Names and codes at the entrances: what looks like another, and what breaks the rule.
mod names;
/// The compiled evaluation against the naive one, and what else must hold whatever the policies.
mod properties;
/// What once went wrong.
mod regression;
/// What the fuzz targets hold to be so.
mod targets;

/// A disk that fails, fills up and loses power.
mod ledger_disk;

/// Decisions and counts in this process, by the shipped policies.
mod books;
/// Caps of clearances, counters of important data, and sizes of groups.
mod caps;

/// The ledger and what callers state, against the truth.
mod ledger_truth;

/// `neglist check --ledger`: caps that the year's totals have nearly used.
mod ledger_check;

/// `neglist ledger`: what operators do.
mod ledger_commands;

/// The embedded ledger: answers, operators, many callers at once.
mod ledger_embedded;

/// Both ledgers against a plain model, in random steps.
mod ledger_model;

/// Retries of transfers that the policies no longer accept, over gRPC.
mod ledger_retry;

/// What clients send, and how they read what comes back.
mod clients;
/// The door for Envoy, asked by the generated client.
mod envoy_grpc;
/// The door for Envoy, behind a real one that runs the examples.
mod envoy_real;
/// nginx, HAProxy and Caddy in front of a server, running the examples.
mod forwarders_real;
/// What the tests of all gateways share.
mod gateways;
/// Every case of the shipped policies over gRPC: one by one, in batches, in streams.
mod grpc;
/// Listeners, health, reflection, and what is no request of ours.
mod grpc_doors;
/// Calls whose bytes are not the messages of their method.
mod grpc_framing;
/// Every kind of malformed request, and the limits of well-formed ones.
mod grpc_malformed;
/// What comes to a gRPC address and is no gRPC of ours.
mod grpc_strangers;
/// `AuthZEN`: what the certification asks for, and what denials say.
mod http_authzen;
/// A client of HTTP that sends whatever a test likes.
mod http_client;
/// Probes, `/v1/decide`, and what is no request of ours.
mod http_doors;
/// What gateways are told that ask with the headers of a request.
mod http_forward_auth;
/// Limits of HTTP, of connections and of requests in flight, and how the listener stops.
mod http_limits;
/// What a scrape shows.
mod http_metrics;
/// The embedded ledger killed, and on storage that fails.
mod ledger_crash;
/// A client of HTTP/2 that writes frames as a test likes.
mod raw_http2;
/// Policies that change under load, in every style.
mod reload;
/// The load, and what must hold of each answer.
mod reload_load;
/// What a reload leaves behind.
mod reload_memory;
/// Editions that begin at midnight, without a reload.
mod reload_midnight;
/// Files that are written in several steps.
mod reload_steps;
/// How `neglist serve` starts, refuses to start, and stops.
mod serve_process;
/// Servers for tests: the real binary, and one in this process.
mod server;
/// The short way of `Decide` beside the generated services.
mod short_way;
/// Calls and connections over HTTP/2 that mean the server ill, or are merely unusual.
mod sturdy_calls;
/// A clock that is set while a server runs.
mod sturdy_clock;

/// Health, connections, the order of the start, HTTP/1, and messages that are too large.
mod sturdy_doors;

/// Links between documents, their index, and the length of the architecture page.
mod documents;
/// The rules that keep the code as the architecture says.
mod tidy;
/// Policies as parsed and as compiled, side by side.
mod world;

/// Labels of gateways: compiled rules against a naive model, shipped cases through the wire.
mod labels;

/// What every ledger promises.
mod ledger_contract;

/// The ledger in a database that several servers share.
mod ledger_postgres;

/// What a turn at that database may take on, and what its acknowledgement is worth.
mod ledger_postgres_turns;

/// A database for tests.
mod postgres_server;

/// What is asked survives the wire.
mod round_trip;

/// The example client in Python.
mod python_client;

/// A database that is empty, or less than it was.
mod sturdy_ledger_postgres;
/// Exporters that nobody registered.
mod sturdy_strangers;

/// `neglist squid-helper` through pipes.
mod squid_helper;
/// Squid in front of servers, running the example.
mod squid_real;
/// A log that is not read, a clock that is wrong, policies of unusual size.
mod sturdy_told;
mod sturdy_watch;

/// The ledger in a file: gone, older, damaged, full, larger than the memory.
mod sturdy_ledger_file;
