//! No body makes reading or mapping an AuthZEN request panic; and whatever is refused or denied says why.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neglist::wire::authzen::{self, Evaluation, Evaluations, Mapped};

const EVALUATIONS_MAX: usize = 10;

fuzz_target!(|bytes: &[u8]| {
    match authzen::evaluation(bytes) {
        Ok(evaluation) => map(&evaluation),
        Err(error) => assert!(!error.findings.is_empty()),
    }
    match authzen::evaluations(bytes, EVALUATIONS_MAX) {
        Ok(Evaluations::One(evaluation)) => map(&evaluation),
        Ok(Evaluations::Several { semantic: _, evaluations }) => {
            assert!((1..=EVALUATIONS_MAX).contains(&evaluations.len()));
            evaluations.flatten().for_each(|evaluation| map(&evaluation));
        }
        Err(error) => assert!(!error.findings.is_empty()),
    }
});

fn map(evaluation: &Evaluation) {
    match authzen::map(evaluation) {
        Mapped::Transfer(request) => {
            let transfer = request.transfer.expect("a transfer");
            assert_eq!(transfer.exporter, evaluation.subject_id, "the subject is the exporter");
        }
        Mapped::ByRules => assert!(!authzen::unmapped(evaluation).is_empty()),
        Mapped::Unmapped(said) => assert!(!said.is_empty()),
    }
}
