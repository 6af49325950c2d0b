//! A policy directory for gateways: flows that come to each outcome, and counts that the ledger keeps.

use neglist::policy::PolicyFile;

use crate::small::{OWN, Small};

/// What the client of a gateway sends to come to an outcome: a flow, and how many persons' sensitive information.
///
/// `trial` is covered by a filing and `uncovered` is not; from 10,000 persons on the list asks for a contract, from 50,000 on
/// for an assessment.
pub(crate) const ALLOW: (&str, u64) = ("trial", 10);
/// See [`ALLOW`].
pub(crate) const FILE: (&str, u64) = ("uncovered", 10);
/// See [`ALLOW`].
pub(crate) const CONTRACT: (&str, u64) = ("trial", 10_000);
/// See [`ALLOW`].
pub(crate) const ASSESS: (&str, u64) = ("trial", 50_000);

/// Returns the small directory with a second flow, of which nothing was filed.
pub(crate) fn files() -> Vec<PolicyFile> {
    let uncovered = "  - id: uncovered
    exporter: acme
    recipient: stranger
    destination: CH
    sector: pharma
    scenario: clinical-trial
    items: [{code: health.diagnosis}]
    ground: none
clearances:
";
    Small::new().with(OWN, "clearances:\n", uncovered).files
}
