//! Tests of loading: files that come into force, that are refused, and that change nothing.

use std::fs;

use super::*;
use crate::live::testing::{Workspace, clock, source};

fn start(workspace: &Workspace) -> Reloader {
    Reloader::start(source(&workspace.policies()), clock()).unwrap()
}

fn texts(reloader: &Reloader) -> Vec<String> {
    reloader.live().snapshot().codes.flows.iter().map(str::to_owned).collect()
}

/// Acts like a comparison with settled files.
fn compared(reloader: &mut Reloader) -> Arc<Status> {
    reloader.attempt_settled(None).unwrap();
    reloader.current()
}

#[test]
fn a_directory_with_errors_does_not_start() {
    let workspace = Workspace::with(&[("a.yaml", "bad"), ("b.yaml", "also bad")]);
    let diagnostics = Reloader::start(source(&workspace.policies()), clock()).unwrap_err();
    assert_eq!(diagnostics.len(), 2);
}

#[test]
fn the_first_snapshot_has_revision_one_and_the_digest_of_the_files() {
    let workspace = Workspace::with(&[("a.yaml", "one odd")]);
    let reloader = start(&workspace);
    let status = reloader.current();
    assert_eq!((status.files, status.revision), (Files::Current, 1));
    assert_eq!(*status.digest, *reloader.live().snapshot().digest);
    assert!(super::super::digest::is_well_formed(&status.digest));
    assert_eq!(status.diagnostics.len(), 1);
}

#[test]
fn new_files_come_into_force_and_equal_files_change_nothing() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let mut reloader = start(&workspace);
    workspace.write("a.yaml", "two");
    let status = compared(&mut reloader);
    assert_eq!((status.files, status.revision, texts(&reloader)), (Files::Current, 2, vec!["two".to_owned()]));
    let again = compared(&mut reloader);
    assert!(Arc::ptr_eq(&status, &again));
    let asked = reloader.attempt();
    assert_eq!((asked.revision, asked.activated_at), (2, status.activated_at));
    assert!(status.attempted_at < asked.attempted_at);
    assert_eq!((reloader.counters().attempts(), reloader.counters().failures()), (3, 0));
    assert_eq!(reloader.counters().activations(), 2);
}

#[test]
fn bad_files_leave_the_last_good_snapshot_until_good_ones_are_back() {
    let workspace = Workspace::with(&[("a.yaml", "one odd")]);
    let mut reloader = start(&workspace);
    let good = reloader.current();
    workspace.write("a.yaml", "bad");
    let stale = compared(&mut reloader);
    assert_eq!((stale.files, stale.revision, &stale.digest), (Files::Stale, 1, &good.digest));
    assert_eq!(stale.diagnostics[0].message, "bad text");
    assert_eq!(texts(&reloader), ["one odd"]);
    // The same bad files are not tried or logged again, except on request.
    assert!(Arc::ptr_eq(&stale, &compared(&mut reloader)));
    assert_eq!(reloader.attempt().files, Files::Stale);
    assert_eq!(reloader.counters().failures(), 2);

    workspace.write("a.yaml", "one odd");
    let current = compared(&mut reloader);
    assert_eq!((current.files, current.revision), (Files::Current, 1));
    assert_eq!(current.diagnostics[0].message, "odd text");
    assert_eq!(current.activated_at, good.activated_at);
}

#[test]
fn a_directory_that_disappears_is_stale_and_comes_back() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let mut reloader = start(&workspace);
    fs::remove_dir_all(workspace.policies()).unwrap();
    let stale = compared(&mut reloader);
    assert_eq!((stale.files, stale.diagnostics[0].code), (Files::Stale, diagnostics::MISSING_DIRECTORY));
    assert!(Arc::ptr_eq(&stale, &compared(&mut reloader)));
    workspace.write("a.yaml", "two");
    assert_eq!(compared(&mut reloader).revision, 2);
}

#[test]
fn a_compiler_that_panics_or_contradicts_itself_is_refused() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let mut reloader = start(&workspace);
    workspace.write("a.yaml", "panic");
    let stale = compared(&mut reloader);
    assert_eq!((stale.files, stale.diagnostics[0].code), (Files::Stale, diagnostics::COMPILER_FAILED));

    let source = |compiler| Source { compiler, ..source(&workspace.policies()) };
    let silent = source(Compiler::new(|_| Compiled { snapshot: None, diagnostics: Vec::new() })).load();
    assert_eq!(silent.diagnostics[0].code, diagnostics::COMPILER_FAILED);
    let both = source(Compiler::new(|_| Compiled {
        snapshot: Some(crate::live::testing::empty_snapshot()),
        diagnostics: vec![diagnostics::error("P001", "", "bad".into(), "mend it".into())],
    }));
    assert!(both.load().snapshot.is_none());
}

#[test]
fn a_snapshot_out_of_force_is_freed_when_the_last_request_lets_it_go() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let mut reloader = start(&workspace);
    let request = arc_swap::Guard::into_inner(reloader.live().snapshot());
    let watcher = Arc::downgrade(&request);
    workspace.write("a.yaml", "two");
    compared(&mut reloader);
    reloader.free_retired();
    assert!(reloader.has_retired());
    drop(request);
    // The reloader holds it still, so the request did not pay for freeing it.
    assert!(watcher.upgrade().is_some());
    reloader.free_retired();
    assert!(!reloader.has_retired());
    assert!(watcher.upgrade().is_none());
}

#[test]
fn a_guard_that_is_held_across_a_swap_keeps_its_snapshot() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let mut reloader = start(&workspace);
    let live = reloader.live().clone();
    let guard = live.snapshot();
    workspace.write("a.yaml", "two");
    compared(&mut reloader);
    reloader.free_retired();
    assert!(reloader.has_retired());
    assert_eq!(guard.revision, 1);
    drop(guard);
    reloader.free_retired();
    assert!(!reloader.has_retired());
}

#[test]
fn requests_that_never_end_do_not_pile_up_snapshots_here() {
    let workspace = Workspace::with(&[("a.yaml", "0")]);
    let mut reloader = start(&workspace);
    let mut requests = Vec::new();
    for version in 1..20 {
        requests.push(arc_swap::Guard::into_inner(reloader.live().snapshot()));
        workspace.write("a.yaml", &version.to_string());
        compared(&mut reloader);
    }
    assert_eq!(reloader.retired.len(), RETIRED_MAX);
}
