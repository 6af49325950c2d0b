//! Statements that hold for all policies and bytes: properties, fuzz targets, and regressions.

/// The compiled evaluation against the naive one, and further properties of all policies.
mod evaluation;
/// The fuzz targets, for a short time.
mod fuzz_smoke;
/// Labels of gateways: compiled rules against a naive model, shipped cases through the wire.
mod labels;
/// Names and codes at the entrances: what looks like another, and what breaks the rule.
mod names;
/// What once went wrong.
mod regression;
/// A request survives the wire.
mod round_trip;
/// The assertions of the fuzz targets.
mod targets;
