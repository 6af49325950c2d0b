//! A truncated policy file is never accepted, wherever it is cut off.
//!
//! `NEGLIST_CUT_BEGINNINGS` says how many beginnings of each larger file are parsed.

use std::fs;

use neglist::live::read::{ReadLimits, Selection, read};
use neglist::policy::diagnostic::has_errors;
use neglist::policy::source::closing::{LAST_LINE, ends_with_it};
use neglist::policy::{self, PolicyFile};

use crate::generate::dice::Dice;
use crate::generate::policy::policy;
use crate::support::server::Directory;
use crate::support::shipped::{self, LIMITS};
use crate::support::small::{CODES, GATE, NATION, OWN, PORT, Small, TEST};

/// Generated sets of policies.
const SETS: u64 = 10;

/// Beginnings of each larger file that the parser reads; the closing line is looked at in all.
fn parsed_max() -> usize {
    let beginnings = std::env::var_os("NEGLIST_CUT_BEGINNINGS");
    beginnings.map_or(12, |count| count.to_str().unwrap().parse().expect("NEGLIST_CUT_BEGINNINGS is a number"))
}

/// Says whether a text is refused as a policy file.
fn is_refused(path: &str, text: &str) -> bool {
    let mut diagnostics = Vec::new();
    policy::read(&[PolicyFile { path: path.to_owned(), text: text.to_owned() }], &LIMITS, &mut diagnostics);
    has_errors(&diagnostics)
}

/// Cuts a file that is right at each byte from the first on. Those that are in the middle of a character are no text:
/// see [`a6_a_file_that_is_cut_within_a_character_is_refused`].
#[track_caller]
fn check(file: &PolicyFile, parse: impl Fn(usize) -> bool) {
    let PolicyFile { path, text } = file;
    assert!(!is_refused(path, text), "{path} is whole");
    let beginnings = (0..text.len()).filter_map(|cut| text.get(..cut));
    for beginning in beginnings {
        if ends_with_it(beginning) {
            let rest = text.get(beginning.len()..).unwrap();
            let in_comment = beginning.rsplit('\n').next().is_some_and(|line| line.contains('#'));
            let says_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
            let says_nothing = rest.lines().skip(usize::from(in_comment)).all(says_nothing);
            assert!(says_nothing || is_refused(path, beginning), "{path} passes without its end: {rest}");
        } else if parse(beginning.len()) {
            assert!(is_refused(path, beginning), "{path} passes when it is cut off after {} bytes", beginning.len());
        }
    }
}

#[test]
fn a6_no_beginning_of_a_file_of_any_kind_is_taken_for_the_whole() {
    for file in Small::new().files {
        check(&file, |_| true);
    }
}

#[test]
fn a6_no_beginning_of_a_shipped_file_is_taken_for_the_whole() {
    let files = shipped::files();
    assert!(files.len() >= 20);
    for file in files {
        // The last bytes, where a cut leaves most, and some all over the file.
        let step = (file.text.len() / parsed_max()).max(1);
        let last = file.text.len().saturating_sub(LAST_LINE.len() + 8);
        check(&file, |cut| cut % step == 0 || last <= cut);
    }
}

#[test]
fn a6_no_beginning_of_a_generated_file_is_taken_for_the_whole() {
    for seed in 1..=SETS {
        let mut dice = Dice::Seed(seed.wrapping_mul(0x0100_0000_01B3));
        for file in policy(&mut dice).files() {
            let step = (file.text.len() / parsed_max()).max(1);
            check(&file, |cut| cut % step == 0);
        }
    }
}

#[test]
fn a6_no_beginning_of_a_file_passes_with_any_end() {
    let whole = Small::new().files.into_iter().find(|file| file.path == GATE).unwrap();
    for end in [
        "complete: yes",
        "complete: yes\r\n\r\n",
        "complete: yes\t# 写完了",
        "# complete: yes\ncomplete: yes\n# complete: no\n",
        "note: |\n  complete: yes\n\n  complete: yes\ncomplete: yes\n",
        "note: >-\n  a\n  complete: yes\ncomplete: yes\n",
        "note: 'a\n\n  complete: yes\n\n  b'\ncomplete: yes\n",
        "note: \"a\\\n  complete: yes\"\ncomplete: yes\n",
        "note: {zh: 甲, en: 'complete: yes'}\ncomplete: yes\n",
    ] {
        let text = whole.text.replace("complete: yes\n", end);
        check(&PolicyFile { path: whole.path.clone(), text }, |_| true);
    }
}

#[test]
fn a6_a_file_that_is_cut_within_a_character_is_refused() {
    let text = Small::new().files.into_iter().find(|file| file.path == OWN).unwrap().text;
    let character = text.find('公').unwrap();
    for bytes in [1, 2] {
        let directory = Directory::small();
        fs::write(directory.path(OWN), &text.as_bytes()[..character + bytes]).unwrap();
        let found = read(&directory.policies(), &ReadLimits::default(), Selection::Policies).unwrap_err();
        assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["D005"], "{found:?}");
    }
}

#[test]
fn a6_old_files_are_all_found_in_one_run_with_the_line_to_add() {
    let mut small = Small::new();
    for path in [CODES, NATION, PORT, OWN, GATE, TEST] {
        small = small.with(path, "complete: yes\n", "");
    }
    let found = small.diagnostics();
    let codes: Vec<_> = found.iter().map(|found| (found.code, found.file.as_str())).collect();
    assert_eq!(codes, [CODES, GATE, NATION, PORT, OWN, TEST].map(|path| ("P050", path)));
    assert!(found.iter().all(|found| found.help.as_deref().unwrap().contains("`complete: yes` / ")));
}
