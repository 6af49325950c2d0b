//! A naive evaluation, written straight from section 2 of the design over the files as parsed.
//!
//! Shares nothing with the compiled one but the words it is asked in and the names of its
//! answers: it searches lists from end to end, compares texts, thinks in days of the civil
//! calendar rather than in moments, and starts from the files for each question. Where the
//! design is silent, `policies/README.md` and the documentation of the domain have the word.

pub(crate) mod judge;
pub(crate) mod labels;
pub(crate) mod law;
pub(crate) mod names;
pub(crate) mod said;
pub(crate) mod steps;
pub(crate) mod world;
