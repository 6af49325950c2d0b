//! Tests of reading a directory: every refusal, and every file that is skipped.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::live::testing::Workspace;

fn read_policies(workspace: &Workspace) -> Result<Directory, Vec<Diagnostic>> {
    read(&workspace.policies(), &ReadLimits::default(), Selection::Policies)
}

fn paths(files: &[PolicyFile]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

#[track_caller]
fn codes(result: Result<Directory, Vec<Diagnostic>>) -> Vec<(&'static str, String)> {
    let diagnostics = result.expect_err("the directory should be refused");
    for diagnostic in &diagnostics {
        assert!(diagnostic.help.is_some(), "{diagnostic:?} says what to do");
        assert!(!diagnostic.message.contains('\n') && !diagnostic.message.ends_with('.'), "{diagnostic:?}");
    }
    diagnostics.into_iter().map(|diagnostic| (diagnostic.code, diagnostic.file)).collect()
}

#[test]
fn policy_files_are_read_in_the_order_of_their_paths() {
    let workspace =
        Workspace::with(&[("b.yaml", "b"), ("lists/z.yml", "z"), ("a.yaml", "a"), ("lists/zones/a.yaml", "x")]);
    let directory = read_policies(&workspace).unwrap();
    assert_eq!(paths(&directory.policies), ["a.yaml", "b.yaml", "lists/z.yml", "lists/zones/a.yaml"]);
    assert_eq!(directory.policies[2].text, "z");
    assert!(directory.tests.is_empty() && directory.diagnostics.is_empty());
}

#[test]
fn the_digest_depends_on_policy_files_only() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    let before = read_policies(&workspace).unwrap().digest;
    for other in [".a.yaml.swp", "a.yaml~", "#a.yaml#", "4913", "README.md", ".hidden.yaml", "tests/a_test.yaml"] {
        workspace.write(other, "other");
    }
    workspace.link("nowhere", ".#a.yaml");
    assert_eq!(read_policies(&workspace).unwrap().digest, before);
    workspace.write("a.yaml", "b");
    assert_ne!(read_policies(&workspace).unwrap().digest, before);
}

#[test]
fn tests_are_read_apart_and_only_when_asked_for() {
    let workspace = Workspace::with(&[("a.yaml", "a"), ("tests/a_test.yaml", "t"), ("b_test.yml", "u")]);
    let policies = read_policies(&workspace).unwrap();
    let both = read(&workspace.policies(), &ReadLimits::default(), Selection::PoliciesAndTests).unwrap();
    assert_eq!(paths(&both.tests), ["b_test.yml", "tests/a_test.yaml"]);
    assert_eq!(paths(&both.policies), ["a.yaml"]);
    assert_eq!(both.digest, policies.digest);
}

#[test]
fn a_config_map_is_read_through_its_links() {
    let workspace = Workspace::with(&[]);
    workspace.swap_config_map("2024_1", &[("a.yaml", "one"), ("b.yaml", "two")]);
    let through_links = read_policies(&workspace).unwrap();
    let plain = read_policies(&Workspace::with(&[("a.yaml", "one"), ("b.yaml", "two")])).unwrap();
    assert_eq!(paths(&through_links.policies), ["a.yaml", "b.yaml"]);
    assert_eq!(through_links.digest, plain.digest);
}

#[test]
fn a_missing_directory_and_a_file_in_its_place_are_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    let read = |path: &str| read(&workspace.path(path), &ReadLimits::default(), Selection::Policies);
    assert_eq!(codes(read("missing")), [(diagnostics::MISSING_DIRECTORY, String::new())]);
    assert_eq!(codes(read("a.yaml")), [(diagnostics::NOT_A_DIRECTORY, String::new())]);
}

#[test]
fn a_directory_without_policies_is_refused() {
    let workspace = Workspace::with(&[("README.md", "x"), ("tests/a_test.yaml", "t")]);
    assert_eq!(codes(read_policies(&workspace)), [(diagnostics::NO_POLICY_FILES, String::new())]);
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_place() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    fs::write(workspace.path("gbk.yaml"), b"format: 1\nname: \xe5\x90\x8d \xc3\xfb\n").unwrap();
    let diagnostics = read_policies(&workspace).unwrap_err();
    assert_eq!(diagnostics[0].code, diagnostics::NOT_UTF8);
    assert_eq!(diagnostics[0].message, "byte 20, in line 2, is not UTF-8");
    let span = diagnostics[0].span.unwrap();
    assert_eq!((span.line, span.column, span.offset), (2, 9, 20));
}

#[test]
fn an_empty_file_is_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a"), ("b.yaml", ""), ("c.yaml", " \n")]);
    let expected = ["b.yaml", "c.yaml"].map(|file| (diagnostics::EMPTY_FILE, file.to_owned()));
    assert_eq!(codes(read_policies(&workspace)), expected);
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    fs::write(workspace.policies().join(OsStr::from_bytes(b"\xc3\xfb.yaml")), "x").unwrap();
    assert_eq!(codes(read_policies(&workspace))[0].0, diagnostics::NAME_NOT_UTF8);
}

#[test]
fn sizes_are_limited_before_and_while_reading() {
    let workspace = Workspace::with(&[("a.yaml", "12345"), ("b.yaml", "1234")]);
    let read = |limits: ReadLimits| read(&workspace.policies(), &limits, Selection::Policies);
    let limits = ReadLimits { file_bytes_max: 4, ..ReadLimits::default() };
    assert_eq!(codes(read(limits)), [(diagnostics::FILE_TOO_LARGE, "a.yaml".to_owned())]);
    let limits = ReadLimits { total_bytes_max: 8, ..ReadLimits::default() };
    assert_eq!(codes(read(limits)), [(diagnostics::TOO_MANY_BYTES, "b.yaml".to_owned())]);
    assert!(read(ReadLimits { file_bytes_max: 5, total_bytes_max: 9, ..ReadLimits::default() }).is_ok());

    // A file that is listed as empty and is not: its size shows only while it is read.
    let found =
        |size| Found { relative: "a.yaml".into(), path: workspace.path("a.yaml"), size, purpose: Purpose::Policy };
    let limits = ReadLimits { file_bytes_max: 4, ..ReadLimits::default() };
    assert_eq!(read_file(&found(0), &limits, &mut 1_000).unwrap_err().code, diagnostics::FILE_TOO_LARGE);
    assert_eq!(read_file(&found(0), &ReadLimits::default(), &mut 4).unwrap_err().code, diagnostics::TOO_MANY_BYTES);
    assert_eq!(read_bounded(&workspace.path("a.yaml"), 0, 2).unwrap(), b"123");
}

#[test]
fn numbers_of_files_entries_and_directories_are_limited() {
    let workspace = Workspace::with(&[("a.yaml", "a"), ("b.yaml", "b"), ("c/d/e.yaml", "e")]);
    let read = |limits: ReadLimits| read(&workspace.policies(), &limits, Selection::Policies);
    let default = ReadLimits::default;
    assert_eq!(codes(read(ReadLimits { files_max: 2, ..default() })), [(diagnostics::TOO_MANY_FILES, String::new())]);
    assert!(read(ReadLimits { files_max: 3, ..default() }).is_ok());
    let too_deep = [(diagnostics::TOO_DEEP, "c/d".to_owned())];
    assert_eq!(codes(read(ReadLimits { directory_depth_max: 1, ..default() })), too_deep);
    assert!(read(ReadLimits { directory_depth_max: 2, ..default() }).is_ok());
    for note in 0..60 {
        workspace.write(&format!("{note}.md"), "");
    }
    let codes = codes(read(ReadLimits { files_max: 3, ..default() }));
    assert!(codes.contains(&(diagnostics::TOO_MANY_ENTRIES, String::new())), "{codes:?}");
}

#[test]
fn links_in_circles_and_links_to_nowhere_are_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a"), ("sub/b.yaml", "b")]);
    workspace.link("../..", "sub/up");
    workspace.link("self.yaml", "self.yaml");
    workspace.link("gone.yaml", "lost.yaml");
    workspace.link("gone", "lost-directory");
    workspace.link("gone", "notes.md");
    let codes = codes(read_policies(&workspace));
    for (code, file) in [
        (diagnostics::LINK_LOOP, "sub/up/policies"),
        (diagnostics::LINK_LOOP, "self.yaml"),
        (diagnostics::DANGLING_LINK, "lost.yaml"),
        (diagnostics::DANGLING_LINK, "lost-directory"),
    ] {
        assert!(codes.contains(&(code, file.to_owned())), "{code} {file} in {codes:?}");
    }
    assert!(!codes.iter().any(|(_, file)| file == "notes.md"));
}

#[test]
fn devices_sockets_and_unreadable_files_are_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    workspace.link("/dev/zero", "zero.yaml");
    let _socket = std::os::unix::net::UnixListener::bind(workspace.path("socket.yaml")).unwrap();
    // A regular file that even the superuser cannot read from its beginning.
    workspace.link("/proc/self/mem", "memory.yaml");
    let codes: Vec<_> = codes(read_policies(&workspace)).into_iter().collect();
    for (code, file) in [
        (diagnostics::NOT_A_REGULAR_FILE, "zero.yaml"),
        (diagnostics::NOT_A_REGULAR_FILE, "socket.yaml"),
        (diagnostics::UNREADABLE_FILE, "memory.yaml"),
    ] {
        assert!(codes.contains(&(code, file.to_owned())), "{code} {file} in {codes:?}");
    }
}

#[test]
fn a_name_in_capitals_is_warned_of_rather_than_lost() {
    let workspace = Workspace::with(&[("a.yaml", "a"), ("Beijing.YAML", "b")]);
    let directory = read_policies(&workspace).unwrap();
    assert_eq!(directory.diagnostics[0].code, diagnostics::IGNORED_FILE);
    assert_eq!(directory.diagnostics[0].severity, Severity::Warning);
}

#[test]
fn a_directory_that_changes_while_it_is_read_is_read_again() {
    let workspace = Workspace::with(&[]);
    workspace.swap_config_map("1", &[("a.yaml", "old"), ("b.yaml", "old")]);
    let mut swaps = 0;
    let directory =
        read_unless_changing(&workspace.policies(), &ReadLimits::default(), Selection::Policies, &mut || {
            swaps += 1;
            if swaps <= 2 {
                workspace.swap_config_map(&format!("2_{swaps}"), &[("a.yaml", "new"), ("b.yaml", "new")]);
            }
        });
    assert_eq!(swaps, 3);
    assert!(directory.unwrap().policies.iter().all(|file| file.text == "new"));
}

#[test]
fn a_directory_that_never_stops_changing_is_refused() {
    let workspace = Workspace::with(&[("a.yaml", "a")]);
    let mut writes = 0;
    let result = read_unless_changing(&workspace.policies(), &ReadLimits::default(), Selection::Policies, &mut || {
        writes += 1;
        workspace.write("a.yaml", &"a".repeat(writes));
    });
    assert_eq!(codes(result), [(diagnostics::KEEPS_CHANGING, String::new())]);
}
