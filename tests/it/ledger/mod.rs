//! The ledger: in a file, in PostgreSQL, and behind a server.

/// Decisions and counts in this process, by the shipped policies.
mod books;
/// Caps of clearances, counters of important data, and sizes of groups.
mod caps;
/// `neglist check --ledger`: caps that the year's totals have nearly used.
mod check;
/// `neglist ledger`: what operators do.
mod commands;
/// What every ledger promises.
mod contract;
/// The embedded ledger killed, and on storage that fails.
mod crash;
/// A disk that fails, fills up and loses power.
mod disk;
/// The embedded ledger: answers, operators, many callers at once.
mod embedded;
/// The ledger in a file: damaged, not closed, or on a disk that refuses writes.
mod file_damaged;
/// The ledger in a file: a file system that fills up.
#[cfg(target_os = "linux")]
mod file_full;
/// The ledger in a file: gone, replaced, or never there.
mod file_lost;
/// The ledger in a file: older copies, older formats, and the witness.
mod file_older;
/// The ledger in a file: more exporters than fit into memory.
mod many_accounts;
/// Both ledgers against a plain model, in random steps.
mod model;
/// Persons by identifier, and the subject key, behind a server.
mod persons;
/// A directory with a ledger in a file.
mod place;
/// The ledger in a database that several servers share.
mod postgres;
/// A database that is empty, or less than it was.
mod postgres_lost;
/// Bounds of a transaction of that database, and the worth of its acknowledgement.
mod postgres_transactions;
/// Retries of transfers that the policies no longer accept, over gRPC.
mod retry;
/// Exporters that nobody registered.
mod strangers;
/// What the ledger tests share: accounts, reservations, random numbers.
mod support;
/// The ledger and what callers state, against the truth.
mod truth;
