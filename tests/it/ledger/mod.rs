//! The ledger: in a file, in PostgreSQL, and behind a server.

/// Decisions and counts in this process, with the shipped policies.
mod books;
/// Caps of clearances, counters of important data, and sizes of groups.
mod caps;
/// `neglist check --ledger`: caps that are nearly used up by the year's totals.
mod check;
/// `neglist ledger`: the commands of operators.
mod commands;
/// The promises of every ledger.
mod contract;
/// The embedded ledger when its process is killed, and on failing storage.
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
/// A database that is empty or has lost counts.
mod postgres_lost;
/// Bounds of a transaction of that database, and the durability of its commits.
mod postgres_transactions;
/// Retries of transfers that the policies no longer accept, over gRPC.
mod retry;
/// Unregistered exporters.
mod strangers;
/// Shared by the ledger tests: accounts, reservations, random numbers.
mod support;
/// The ledger and the totals that callers state, against the truth.
mod truth;
