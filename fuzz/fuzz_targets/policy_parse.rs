//! No text makes reading or compiling policies panic or go on for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neglist::policy::{Limits, PolicyFile, compile};

const LIMITS: Limits = Limits { entries_max: 100_000, depth_max: 32 };

/// The files that a file needs beside it to be compiled: a catalogue and national rules.
const NATIONAL: &str = include_str!("../../policies/lists/national/national-2024.yaml");
const CATALOGUE: &str = include_str!("../../policies/catalogue/personal-information.yaml");

fuzz_target!(|text: &str| {
    let file = |path: &str, text: &str| PolicyFile { path: path.to_owned(), text: text.to_owned() };
    let fuzzed = file("fuzzed.yaml", text);
    // By itself; and with policies around it, so that references lead somewhere.
    let _ = compile(std::slice::from_ref(&fuzzed), &LIMITS);
    let compiled = compile(&[file("a.yaml", NATIONAL), file("b.yaml", CATALOGUE), fuzzed], &LIMITS);
    assert_eq!(
        compiled.snapshot.is_none(),
        neglist::policy::diagnostic::has_errors(&compiled.diagnostics),
        "a snapshot comes out only, and always, where nothing is wrong"
    );
    for found in &compiled.diagnostics {
        let span = found.span.unwrap_or_default();
        assert!(!found.message.is_empty() && !found.message.contains('\n'), "one line: {found:?}");
        let length = if found.file == "fuzzed.yaml" { text.len() } else { usize::MAX };
        assert!(span.offset as usize <= length, "within the text: {found:?}");
    }
});
