//! Tests of the reload thread: every way of changing files, and how old snapshots are freed.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::live::status::Files;
use crate::live::testing::{Workspace, clock, eventually, source};
use crate::policy::PolicyFile;

/// So long that a passing test cannot have waited for it.
const NEVER: Duration = Duration::from_hours(1);

fn watching(workspace: &Workspace) -> Policies {
    start(source(&workspace.policies()), NEVER, Watching::On)
}

fn polling(workspace: &Workspace) -> Policies {
    start(source(&workspace.policies()), Duration::from_millis(20), Watching::Off)
}

fn start(source: Source, poll_interval: Duration, watching: Watching) -> Policies {
    let timing = Timing { poll_interval, debounce: Duration::from_millis(5), changing_max: NEVER, watching };
    Policies::start(source, timing, clock()).unwrap()
}

fn texts(policies: &Policies) -> Vec<String> {
    policies.live().snapshot().codes.flows.iter().map(str::to_owned).collect()
}

#[track_caller]
fn serves(policies: &Policies, expected: &[&str]) {
    // The status follows the snapshot: the snapshot that it names is in force already.
    eventually(&format!("{expected:?} in force"), || {
        texts(policies) == expected && *policies.status().digest == *policies.live().snapshot().digest
    });
}

/// Runs a change with every way of noticing it.
#[track_caller]
fn check(files: &[(&str, &str)], change: impl Fn(&Workspace), expected: &[&str]) {
    for start in [watching, polling] {
        let workspace = Workspace::with(files);
        let policies = start(&workspace);
        // The watch is in place once the thread has answered.
        futures_block(policies.validate()).unwrap();
        change(&workspace);
        serves(&policies, expected);
        eventually("current", || policies.status().files == Files::Current);
    }
}

fn futures_block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_write_in_place_is_noticed() {
    check(&[("a.yaml", "one")], |workspace| workspace.write("a.yaml", "two"), &["two"]);
}

#[test]
fn a_rename_over_the_file_is_noticed() {
    let rename = |workspace: &Workspace| {
        fs::write(workspace.path("a.yaml.tmp"), "two").unwrap();
        fs::rename(workspace.path("a.yaml.tmp"), workspace.path("a.yaml")).unwrap();
    };
    check(&[("a.yaml", "one")], rename, &["two"]);
}

#[test]
fn the_swap_of_a_config_map_is_noticed_each_time() {
    for start in [watching, polling] {
        let workspace = Workspace::with(&[]);
        workspace.swap_config_map("2024_0", &[("a.yaml", "a0"), ("b.yaml", "b0")]);
        let policies = start(&workspace);
        for version in 1..4 {
            let (a, b) = (format!("a{version}"), format!("b{version}"));
            workspace.swap_config_map(&format!("2024_{version}"), &[("a.yaml", &a), ("b.yaml", &b)]);
            serves(&policies, &[&a, &b]);
        }
    }
}

#[test]
fn a_file_that_is_deleted_and_created_again_is_noticed() {
    let recreate = |workspace: &Workspace| {
        fs::remove_file(workspace.path("a.yaml")).unwrap();
        workspace.write("a.yaml", "two");
    };
    check(&[("a.yaml", "one"), ("b.yaml", "b")], recreate, &["two", "b"]);
}

#[test]
fn a_file_that_is_deleted_is_noticed() {
    let delete = |workspace: &Workspace| fs::remove_file(workspace.path("a.yaml")).unwrap();
    check(&[("a.yaml", "one"), ("b.yaml", "b")], delete, &["b"]);
}

#[test]
fn the_policy_directory_may_be_deleted_and_created_again_more_than_once() {
    for start in [watching, polling] {
        let workspace = Workspace::with(&[("a.yaml", "one")]);
        let policies = start(&workspace);
        for text in ["two", "three"] {
            fs::remove_dir_all(workspace.policies()).unwrap();
            eventually("stale", || policies.status().files == Files::Stale);
            workspace.write("a.yaml", text);
            serves(&policies, &[text]);
        }
    }
}

#[test]
fn a_new_directory_with_a_file_is_noticed_and_watched() {
    for start in [watching, polling] {
        let workspace = Workspace::with(&[("a.yaml", "one")]);
        let policies = start(&workspace);
        workspace.write("new/deep/b.yaml", "two");
        serves(&policies, &["one", "two"]);
        workspace.write("new/deep/b.yaml", "three");
        serves(&policies, &["one", "three"]);
        workspace.write("new/deep/c.yaml", "four");
        serves(&policies, &["one", "three", "four"]);
    }
}

#[test]
fn saving_from_an_editor_is_noticed() {
    let save = |workspace: &Workspace| {
        fs::write(workspace.path(".a.yaml.swp"), "swap").unwrap();
        fs::write(workspace.path("4913"), "").unwrap();
        fs::remove_file(workspace.path("4913")).unwrap();
        fs::rename(workspace.path("a.yaml"), workspace.path("a.yaml~")).unwrap();
        fs::write(workspace.path("a.yaml"), "two").unwrap();
        fs::remove_file(workspace.path("a.yaml~")).unwrap();
        fs::remove_file(workspace.path(".a.yaml.swp")).unwrap();
    };
    check(&[("a.yaml", "one")], save, &["two"]);
}

#[test]
fn a_link_to_the_policy_directory_may_be_swapped() {
    for watching in [Watching::On, Watching::Off] {
        let (one, two) = (Workspace::with(&[("a.yaml", "one")]), Workspace::with(&[("a.yaml", "two")]));
        let links = tempfile::tempdir().unwrap();
        let (link, next) = (links.path().join("current"), links.path().join("next"));
        symlink(one.policies(), &link).unwrap();
        let poll_interval = if watching == Watching::On { NEVER } else { Duration::from_millis(20) };
        let policies = start(source(&link), poll_interval, watching);
        futures_block(policies.validate()).unwrap();
        symlink(two.policies(), &next).unwrap();
        fs::rename(&next, &link).unwrap();
        serves(&policies, &["two"]);
        two.write("a.yaml", "three");
        serves(&policies, &["three"]);
    }
}

#[test]
fn a_file_elsewhere_that_a_link_leads_to_is_watched() {
    let pool = Workspace::with(&[("v1/list.yaml", "one"), ("v2/list.yaml", "two")]);
    symlink("v1", pool.path("current")).unwrap();
    let workspace = Workspace::with(&[]);
    workspace.link(pool.path("current/list.yaml"), "a.yaml");
    let policies = watching(&workspace);
    futures_block(policies.validate()).unwrap();
    pool.write("v1/list.yaml", "one more");
    serves(&policies, &["one more"]);
    symlink("v2", pool.path("next")).unwrap();
    fs::rename(pool.path("next"), pool.path("current")).unwrap();
    serves(&policies, &["two"]);
}

#[test]
fn a_reload_on_request_answers_with_its_result() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let policies = start(source(&workspace.policies()), NEVER, Watching::Off);
    // The thread compares once when it begins; from its first answer on it waits.
    futures_block(policies.validate()).unwrap();
    workspace.write("a.yaml", "two");
    let validation = futures_block(policies.validate()).unwrap();
    assert_eq!(texts(&policies), ["one"]);
    let status = futures_block(policies.reload()).unwrap();
    assert_eq!(
        (status.files, status.revision, Some(&*status.digest)),
        (Files::Current, 2, validation.digest.as_deref())
    );
    assert_eq!(texts(&policies), ["two"]);

    workspace.write("a.yaml", "bad");
    let validation = futures_block(policies.validate()).unwrap();
    assert_eq!((validation.digest, validation.diagnostics.len()), (None, 1));
    assert_eq!(policies.status().files, Files::Current);
    policies.request_reload().unwrap();
    eventually("stale", || policies.status().files == Files::Stale);
}

#[test]
fn snapshots_out_of_force_are_freed_without_another_reload() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let policies = start(source(&workspace.policies()), NEVER, Watching::Off);
    let request = arc_swap::Guard::into_inner(policies.live().snapshot());
    let old = Arc::downgrade(&request);
    workspace.write("a.yaml", "two");
    futures_block(policies.reload()).unwrap();
    drop(request);
    eventually("freed", || old.strong_count() == 0);
}

#[test]
fn a_directory_swapped_under_readers_never_gives_a_mixture() {
    let workspace = Workspace::with(&[]);
    let files: Vec<String> = (0..20).map(|number| format!("{number:02}.yaml")).collect();
    let swap = |version: usize| {
        let text = format!("v{version}");
        let contents: Vec<(&str, &str)> = files.iter().map(|file| (file.as_str(), text.as_str())).collect();
        workspace.swap_config_map(&format!("v{version}"), &contents);
    };
    swap(0);
    let refuse_mixtures = |files: &[PolicyFile]| {
        let texts: std::collections::BTreeSet<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        crate::live::testing::fake_compile(files)
    };
    let source =
        Source { compiler: crate::live::reload::Compiler::new(refuse_mixtures), ..source(&workspace.policies()) };
    let policies = start(source, Duration::from_millis(1), Watching::On);
    for version in 1..60 {
        swap(version);
    }
    serves(&policies, &["v59"]);
    let compiler_failed = |status: &Status| {
        status.diagnostics.iter().any(|diagnostic| diagnostic.code == super::super::diagnostics::COMPILER_FAILED)
    };
    assert!(!compiler_failed(&policies.status()));
}

#[test]
fn the_thread_stops_when_the_handle_is_dropped() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let policies = watching(&workspace);
    let live = Arc::downgrade(policies.live());
    drop(policies);
    eventually("the thread has dropped the snapshot", || live.strong_count() == 0);
}

#[test]
fn a_file_that_is_being_written_is_not_read_before_it_stays_as_it_is() {
    for watching in [Watching::On, Watching::Off] {
        let workspace = Workspace::with(&[("a.yaml", "0")]);
        let poll_interval = if watching == Watching::On { NEVER } else { Duration::from_millis(1) };
        // Far longer than the writes take: how long files must stay as they are, `settling` tests without a clock.
        let timing = Timing { poll_interval, debounce: Duration::from_millis(800), changing_max: NEVER, watching };
        let policies = Policies::start(source(&workspace.policies()), timing, clock()).unwrap();
        futures_block(policies.validate()).unwrap();
        let mut text = String::new();
        for part in 0..100 {
            text += &part.to_string();
            workspace.write("a.yaml", &text);
        }
        serves(&policies, &[&text]);
        assert_eq!(policies.status().revision, 2, "{watching:?}: nothing in between came into force");
    }
}

/// Rewrites a file every few milliseconds until it is dropped.
struct Restless {
    stop: Option<Sender<()>>,
    written: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Restless {
    fn writing(workspace: Workspace, path: &'static str, text: fn(usize) -> String) -> (Self, Arc<Workspace>) {
        let (stop, stopped) = channel();
        let (written, workspace) = (Arc::new(AtomicUsize::new(0)), Arc::new(workspace));
        let (count, within) = (written.clone(), workspace.clone());
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(2)) == Err(RecvTimeoutError::Timeout) {
                within.write(path, &text(count.fetch_add(1, Ordering::AcqRel)));
            }
        });
        (Self { stop: Some(stop), written, thread: Some(thread) }, workspace)
    }

    /// Waits until the file has been written this many times more.
    fn goes_on(&self, times: usize) {
        let before = self.written.load(Ordering::Acquire);
        eventually("written on", || before + times <= self.written.load(Ordering::Acquire));
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a6_files_that_never_stop_changing_are_reported_and_not_read_before_they_do() {
    for watching in [Watching::On, Watching::Off] {
        let workspace = Workspace::with(&[("a.yaml", "one"), ("b.yaml", "b")]);
        let poll_interval = if watching == Watching::On { NEVER } else { Duration::from_millis(1) };
        let (debounce, changing_max) = (Duration::from_millis(200), Duration::from_millis(400));
        let timing = Timing { poll_interval, debounce, changing_max, watching };
        let policies = Policies::start(source(&workspace.policies()), timing, clock()).unwrap();
        futures_block(policies.validate()).unwrap();
        let (restless, workspace) = Restless::writing(workspace, "a.yaml", |number| format!("{number}"));
        eventually("reported", || policies.status().files == Files::Stale);
        let status = policies.status();
        assert_eq!(status.diagnostics[0].code, super::super::diagnostics::NEVER_QUIET, "{watching:?}: {status:?}");
        let message = &status.diagnostics[0].message;
        assert!(message.contains("`a.yaml` changed last") && message.contains("最后变动的是 `a.yaml`"), "{message}");
        assert_eq!((status.revision, texts(&policies)), (1, vec!["one".to_owned(), "b".to_owned()]));
        // The wait is reported once, and nothing is read.
        restless.goes_on(200);
        assert_eq!((policies.counters().failures(), policies.status().revision), (1, 1), "{watching:?}");
        drop(restless);
        // The final files may equal those in force.
        workspace.write("a.yaml", "one");
        eventually("current", || policies.status().files == Files::Current);
        assert_eq!((policies.status().revision, policies.status().diagnostics.len()), (1, 0), "{watching:?}");
        workspace.write("a.yaml", "two");
        serves(&policies, &["two", "b"]);
    }
}

#[test]
fn a6_other_files_beside_the_policies_may_change_all_the_time() {
    let others =
        ["server.log", ".a.yaml.swp", "a.yaml~", "notes/today.txt", "access_log", "notes/draft_test.yaml", "A.YAML"];
    for (path, watching) in others.into_iter().flat_map(|path| [(path, Watching::On), (path, Watching::Off)]) {
        let workspace = Workspace::with(&[("a.yaml", "one"), ("notes/b.yaml", "b"), (path, "")]);
        let (debounce, changing_max) = (Duration::from_millis(100), Duration::from_secs(9));
        let poll_interval = if watching == Watching::On { NEVER } else { Duration::from_millis(20) };
        let timing = Timing { poll_interval, debounce, changing_max, watching };
        let policies = Policies::start(source(&workspace.policies()), timing, clock()).unwrap();
        futures_block(policies.validate()).unwrap();
        let (_restless, workspace) = Restless::writing(workspace, path, |number| format!("{number}"));
        workspace.write("a.yaml", "two");
        serves(&policies, &["two", "b"]);
    }
}

#[test]
fn f8_a_directory_without_a_dot_is_noticed_as_it_comes_goes_and_is_linked() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let aside = Workspace::with(&[("b.yaml", "b")]);
    let policies = watching(&workspace);
    futures_block(policies.validate()).unwrap();
    for _ in 0..2 {
        fs::rename(aside.policies(), workspace.path("more")).unwrap();
        serves(&policies, &["one", "b"]);
        fs::rename(workspace.path("more"), aside.policies()).unwrap();
        serves(&policies, &["one"]);
        workspace.link(aside.policies(), "more");
        serves(&policies, &["one", "b"]);
        fs::remove_file(workspace.path("more")).unwrap();
        serves(&policies, &["one"]);
    }
}

#[test]
fn f8_a_log_behind_a_link_may_grow_all_the_time() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let logs = Workspace::with(&[("access_log", "")]);
    workspace.link(logs.path("access_log"), "access_log");
    let (debounce, changing_max) = (Duration::from_millis(100), NEVER);
    let timing = Timing { poll_interval: NEVER, debounce, changing_max, watching: Watching::On };
    let policies = Policies::start(source(&workspace.policies()), timing, clock()).unwrap();
    futures_block(policies.validate()).unwrap();
    let (_restless, _logs) = Restless::writing(logs, "access_log", |number| format!("{number}"));
    workspace.write("a.yaml", "two");
    serves(&policies, &["two"]);
}

#[test]
fn a6_a_change_before_the_first_watch_is_not_read_half_written() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let reloader = Reloader::start(source(&workspace.policies()), clock()).unwrap();
    let (debounce, changing_max) = (Duration::from_millis(300), NEVER);
    let timing = Timing { poll_interval: NEVER, debounce, changing_max, watching: Watching::On };
    workspace.write("a.yaml", "tw");
    let (policies, worker) = Worker::around(reloader, timing);
    let thread = thread::spawn(move || worker.run_or_complain());
    futures_block(policies.validate()).unwrap();
    workspace.write("a.yaml", "two");
    serves(&policies, &["two"]);
    assert_eq!(policies.status().revision, 2, "nothing in between came into force");
    drop(policies);
    thread.join().unwrap();
}
