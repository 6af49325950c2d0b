//! Statements that hold for all policies and bytes: properties, fuzz targets, and regressions.

/// The compiled evaluation against the naive one, and what else must hold whatever the policies.
mod evaluation;
/// The fuzz targets, for a short time.
mod fuzz_smoke;
/// Labels of gateways: compiled rules against a naive model, shipped cases through the wire.
mod labels;
/// Names and codes at the entrances: what looks like another, and what breaks the rule.
mod names;
/// What once went wrong.
mod regression;
/// What is asked survives the wire.
mod round_trip;
/// What the fuzz targets hold to be so.
mod targets;
