//! neglist: a policy decision point for data leaving mainland China.
//!
//! Egress proxies, API gateways and services ask before each transfer. The answer is ALLOW, FILE, CONTRACT or ASSESS, from the
//! negative lists in force: the national rules of 2024 and the dated lists of the free trade zones. Policies are YAML files
//! that a compliance officer can read. A server holds them in memory and replaces them while it runs.
//!
//! # Ways in
//!
//! * [`cli`]: the command `neglist`. `serve` starts a server; `check`, `test`, `diff` and `decide` need none.
//! * The gRPC contract in `proto/neglist/v1`: decisions, counting, policy administration. [`service`] answers its calls.
//! * The doors for gateways: Envoy's `ext_authz`, forward-auth and `AuthZEN` over HTTP, and the helper for Squid.
//! * As a library: compile policies with [`policy::compile`](fn@policy::compile), and decide with [`domain`].
//!
//! # Map
//!
//! ```text
//! request ─► door ─► domain::resolve ─► Transfer ─────────┐
//! policy files ─► policy ─► Snapshot ─► live (in force) ──┼─► domain::evaluate ─► Decision ─► door ─► answer
//! ledger ─► totals of the year ───────────────────────────┘
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`domain`] | the pure core: transfers, lists, the order of the rules, counters, gateway rules |
//! | [`policy`] | policy files to a snapshot, with diagnostics; [`report`] prints them |
//! | [`live`] | the snapshot in force, and its reload |
//! | [`ledger`] | durable totals of the year, in a file or in `PostgreSQL` |
//! | [`wire`] | protobuf and JSON messages to and from the types of the domain |
//! | [`service`] | the services of the contract |
//! | [`metrics`], [`telemetry`] | counts, health and the log |
//! | [`config`], [`cli`], [`app`] | settings, commands, and the composition of the server |
//!
//! `docs/ARCHITECTURE.md` has the invariants, and `docs/GLOSSARY.md` the terms.
//!
//! # Example: from a policy file to a decision
//!
//! ```
//! use std::path::Path;
//!
//! use neglist::domain::asked::{Asked, AskedItem, AskedPersons};
//! use neglist::domain::evaluate::evaluate;
//! use neglist::domain::reason::{Outcome, ReasonCode};
//! use neglist::domain::resolve::resolve;
//! use neglist::domain::units::Moment;
//! use neglist::live::read::{ReadLimits, Selection, read};
//! use neglist::policy::{self, Limits, PolicyFile};
//!
//! // The shipped lists, and an exporter of our own.
//! let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
//! let mut files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
//! files.push(PolicyFile {
//!     path: "registry/acme.yaml".to_owned(),
//!     text: "
//! format: 1
//! kind: registry
//! exporters:
//!   - id: acme
//!     name: {zh: 甲公司, en: Acme}
//!     zones: []
//!     ciio: no
//!     kinds: []
//!     held: {general: 150000, sensitive: 0, specially_sensitive: 0}
//! complete: yes
//! "
//!     .to_owned(),
//! });
//! let compiled = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 });
//! let snapshot = compiled.snapshot.expect("no diagnostic is an error");
//!
//! // 500 names to Germany. 99,500 persons were exported this year before, so the transfer reaches the contract line.
//! let asked = Asked {
//!     exporter: Some("acme"),
//!     destination: Some("DE"),
//!     data: vec![AskedItem { code: "contact.name", ..AskedItem::default() }],
//!     persons: Some(AskedPersons { general: 500, sensitive: 0 }),
//!     year_to_date: Some(AskedPersons { general: 99_500, sensitive: 0 }),
//!     ..Asked::default()
//! };
//! let now = Moment::from_seconds(1_780_272_000); // 2026-06-01T00:00:00Z
//! let transfer = resolve(&snapshot, &asked, now).expect("the request has no violation");
//! let decision = evaluate(&snapshot, &transfer, &transfer.stated);
//!
//! assert_eq!(decision.outcome, Outcome::Contract);
//! assert_eq!(decision.reasons[0].code, ReasonCode::GeneralContractLine);
//! assert_eq!(snapshot.rule_id(decision.reasons[0].rule).split('/').next(), Some("national-2024"));
//! ```

pub mod app;
pub mod bodies;
pub mod cli;
pub mod config;
pub mod domain;
pub mod doors;
pub mod json;
pub mod ledger;
pub mod live;
pub mod metrics;
pub mod policy;
pub mod repeated;
pub mod report;
pub mod service;
pub mod stopwatch;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod transport;
pub mod wire;
