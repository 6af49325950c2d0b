//! Policies that change while a server runs.

/// The load, and the invariants of each answer.
mod load;
/// The memory that a reload leaves behind.
mod memory;
/// Editions that begin at midnight, without a reload.
mod midnight;
/// Policies that change under load, in every style.
mod rounds;
/// Files that are written in several steps.
mod steps;
