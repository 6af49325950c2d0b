//! The policy files and the commands of the policy admin.

/// The contract of the Greater Bay Area, at each door.
mod area;
/// Extensions of assessments, families that cannot be called so, and caps that are nearly used.
mod clearances;
/// The commands of the policy admin.
pub(crate) mod commands;
/// Files that are cut off: no beginning of one is taken for the whole.
mod cut_off;
/// Decision tables: every case of the shipped policies holds.
mod decisions;
/// The texts for compliance officers about each class of mistake.
mod diagnostics;
/// Warnings and notes of `check`.
mod lint;
/// The JSON Schema of the policy files.
mod schema;
mod subjects;
