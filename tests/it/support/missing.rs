//! Programs that a test needs and a machine may lack: reported loudly, and required if a variable says so.

use std::io::Write as _;

/// Says that something is missing and its tests did not run.
///
/// # Panics
/// If the variable is `1`: then it has to be there.
pub(crate) fn report(thing: &str, why: &str, variable: &str) {
    let message = format!("\n*** {thing} could not be had: its tests did NOT run. {why} ***\n");
    // Not with a macro: those are captured where a test passes.
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    let is_required = std::env::var_os(variable).is_some_and(|value| value == "1");
    assert!(!is_required, "{variable}=1, and there is no {thing}: {why}");
}
