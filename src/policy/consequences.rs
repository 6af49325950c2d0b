//! Drops diagnostics that only follow from others, and explains the rest where a look-alike character is the cause.
//!
//! A file or record that cannot be read takes its codes with it, and every reference to them would be reported too: one
//! slip, thirty diagnostics. A diagnostic that is dropped here and is real comes back as soon as the cause is fixed; at
//! least one error always remains.
//!
//! Runs on every reload, on arbitrary input: each text is read once.

use std::collections::{HashMap, HashSet};

use super::diagnostic::{self, Diagnostic};
use super::source::Document;
use super::{PolicyFile, SourceFile, lookalikes};

/// A dangling reference.
const DANGLING: &str = "P011";
/// No national list.
const NO_NATIONAL_LIST: &str = "P016";

/// Removes diagnostics that follow from unreadable files and records, and explains those that remain. Call it once,
/// after every other diagnostic has been found.
///
/// `files` are the files that `sources` were read from.
pub fn remove(files: &[PolicyFile], sources: &[&[SourceFile]], diagnostics: &mut Vec<Diagnostic>) {
    if !diagnostic::has_errors(diagnostics) {
        return;
    }
    let lost = Lost::of(files, sources);
    let texts: HashMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let follows = |found: &Diagnostic| match found.code {
        NO_NATIONAL_LIST => lost.has_file,
        DANGLING => referred(&texts, found).is_some_and(|code| lost.codes.contains(code)),
        _ => false,
    };
    let (mut following, kept): (Vec<_>, Vec<_>) = std::mem::take(diagnostics).into_iter().partition(follows);
    *diagnostics = kept;
    // Fallback for a mistake in the rules above: policies with errors must always keep an error.
    if !diagnostic::has_errors(diagnostics) {
        diagnostics.append(&mut following);
    }
    lookalikes::explain(&texts, diagnostics);
}

/// Files and records that exist and could not be read.
struct Lost<'s> {
    has_file: bool,
    codes: HashSet<&'s str>,
}

impl<'s> Lost<'s> {
    fn of(files: &'s [PolicyFile], sources: &[&'s [SourceFile]]) -> Self {
        let sources = || sources.iter().flat_map(|sources| sources.iter());
        let read: HashSet<&str> = sources().map(|source| source.path.as_str()).collect();
        let mut lost = Self { has_file: false, codes: HashSet::new() };
        for file in files.iter().filter(|file| !read.contains(file.path.as_str())) {
            lost.has_file = true;
            lost.codes.extend(words(&file.text));
        }
        for source in sources() {
            lost.codes.extend(source.lost.iter().map(AsRef::as_ref));
            // A list that does not compile, for instance because its zone is unknown, exists all the same.
            if let Document::Zone(list) = &source.document {
                lost.codes.insert(&list.id.value.0);
            }
        }
        lost
    }
}

/// Returns everything in a text that could be a code.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_alphanumeric() || matches!(character, '-' | '.' | '_')))
        .filter(|word| !word.is_empty())
}

/// Returns the word at the place of a diagnostic.
fn referred<'f>(texts: &HashMap<&str, &'f str>, diagnostic: &Diagnostic) -> Option<&'f str> {
    let span = diagnostic.span?;
    let text = texts.get(diagnostic.file.as_str())?;
    let from = span.offset as usize;
    let word = text.get(from..from.checked_add(span.length as usize)?)?;
    Some(word.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, compile, read};
    use super::*;

    const CODES: &str =
        "format: 1\nkind: catalogue\nzones:\n  - {code: port, name: {zh: 港, en: port}}\ncomplete: yes\n";
    const OWN: &str = "format: 1\nkind: registry\nexporters:\n  - id: acme\n    name: {zh: 甲, en: A}\n    \
        zones: [port, \"haven\"]\n    held: {general: 0, sensitive: 0, specially_sensitive: 0}\ncomplete: yes\n";

    #[track_caller]
    fn messages(codes: &str) -> Vec<String> {
        let file = |path: &str, text: &str| PolicyFile { path: path.to_owned(), text: text.to_owned() };
        let files = [file("codes.yaml", codes), file("own.yaml", OWN)];
        let compiled = compile(&files, &Limits { entries_max: 1_000, depth_max: 32 });
        assert!(compiled.snapshot.is_none());
        compiled.diagnostics.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn definitions_in_an_unreadable_file_or_record_are_not_missed() {
        let none = "no national list: there is no file of `kind: national-list`";
        assert_eq!(messages(CODES), [none, "unknown zone `haven`"]);
        // A record: its code is known, and the other reference is still reported.
        let record = CODES.replace("en: port", "xx: port");
        assert_eq!(messages(&record)[1..], ["the key `en` is missing", "unknown key `xx`", "unknown zone `haven`"]);
        // A file: no national list is reported as missing either, because the file may have contained it.
        let file = CODES.replace("}}", "}");
        assert_eq!(messages(&file), ["a bracket is opened here and never closed", "unknown zone `haven`"]);
        assert_eq!(messages(&format!("{file}# haven\n")).len(), 1);
        assert_eq!(messages(&format!("{file}# havens\n")).len(), 2);
    }

    #[test]
    fn f10_keys_behind_a_colon_that_is_none_are_not_missed_and_others_are() {
        let found = |from: &str, to: &str| {
            let file = PolicyFile { path: "own.yaml".to_owned(), text: OWN.replace(from, to) };
            let found = compile(&[file], &Limits { entries_max: 1_000, depth_max: 32 }).diagnostics;
            let shown = |found: Diagnostic| format!("{} {}", found.code, found.help.unwrap_or_default());
            let of_keys = found.into_iter().filter(|found| ["P002", "P003", "P004"].contains(&found.code));
            of_keys.map(shown).collect::<Vec<_>>()
        };
        let [one] = found("general: 0", "general：40000").try_into().unwrap();
        assert!(one.starts_with("P003 a full-width colon") && one.contains("write `general: 40000`"), "{one}");
        let [one] = found("general: 0, sensitive: 0", "general：40000，sensitive：1").try_into().unwrap();
        assert!(one.starts_with("P003 a full-width"), "{one}");
        let [one] = found("general: 0", "general:40000").try_into().unwrap();
        assert!(one.starts_with("P003 a space is missing after `:`: write `general: 40000`"), "{one}");
        let [one] = found("{general: 0, sensitive: 0, specially_sensitive: 0}", "general:40000").try_into().unwrap();
        assert!(one.starts_with("P002 a space is missing after `:`"), "{one}");
        // A key that is really missing is still reported.
        assert_eq!(found("general: 0, sensitive: 0", "general：40000").len(), 2);
        let [one] = found("zones:", "kinds: 无\n    zones:").try_into().unwrap();
        assert!(one.starts_with("P002 write `[]` in place of `无`"), "{one}");
        let flow = "complete: yes\n".replace("complete", "flows:\n  - {id: f, ground: 无}\ncomplete");
        let file = PolicyFile { path: "own.yaml".to_owned(), text: OWN.replace("complete: yes\n", &flow) };
        let found = compile(&[file], &Limits { entries_max: 1_000, depth_max: 32 }).diagnostics;
        let helps: Vec<String> = found.into_iter().filter_map(|found| found.help).collect();
        assert!(helps.iter().any(|help| help.starts_with("write `none` in place of `无`")), "{helps:?}");
    }

    #[test]
    fn an_error_always_remains() {
        let file = PolicyFile { path: "own.yaml".to_owned(), text: OWN.to_owned() };
        let mut diagnostics = Vec::new();
        let sources = read(std::slice::from_ref(&file), &Limits { entries_max: 1, depth_max: 32 }, &mut diagnostics);
        let mut found = Diagnostic {
            code: DANGLING,
            severity: super::super::Severity::Error,
            file: "own.yaml".to_owned(),
            span: None,
            message: String::new(),
            help: None,
        };
        let lost = PolicyFile { path: "lost.yaml".to_owned(), text: "zones: port".to_owned() };
        let offset = u32::try_from(OWN.find("port").unwrap()).unwrap();
        found.span = Some(super::super::Span { line: 6, column: 13, offset, length: 4 });
        diagnostics.push(found);
        remove(&[file, lost], &[&sources], &mut diagnostics);
        assert_eq!(diagnostics.len(), 1);
    }
}
